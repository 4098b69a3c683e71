"""The list of tickets, and a new one. What is looked for stands in the address, and nowhere else."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from litestar import Request, get, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import Field, StringConstraints

from contracts.base import Role, uuid7
from contracts.refusals import NotAllowed, Refusal
from contracts.texts import Body, Email, Line, Name
from contracts.tickets import CountTickets, CreateTicket, ListTickets, NewContact, Priority, Status, TicketPage
from services.gateway.routes.bodies import Given
from services.gateway.routes.filters import TicketFilter, terms
from services.gateway.routes.tickets import assigned
from services.gateway.usecases.answers import Member
from services.gateway.web.forms import Form, from_address, read_form, words, wrong
from services.gateway.web.rendering import html, see
from services.gateway.web.shell import HIDDEN, Here, enter, enter_by_form, page, shell

SORTS = {
    "-updated": "Last changed",
    "priority": "Most urgent",
    "-created": "Newest",
    "created": "Oldest",
    "updated": "Longest untouched",
}
_MOST_MEMBERS = 100
_PAGES_OF_MEMBERS = 5


class NewTicket(Given):
    """What the form of a new ticket says."""

    subject: Line
    description: Body = ""
    priority: Priority = Priority.NORMAL
    assignee_id: UUID | None = None
    contact_name: Name | None = None
    contact_email: Email | None = None
    tags: Annotated[str, StringConstraints(max_length=1200)] = Field(default="")


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list looks for, and the addresses of other ways to look."""

    base: str
    wanted: TicketFilter

    def url(self, **changes: Any) -> str:
        """Return the address of this list with something changed: from its beginning, unless a cursor is given."""
        said = self.wanted.model_dump(mode="json", exclude_defaults=True) | {"cursor": None} | changes
        pairs = [(name, value) for name, value in said.items() if value not in (None, "", [], ())]
        query = urlencode(pairs, doseq=True)
        return f"{self.base}/tickets?{query}" if query else f"{self.base}/tickets"

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
        return bool(wanted.priority or wanted.assignee or wanted.tag or wanted.q or wanted.contact)

    @property
    def place(self) -> str:
        """Which entry of the frame it is."""
        if self.filtered:
            mine = self.wanted.assignee == "me" and self.url(assignee=None) == f"{self.base}/tickets"
            return "mine" if mine else "tickets"
        return f"tickets:{self.wanted.status[0]}" if len(self.wanted.status) == 1 else "tickets"


@get("/w/{workspace:str}/tickets")
async def list_page(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Show tickets; to htmx, the part that changes as one types."""
    here = await enter(request, workspace)
    wanted = from_address(request).read(TicketFilter)
    limits = {"deleted": wanted.deleted, **terms(here.visitor, wanted)}
    part = request.headers.get("hx-target") == "results"
    found, counts, people, frame = await asyncio.gather(
        here.desk.bus.ask(
            ListTickets(
                caller=here.visitor.caller, **limits, sort=wanted.sort, cursor=wanted.cursor, limit=wanted.limit
            )
        ),
        here.desk.bus.ask(CountTickets(caller=here.visitor.caller, **limits)),
        members(here),
        _nothing() if part else shell(here),
    )
    listing = Listing(here.base, wanted)
    shown: dict[str, Any] = {
        "listing": listing,
        "wanted": wanted,
        "found": found,
        "counts": counts.counts,
        "hidden": _hidden(wanted, found, counts.counts),
        "members": people,
        "sorts": SORTS,
        "place": listing.place,
    }
    if part:
        return html(request, "tickets_results.html", {"here": here, "base": here.base, **shown})
    return await page(request, here, "tickets.html", frame=frame, **shown)


@get("/w/{workspace:str}/tickets/new")
async def new_page(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Show the form of a new ticket."""
    here = await enter(request, workspace)
    if here.role is Role.GUEST:
        raise NotAllowed("Guests read tickets; ask an admin for another role to open one.")
    return await _new(request, here, Form())


@post("/w/{workspace:str}/tickets/new")
async def create(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Open a ticket."""
    here, form = await enter_by_form(request, workspace)
    try:
        new = form.read(NewTicket)
        if new.contact_email and not new.contact_name:
            raise wrong("contact_name", "missing", "say whose address this is")
        ticket = await here.desk.bus.ask(
            CreateTicket(
                caller=here.visitor.caller,
                via=here.visitor.via,
                idempotency=form.promise(request),
                ticket_id=uuid7(),
                subject=new.subject,
                description=new.description,
                priority=new.priority,
                assignee=await assigned(here.desk, here.visitor, new.assignee_id),
                contact=NewContact(name=new.contact_name, email=new.contact_email) if new.contact_name else None,
                tags=tuple(words(new.tags)),
            )
        )
    except Refusal as refusal:
        form.refusal = refusal
        return await _new(request, here, form)
    return see(f"{here.base}/tickets/{ticket.number}")


@post("/w/{workspace:str}/preview")
async def preview(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Show Markdown as it will look; nothing is kept."""
    form = await read_form(request)
    await enter(request, workspace, form.csrf)
    text = form.text("description") or form.text("body")
    return html(request, "preview.html", {"text": text})


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


async def _new(request: Request[Any, Any, Any], here: Here, form: Form) -> ASGIResponse:
    # A member gives a new ticket to themself or to nobody; who runs the desk, to anybody who works on tickets.
    people = await members(here)
    able = [
        each
        for each in people
        if each.role is not Role.GUEST and (here.role.runs_the_desk or each.id == here.visitor.user.id)
    ]
    return await page(request, here, "ticket_new.html", status=form.status, form=form, assignable=able, place="new")


async def _nothing() -> None:
    """Stand where a part of a page needs no frame."""


def _hidden(wanted: TicketFilter, found: TicketPage, counts: dict[Status, int]) -> dict[Status, int]:
    """Return what the list leaves out though nobody asked it to."""
    if wanted.status or wanted.deleted or found.next_cursor:
        return {}
    return {status: counts[status] for status in HIDDEN if counts.get(status)}


HANDLERS = (list_page, new_page, create, preview)
