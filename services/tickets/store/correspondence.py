"""Finds where an answer to a customer belongs, and what agents wrote there."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from chassis.database import Transaction
from contracts.tickets import AgentWords

_PLACE = text("""
    select v.id, v.contact_id, v.assistant_id is not null and not coalesce(w.identified, false) as typed
    from conversations v
    left join visitors w on w.workspace_id = v.workspace_id and w.conversation_id = v.id
    where v.workspace_id = :ws and v.id = coalesce(
        (select m.conversation_id from messages m where m.workspace_id = :ws and m.id = cast(:message as uuid)),
        (select l.conversation_id from ticket_conversations l
         join conversations c on c.workspace_id = l.workspace_id and c.id = l.conversation_id
         where l.workspace_id = :ws and l.ticket_id = :ticket and c.integration is null
         order by c.updated_at desc, c.id desc limit 1)
    )
""")
_IN_SIGHT = text("""
    select t.id from ticket_conversations l
    join tickets t on t.workspace_id = l.workspace_id and t.id = l.ticket_id
    where l.workspace_id = :ws and l.conversation_id = :conversation and t.deleted_at is null and t.status <> 'spam'
    order by t.number limit 1
""")
_REPLIES = text("""
    select s.* from messages m
    join messages s on s.workspace_id = m.workspace_id and s.conversation_id = m.conversation_id and s.seq >= m.seq
    where m.workspace_id = :ws and m.id = cast(:message as uuid) and s.author_kind = 'agent'
    order by s.seq limit :many
""")


@dataclass(frozen=True, slots=True)
class Place:
    """A conversation that an answer belongs to."""

    conversation_id: UUID
    contact_id: UUID | None
    typed: bool
    """Whether its visitor is nobody but who they say."""


async def place_of_answer(tx: Transaction, ticket_id: UUID, message_id: UUID | None) -> Place | None:
    """Return the conversation of this message, else the one of the ticket's last written in that is ours."""
    row = await tx.one(_PLACE, {"ws": tx.workspace_id, "ticket": ticket_id, "message": message_id})
    return Place(row["id"], row["contact_id"], row["typed"]) if row else None


async def linked_in_sight(tx: Transaction, conversation_id: UUID) -> UUID | None:
    """Return the first ticket that a conversation is linked to and that is neither deleted nor spam."""
    id: UUID | None = await tx.scalar(_IN_SIGHT, {"ws": tx.workspace_id, "conversation": conversation_id})
    return id


async def replies_since(tx: Transaction, message_id: UUID | None, many: int) -> tuple[Sequence[AgentWords], bool]:
    """Return what agents wrote from this message on, oldest first, and whether there is more."""
    rows = await tx.all(_REPLIES, {"ws": tx.workspace_id, "message": message_id, "many": many + 1})
    words = [
        AgentWords(message_id=row["id"], name=row["author_name"], body=row["body"], at=row["at"]) for row in rows[:many]
    ]
    return words, len(rows) > many
