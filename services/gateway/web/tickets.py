"""The list of tickets. What is looked for stands in the address, and nowhere else."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from uuid import UUID

from litestar import Request, get
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.base import Role
from contracts.notifications import ListUnreadTickets
from contracts.refusals import Invalid, Malformed
from contracts.texts import SearchText
from contracts.tickets import (
    Action,
    ContactSnapshot,
    CountTickets,
    GetContact,
    ListContacts,
    ListTags,
    ListTickets,
    Status,
    TicketPage,
    TicketRow,
)
from services.gateway.routes.bodies import Flag
from services.gateway.routes.filters import TicketFilter, query_of, terms
from services.gateway.routes.sheets import tickets_as_csv
from services.gateway.usecases.answers import Member, View
from services.gateway.usecases.briefly import Briefly
from services.gateway.web.forms import Form, from_address
from services.gateway.web.rendering import html, own_path
from services.gateway.web.shell import HIDDEN, PATIENCE, Here, enter, nothing, or_none, page, saved, shell

SORTS = {
    "-updated": "Recently updated",
    "priority": "Priority",
    "-created": "Newest",
    "created": "Oldest",
    "updated": "Least recently updated",
}
SPANS = {
    "created_from": "Opened since",
    "created_to": "Opened before",
    "updated_from": "Changed since",
    "updated_to": "Changed before",
}
_MOST_MEMBERS = 100
_PAGES_OF_MEMBERS = 5
_MOST_CONTACTS = 8
_TAGS: Briefly[str, Sequence[str]] = Briefly(seconds=30, most=256)
"""By workspace: every page of the list offers them."""
_QUICK = (Action.EDIT, Action.ASSIGN, Action.CLAIM)


class Wanted(TicketFilter):
    """Which tickets, and the words that their contacts are looked for by."""

    who: SearchText = ""
    take: Flag = False
    """Whether the words are done: where one contact alone fits them, it is that one who is meant."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list looks for, and the addresses of other ways to look."""

    base: str
    wanted: Wanted

    def url(self, **changes: Any) -> str:
        """Return the address of this list with something changed: from its beginning, unless a cursor is given."""
        query = query_of(self.wanted, take=None, **changes)
        return f"{self.base}/tickets?{query}" if query else f"{self.base}/tickets"

    @property
    def csv(self) -> str:
        """The address of all that it finds, for a spreadsheet."""
        query = query_of(self.wanted, take=None, sort=None, limit=None)
        return f"{self.base}/tickets.csv?{query}" if query else f"{self.base}/tickets.csv"

    def toggled(self, status: str) -> str:
        """Return the address with this status looked for too, or no longer."""
        chosen = [each for each in self.wanted.status if each != "all"]
        if status in chosen:
            return self.url(status=[each for each in chosen if each != status])
        return self.url(status=[*chosen, status])

    @property
    def filtered(self) -> bool:
        """Whether anything but the status narrows it."""
        wanted = self.wanted
        return bool(
            wanted.priority or wanted.assignee or wanted.tag or wanted.q or wanted.contact or wanted.who or self.spans
        )

    @property
    def spans(self) -> dict[str, str]:
        """The times that it keeps to, as the address says them."""
        return {name: at.isoformat() for name in SPANS if (at := getattr(self.wanted, name))}

    @property
    def cleared(self) -> str:
        """The address without any filter, in the same order."""
        query = query_of(Wanted(sort=self.wanted.sort))
        return f"{self.base}/tickets?{query}" if query else f"{self.base}/tickets"

    @property
    def query(self) -> str:
        """What a view of this list would keep."""
        return query_of(self.wanted, who=None, take=None)

    def view(self, views: Iterable[View], reader: UUID) -> View | None:
        """Return the view that this list is, one of the reader's own before another's."""
        found = [each for each in views if self.query and each.query == self.query]
        return next((each for each in found if each.owner_id == reader), found[0] if found else None)

    @property
    def place(self) -> str:
        """Which entry of the frame it is, unless it is a view."""
        if self.filtered:
            mine = self.wanted.assignee == "me" and self.url(assignee=None) == f"{self.base}/tickets"
            return "mine" if mine else "tickets"
        return f"tickets:{self.wanted.status[0]}" if len(self.wanted.status) == 1 else "tickets"


@get("/w/{workspace:str}/tickets")
async def list_page(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Show tickets; to htmx, the part that changes as one types."""
    here = await enter(request, workspace)
    try:
        return await show(request, here, from_address(request).read(Wanted))
    except (Invalid, Malformed) as refusal:
        return await show(request, here, Wanted(), misled=Form(refusal=refusal))


@get("/w/{workspace:str}/tickets.csv")
async def download(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Send what a list finds, all its pages, for a spreadsheet."""
    here = await enter(request, workspace)
    return tickets_as_csv(here.desk, here.visitor, limits_of(here, from_address(request).read(Wanted)))


def limits_of(here: Here, wanted: Wanted) -> dict[str, Any]:
    """Return what narrows a list, in the words of the tickets service."""
    named = {} if not wanted.who.strip() or here.role is Role.GUEST else {"contact_q": wanted.who}
    return {"deleted": wanted.deleted, **terms(here.visitor, wanted), **named}


async def show(
    request: Request[Any, Any, Any],
    here: Here,
    wanted: Wanted,
    *,
    bulk: Form | None = None,
    naming: Form | None = None,
    misled: Form | None = None,
) -> ASGIResponse:
    """Return the list as a page, or its part, with the form that was refused, or the address that was (`misled`)."""
    contacts = await _contacts(here, wanted.who)
    if taken := wanted.take and contacts is not None and len(contacts) == 1:
        wanted = wanted.model_copy(update={"contact": contacts[0].id, "who": ""})
        contacts = None
    listing = Listing(here.base, wanted)
    counted = not (listing.filtered or wanted.deleted)
    limits = limits_of(here, wanted)
    part = request.headers.get("hx-target") == "results"
    found, counts, people, (contact, tags, unread), frame, views = await asyncio.gather(
        here.desk.bus.ask(
            ListTickets(
                caller=here.visitor.caller, **limits, sort=wanted.sort, cursor=wanted.cursor, limit=wanted.limit
            )
        ),
        here.desk.bus.ask(CountTickets(caller=here.visitor.caller, **limits)),
        members(here),
        asyncio.gather(
            _contact(here, wanted.contact),
            nothing() if part else known_tags(here),
            or_none(here.desk.bus.ask, ListUnreadTickets(caller=here.visitor.caller), within=PATIENCE),
        ),
        nothing() if part else shell(here, count=not counted),
        saved(here) if part else nothing(),
    )
    if frame and counted:
        frame = replace(frame, counts=counts.counts)
    view = listing.view(frame.views if frame else views or (), here.visitor.user.id)
    bulk, naming, misled = bulk or Form(), naming or Form(), misled or Form()
    shown: dict[str, Any] = {
        "listing": listing,
        "wanted": wanted,
        "found": found,
        "counts": counts.counts,
        "more": counts.more,
        "hidden": _hidden(wanted, found, counts.counts),
        "members": people,
        "contact": contact,
        "contacts": contacts,
        "taken": taken,
        "tags": tags or (),
        "sorts": SORTS,
        "spans": SPANS,
        "view": view,
        "naming": naming,
        "misled": misled,
        "place": f"view:{view.id}" if view else listing.place,
        "moves": moves(here.role),
        "rights": rights,
        "bulk": bulk,
        "picked": frozenset(bulk.all("ids")),
        "unread": frozenset(unread.ticket_ids if unread else ()),
    }
    status = max(bulk.status, naming.status, misled.status)
    if part:
        url = {"hx-replace-url": listing.url(cursor=wanted.cursor)}
        context = {"here": here, "base": here.base, **shown}
        return html(request, "tickets_results.html", context, status=status, headers=url)
    return await page(request, here, "tickets.html", frame=frame, status=status, **shown)


def back_to(here: Here, path: str) -> str:
    """Return the list that a form stood on."""
    tickets = f"{here.base}/tickets"
    wanted = own_path(path, tickets)
    return wanted if wanted.partition("?")[0] == tickets else tickets


async def members(here: Here) -> Sequence[Member]:
    """Return who may be chosen for something, by name."""
    found: list[Member] = []
    cursor = None
    for _ in range(_PAGES_OF_MEMBERS):
        part = await here.desk.people.members(here.visitor, cursor, _MOST_MEMBERS)
        found.extend(part.items)
        cursor = part.next_cursor
        if cursor is None:
            break
    return found


def moves(role: Role) -> tuple[Status, ...]:
    """Return where somebody with this role may move tickets at all."""
    if role is Role.GUEST:
        return ()
    kept = () if role.runs_the_desk else (Status.CLOSED,)
    return tuple(status for status in Status if status is not Status.NEW and status not in kept)


def rights(ticket: TicketRow) -> str:
    """Return what a list lets its reader do with a ticket, as words between spaces."""
    return _rights(ticket.allowed.actions, ticket.allowed.statuses)


@lru_cache(maxsize=256)
def _rights(actions: tuple[Action, ...], statuses: tuple[Status, ...]) -> str:
    return " ".join([*(each.value for each in actions if each in _QUICK), *(each.value for each in statuses)])


async def _contact(here: Here, contact: UUID | None) -> ContactSnapshot | None:
    """Return whom the list is narrowed to."""
    if contact is None:
        return None
    return await or_none(here.desk.bus.ask, GetContact(caller=here.visitor.caller, contact_id=contact))


async def known_tags(here: Here) -> Sequence[str]:
    """Return the tags to choose from."""
    if (kept := _TAGS.of(here.workspace.id)) is not None:
        return kept
    known = await or_none(here.desk.bus.ask, ListTags(caller=here.visitor.caller), within=PATIENCE)
    if known is None or not known.tags:  # the first tag is offered at once
        return ()
    return _TAGS.keep(here.workspace.id, known.tags)


async def _contacts(here: Here, who: str) -> Sequence[ContactSnapshot] | None:
    """Return the contacts that are called so; None where nobody is looked for, or by guests, who have no such list."""
    if not who.strip() or here.role is Role.GUEST:
        return None
    asked = ListContacts(caller=here.visitor.caller, q=who, limit=_MOST_CONTACTS)
    found = await or_none(here.desk.bus.ask, asked)
    return found.items if found else ()


def _hidden(wanted: TicketFilter, found: TicketPage, counts: Mapping[Status, int]) -> dict[Status, int]:
    """Return what the list leaves out though nobody asked it to."""
    if wanted.status or wanted.deleted or found.next_cursor:
        return {}
    return {status: counts[status] for status in HIDDEN if counts.get(status)}


HANDLERS = (list_page, download)
