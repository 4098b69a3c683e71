"""Tables for spreadsheets: CSV by RFC 4180 in which no cell is a formula."""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.base import Role
from contracts.refusals import NotAllowed, NotFound
from contracts.tickets import ListTickets, TicketRow
from services.gateway.domain import Visitor
from services.gateway.routes.bodies import query
from services.gateway.routes.downloads import Download
from services.gateway.routes.filters import TicketSearch, terms
from services.gateway.routes.operations import CSV, W, operation
from services.gateway.routes.visitors import Desk, desk_of, inside

MEDIA = f"{CSV}; charset=utf-8"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What makes a spreadsheet take a cell for a formula; some take the wide forms too."""
_PAGE = 100
COLUMNS = (
    *("number", "subject", "status", "priority", "assignee", "contact", "contact_email", "tags", "fields"),
    *("created_at", "updated_at", "first_response_at", "resolved_at", "closed_at", "version", "id"),
)


@operation(
    "GET",
    f"{W}/tickets.csv",
    "list_tickets_as_csv",
    scope="tickets:read",
    tag="tickets",
    summary="Download all tickets that a filter finds, for a spreadsheet",
    query=TicketSearch,
    answer=None,
    media=CSV,
    refusals=(NotFound, NotAllowed),
)
async def list_tickets_as_csv(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Return tickets by number, a line each."""
    visitor = await inside(request, workspace)
    wanted = query(request, TicketSearch)
    return tickets_as_csv(desk_of(request), visitor, terms(visitor, wanted) | {"deleted": wanted.deleted})


def tickets_as_csv(desk: Desk, visitor: Visitor, wanted: dict[str, Any]) -> ASGIResponse:
    """Return the tickets that a filter finds; raises NotAllowed for guests."""
    workspace, role = visitor.here
    if role is Role.GUEST:
        raise NotAllowed
    return Download(_tickets(desk, visitor, wanted), media=MEDIA, name=f"tickets-{workspace.slug}.csv")


async def _tickets(desk: Desk, visitor: Visitor, wanted: dict[str, Any]) -> AsyncIterator[bytes]:
    # By number, which no ticket ever changes: what others do meanwhile neither hides a ticket nor shows it twice.
    head: list[Sequence[object]] = [COLUMNS]
    cursor = None
    while True:
        page = await desk.bus.ask(
            ListTickets(caller=visitor.caller, **wanted, sort="number", cursor=cursor, limit=_PAGE)
        )
        yield sheet([*head, *map(_line, page.items)])
        head, cursor = [], page.next_cursor
        if cursor is None:
            return


def _line(ticket: TicketRow) -> Sequence[object]:
    times = (ticket.created_at, ticket.updated_at, ticket.first_response_at, ticket.resolved_at, ticket.closed_at)
    return (
        ticket.number,
        ticket.subject,
        ticket.status.label,
        ticket.priority.value,
        ticket.assignee.name if ticket.assignee else "",
        ticket.contact.name if ticket.contact else "",
        (ticket.contact.email or "") if ticket.contact else "",
        ", ".join(ticket.tags),
        "; ".join(f"{name}: {value}" for name, value in sorted(ticket.fields.items())),
        *(f"{at:%Y-%m-%dT%H:%M:%SZ}" if at else "" for at in times),
        ticket.version,
        ticket.id,
    )


def sheet(rows: Iterable[Sequence[object]]) -> bytes:
    """Return rows as CSV in UTF-8."""
    text = io.StringIO()
    csv.writer(text).writerows([_safe(cell) for cell in row] for row in rows)
    return text.getvalue().encode()


def _safe(cell: object) -> object:
    """Return a cell that no spreadsheet runs: what looks like a formula begins with an apostrophe."""
    return f"'{cell}" if isinstance(cell, str) and cell.lstrip(" \n").startswith(_FORMULA) else cell


HANDLERS = (list_tickets_as_csv,)
