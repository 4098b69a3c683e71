"""Remembers what visitors said of themselves, and reads their own conversations."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import RowMapping, text

from chassis.database import Transaction
from contracts.tickets import Author, AuthorKind, MessageSnapshot, Status, VisitorTicket
from services.tickets.domain import Visitor
from services.tickets.store.pages import fitting

_REMEMBER = text("""
    insert into visitors (workspace_id, conversation_id, assistant_id, name, email, identified)
    values (:ws, :conversation, :assistant, :name, :email, :identified)
    on conflict (workspace_id, conversation_id) do update set name = excluded.name, email = excluded.email
""")
_LOAD = text(
    "select conversation_id, assistant_id, name, email, identified from visitors"
    " where workspace_id = :ws and conversation_id = :conversation"
)
_FIRST = text(
    "select body from messages where workspace_id = :ws and conversation_id = :conversation"
    " and author_kind = 'visitor' order by seq limit 1"
)
_AFTER = text(
    "select id, conversation_id, seq, author_kind, author_id, author_name, body, at, external_id from messages"
    " where workspace_id = :ws and conversation_id = :conversation and seq > :after order by seq limit :many"
)
_TICKETS = text("""
    select t.id, t.number, t.subject, t.status, t.created_at from ticket_conversations l
    join tickets t on t.workspace_id = l.workspace_id and t.id = l.ticket_id
    where l.workspace_id = :ws and l.conversation_id = :conversation and t.deleted_at is null order by t.number
""")


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


async def first_words(tx: Transaction, conversation_id: UUID) -> str | None:
    """Return the first message that the customer wrote, if they wrote any."""
    body: str | None = await tx.scalar(_FIRST, {"ws": tx.workspace_id, "conversation": conversation_id})
    return body


async def messages_after(
    tx: Transaction, conversation_id: UUID, after: int, limit: int
) -> tuple[Sequence[MessageSnapshot], bool]:
    """Return the messages after a seq, oldest first and no more than fit, and whether there are more."""
    where = {"ws": tx.workspace_id, "conversation": conversation_id, "after": after, "many": limit + 1}
    rows = await tx.all(_AFTER, where)
    found = [_message(row) for row in rows[:limit]]
    page = found[: fitting([len(each.model_dump_json().encode()) for each in found])] if found else []
    return page, len(rows) > len(page)


async def visitor_tickets(tx: Transaction, conversation_id: UUID) -> Sequence[VisitorTicket]:
    """Return the tickets that the conversation is linked to, as its visitor may see them."""
    rows = await tx.all(_TICKETS, {"ws": tx.workspace_id, "conversation": conversation_id})
    return [VisitorTicket(**{**row, "status": Status(row["status"])}) for row in rows]


def _message(row: RowMapping) -> MessageSnapshot:
    return MessageSnapshot(
        id=row["id"],
        conversation_id=row["conversation_id"],
        seq=row["seq"],
        author=Author(kind=AuthorKind(row["author_kind"]), id=row["author_id"], name=row["author_name"]),
        body=row["body"],
        at=row["at"],
        external_id=row["external_id"],
    )
