"""Who watches a ticket: tickets says whether the visitor may see it, notifications keep the rest."""

from typing import Any
from uuid import UUID

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import Field

from contracts.base import Model
from contracts.notifications import (
    GetWatchers,
    MuteState,
    MuteTicket,
    Reason,
    UnmuteTicket,
    UnwatchTicket,
    WatchState,
    WatchTicket,
)
from contracts.refusals import NotAllowed, NotFound
from contracts.tickets import GetTicket, TicketSnapshot
from services.gateway.domain import Visitor
from services.gateway.routes.bodies import promise, query
from services.gateway.routes.operations import W, operation
from services.gateway.routes.replies import reply
from services.gateway.routes.tickets import ticket_reference
from services.gateway.routes.visitors import desk_of, inside
from services.gateway.routes.workspaces import Page

_TICKET = f"{W}/tickets/{{ticket:str}}"


class Watcher(Model):
    """Somebody who watches the ticket."""

    id: UUID
    name: str
    reasons: tuple[Reason, ...] = Field(description="Why; who watches by choice has `chosen`.")


class WatcherPage(Model):
    """One page of those who watch a ticket, by id."""

    items: tuple[Watcher, ...]
    next_cursor: str | None


@operation(
    "POST",
    f"{_TICKET}/watch",
    "watch_ticket",
    scope="tickets:write",
    tag="tickets",
    summary="Watch a ticket",
    answer=WatchState,
    refusals=(NotFound, NotAllowed),
    keyed=True,
)
async def watch_ticket(
    request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]
) -> ASGIResponse:
    """Let the visitor watch; once more is no change."""
    visitor = await inside(request, workspace)
    _, by = await _seen(request, visitor, ticket)
    state = await desk_of(request).bus.ask(WatchTicket(**by))
    return reply(state)


@operation(
    "DELETE",
    f"{_TICKET}/watch",
    "unwatch_ticket",
    scope="tickets:write",
    tag="tickets",
    summary="Watch a ticket no more, until you choose to or are assigned to it again",
    answer=WatchState,
    refusals=(NotFound, NotAllowed),
    keyed=True,
)
async def unwatch_ticket(
    request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]
) -> ASGIResponse:
    """Let the visitor watch no more; once more is no change."""
    visitor = await inside(request, workspace)
    seen, by = await _seen(request, visitor, ticket)
    state = await desk_of(request).bus.ask(UnwatchTicket(**by, ticket_version=seen.version))
    return reply(state)


@operation(
    "POST",
    f"{_TICKET}/mute",
    "mute_ticket",
    scope="tickets:write",
    tag="tickets",
    summary="Hear nothing more of a ticket, mentions included",
    answer=MuteState,
    refusals=(NotFound, NotAllowed),
    keyed=True,
)
async def mute_ticket(request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]) -> ASGIResponse:
    """Tell the visitor nothing more of it; once more is no change."""
    visitor = await inside(request, workspace)
    _, by = await _seen(request, visitor, ticket)
    state = await desk_of(request).bus.ask(MuteTicket(**by))
    return reply(state)


@operation(
    "DELETE",
    f"{_TICKET}/mute",
    "unmute_ticket",
    scope="tickets:write",
    tag="tickets",
    summary="Hear of a ticket again",
    answer=MuteState,
    refusals=(NotFound, NotAllowed),
    keyed=True,
)
async def unmute_ticket(
    request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]
) -> ASGIResponse:
    """Tell the visitor of it again, as they watch it; once more is no change."""
    visitor = await inside(request, workspace)
    _, by = await _seen(request, visitor, ticket)
    state = await desk_of(request).bus.ask(UnmuteTicket(**by))
    return reply(state)


@operation(
    "GET",
    f"{_TICKET}/watchers",
    "list_watchers",
    scope="tickets:read",
    tag="tickets",
    summary="List who watches a ticket, and why",
    query=Page,
    answer=WatcherPage,
    refusals=(NotFound,),
)
async def list_watchers(
    request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]
) -> ASGIResponse:
    """Return one page of watchers; who is no member any more is left out."""
    visitor = await inside(request, workspace)
    reference, page, desk = ticket_reference(ticket), query(request, Page), desk_of(request)
    seen = await desk.bus.ask(GetTicket(caller=visitor.caller, ticket=reference))
    found = await desk.bus.ask(
        GetWatchers(caller=visitor.caller, ticket_id=seen.id, cursor=page.cursor, limit=page.limit)
    )
    names = await desk.people.names(visitor, [each.id for each in found.items])
    items = [Watcher(id=each.id, name=names[each.id], reasons=each.reasons) for each in found.items if each.id in names]
    return reply(WatcherPage(items=tuple(items), next_cursor=found.next_cursor))


async def _seen(
    request: Request[Any, Any, Any], visitor: Visitor, ticket: str
) -> tuple[TicketSnapshot, dict[str, Any]]:
    """Return a ticket that the visitor may see, and what each of their wishes about it says."""
    reference, key = ticket_reference(ticket), promise(request)
    seen = await desk_of(request).bus.ask(GetTicket(caller=visitor.caller, ticket=reference))
    return seen, {"caller": visitor.caller, "via": visitor.via, "idempotency": key, "ticket_id": seen.id}


HANDLERS = (watch_ticket, unwatch_ticket, mute_ticket, unmute_ticket, list_watchers)
