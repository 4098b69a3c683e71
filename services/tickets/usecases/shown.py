"""What commands have in common: who acts, which version they mean, and how a ticket is shown."""

from typing import Any

from chassis.database import Transaction
from contracts.base import Audience, Caller, Command, now
from contracts.refusals import StaleVersion
from contracts.tickets import ContactRef, TicketSnapshot
from services.tickets import domain, store
from services.tickets.domain import By, Ticket


def by(command: Command[Any]) -> By:
    """Return who acts, and why."""
    return By(actor=command.caller.actor, via=command.via, cause=str(command.command_id), now=now())


async def require_version(expected: int | None, ticket: Ticket, caller: Caller, tx: Transaction) -> None:
    """Raise StaleVersion, with the events that the caller has missed, unless this is the ticket's version."""
    if expected in (None, ticket.version):
        return
    facts = await store.missed(tx, ticket, expected)
    seen = [fact for fact in facts if Audience(fact["audience"]).includes(caller.role)]
    raise StaleVersion(version=ticket.version, missed=seen)


def snapshot(ticket: Ticket, caller: Caller) -> TicketSnapshot:
    """Return a ticket as this caller sees it."""
    return TicketSnapshot(**shown(ticket, caller), description=ticket.state.description)


def shown(ticket: Ticket, caller: Caller) -> dict[str, Any]:
    """Return a ticket without its description as this caller sees it."""
    state = ticket.state
    contact = state.contact
    return {
        "id": state.id,
        "number": state.number,
        "subject": state.subject,
        "status": state.status,
        "priority": state.priority,
        "assignee": state.assignee,
        "contact": contact
        and ContactRef(
            id=contact.id, name=contact.name, email=contact.email if domain.sees_addresses(caller) else None
        ),
        "tags": state.tags,
        "fields": domain.field_values(state.fields),
        "conversations": state.conversations,
        "version": state.version,
        "created_at": state.created_at,
        "updated_at": state.updated_at,
        "first_response_at": state.first_response_at,
        "resolved_at": state.resolved_at,
        "closed_at": state.closed_at,
        "follow_up_of": state.follow_up_of,
        "deleted_at": state.deleted_at,
        "allowed": domain.allowed(caller, ticket),
    }
