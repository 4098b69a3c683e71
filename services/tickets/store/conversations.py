"""Remembers conversations and what was written in them.

Who writes holds the conversation's row, so that its messages are numbered without holes; then come its tickets by
number, then the number of a new one, then the contact. Everybody takes them in this order.
"""

import datetime as dt
from uuid import UUID

from sqlalchemy import text

from chassis.database import Row, Transaction
from contracts.refusals import Conflict
from contracts.tickets import MessagePosted
from services.tickets.domain import Contact, Conversation

# A key share, which a link's foreign key takes, goes together with this lock; another message's does not.
_HOLD = text("select id from conversations where workspace_id = :ws and id = :id for no key update")
_HOLD_EXTERNAL = text(
    "select id from conversations where workspace_id = :ws and integration = :integration"
    " and external_id = :external_id for no key update"
)
_LOAD = text("""
    select v.*, c.name as contact_name, c.email as contact_email
    from conversations v left join contacts c on c.workspace_id = v.workspace_id and c.id = v.contact_id
    where v.workspace_id = :ws and v.id = :id
""")
_BEGIN = text("""
    insert into conversations (
        workspace_id, id, integration, external_id, url, assistant_id, contact_id, version, message_count, awaits_reply,
        created_at, updated_at
    ) values (
        :ws, :id, :integration, :external_id, :url, :assistant, :contact, :version, :message_count, :awaits_reply,
        :created_at, :updated_at
    ) on conflict do nothing
""")
_WRITTEN = text("""
    update conversations set version = :version, message_count = :message_count, awaits_reply = :awaits_reply,
        updated_at = :updated_at
    where workspace_id = :ws and id = :id and version = :before
""")
_ADD = text("""
    insert into messages (
        workspace_id, id, conversation_id, seq, author_kind, author_id, author_name, body, at, external_id, via,
        unverified_sender
    ) values (
        :ws, :id, :conversation, :seq, :author_kind, :author_id, :author_name, :body, :at, :external_id, :via,
        :unverified_sender
    ) on conflict (workspace_id, id) do nothing
""")
_HEARD = text(
    "select exists (select 1 from messages"
    " where workspace_id = :ws and conversation_id = :conversation and external_id = :external_id)"
)
_MOVED = text("update conversations set url = :url where workspace_id = :ws and id = :id")
_MET = text("update conversations set contact_id = :contact where workspace_id = :ws and id = :id")
_ASSISTANT = text(
    "select exists (select 1 from assistants where workspace_id = :ws and id = :id and deleted_at is null)"
)
_LINKS = text(
    "select count(*) from ticket_conversations l"
    " join tickets t on t.workspace_id = l.workspace_id and t.id = l.ticket_id"
    " where l.workspace_id = :ws and l.conversation_id = :id and t.deleted_at is null"
)


async def conversation(tx: Transaction, id: UUID) -> Conversation | None:
    """Return the conversation with this id, if there is one."""
    row = await tx.one(_LOAD, {"ws": tx.workspace_id, "id": id})
    return _conversation(row) if row else None


async def hold_conversation(tx: Transaction, id: UUID) -> Conversation | None:
    """Return the conversation with this id, if there is one; nobody writes in it or links it before the commit."""
    # Two statements: the second one's snapshot shows what the last holder left.
    await tx.execute(_HOLD, {"ws": tx.workspace_id, "id": id})
    return await conversation(tx, id)


async def hold_external(tx: Transaction, integration: str, external_id: str) -> Conversation | None:
    """Return the conversation that an integration knows by this id, as `hold_conversation` does."""
    where = {"ws": tx.workspace_id, "integration": integration, "external_id": external_id}
    id = await tx.scalar(_HOLD_EXTERNAL, where)
    return await conversation(tx, id) if id else None


async def begin_conversation(tx: Transaction, begun: Conversation) -> bool:
    """Remember a new conversation; False where its id, or the integration's id of it, is known already."""
    values = {
        "ws": begun.workspace_id,
        "id": begun.id,
        "integration": begun.integration,
        "external_id": begun.external_id,
        "url": begun.url,
        "assistant": begun.assistant_id,
        "contact": begun.contact.id if begun.contact else None,
        "version": begun.version,
        "message_count": begun.message_count,
        "awaits_reply": begun.awaits_reply,
        "created_at": begun.created_at,
        "updated_at": begun.updated_at,
    }
    return bool(await tx.execute(_BEGIN, values))


async def add_message(
    tx: Transaction, written: Conversation, posted: MessagePosted, external_id: str | None = None
) -> None:
    """Remember a message, the newest of its conversation; raises Conflict when its id is taken."""
    added = await tx.execute(
        _ADD,
        {
            "ws": posted.workspace_id,
            "id": posted.message_id,
            "conversation": posted.conversation_id,
            "seq": posted.seq,
            "author_kind": posted.author.kind.value,
            "author_id": posted.author.id,
            "author_name": posted.author.name,
            "body": posted.body,
            "at": time_of(posted),
            "external_id": external_id,
            "via": posted.via.value,
            "unverified_sender": posted.unverified_sender,
        },
    )
    if not added:
        raise Conflict("There is a message with this id already.")
    moved = await tx.execute(
        _WRITTEN,
        {
            "ws": written.workspace_id,
            "id": written.id,
            "version": written.version,
            "message_count": written.message_count,
            "awaits_reply": written.awaits_reply,
            "updated_at": written.updated_at,
            "before": written.version - 1,
        },
    )
    if not moved:
        raise Conflict("Somebody else wrote at the same moment.")


def time_of(posted: MessagePosted) -> dt.datetime:
    """Return when a message was written: what the other system says, or when it was heard."""
    return posted.written_at or posted.at


async def has_heard(tx: Transaction, conversation_id: UUID, external_id: str) -> bool:
    """Tell whether the other system's message of this id is in the conversation."""
    where = {"ws": tx.workspace_id, "conversation": conversation_id, "external_id": external_id}
    return bool(await tx.scalar(_HEARD, where))


async def keep_address(tx: Transaction, conversation_id: UUID, url: str) -> None:
    """Remember where the other system shows the conversation now."""
    await tx.execute(_MOVED, {"ws": tx.workspace_id, "id": conversation_id, "url": url})


async def name_contact(tx: Transaction, conversation_id: UUID, contact: Contact) -> None:
    """Remember who writes in the conversation."""
    await tx.execute(_MET, {"ws": tx.workspace_id, "id": conversation_id, "contact": contact.id})


async def has_assistant(tx: Transaction, id: UUID) -> bool:
    """Tell whether there is such an assistant."""
    return bool(await tx.scalar(_ASSISTANT, {"ws": tx.workspace_id, "id": id}))


async def links(tx: Transaction, conversation_id: UUID) -> int:
    """Return how many tickets the conversation is linked to, deleted ones left out."""
    return int(await tx.scalar(_LINKS, {"ws": tx.workspace_id, "id": conversation_id}))


def _conversation(row: Row) -> Conversation:
    return Conversation(
        id=row["id"],
        workspace_id=row["workspace_id"],
        assistant_id=row["assistant_id"],
        contact=Contact(row["contact_id"], row["contact_name"], row["contact_email"]) if row["contact_id"] else None,
        integration=row["integration"],
        external_id=row["external_id"],
        url=row["url"],
        version=row["version"],
        message_count=row["message_count"],
        awaits_reply=row["awaits_reply"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
