"""One change for many tickets: asked for here, done by the tickets service beside other work."""

from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import Field

from contracts.base import Model, uuid7
from contracts.refusals import Invalid, NotAllowed, NotFound
from contracts.tickets import MOST_IDS, BulkSnapshot, ChangeTickets, GetBulk, TicketFilter
from services.gateway.routes.bodies import Given, left_out, path_id, query, read
from services.gateway.routes.filters import TicketTerms, terms
from services.gateway.routes.operations import W, operation
from services.gateway.routes.replies import reply
from services.gateway.routes.tickets import TicketPatch, changes
from services.gateway.routes.visitors import desk_of, inside
from services.gateway.routes.workspaces import Cursor


class BulkPatch(TicketPatch):
    """What each ticket is to be: the fields to change, or `delete` alone."""

    delete: Literal[True] = Field(default_factory=left_out, description="Delete them instead.")


class NewBulk(Given):
    """One change for the tickets with these ids, or for all that a filter finds now."""

    ids: Annotated[tuple[UUID, ...], Field(max_length=MOST_IDS)] = ()
    filter: TicketTerms | None = Field(default=None, description="As for a list; at most 10,000 tickets.")
    change: BulkPatch


class BulkBegun(Model):
    """A bulk change that goes on by itself."""

    id: UUID


class BulkPage(Given):
    """Which part of its tickets."""

    cursor: Cursor | None = Field(default=None, description="`next_cursor` of the page before.")
    limit: int = Field(default=100, ge=1, le=100)


@operation(
    "POST",
    f"{W}/tickets/bulk",
    "change_tickets",
    scope="tickets:write",
    tag="tickets",
    summary="Change many tickets, each by the same rules as alone",
    body=NewBulk,
    answer=BulkBegun,
    status=202,
    headers=("Location",),
    refusals=(NotFound, NotAllowed),
    keyed=True,
)
async def change_tickets(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Settle which tickets it is; what becomes of each is read at `Location`."""
    visitor = await inside(request, workspace)
    sent = await read(request, NewBulk)
    desk, new = desk_of(request), sent.body
    deletes = "delete" in new.change.model_fields_set
    if deletes and len(new.change.model_fields_set) > 1:
        raise Invalid.field("change", "ambiguous", "change something or delete, one of them")
    wanted = TicketFilter(**terms(visitor, new.filter)) if new.filter else None
    begun = await desk.bus.ask(
        ChangeTickets(
            caller=visitor.caller,
            via=visitor.via,
            idempotency=sent.key,
            bulk_id=uuid7(),
            ids=new.ids,
            filter=wanted,
            change=await changes(desk, visitor, new.change),
            delete=deletes,
        )
    )
    where = request.scope["path"].removesuffix("/tickets/bulk")
    return reply(BulkBegun(id=begun.id), 202, headers={"location": f"{where}/bulk/{begun.id}"})


@operation(
    "GET",
    f"{W}/bulk/{{bulk:str}}",
    "get_bulk",
    scope="tickets:read",
    tag="tickets",
    summary="Read how far a bulk change is, and what became of each ticket",
    query=BulkPage,
    answer=BulkSnapshot,
    refusals=(NotFound,),
)
async def get_bulk(request: Request[Any, Any, Any], workspace: FromPath[str], bulk: FromPath[str]) -> ASGIResponse:
    """Return its progress and a page of its tickets, by number."""
    visitor = await inside(request, workspace)
    page = query(request, BulkPage)
    found = await desk_of(request).bus.ask(
        GetBulk(caller=visitor.caller, bulk_id=path_id(bulk), cursor=page.cursor, limit=page.limit)
    )
    return reply(found)


HANDLERS = (change_tickets, get_bulk)
