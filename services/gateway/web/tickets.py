"""The list of tickets. What is looked for stands in the address, and nowhere else."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from litestar import Request, get
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.tickets import CountTickets, ListTickets, Status, TicketPage
from services.gateway.routes.filters import TicketFilter, terms
from services.gateway.usecases.answers import Member
from services.gateway.web.forms import from_address
from services.gateway.web.rendering import html
from services.gateway.web.shell import HIDDEN, Here, enter, page, shell

SORTS = {
    "-updated": "Last changed",
    "priority": "Most urgent",
    "-created": "Newest",
    "created": "Oldest",
    "updated": "Longest untouched",
}
_MOST_MEMBERS = 100
_PAGES_OF_MEMBERS = 5


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


async def _nothing() -> None:
    """Stand where a part of a page needs no frame."""


def _hidden(wanted: TicketFilter, found: TicketPage, counts: dict[Status, int]) -> dict[Status, int]:
    """Return what the list leaves out though nobody asked it to."""
    if wanted.status or wanted.deleted or found.next_cursor:
        return {}
    return {status: counts[status] for status in HIDDEN if counts.get(status)}


HANDLERS = (list_page,)
