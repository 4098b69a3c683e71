"""A change of many tickets, taken back: each gets the values again that it had, where it still may."""

import asyncio
from dataclasses import dataclass
from itertools import batched
from typing import Any
from uuid import UUID

from litestar import Request, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.refusals import Conflict, Refusal
from contracts.tickets import (
    BulkItem,
    BulkOutcome,
    BulkSnapshot,
    ChangeTicket,
    GetBulk,
    GetTicket,
    MarkNotSpam,
    RestoreTicket,
    Status,
    TicketChange,
    TicketSnapshot,
)
from services.gateway.routes.bodies import path_id
from services.gateway.routes.tickets import assigned
from services.gateway.web.forms import because
from services.gateway.web.shell import Here, enter_by_form, page
from services.gateway.web.tickets import back_to

_AT_ONCE = 8
_KEPT = ("subject", "description", "priority", "tags")


@dataclass(frozen=True, slots=True)
class PutBack:
    """What became of one ticket."""

    number: int
    why_not: str | None = None


@post("/w/{workspace:str}/bulk/{bulk:str}/undo")
async def undo(request: Request[Any, Any, Any], workspace: FromPath[str], bulk: FromPath[str]) -> ASGIResponse:
    """Put back what a change of many tickets changed, and tell what could not be."""
    here, form = await enter_by_form(request, workspace)
    found = await here.desk.bus.ask(GetBulk(caller=here.visitor.caller, bulk_id=path_id(bulk)))
    if not may_be_undone(found):
        raise Conflict("There is nothing to undo, or too much.")
    changed = [each for each in found.items if each.outcome is BulkOutcome.CHANGED]
    done: list[PutBack] = []
    for some in batched(changed, _AT_ONCE, strict=False):
        done += await asyncio.gather(*(_put_back(here, each, found) for each in some))
    return await page(
        request,
        here,
        "bulk_undone.html",
        done=done,
        kept=[each for each in done if each.why_not],
        back=back_to(here, form.text("back")),
        place="tickets",
    )


def may_be_undone(bulk: BulkSnapshot) -> bool:
    """Tell whether there is something to take back, and all of it at once."""
    return bulk.finished_at is not None and bulk.changed > 0 and bulk.next_cursor is None


async def _put_back(here: Here, item: BulkItem, bulk: BulkSnapshot) -> PutBack:
    try:
        return PutBack(item.number, await _change_back(here, item, bulk))
    except Refusal as refusal:
        return PutBack(item.number, because(refusal.code, refusal.detail))


async def _change_back(here: Here, item: BulkItem, bulk: BulkSnapshot) -> str | None:
    """Give a ticket its values again; return why one of them could not be given. Raises Refusal."""
    bus, caller, via, ref = here.desk.bus, here.visitor.caller, here.visitor.via, str(item.ticket_id)
    now = await bus.ask(GetTicket(caller=caller, ticket=ref))
    if now.version != item.version:
        return "it was changed since"
    old = await bus.ask(GetTicket(caller=caller, ticket=ref, as_of_time=bulk.created_at))
    if now.deleted_at and not old.deleted_at:
        now = await bus.ask(RestoreTicket(caller=caller, via=via, ticket=ref))
    if now.status is Status.SPAM and old.status is not Status.SPAM:
        now = await bus.ask(MarkNotSpam(caller=caller, via=via, ticket=ref))
    change = await _difference(here, now, old)
    stuck = "status" in change and old.status not in now.allowed.statuses
    if stuck:
        del change["status"]
    if change:
        await bus.ask(
            ChangeTicket(
                caller=caller, via=via, ticket=ref, expected_version=now.version, change=TicketChange(**change)
            )
        )
    return f"no ticket goes from {now.status.label} back to {old.status.label}" if stuck else None


async def _difference(here: Here, now: TicketSnapshot, old: TicketSnapshot) -> dict[str, Any]:
    """Return what makes a ticket as it was."""
    change = {name: getattr(old, name) for name in _KEPT if getattr(old, name) != getattr(now, name)}
    if now.status is not old.status:
        change["status"] = old.status
    if _id(now.assignee) != _id(old.assignee):
        change["assignee"] = await assigned(here.desk, here.visitor, _id(old.assignee))
    if _id(now.contact) != _id(old.contact):
        change["contact_id"] = _id(old.contact)
    if now.fields != old.fields:
        change["fields"] = {name: old.fields.get(name) for name in old.fields | now.fields}
    return change


def _id(one: Any) -> UUID | None:  # noqa: ANN401 - a person or a contact
    return one.id if one else None


HANDLERS = (undo,)
