"""Tickets that are taken away and come back: deleted, restored, and no spam after all."""

from typing import Any

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.refusals import Conflict, Deleted, NotAllowed, NotFound, StaleVersion
from contracts.tickets import DeleteTicket, MarkNotSpam, RestoreTicket, TicketSnapshot
from services.gateway.routes.bodies import promise
from services.gateway.routes.operations import W, operation
from services.gateway.routes.replies import expected_versions, nothing, reply
from services.gateway.routes.tickets import expected_version, ticket_reference
from services.gateway.routes.visitors import desk_of, inside


@operation(
    "DELETE",
    f"{W}/tickets/{{ticket:str}}",
    "delete_ticket",
    scope="tickets:write",
    tag="tickets",
    summary="Hide a ticket from all but admins",
    answer=None,
    status=204,
    refusals=(NotFound, NotAllowed, Deleted, StaleVersion),
    keyed=True,
    if_match=True,
)
async def delete_ticket(
    request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]
) -> ASGIResponse:
    """Hide a ticket; its history stays."""
    visitor = await inside(request, workspace)
    reference = ticket_reference(ticket)
    versions = expected_versions(request)
    desk = desk_of(request)
    await desk.bus.ask(
        DeleteTicket(
            caller=visitor.caller,
            via=visitor.via,
            idempotency=promise(request),
            ticket=reference,
            expected_version=await expected_version(desk, visitor, reference, versions),
        )
    )
    return nothing()


@operation(
    "POST",
    f"{W}/tickets/{{ticket:str}}/restore",
    "restore_ticket",
    scope="tickets:write",
    tag="tickets",
    summary="Bring a deleted ticket back as it was",
    answer=TicketSnapshot,
    headers=("ETag",),
    refusals=(NotFound, NotAllowed),
    keyed=True,
)
async def restore_ticket(
    request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]
) -> ASGIResponse:
    """Bring a ticket back; one that is not deleted stays as it is."""
    visitor = await inside(request, workspace)
    restored = await desk_of(request).bus.ask(
        RestoreTicket(
            caller=visitor.caller, via=visitor.via, idempotency=promise(request), ticket=ticket_reference(ticket)
        )
    )
    return reply(restored, version=restored.version)


@operation(
    "POST",
    f"{W}/tickets/{{ticket:str}}/not-spam",
    "mark_not_spam",
    scope="tickets:write",
    tag="tickets",
    summary="Give a ticket the status back that it had before it was spam",
    answer=TicketSnapshot,
    headers=("ETag",),
    refusals=(NotFound, NotAllowed, Deleted, Conflict),
    keyed=True,
)
async def mark_not_spam(
    request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]
) -> ASGIResponse:
    """Take back that a ticket is spam; even `new` comes back so."""
    visitor = await inside(request, workspace)
    changed = await desk_of(request).bus.ask(
        MarkNotSpam(
            caller=visitor.caller, via=visitor.via, idempotency=promise(request), ticket=ticket_reference(ticket)
        )
    )
    return reply(changed, version=changed.version)


HANDLERS = (delete_ticket, restore_ticket, mark_not_spam)
