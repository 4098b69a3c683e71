"""Finds conversations and reads what was written in them, a page at a time."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text

from chassis import cursors
from chassis.database import Row, Transaction
from contracts.refusals import Malformed
from contracts.tickets import (
    AssistantRef,
    Author,
    ContactRef,
    ConversationRow,
    LinkedTicket,
    ListConversations,
    MessageSnapshot,
)
from services.tickets.store.pages import WILDCARDS, fitting, time_in
from services.tickets.store.tickets import folded, reference

_LINKS = (
    "select 1 from ticket_conversations l"
    " join tickets t on t.workspace_id = l.workspace_id and t.id = l.ticket_id"
    " where l.workspace_id = v.workspace_id and l.conversation_id = v.id and t.deleted_at is null"
)
_SAYS = """(
    exists (select 1 from contacts n
        where n.workspace_id = v.workspace_id and n.id = v.contact_id and n.words like {word})
    or exists (select 1 from messages s
        where s.workspace_id = v.workspace_id and s.conversation_id = v.id and lower(s.body) like {word}))
"""
"""That a word is the contact's, or was written. No index: behind a policy `like` uses none, and a workspace of 20,000
conversations with 100,000 messages is read through in 150 ms."""
_BESIDE = """
    v.*, c.name as contact_name, c.email as contact_email, a.name as assistant_name,
    exists (select 1 from visitors w
        where w.workspace_id = v.workspace_id and w.conversation_id = v.id and w.identified) as identified,
    (select json_agg(json_build_object('id', n.id, 'number', n.number, 'subject', n.subject, 'status', n.status))
     from (select t.id, t.number, t.subject, t.status from ticket_conversations l
         join tickets t on t.workspace_id = l.workspace_id and t.id = l.ticket_id
         where l.workspace_id = v.workspace_id and l.conversation_id = v.id and t.deleted_at is null
         order by t.number desc limit 50) n) as tickets,
    m.id as last_id, m.seq, m.author_kind, m.author_id, m.author_name, left(m.body, 200) as body, m.at,
    m.external_id as last_external_id, m.via, m.unverified_sender
"""
"""What a row shows of a conversation `v`: its newest 50 tickets, and its last message as `m`."""
_JOINED = """
    left join contacts c on c.workspace_id = v.workspace_id and c.id = v.contact_id
    left join assistants a on a.workspace_id = v.workspace_id and a.id = v.assistant_id
    left join messages m
        on m.workspace_id = v.workspace_id and m.conversation_id = v.id and m.seq = v.message_count
"""
_ONE = text(f"select {_BESIDE} from conversations v {_JOINED} where v.workspace_id = :ws and v.id = :id")  # noqa: S608 - constants
_MESSAGES = text(
    "select * from messages where workspace_id = :ws and conversation_id = :id and seq > :after"
    " order by seq limit :many"
)
_FIRST = text(
    "select body from messages where workspace_id = :ws and conversation_id = :id"
    " order by (author_kind <> 'visitor'), seq limit 1"
)


async def conversation_row(tx: Transaction, id: UUID) -> ConversationRow | None:
    """Return the conversation with this id as a list shows it, if there is one."""
    row = await tx.one(_ONE, {"ws": tx.workspace_id, "id": id})
    return _row(row) if row else None


async def conversation_page(tx: Transaction, wanted: ListConversations) -> tuple[Sequence[ConversationRow], str | None]:
    """Return a page of conversations, last written to first, no more than fit, and the next cursor, or Malformed."""
    conditions, values = _filters(wanted)
    scope = json.dumps(["conversations", tx.workspace_id, conditions, values], default=str, sort_keys=True)
    if wanted.cursor is not None:
        conditions.append("(v.updated_at, v.id) < (cast(:after as timestamptz), cast(:after_id as uuid))")
        values |= _place(cursors.decode(scope, wanted.cursor))
    where = " and ".join(["v.workspace_id = :ws", *conditions])
    order = "order by v.updated_at desc, v.id desc"
    statement = (
        *("with page as (select v.* from conversations v where", where, order, "limit :many)"),
        *("select", _BESIDE, "from page v", _JOINED, order),
    )
    rows = await tx.all(text(" ".join(statement)), {"ws": tx.workspace_id, "many": wanted.limit + 1, **values})
    found = [_row(row) for row in rows[: wanted.limit]]
    found = found[: fitting([len(each.model_dump_json().encode()) for each in found])]
    more = len(rows) > len(found)
    return found, cursors.encode(scope, [found[-1].updated_at.isoformat(), str(found[-1].id)]) if more else None


async def transcript(
    tx: Transaction, conversation_id: UUID, cursor: str | None, limit: int
) -> tuple[Sequence[MessageSnapshot], str | None]:
    """Return a page of messages, oldest first and no more than fit, and the cursor of the next one."""
    scope = f"messages {tx.workspace_id} {conversation_id}"
    after = cursors.decode_number(scope, cursor) if cursor is not None else 0
    messages, more = await messages_after(tx, conversation_id, after, limit)
    return messages, cursors.encode(scope, [messages[-1].seq]) if more else None


async def messages_after(
    tx: Transaction, conversation_id: UUID, after: int, limit: int
) -> tuple[Sequence[MessageSnapshot], bool]:
    """Return the messages after a seq, oldest first and no more than fit, and whether there are more."""
    where = {"ws": tx.workspace_id, "id": conversation_id, "after": after, "many": limit + 1}
    rows = await tx.all(_MESSAGES, where)
    messages = [_message(row, row["id"], row["external_id"]) for row in rows[:limit]]
    page = messages[: fitting([len(message.model_dump_json().encode()) for message in messages])]
    return page, len(rows) > len(page)


async def first_words(tx: Transaction, conversation_id: UUID) -> str | None:
    """Return what the customer wrote first, else what anybody did; None where nobody wrote yet."""
    words: str | None = await tx.scalar(_FIRST, {"ws": tx.workspace_id, "id": conversation_id})
    return words


def _filters(wanted: ListConversations) -> tuple[list[str], dict[str, Any]]:
    conditions: list[str] = []
    values: dict[str, Any] = {}
    for column, value in {
        "contact_id": wanted.contact,
        "assistant_id": wanted.assistant,
        "awaits_reply": wanted.awaits_reply,
    }.items():
        if value is not None:
            conditions.append(f"v.{column} = :{column}")
            values[column] = value
    if wanted.linked is not None:
        conditions.append(f"{'' if wanted.linked else 'not '}exists ({_LINKS})")
    for nth, word in enumerate(dict.fromkeys(folded(wanted.q).split())):
        conditions.append(_SAYS.format(word=f":word{nth}"))
        values[f"word{nth}"] = f"%{word.translate(WILDCARDS)}%"
    if wanted.ticket is not None:
        by_id, ref = reference(wanted.ticket)
        conditions.append(f"exists ({_LINKS} and t.{'id' if by_id else 'number'} = :ticket)")
        values["ticket"] = ref
    return conditions, values


def _place(values: Sequence[Any]) -> dict[str, Any]:
    try:
        after, id = values
        return {"after": time_in(after), "after_id": UUID(id)}
    except (ValueError, TypeError, AttributeError) as error:
        raise Malformed("the cursor is broken") from error


def _row(row: Row) -> ConversationRow:
    contact = row["contact_id"]
    return ConversationRow(
        id=row["id"],
        assistant=AssistantRef(id=row["assistant_id"], name=row["assistant_name"]) if row["assistant_id"] else None,
        contact=ContactRef(id=contact, name=row["contact_name"], email=row["contact_email"]) if contact else None,
        identified=row["identified"],
        integration=row["integration"],
        external_id=row["external_id"],
        url=row["url"],
        tickets=tuple(LinkedTicket.model_validate(each) for each in row["tickets"] or ()),
        message_count=row["message_count"],
        last_message=_message(row, row["last_id"], row["last_external_id"], row["id"]) if row["last_id"] else None,
        awaits_reply=row["awaits_reply"],
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def _message(row: Row, id: UUID, external_id: str | None, conversation_id: UUID | None = None) -> MessageSnapshot:
    return MessageSnapshot(
        id=id,
        conversation_id=conversation_id or row["conversation_id"],
        seq=row["seq"],
        author=Author(kind=row["author_kind"], id=row["author_id"], name=row["author_name"]),
        body=row["body"],
        at=row["at"],
        external_id=external_id,
        via=row["via"],
        unverified_sender=row["unverified_sender"],
    )
