"""Remembers members, tickets and inboxes, one workspace at a time."""

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text

from chassis import cursors
from chassis.database import Transaction
from contracts.base import Actor, ActorKind, Audience, Role, TicketEvent, uuid7
from contracts.notifications import Item, Kind, Notice
from contracts.refusals import NotFound
from services.notifications.domain import OURSELVES, codes_of

_LARGEST = 2**31 - 1

# Members

_STANDING = text(
    "select user_id, role from members where workspace_id = :ws and known and user_id = any(cast(:users as uuid[]))"
)
# The update that changes nothing locks the row until the commit: whoever makes this person known waits for what is
# stored for them, or has committed before, and is returned here.
_EXPECT = text(
    "insert into members as m (workspace_id, user_id, known)"
    " select :ws, stranger, false from unnest(cast(:users as uuid[])) as stranger order by stranger"
    " on conflict (workspace_id, user_id) do update set known = m.known"
    " returning user_id, known, role"
)
_REMEMBER = text(
    "insert into members (workspace_id, user_id, known, role) values (:ws, :user, true, :role)"
    " on conflict (workspace_id, user_id) do update set known = true, role = excluded.role"
)
_FORGET_MEMBERS = text("update members set role = null where workspace_id = :ws and known")

# Tickets

_TICKET = text(
    "insert into tickets (workspace_id, id, number, subject) values (:ws, :ticket, :number, :subject)"
    " on conflict (workspace_id, id) do update set subject = excluded.subject"
)
_KNOWN = text("select exists (select 1 from tickets where workspace_id = :ws and id = :ticket)")
_SUBJECT = text("update tickets set subject = :subject where workspace_id = :ws and id = :ticket")
_DELETED = text("update tickets set deleted = :deleted where workspace_id = :ws and id = :ticket")

# Inboxes

_COLUMNS = """
    workspace_id, id, recipient_id, cause, kind, audience, ticket_id, actor_kind, actor_id, actor_name, at, old, new
"""
_VALUES = """
    :ws, :id, :recipient, :cause, :kind, :audience, cast(:ticket as uuid), :actor_kind, :actor_id,
    :actor_name, :at, :old, :new
"""
# A cause that is heard again must take no place: the place is taken only where there is no item yet. Nobody adds items
# of the same cause meanwhile, since who applies a book holds its row.
_ADD = text(f"""
    with place as (
        update members set told = told + 1
        where workspace_id = :ws and user_id = :recipient and not exists (
            select 1 from items where workspace_id = :ws and cause = :cause and recipient_id = :recipient
        )
        returning told
    )
    insert into items ({_COLUMNS}, nth) select {_VALUES}, told from place
    returning id, recipient_id, nth, kind, cause, ticket_id
""")  # noqa: S608 - constants
_ADD_WAITING = text(f"insert into items ({_COLUMNS}) values ({_VALUES}) on conflict do nothing")  # noqa: S608 - as above
_DROP = text(
    "delete from items where workspace_id = :ws and recipient_id = :recipient and nth is null"
    " and audience <> all(cast(:audiences as text[]))"
)
_WAITING = text(
    "select id from items where workspace_id = :ws and recipient_id = :recipient and nth is null order by at, id"
)
_RELEASE = text("""
    with place as (
        update members set told = told + 1 where workspace_id = :ws and user_id = :recipient returning told
    )
    update items set nth = place.told from place where workspace_id = :ws and id = :id
    returning id, recipient_id, nth, kind, cause, ticket_id
""")
_MINE = (
    "i.workspace_id = :ws and i.recipient_id = :recipient and i.nth is not null"
    " and i.audience = any(cast(:audiences as text[]))"
)
_PAGE = (
    "select i.*, t.number, t.subject from items i"  # noqa: S608 - constants
    " join tickets t on t.workspace_id = i.workspace_id and t.id = i.ticket_id"
    f" where {_MINE} and not t.deleted and i.nth < :before %s order by i.nth desc limit :many"
)
_PAGE_ALL, _PAGE_UNREAD = text(_PAGE % ""), text(_PAGE % "and i.read_at is null")
_NOTICES = (
    "select i.*, t.number, t.subject, coalesce((select m.muted from mutes m where m.workspace_id = i.workspace_id"  # noqa: S608 - constants
    " and m.ticket_id = i.ticket_id and m.user_id = i.recipient_id order by m.since desc limit 1), false) as muted"
    " from items i left join tickets t on t.workspace_id = i.workspace_id and t.id = i.ticket_id"
    f" where {_MINE} and t.deleted is not true and i.nth < :before %s order by i.nth desc limit :many"
)
_NOTICES_ALL, _NOTICES_UNREAD = text(_NOTICES % ""), text(_NOTICES % "and i.read_at is null")
_UNREAD = text(
    "select count(*) from items i"  # noqa: S608 - constants
    " left join tickets t on t.workspace_id = i.workspace_id and t.id = i.ticket_id"
    f" where {_MINE} and t.deleted is not true and i.read_at is null"
)
_UNREAD_TICKETS = text(
    "select i.ticket_id from items i"  # noqa: S608 - constants
    " join tickets t on t.workspace_id = i.workspace_id and t.id = i.ticket_id"
    f" where {_MINE} and not t.deleted and i.read_at is null"
    " group by i.ticket_id order by max(i.nth) desc limit 500"
)
_DESK = text("select user_id, role from members where workspace_id = :ws and known and role in ('owner', 'admin')")
_NAMED = "i.id = any(cast(:ids as uuid[]))"
_VISIBLE = text(f"select count(*) from items i where {_MINE} and {_NAMED}")  # noqa: S608 - constants
_READ = f"update items i set read_at = :at where {_MINE} and i.read_at is null"  # noqa: S608 - constants
_READ_ALL, _READ_SOME = text(_READ), text(f"{_READ} and {_NAMED}")
_READ_TICKET = text(f"{_READ} and i.ticket_id = :ticket")


@dataclass(frozen=True, slots=True)
class Reader:
    """Whose inbox is read, and what their role lets them see now."""

    person: UUID
    audiences: Collection[Audience]


@dataclass(frozen=True, slots=True)
class Told:
    """An item that has come into an inbox, at its `nth` place."""

    id: UUID
    recipient_id: UUID
    nth: int
    kind: Kind
    cause: UUID
    ticket_id: UUID


async def standing(tx: Transaction, people: Iterable[UUID]) -> dict[UUID, Role | None]:
    """Return the role of those who are known; None for who was removed."""
    rows = await tx.all(_STANDING, {"ws": tx.workspace_id, "users": list(people)})
    return {row["user_id"]: _role(row) for row in rows}


async def expect(tx: Transaction, strangers: Iterable[UUID]) -> dict[UUID, Role | None]:
    """Keep a place for each until the commit; return the role of those who became known in this very moment."""
    rows = await tx.all(_EXPECT, {"ws": tx.workspace_id, "users": list(strangers)})
    return {row["user_id"]: _role(row) for row in rows if row["known"]}


async def remember(tx: Transaction, person: UUID, role: Role | None) -> None:
    """Know what somebody is now; None: no member any more."""
    await tx.execute(_REMEMBER, {"ws": tx.workspace_id, "user": person, "role": role and role.value})


async def forget_members(tx: Transaction) -> None:
    """Know that nobody is a member any more."""
    await tx.execute(_FORGET_MEMBERS, {"ws": tx.workspace_id})


async def ticket(tx: Transaction, id: UUID, number: int, subject: str) -> None:
    """Know a ticket."""
    await tx.execute(_TICKET, {"ws": tx.workspace_id, "ticket": id, "number": number, "subject": subject})


async def require_ticket(tx: Transaction, id: UUID) -> None:
    """Refuse a fact about a ticket that nothing is known of: the fact that made it could not be applied."""
    if not await tx.scalar(_KNOWN, {"ws": tx.workspace_id, "ticket": id}):
        raise NotFound("Nothing is known of this ticket.")


async def subject(tx: Transaction, ticket_id: UUID, subject: str) -> None:
    """Know what a ticket is called now."""
    await tx.execute(_SUBJECT, {"ws": tx.workspace_id, "ticket": ticket_id, "subject": subject})


async def deleted(tx: Transaction, ticket_id: UUID, *, deleted: bool) -> None:
    """Know whether a ticket is hidden, and its items with it."""
    await tx.execute(_DELETED, {"ws": tx.workspace_id, "ticket": ticket_id, "deleted": deleted})


async def add(tx: Transaction, event: TicketEvent, person: UUID, kind: Kind) -> Told | None:
    """Put an item into a member's inbox; None where they were told of this cause before."""
    row = await tx.one(_ADD, _values(event, person, kind))
    return _told(row) if row else None


async def add_waiting(tx: Transaction, event: TicketEvent, person: UUID, kind: Kind) -> None:
    """Keep an item for somebody whom `expect` kept a place for."""
    await tx.execute(_ADD_WAITING, _values(event, person, kind))


async def release(tx: Transaction, person: UUID, audiences: Iterable[Audience]) -> list[Told]:
    """Put what has waited for somebody into their inbox, but for what these audiences leave out, which is forgotten."""
    where = {"ws": tx.workspace_id, "recipient": person}
    await tx.execute(_DROP, where | {"audiences": [audience.value for audience in audiences]})
    waiting = await tx.all(_WAITING, where)
    rows = [await tx.one(_RELEASE, where | {"id": row["id"]}) for row in waiting]
    return [_told(row) for row in rows if row]


async def page(
    tx: Transaction, reader: Reader, *, unread_only: bool, cursor: str | None, limit: int
) -> tuple[Sequence[Item], str | None]:
    """Return a page of an inbox, newest first, and the cursor of the next one; raises Malformed."""
    scope = f"inbox {tx.workspace_id} {reader.person} {unread_only}"
    before = cursors.decode_number(scope, cursor) if cursor is not None else _LARGEST
    rows = await tx.all(
        _PAGE_UNREAD if unread_only else _PAGE_ALL, _mine(tx, reader) | {"before": before, "many": limit + 1}
    )
    more = cursors.encode(scope, [rows[limit - 1]["nth"]]) if len(rows) > limit else None
    return [_item(row) for row in rows[:limit]], more


async def notices(
    tx: Transaction, reader: Reader, *, unread_only: bool, cursor: str | None, limit: int
) -> tuple[Sequence[Notice], str | None]:
    """Return a page of an inbox with what is of no ticket, newest first; raises Malformed."""
    scope = f"inbox {tx.workspace_id} {reader.person} {unread_only}"
    before = cursors.decode_number(scope, cursor) if cursor is not None else _LARGEST
    where = _mine(tx, reader) | {"before": before, "many": limit + 1}
    rows = await tx.all(_NOTICES_UNREAD if unread_only else _NOTICES_ALL, where)
    more = cursors.encode(scope, [rows[limit - 1]["nth"]]) if len(rows) > limit else None
    return [_notice(row) for row in rows[:limit]], more


async def who_runs_the_desk(tx: Transaction) -> dict[UUID, Role]:
    """Return the owners and admins."""
    return {row["user_id"]: Role(row["role"]) for row in await tx.all(_DESK, {"ws": tx.workspace_id})}


async def add_trouble(tx: Transaction, person: UUID, kind: Kind, cause: UUID, at: dt.datetime) -> bool:
    """Put something of no ticket into an admin's inbox; False where they were told of it before."""
    row = {
        "ws": tx.workspace_id,
        "id": uuid7(),
        "recipient": person,
        "cause": cause,
        "kind": kind.value,
        "audience": Audience.ADMINS.value,
        "ticket": None,
        "actor_kind": OURSELVES.kind.value,
        "actor_id": OURSELVES.id,
        "actor_name": OURSELVES.name,
        "at": at,
        "old": None,
        "new": None,
    }
    return await tx.one(_ADD, row) is not None


async def unread(tx: Transaction, reader: Reader) -> int:
    """Count what is not read."""
    return int(await tx.scalar(_UNREAD, _mine(tx, reader)))


async def unread_tickets(tx: Transaction, reader: Reader) -> list[UUID]:
    """Return the tickets of which something is not read, the newest told first."""
    return [row["ticket_id"] for row in await tx.all(_UNREAD_TICKETS, _mine(tx, reader))]


async def visible(tx: Transaction, reader: Reader, ids: Collection[UUID]) -> int:
    """Count how many of these the reader has."""
    return int(await tx.scalar(_VISIBLE, _mine(tx, reader) | {"ids": list(ids)})) if ids else 0


async def mark_read(tx: Transaction, reader: Reader, ids: Collection[UUID], at: dt.datetime) -> None:
    """Mark these as read, or all; what was read before keeps its time."""
    await tx.execute(_READ_SOME if ids else _READ_ALL, _mine(tx, reader) | {"ids": list(ids), "at": at})


async def mark_ticket_read(tx: Transaction, reader: Reader, ticket_id: UUID, at: dt.datetime) -> None:
    """Mark all of a ticket as read."""
    await tx.execute(_READ_TICKET, _mine(tx, reader) | {"ticket": ticket_id, "at": at})


def _mine(tx: Transaction, reader: Reader) -> dict[str, Any]:
    audiences = [audience.value for audience in reader.audiences]
    return {"ws": tx.workspace_id, "recipient": reader.person, "audiences": audiences}


def _values(event: TicketEvent, person: UUID, kind: Kind) -> dict[str, Any]:
    old, new = codes_of(event)
    return {
        "ws": event.workspace_id,
        "id": uuid7(),
        "recipient": person,
        "cause": event.id,
        "kind": kind.value,
        "audience": event.audience.value,
        "ticket": event.ticket_id,
        "actor_kind": event.actor.kind.value,
        "actor_id": event.actor.id,
        "actor_name": event.actor.name,
        "at": event.at,
        "old": old,
        "new": new,
    }


def _role(row: RowMapping) -> Role | None:
    return Role(row["role"]) if row["role"] else None


def _told(row: RowMapping) -> Told:
    return Told(
        id=row["id"],
        recipient_id=row["recipient_id"],
        nth=row["nth"],
        kind=Kind(row["kind"]),
        cause=row["cause"],
        ticket_id=row["ticket_id"],
    )


def _notice(row: RowMapping) -> Notice:
    return Notice(**_shown(row), muted=row["muted"])


def _item(row: RowMapping) -> Item:
    return Item(**_shown(row))


def _shown(row: RowMapping) -> dict[str, Any]:
    return {
        "id": row["id"],
        "kind": Kind(row["kind"]),
        "ticket_id": row["ticket_id"],
        "ticket_number": row["number"],
        "ticket_subject": row["subject"],
        "actor": Actor(kind=ActorKind(row["actor_kind"]), id=row["actor_id"], name=row["actor_name"]),
        "at": row["at"],
        "cause": row["cause"],
        "old": row["old"],
        "new": row["new"],
        "read_at": row["read_at"],
    }
