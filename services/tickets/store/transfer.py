"""Which rows of a workspace leave with it, and how they are put into another."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from asyncpg import PostgresError
from sqlalchemy import text

from chassis.database import Transaction
from chassis.transfer import Table
from contracts.base import LoggedFact
from contracts.refusals import Invalid
from contracts.texts import seal, text_at
from services.tickets.store.tickets import folded, next_number

TABLES = (
    Table("settings", "ticket_settings", ("workspace_id text",)),
    Table("contact", "contacts", ("id uuid",), without=("email_key", "words")),
    Table("contact_name", "contact_sources", ("source text", "external_id text")),
    Table("assistant", "assistants", ("id uuid",), without=("identity_secret",)),
    Table("conversation", "conversations", ("id uuid",)),
    Table("visitor", "visitors", ("conversation_id uuid",)),
    Table("message", "messages", ("conversation_id uuid", "seq int")),
    Table("ticket", "tickets", ("id uuid",), without=("priority_rank",)),
    Table("link", "ticket_conversations", ("ticket_id uuid", "conversation_id uuid")),
    Table("note", "notes", ("id uuid",)),
    Table("request", "intake_sources", ("integration text", "kind text", "external_id text")),
    Table("heard", "inbox", ("source text", "message_id text")),
)
"""In an order in which each row comes after those that it names."""

POSITION = Table("position", "positions", ("workspace_id text",))
"""How far the log of facts goes."""

_SEARCH = text(
    "insert into ticket_search (workspace_id, ticket_id, words, week, opened_week, shown)"
    " select :ws, w.id, w.words, week_of(t.updated_at), week_of(t.created_at), is_shown(t.status, t.deleted_at)"
    " from unnest(cast(:ids as uuid[]), cast(:words as text[])) as w (id, words)"
    " join tickets t on t.workspace_id = :ws and t.id = w.id on conflict do nothing"
)
_NUMBERS = text(
    "insert into ticket_numbers as n (workspace_id, last) values (:ws, :last)"
    " on conflict (workspace_id) do update set last = greatest(n.last, excluded.last)"
)
_FACT = text(
    "insert into event_log"
    " (workspace_id, id, position, type, about_kind, about_id, version, at, audience, body, sent_at)"
    " values (:ws, :id, :position, :type, :about_kind, :about_id, :version, cast(:at as timestamptz), :audience,"
    " cast(:body as jsonb), now()) on conflict (workspace_id, id) do nothing"
)
_STANDS = text("select position from event_log where workspace_id = :ws and id = :id")
_TEXTS = text(
    "insert into event_texts (workspace_id, event_id, pointer, salt, text) select :ws, :id, * from"
    " unnest(cast(:pointers as text[]), cast(:salts as text[]), cast(:texts as text[])) on conflict do nothing"
)
_POSITIONS = text(
    "insert into positions as p (workspace_id, last) values (:ws, :last)"
    " on conflict (workspace_id) do update set last = greatest(p.last, excluded.last)"
)


async def put_beside(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> None:
    """Let imported tickets be found, and let the next number be behind theirs."""
    values = {"ids": [UUID(row["id"]) for row in rows], "words": [folded(row["subject"]) for row in rows]}
    await tx.execute(_SEARCH, {"ws": tx.workspace_id, **values})
    tx.known.pop(next_number, None)
    await tx.execute(_NUMBERS, {"ws": tx.workspace_id, "last": max(row["number"] for row in rows)})


async def put_facts(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> int:
    """Add facts that were told elsewhere, at their positions and as told; raises Invalid where others stand there."""
    fresh = 0
    try:
        facts = [LoggedFact.model_validate(row) for row in rows]
        for fact in facts:
            fresh += await _put_fact(tx, fact)
    except (KeyError, TypeError, ValueError, PostgresError) as error:
        if isinstance(error, PostgresError) and not (error.sqlstate or "").startswith(("22", "23")):
            raise
        raise Invalid.field(
            "rows", "unfit", "can't stand in the record: another fact does, or it can't be read"
        ) from error
    await tx.execute(_POSITIONS, {"ws": tx.workspace_id, "last": max(fact.position for fact in facts)})
    return fresh


async def _put_fact(tx: Transaction, fact: LoggedFact) -> int:
    body = dict(fact.body)
    if {fact.workspace_id, body["workspace_id"]} != {tx.workspace_id} or not fact.type.startswith("tickets."):
        msg = "is a fact of another record"
        raise ValueError(msg)
    salts: dict[str, str] = body.pop("salts")
    texts = {pointer: (salt, str(text_at(body, pointer))) for pointer, salt in salts.items()}
    seal(body, texts)
    ticket, subject = body.get("ticket_id"), body.get("subject") or {}
    kind, about, version = (
        ("ticket", ticket, body["version"]) if ticket else (subject["kind"], subject["id"], subject["version"])
    )
    row = {
        "ws": tx.workspace_id,
        "id": fact.id,
        "position": fact.position,
        "type": fact.type,
        "about_kind": kind,
        "about_id": about,
        "version": version,
        "at": dt.datetime.fromisoformat(body["at"]),
        "audience": body["audience"],
        "body": json.dumps(body, ensure_ascii=False),
    }
    added = await tx.execute(_FACT, row)
    if not added and await tx.scalar(_STANDS, {"ws": tx.workspace_id, "id": fact.id}) != fact.position:
        msg = "stands elsewhere in the record"
        raise ValueError(msg)
    if added and texts:
        await tx.execute(
            _TEXTS,
            {
                "ws": tx.workspace_id,
                "id": fact.id,
                "pointers": list(texts),
                "salts": [salt for salt, _ in texts.values()],
                "texts": [words for _, words in texts.values()],
            },
        )
    return added
