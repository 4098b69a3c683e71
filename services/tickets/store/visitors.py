"""Remembers what visitors said of themselves, and which tickets are theirs to see."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text

from chassis.database import Transaction
from contracts.tickets import Status, VisitorTicket
from services.tickets.domain import Visitor

_REMEMBER = text("""
    insert into visitors (workspace_id, conversation_id, assistant_id, name, email, identified)
    values (:ws, :conversation, :assistant, :name, :email, :identified)
    on conflict (workspace_id, conversation_id) do update set name = excluded.name, email = excluded.email
""")
_ONE_BY_ONE = text("select pg_advisory_xact_lock(hashtextextended('visitor ' || :ws || ' ' || :user, 0))")
_LOAD = text(
    "select conversation_id, assistant_id, name, email, identified from visitors"
    " where workspace_id = :ws and conversation_id = :conversation"
)
_TICKETS = text("""
    select t.id, t.number, t.subject, t.status, t.created_at from ticket_conversations l
    join tickets t on t.workspace_id = l.workspace_id and t.id = l.ticket_id
    join conversations v on v.workspace_id = l.workspace_id and v.id = l.conversation_id
    where l.workspace_id = :ws and l.conversation_id = :conversation and t.deleted_at is null
        and (l.opened or t.contact_id = v.contact_id)
    order by t.number
""")


async def one_by_one(tx: Transaction, user_id: str) -> None:
    """Wait until nobody else meets this user of a site: of two who come at once the second is known already."""
    await tx.execute(_ONE_BY_ONE, {"ws": tx.workspace_id, "user": user_id})


async def remember_visitor(tx: Transaction, visitor: Visitor) -> None:
    """Remember what a visitor says of themself; whether the site vouched for them is decided once."""
    await tx.execute(
        _REMEMBER,
        {
            "ws": tx.workspace_id,
            "conversation": visitor.conversation_id,
            "assistant": visitor.assistant_id,
            "name": visitor.name,
            "email": visitor.email,
            "identified": visitor.identified,
        },
    )


async def visitor(tx: Transaction, conversation_id: UUID) -> Visitor | None:
    """Return who talks in this conversation, if it is one of the widget."""
    row = await tx.one(_LOAD, {"ws": tx.workspace_id, "conversation": conversation_id})
    return Visitor(**row) if row else None


async def visitor_tickets(tx: Transaction, conversation_id: UUID) -> Sequence[VisitorTicket]:
    """Return the visitor's own tickets: those that were opened from the conversation, or for the same contact.

    What an agent ties to it beside them may be somebody else's, or about something that visitors don't hear of.
    """
    rows = await tx.all(_TICKETS, {"ws": tx.workspace_id, "conversation": conversation_id})
    return [VisitorTicket(**{**row, "status": Status(row["status"])}) for row in rows]
