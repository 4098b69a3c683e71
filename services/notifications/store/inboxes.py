"""Reads inboxes and marks what was read. An item is all the rows of one `first` that its reader may see now."""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from chassis import cursors
from chassis.database import Row, Transaction
from contracts.base import Actor, ActorKind, Audience
from contracts.notifications import Item, Kind, Notice, NoticePart, NoticeTicket
from services.notifications.domain import STRONGEST_FIRST

_LARGEST = 2**31 - 1
_PARTS = 10

_MINE = (
    "i.workspace_id = :ws and i.recipient_id = :recipient and i.nth is not null"
    " and i.audience = any(cast(:audiences as text[]))"
)
_SHOWN = f"{_MINE} and (:troubles or i.ticket_id is not null) and not i.hidden"
_STRONGEST = "array_position(cast(:strongest as text[]), i.kind)"
_DIGEST = "(select d.nth from items d where d.workspace_id = :ws and d.recipient_id = :recipient and d.id = :digest)"


@dataclass(frozen=True, slots=True)
class _Reading:
    """How a page is read: what is one item on it, and whether only what is not read is there."""

    heads: Any
    items: Any
    tickets: Any
    parts: Any


def _reading(key: Sequence[str], within: str, *, unread: bool) -> _Reading:
    names = [f"i.{name}" for name in key]
    mine, by = " || ".join(f"{name}::text" for name in names) if within else names[0], ", ".join(names)
    # An item stands where it began; what it grows by comes within a minute. A digest is read whole.
    where, place = ("having max(i.nth) < :before", "max(i.nth)") if within else ("", "i.first")
    before = f"{within} " + ("" if within else "and i.first < :before ") + ("and i.read_at is null" if unread else "")
    return _Reading(
        heads=text(
            f"select {mine} as item, {place} as place from items i where {_SHOWN} {before}"  # noqa: S608 - constants
            f" group by {by} {where} order by {place} desc limit :many"
        ),
        items=text(f"""
            select {mine} as item, count(*) as facts, count(distinct i.because) as causes, max(i.at) as last_at,
                count(distinct i.ticket_id) as tickets, bool_and(i.read_at is not null) as is_read,
                max(i.read_at) as last_read, (array_agg(i.id order by {_STRONGEST}, i.nth desc))[1] as shown,
                {"null::uuid" if not within else "(array_agg(i.id order by i.nth))[1]"} as own_id
            from items i where {_SHOWN} {within} and {mine} = any(:items) group by {mine}
        """),  # noqa: S608 - constants
        tickets=text(f"""
            select * from (
                select {mine} as item, i.ticket_id, t.number, t.subject, count(distinct i.because) as causes,
                    (array_agg(i.kind order by {_STRONGEST}))[1] as kind,
                    row_number() over (partition by {mine} order by min({_STRONGEST}), max(i.nth) desc) as rank
                from items i join tickets t on t.workspace_id = i.workspace_id and t.id = i.ticket_id
                where {_SHOWN} {within} and {mine} = any(:items)
                group by {mine}, i.ticket_id, t.number, t.subject
            ) as ranked where rank <= :most order by item, rank
        """),  # noqa: S608 - constants
        parts=text(
            f"select {mine} as item, i.kind, i.old, i.new from items i"  # noqa: S608 - constants
            f" where {_SHOWN} {within} and {mine} = any(:items)"
            f" group by {mine}, i.kind, i.old, i.new order by {_STRONGEST}, min(i.nth)"
        ),
    )


_ITEMS = {unread: _reading(["first"], "", unread=unread) for unread in (False, True)}
_EACH = {
    unread: _reading(["because", "ticket_id"], f"and i.first = {_DIGEST}", unread=unread) for unread in (False, True)
}
"""What one digest holds: each cause on each ticket by itself."""

_ROWS = text("""
    select i.*, t.number, t.subject, (
        select f.id from items f
        where f.workspace_id = i.workspace_id and f.recipient_id = i.recipient_id and f.nth = i.first
    ) as item_id, coalesce((
        select m.muted from mutes m where m.workspace_id = i.workspace_id and m.ticket_id = i.ticket_id
        and m.user_id = i.recipient_id order by m.since desc limit 1
    ), false) as muted
    from items i left join tickets t on t.workspace_id = i.workspace_id and t.id = i.ticket_id
    where i.workspace_id = :ws and i.id = any(:ids)
""")
_UNREAD = text(f"select count(distinct i.first) from items i where {_SHOWN} and i.read_at is null")  # noqa: S608 - constants
_HELD = text(
    f"select count(distinct (i.because, i.ticket_id)) from items i where {_SHOWN} and i.first = {_DIGEST}"  # noqa: S608 - constants
    " and (i.read_at is null or not :unread_only)"
)
_UNREAD_TICKETS = text(
    f"select i.ticket_id from items i where {_SHOWN} and i.read_at is null"  # noqa: S608 - constants
    " group by i.ticket_id order by max(i.nth) desc limit 500"
)
_NAMED = (
    "(i.id = any(cast(:ids as uuid[])) or i.first in (select f.nth from items f where f.workspace_id = :ws"
    " and f.recipient_id = :recipient and f.id = any(cast(:ids as uuid[]))))"
)
_VISIBLE = text(f"""
    select count(*) from unnest(cast(:ids as uuid[])) as named where exists (
        select 1 from items f join items i on i.workspace_id = f.workspace_id and i.recipient_id = f.recipient_id
        and (i.first = f.nth or i.id = f.id)
        where f.workspace_id = :ws and f.recipient_id = :recipient and f.id = named and {_MINE}
    )
""")  # noqa: S608 - constants
_READ = f"update items i set read_at = :at where {_MINE} and i.read_at is null"  # noqa: S608 - constants
_READ_ALL, _READ_SOME = text(_READ), text(f"{_READ} and {_NAMED}")
_READ_TICKET = text(f"{_READ} and i.ticket_id = :ticket")


@dataclass(frozen=True, slots=True)
class Reader:
    """Whose inbox is read, and what their role lets them see now."""

    person: UUID
    audiences: Collection[Audience]


async def page(
    tx: Transaction, reader: Reader, *, unread_only: bool, cursor: str | None, limit: int
) -> tuple[Sequence[Item], str | None]:
    """Return a page of what an inbox says of tickets, newest first, and the next one's cursor; raises Malformed."""
    found, more = await _page(
        tx, _mine(tx, reader, troubles=False), unread_only=unread_only, cursor=cursor, limit=limit
    )
    names = Item.model_fields.keys()
    return [Item(**{name: each for name, each in row.items() if name in names}) for row in found], more


async def notices(
    tx: Transaction, reader: Reader, *, unread_only: bool, cursor: str | None, limit: int, digest: UUID | None = None
) -> tuple[Sequence[Notice], str | None]:
    """Return a page of an inbox, or of what one digest in it holds, newest first; raises Malformed."""
    found, more = await _page(tx, _mine(tx, reader), unread_only=unread_only, cursor=cursor, limit=limit, digest=digest)
    return [Notice(**row) for row in found], more


async def held(tx: Transaction, reader: Reader, digest: UUID, *, unread_only: bool) -> int:
    """Count what one digest holds."""
    return int(await tx.scalar(_HELD, _mine(tx, reader) | {"digest": digest, "unread_only": unread_only}))


async def unread(tx: Transaction, reader: Reader) -> int:
    """Count what is not read."""
    return int(await tx.scalar(_UNREAD, _mine(tx, reader)))


async def unread_tickets(tx: Transaction, reader: Reader) -> list[UUID]:
    """Return the tickets of which something is not read, the newest told first."""
    return [row["ticket_id"] for row in await tx.all(_UNREAD_TICKETS, _mine(tx, reader, troubles=False))]


async def visible(tx: Transaction, reader: Reader, ids: Collection[UUID]) -> int:
    """Count how many of these the reader has."""
    return int(await tx.scalar(_VISIBLE, _mine(tx, reader) | {"ids": list(ids)})) if ids else 0


async def mark_read(tx: Transaction, reader: Reader, ids: Collection[UUID], at: dt.datetime) -> None:
    """Mark these as read with all that they hold, or everything; what was read before keeps its time."""
    await tx.execute(_READ_SOME if ids else _READ_ALL, _mine(tx, reader) | {"ids": list(ids), "at": at})


async def mark_ticket_read(tx: Transaction, reader: Reader, ticket_id: UUID, at: dt.datetime) -> None:
    """Mark all of a ticket as read."""
    await tx.execute(_READ_TICKET, _mine(tx, reader) | {"ticket": ticket_id, "at": at})


async def _page(
    tx: Transaction,
    where: dict[str, Any],
    *,
    unread_only: bool,
    cursor: str | None,
    limit: int,
    digest: UUID | None = None,
) -> tuple[list[dict[str, Any]], str | None]:
    scope = f"inbox {tx.workspace_id} {where['recipient']} {unread_only}" + (f" {digest}" if digest else "")
    before = cursors.decode_number(scope, cursor) if cursor is not None else _LARGEST
    where |= {"digest": digest} if digest else {}
    sql = (_EACH if digest else _ITEMS)[unread_only]
    heads = await tx.all(sql.heads, where | {"before": before, "many": limit + 1})
    more = cursors.encode(scope, [heads[limit - 1]["place"]]) if len(heads) > limit else None
    keys = [head["item"] for head in heads[:limit]]
    return await _items(tx, sql, where, keys), more


async def _items(tx: Transaction, sql: _Reading, where: dict[str, Any], keys: list[Any]) -> list[dict[str, Any]]:
    """Return these items as they are shown, in this order."""
    where |= {"strongest": [kind.value for kind in STRONGEST_FIRST], "most": NoticeTicket.MOST}
    items = {row["item"]: row for row in await tx.all(sql.items, where | {"items": keys})} if keys else {}
    rows = {row["id"]: row for row in await tx.all(_ROWS, where | {"ids": [each["shown"] for each in items.values()]})}
    several = [key for key, each in items.items() if each["facts"] > 1]
    tickets = _by_item(await tx.all(sql.tickets, where | {"items": several}) if several else ())
    of_one = [key for key in several if items[key]["causes"] == 1]
    parts = _by_item(await tx.all(sql.parts, where | {"items": of_one}) if of_one else ())
    # What became part of a digest or was deleted since the first statement is told by what comes next.
    return [_shown(items[key], rows[items[key]["shown"]], tickets[key], parts[key]) for key in keys if key in items]


def _by_item(rows: Iterable[Row]) -> Mapping[Any, list[Row]]:
    found: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["item"]].append(row)
    return found


def _shown(item: Row, row: Row, tickets: Sequence[Row], parts: Sequence[Row]) -> dict[str, Any]:
    alone: list[Any] = [{**row, "causes": 1}] if row["ticket_id"] is not None and not tickets else []
    about = tuple(
        NoticeTicket(
            id=each["ticket_id"],
            number=each["number"],
            subject=each["subject"],
            kind=Kind(each["kind"]),
            count=each["causes"],
        )
        for each in (*tickets, *alone)
    )
    said = parts or ([row] if item["causes"] == 1 else [])
    return {
        "id": item["own_id"] or row["item_id"],
        "kind": Kind(row["kind"]),
        "ticket_id": row["ticket_id"],
        "ticket_number": row["number"],
        "ticket_subject": row["subject"],
        "actor": Actor(kind=ActorKind(row["actor_kind"]), id=row["actor_id"], name=row["actor_name"]),
        "at": item["last_at"],
        "cause": row["cause"],
        "old": row["old"],
        "new": row["new"],
        "read_at": item["last_read"] if item["is_read"] else None,
        "muted": row["muted"],
        "count": item["causes"],
        "tickets": about,
        "more_tickets": item["tickets"] - len(about),
        "parts": tuple(NoticePart(kind=Kind(each["kind"]), old=each["old"], new=each["new"]) for each in said[:_PARTS]),
    }


def _mine(tx: Transaction, reader: Reader, *, troubles: bool = True) -> dict[str, Any]:
    audiences = [audience.value for audience in reader.audiences]
    return {"ws": tx.workspace_id, "recipient": reader.person, "audiences": audiences, "troubles": troubles}
