"""Remembers the team's notes and comments, each by the fact that told of it."""

import json
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text

from chassis import cursors
from chassis.database import Row, Transaction
from contracts.base import Actor, ActorKind, Person
from contracts.refusals import Conflict, NotFound
from contracts.tickets import CommentAdded, ListNotes, NoteAdded, NoteKind, NotePinned, NoteSnapshot
from services.tickets.domain import Ticket
from services.tickets.store.pages import fitting

_ADD = text("""
    insert into notes (
        workspace_id, id, ticket_id, ticket_version, kind, body, pinned, in_reply_to,
        author_kind, author_id, author_name, created_at, mentions
    ) values (
        :ws, :id, :ticket, :version, :kind, :body, :pinned, :in_reply_to, :author_kind, :author_id, :author_name, :at,
        cast(:mentions as jsonb)
    ) on conflict (workspace_id, id) do nothing
""")
_EXISTS = text("select 1 from notes where workspace_id = :ws and ticket_id = :ticket and id = :id")
_PAGE = text(
    "select * from notes where workspace_id = :ws and ticket_id = :ticket and ticket_version > :after"
    " and (cast(:kind as text) is null or kind = :kind) and (cast(:pinned as boolean) is null or pinned = :pinned)"
    " order by ticket_version limit :many"
)
_ONE = text("select * from notes where workspace_id = :ws and ticket_id = :ticket and id = :id")
_PIN = text("update notes set pinned = :pinned where workspace_id = :ws and ticket_id = :ticket and id = :id")


async def add_note(tx: Transaction, fact: NoteAdded | CommentAdded) -> None:
    """Remember a note or comment; raises Conflict when its id is taken."""
    added = await tx.execute(
        _ADD,
        {
            "ws": fact.workspace_id,
            "id": fact.note_id,
            "ticket": fact.ticket_id,
            "version": fact.version,
            "kind": (NoteKind.NOTE if isinstance(fact, NoteAdded) else NoteKind.COMMENT).value,
            "body": fact.body,
            "pinned": isinstance(fact, NoteAdded) and fact.pinned,
            "in_reply_to": fact.in_reply_to if isinstance(fact, CommentAdded) else None,
            "author_kind": fact.actor.kind.value,
            "author_id": fact.actor.id,
            "author_name": fact.actor.name,
            "at": fact.at,
            "mentions": json.dumps([person.model_dump(mode="json") for person in fact.mentions], ensure_ascii=False),
        },
    )
    if not added:
        raise Conflict("There is a note with this id already.")


async def has_note(tx: Transaction, ticket: Ticket, id: UUID) -> bool:
    """Tell whether this note or comment stands on the ticket."""
    return bool(await tx.scalar(_EXISTS, {"ws": tx.workspace_id, "ticket": ticket.id, "id": id}))


async def note(tx: Transaction, ticket: Ticket, id: UUID) -> NoteSnapshot:
    """Return this note or comment of the ticket; raises NotFound."""
    row = await tx.one(_ONE, {"ws": tx.workspace_id, "ticket": ticket.id, "id": id})
    if row is None:
        raise NotFound
    return _note(row)


async def pin_note(tx: Transaction, fact: NotePinned) -> None:
    """Remember whether a note is pinned."""
    where = {"ws": fact.workspace_id, "ticket": fact.ticket_id, "id": fact.note_id}
    await tx.execute(_PIN, where | {"pinned": fact.new})


async def note_page(tx: Transaction, ticket: Ticket, query: ListNotes) -> tuple[Sequence[NoteSnapshot], str | None]:
    """Return a page of the ticket's notes, oldest first and no more than fit, and the cursor of the next one."""
    kind, limit = query.kind and query.kind.value, query.limit
    scope = f"notes {tx.workspace_id} {ticket.id} {kind} {query.pinned}"
    after = cursors.decode_number(scope, query.cursor) if query.cursor is not None else 0
    where = {"ws": tx.workspace_id, "ticket": ticket.id, "after": after, "kind": kind, "pinned": query.pinned}
    rows = await tx.all(_PAGE, where | {"many": limit + 1})
    notes = [_note(row) for row in rows[:limit]]
    page = notes[: fitting([len(note.model_dump_json().encode()) for note in notes])]
    more = cursors.encode(scope, [page[-1].ticket_version]) if len(rows) > len(page) else None
    return page, more


def _note(row: Row) -> NoteSnapshot:
    return NoteSnapshot(
        id=row["id"],
        ticket_id=row["ticket_id"],
        kind=NoteKind(row["kind"]),
        body=row["body"],
        pinned=row["pinned"],
        in_reply_to=row["in_reply_to"],
        author=Actor(kind=ActorKind(row["author_kind"]), id=row["author_id"], name=row["author_name"]),
        created_at=row["created_at"],
        ticket_version=row["ticket_version"],
        mentions=tuple(Person.model_validate(each) for each in row["mentions"]),
    )
