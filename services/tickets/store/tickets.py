"""Remembers tickets: one row each, and what every fact leaves beside it."""

import json
import re
import unicodedata
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from typing import Any, cast
from uuid import UUID

from sqlalchemy import text

from chassis.database import Transaction
from chassis.outbox import events_since
from contracts.base import TicketEvent
from contracts.refusals import Conflict, NotFound
from contracts.tickets import (
    CommentAdded,
    ConversationLinked,
    ConversationUnlinked,
    DescriptionChanged,
    NoteAdded,
    NotePinned,
    SubjectChanged,
    TicketSettings,
)
from services.tickets.domain import Ticket
from services.tickets.store.notes import add_note, pin_note
from services.tickets.store.rows import BESIDE, CONTACT, TICKET, rules_of, ticket_of, tickets_of, values_of

LARGEST_NUMBER = 2**31 - 1

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_NUMBER = re.compile(r"[1-9][0-9]{0,9}")
_AT_ONCE = 100
_KINDS = {kind.TYPE: kind for kind in TicketEvent.of_kind("tickets")}

_NEXT_NUMBER = text(
    "insert into ticket_numbers as n (workspace_id, last) values (:ws, 1)"
    " on conflict (workspace_id) do update set last = n.last + 1 returning last,"
    " (select row_to_json(s) from ticket_settings s where s.workspace_id = :ws) as rules"
)
_LAST_NUMBER = text(
    "update ticket_numbers as n set last = told.last from json_to_recordset(cast(:rows as json)) as told (last int)"
    " where n.workspace_id = :ws"
)
# Locking and reading are two statements: the first waits, and only the next one's snapshot shows what the last holder
# left in the tables beside the ticket.
_LOCK_ID = text("select id from tickets where workspace_id = :ws and id = :ref for update")
_LOCK_LINKED = text("""
    select t.id from ticket_conversations l
    join tickets t on t.workspace_id = l.workspace_id and t.id = l.ticket_id
    where l.workspace_id = :ws and l.conversation_id = :conversation and t.deleted_at is null
    order by t.number for update of t
""")
_LOCK_NUMBER = text("select id from tickets where workspace_id = :ws and number = :ref for update")
_LOAD = f"select t.description, {TICKET}, {BESIDE} from tickets t {CONTACT} where t.workspace_id = :ws"  # noqa: S608 - constants
_LOAD_ID = text(_LOAD + " and t.id = :ref")
_LOAD_MANY = text(
    _LOAD + " and t.id = any(array(select unnest(cast(:ids as uuid[])))) and t.deleted_at is null order by t.number"
)
_LOAD_NUMBER = text(_LOAD + " and t.number = :ref")
# An array that a statement makes has one plan however many it holds: to plan anew takes five times what it does.
_LOCK_ALL = text("""
    select id from tickets where workspace_id = :ws and (
        id = any(array(select unnest(cast(:ids as uuid[]))))
        or number = any(array(select unnest(cast(:numbers as int[]))))
    )
    order by number for update
""")
_LOAD_ALL = text(_LOAD + " and t.id = any(array(select unnest(cast(:ids as uuid[]))))")
_INSERT = text("""
    with opened as materialized (
        select * from json_to_recordset(cast(:rows as json)) as opened (
            id uuid, number int, version int, subject text, words text, description text, status text,
            status_before_spam text, priority text, assignee_id uuid, assignee_name text, assignee_role text,
            contact_id uuid, tags text[], fields text, created_at timestamptz, updated_at timestamptz,
            first_response_at timestamptz, resolved_at timestamptz, closed_at timestamptz, deleted_at timestamptz,
            follow_up_of uuid
        )
    ), added as (
        insert into tickets (
            workspace_id, id, number, version, subject, description, status, status_before_spam, priority,
            assignee_id, assignee_name, assignee_role, contact_id, tags, fields,
            created_at, updated_at, first_response_at, resolved_at, closed_at, deleted_at, follow_up_of
        )
        select
            :ws, id, number, version, subject, description, status, status_before_spam, priority,
            assignee_id, assignee_name, assignee_role, contact_id, tags, cast(fields as jsonb),
            created_at, updated_at, first_response_at, resolved_at, closed_at, deleted_at, follow_up_of
        from opened
    )
    insert into ticket_search (workspace_id, ticket_id, words, week, opened_week, shown)
    select :ws, id, words, week_of(updated_at), week_of(created_at), is_shown(status, deleted_at) from opened
""")
# A description that did not change keeps its place on the disk: coalesce hands the stored value on as it is.
_UPDATE = text("""
    update tickets t set
        version = is_now.version, subject = is_now.subject,
        description = coalesce(is_now.description, t.description),
        status = is_now.status, status_before_spam = is_now.status_before_spam, priority = is_now.priority,
        assignee_id = is_now.assignee_id, assignee_name = is_now.assignee_name, assignee_role = is_now.assignee_role,
        contact_id = is_now.contact_id, tags = is_now.tags, fields = cast(is_now.fields as jsonb),
        updated_at = is_now.updated_at, first_response_at = is_now.first_response_at,
        resolved_at = is_now.resolved_at, closed_at = is_now.closed_at, deleted_at = is_now.deleted_at
    from json_to_recordset(cast(:rows as json)) as is_now (
        id uuid, before int, version int, subject text, description text, status text,
        status_before_spam text, priority text, assignee_id uuid, assignee_name text, assignee_role text,
        contact_id uuid, tags text[], fields text, updated_at timestamptz,
        first_response_at timestamptz, resolved_at timestamptz, closed_at timestamptz, deleted_at timestamptz
    )
    where t.workspace_id = :ws and t.id = is_now.id and t.version = is_now.before
""")
_FIND_BY = text("update ticket_search set words = :words where workspace_id = :ws and ticket_id = :id")
_RENAME = text("update tickets set assignee_name = :name where workspace_id = :ws and assignee_id = :user")
_LINK = text(
    "insert into ticket_conversations (workspace_id, ticket_id, conversation_id, ticket_version, opened)"
    " values (:ws, :ticket, :conversation, :version, :opened)"
)
_UNLINK = text(
    "delete from ticket_conversations"
    " where workspace_id = :ws and ticket_id = :ticket and conversation_id = :conversation"
)


def folded(words: str) -> str:
    """Return the words as they are compared: whatever their case or the way their accents are written."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", words).casefold())


async def next_number(tx: Transaction) -> tuple[int, TicketSettings]:
    """Return the workspace's next number, and what it has settled; nobody else gets a number before the commit."""
    if (known := tx.known.get(next_number)) is None:
        (row,) = await tx.all(_NEXT_NUMBER, {"ws": tx.workspace_id})
        number, rules = row["last"], rules_of(row["rules"])
    else:
        number, rules = known[0] + 1, known[1]
        tx.later(_LAST_NUMBER, {"last": number}, key=next_number)
    tx.known[next_number] = number, rules
    return number, rules


async def load(tx: Transaction, ref: str, *, for_update: bool = False) -> Ticket:
    """Return the ticket with this id or number, a deleted one too: who sees that is the policy's affair.

    Raises NotFound. `for_update`: nobody changes it before the commit.
    """
    by_id, where = _where(tx, ref)
    if for_update and (ticket := tx.ahead.get(where["ref"])):
        del tx.ahead[ticket.id], tx.ahead[ticket.state.number]  # as it is from now on, the store alone knows
        return cast("Ticket", ticket)
    if for_update:
        await tx.execute(_LOCK_ID if by_id else _LOCK_NUMBER, where)
    row = await tx.one(_LOAD_ID if by_id else _LOAD_NUMBER, where)
    if row is None:
        raise NotFound
    return ticket_of(row)


async def load_ahead(tx: Transaction, refs: Iterable[str]) -> None:
    """Read the tickets with these ids or numbers for whoever is the first to load each for an update."""
    names: dict[bool, list[UUID | int]] = {True: [], False: []}
    for ref in refs:
        with suppress(NotFound):
            by_id, name = reference(ref)
            names[by_id].append(name)
    for ticket in (await _load_all(tx, names[True], names[False])).values():
        tx.ahead[ticket.id] = tx.ahead[ticket.state.number] = ticket


async def load_all(tx: Transaction, ids: Sequence[UUID]) -> dict[UUID, Ticket]:
    """Return the tickets with these ids, which nobody else changes before the commit."""
    return await _load_all(tx, ids, [])


async def _load_all(tx: Transaction, ids: Sequence[object], numbers: Sequence[object]) -> dict[UUID, Ticket]:
    held = await tx.all(_LOCK_ALL, {"ws": tx.workspace_id, "ids": ids, "numbers": numbers})
    rows = await tx.all(_LOAD_ALL, {"ws": tx.workspace_id, "ids": [row["id"] for row in held]})
    return {ticket.id: ticket for ticket in tickets_of(rows)}


async def load_linked(tx: Transaction, conversation_id: UUID) -> list[Ticket]:
    """Return the tickets that a conversation is linked to, but for deleted ones; nobody changes them before the commit.

    Whoever wants them holds the conversation first. They are locked by number, so that nobody waits in a circle.
    """
    where = {"ws": tx.workspace_id, "conversation": conversation_id}
    ids = [row["id"] for row in await tx.all(_LOCK_LINKED, where)]
    rows = await tx.all(_LOAD_MANY, {"ws": tx.workspace_id, "ids": ids}) if ids else []
    return tickets_of(rows)


async def insert(tx: Transaction, ticket: Ticket, facts: Sequence[TicketEvent]) -> None:
    """Remember a new ticket; the transaction ends in Conflict when its id is taken."""
    state = ticket.state
    values = values_of(state) | {"description": state.description, "words": folded(state.subject)}
    tx.later(_INSERT, values, taken=Conflict("There is a ticket with this id already."))
    await _beside(tx, facts, opened=True)


async def save(tx: Transaction, ticket: Ticket, facts: Sequence[TicketEvent]) -> None:
    """Remember what these facts, the newest of the ticket, have changed.

    The transaction ends in Conflict when others came between.
    """
    if not facts:
        return
    state = ticket.state
    described = any(isinstance(fact, DescriptionChanged) for fact in facts)
    since = tx.waiting(_UPDATE, state.id) or {"before": state.version - len(facts), "description": None}
    values = values_of(state) | {
        "description": state.description if described else since["description"],
        "before": since["before"],
    }
    tx.later(_UPDATE, values, key=state.id, taken=Conflict("The ticket was changed at the same moment; read it again."))
    if any(isinstance(fact, SubjectChanged) for fact in facts):
        await tx.execute(_FIND_BY, {"ws": state.workspace_id, "id": state.id, "words": folded(state.subject)})
    await _beside(tx, facts)


async def rename_assignee(tx: Transaction, user: UUID, name: str) -> None:
    """Call somebody by another name on the tickets that are theirs; nothing happened to the tickets."""
    await tx.execute(_RENAME, {"ws": tx.workspace_id, "user": user, "name": name})


async def missed(tx: Transaction, ticket: Ticket, version: int) -> list[dict[str, Any]]:
    """Return what happened to the ticket after this version, as it was told."""
    return await events_since(tx, "ticket", str(ticket.id), version)


async def life(tx: Transaction, ticket: Ticket) -> AsyncIterator[TicketEvent]:
    """Tell what happened to the ticket, oldest first; words that were erased stay digests."""
    version, more = 0, True
    while more:
        facts = await events_since(tx, "ticket", str(ticket.id), version, limit=_AT_ONCE)
        for fact in facts:
            yield _KINDS[fact["type"]].model_validate_json(json.dumps(fact))
            version = fact["version"]
        more = len(facts) == _AT_ONCE


async def _beside(tx: Transaction, facts: Sequence[TicketEvent], *, opened: bool = False) -> None:
    for fact in facts:
        match fact:
            case ConversationLinked():
                await tx.execute(_LINK, _tie(fact, fact.new.id) | {"version": fact.version, "opened": opened})
            case ConversationUnlinked():
                await tx.execute(_UNLINK, _tie(fact, fact.old.id))
            case NoteAdded() | CommentAdded():
                await add_note(tx, fact)
            case NotePinned():
                await pin_note(tx, fact)


def _tie(fact: TicketEvent, conversation_id: UUID) -> dict[str, Any]:
    return {"ws": fact.workspace_id, "ticket": fact.ticket_id, "conversation": conversation_id}


def reference(ref: str) -> tuple[bool, UUID | int]:
    """Return whether a ticket is meant by its id, and the id or number; raises NotFound for what names nothing."""
    if _UUID.fullmatch(ref):
        return True, UUID(ref)
    if _NUMBER.fullmatch(ref) and int(ref) <= LARGEST_NUMBER:
        return False, int(ref)
    raise NotFound


def _where(tx: Transaction, ref: str) -> tuple[bool, dict[str, Any]]:
    by_id, name = reference(ref)
    return by_id, {"ws": tx.workspace_id, "ref": name}
