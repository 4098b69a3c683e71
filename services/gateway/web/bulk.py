"""One change for the tickets that were ticked in a list, and how far it is."""

import asyncio
from collections.abc import Sequence
from typing import Any, Literal
from urllib.parse import quote, urlsplit
from uuid import UUID

from litestar import Request, get, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.base import uuid7
from contracts.refusals import Invalid, TransitionNotAllowed
from contracts.tickets import (
    BulkItem,
    BulkOutcome,
    BulkState,
    ChangeTickets,
    GetBulk,
    GetTicket,
    Priority,
    Status,
    TicketChange,
)
from services.gateway.routes.bodies import Given, path_id
from services.gateway.routes.tickets import assigned
from services.gateway.web.forms import TypedTags, because, from_address, from_query
from services.gateway.web.quick import Assignee
from services.gateway.web.rendering import see
from services.gateway.web.shell import Here, enter, enter_by_form, or_none, page
from services.gateway.web.tickets import Wanted, back_to, show
from services.gateway.web.undoing import may_be_undone

_MOST_ASKED = 20
_BULK = "/w/{workspace:str}/bulk/{bulk:str}"


class Ticked(Given):
    """Which tickets, and what each of them is to be."""

    ids: tuple[UUID, ...] = ()
    do: Literal["change", "close", "delete"] = "change"
    status: Status | None = None
    priority: Priority | None = None
    add_tags: TypedTags = ()
    remove_tags: TypedTags = ()
    assignee: Assignee | None = None


@post("/w/{workspace:str}/tickets/bulk")
async def change(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Begin to change the tickets that were ticked."""
    here, form = await enter_by_form(request, workspace)
    back = back_to(here, form.text("back"))
    with form.tried():
        given = form.read(Ticked)
        if not given.ids:
            raise Invalid("Tick the tickets that are meant first.", errors=[])
        fields = {} if given.do == "delete" else await _fields(here, given)
        if not fields and given.do != "delete":
            raise Invalid("Choose what the tickets are to be: a status, a priority, an assignee or tags.", errors=[])
        begun = await here.desk.bus.ask(
            ChangeTickets(
                caller=here.visitor.caller,
                via=here.visitor.via,
                idempotency=form.promise(request),
                bulk_id=uuid7(),
                ids=given.ids,
                change=TicketChange(**fields),
                delete=given.do == "delete",
            )
        )
    if form.refusal:
        return await show(request, here, from_query(urlsplit(back).query).read(Wanted), bulk=form)
    return see(f"{here.base}/bulk/{begun.id}?back={quote(back, safe='')}")


@get(_BULK)
async def progress(request: Request[Any, Any, Any], workspace: FromPath[str], bulk: FromPath[str]) -> ASGIResponse:
    """Show how far a change is, and what became of each ticket."""
    here = await enter(request, workspace)
    asked = from_address(request)
    found = await here.desk.bus.ask(
        GetBulk(caller=here.visitor.caller, bulk_id=path_id(bulk), cursor=asked.text("cursor") or None)
    )
    refused = [each for each in found.items if each.outcome is BulkOutcome.REFUSED]
    return await page(
        request,
        here,
        "bulk.html",
        found=found,
        undoes=may_be_undone(found),
        why=dict(zip((each.number for each in refused), await _reasons(here, refused), strict=True)),
        running=found.state is BulkState.RUNNING,
        refused=refused,
        back=back_to(here, asked.text("back")),
        place="tickets",
    )


async def _reasons(here: Here, refused: Sequence[BulkItem]) -> list[str]:
    """Return why each was refused; of a move, where from."""
    stuck = [each for each in refused if each.code == TransitionNotAllowed.code][:_MOST_ASKED]
    asked = [or_none(here.desk.bus.ask, GetTicket(caller=here.visitor.caller, ticket=str(x.ticket_id))) for x in stuck]
    known = {ticket.id: ticket for ticket in await asyncio.gather(*asked) if ticket}
    return [
        f"a {known[each.ticket_id].status.label} ticket can't move there"
        if each.ticket_id in known
        else because(each.code or "", each.detail or "")
        for each in refused
    ]


async def _fields(here: Here, given: Ticked) -> dict[str, Any]:
    """Return what each ticket is to be, as the tickets service is told of it."""
    fields: dict[str, Any] = {}
    status = Status.CLOSED if given.do == "close" else given.status
    if status:
        fields["status"] = status
    if given.priority:
        fields["priority"] = given.priority
    if given.add_tags:
        fields["add_tags"] = given.add_tags
    if given.remove_tags:
        fields["remove_tags"] = given.remove_tags
    if given.assignee:
        chosen = None if given.assignee == "none" else UUID(given.assignee)
        fields["assignee"] = await assigned(here.desk, here.visitor, chosen)
    return fields


HANDLERS = (change, progress)
