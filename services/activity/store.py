"""Remembers entries, beside them the words that may be erased, and what reports count of them."""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from uuid import UUID

import rfc8785
from sqlalchemy import text

from chassis.database import Transaction
from contracts.activity import AgentCount, Backlog, Book, BookHead, Times
from contracts.erasing import ErasedWords
from contracts.tickets.shapes import Status
from services.activity.domain import GENESIS, Counted, Line, Texts, chain

BEGINNING = -(2**62)
"""Less than any seq, made up ones included."""

_HUGE = 2**53
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)
"""Written in C, and five times as quick as what writes RFC 8785 whole."""

_AT_ONCE = 2_000
_PRUNED_AT_ONCE = 5_000

_HEAD = text(
    "select seq, hash from entries where workspace_id = :ws and book = :book order by seq desc limit 1",
)
_HEADS = text(
    "select distinct on (workspace_id, book) workspace_id, book, seq, hash from entries"
    " order by workspace_id, book, seq desc"
)
_ADD = text("""
    with told as materialized (
        select * from json_to_recordset(cast(:rows as json)) as told (
            book text, seq bigint, entry text, prev_hash text, hash text, words json
        )
    ), added as (
        insert into entries (workspace_id, book, seq, entry, prev_hash, hash)
        select :ws, book, seq, entry, prev_hash, hash from told
    )
    insert into entry_texts (workspace_id, book, seq, pointer, salt, text)
    select :ws, book, seq, pointer, salt, text
    from told, json_to_recordset(words) as words (pointer text, salt text, text text)
""")
_ERASE = text(
    "delete from entry_texts as t using"
    " unnest(cast(:seqs as bigint[]), cast(:pointers as text[])) as gone(seq, pointer)"
    " where t.workspace_id = :ws and t.book = :book and t.seq = gone.seq and t.pointer = gone.pointer"
)
_ENTRY = text("select entry from entries where workspace_id = :ws and book = :book and seq = :seq")
_REACH = text("select max(version) from entries where workspace_id = :ws and book = 'tickets' and ticket_id = :ticket")
_LAST = (
    "(select d.type from entries as d where d.workspace_id = {ws} and d.ticket_id = {ticket}"
    " and d.type in ('ticket_deleted', 'ticket_restored') order by d.version desc limit 1) = 'ticket_deleted'"
)
_IS_DELETED = text(f"select coalesce({_LAST.format(ws=':ws', ticket=':ticket')}, false)")
# While a ticket is deleted its history is for those who may see it then; that it is gone, the others are told too.
_AUDIENCE = (
    f"case when e.type <> 'ticket_deleted' and {_LAST.format(ws='e.workspace_id', ticket='e.ticket_id')}"
    " then 'admins' else e.audience end as audience"
)
_KEPT = (
    f"select seq, version, {_AUDIENCE}, entry, prev_hash, hash, octet_length(entry) + coalesce("  # noqa: S608 - constants
    "   (select sum(octet_length(t.text)) from entry_texts as t"
    "    where t.workspace_id = e.workspace_id and t.book = e.book and t.seq = e.seq), 0) as size"
    " from entries as e where workspace_id = :ws and book = :book"
)
_OF_TICKET = (
    f"select * from ({_KEPT} and ticket_id = :ticket and version > cast(:after as bigint) and version <= :reach"  # noqa: S608 - constants
    " and (cast(:types as text[]) is null or type = any(:types))) as kept"
    " where cast(:audiences as text[]) is null or audience = any(:audiences)"
    " order by version {} limit :many"
)
_FORTH, _BACK = (text(_OF_TICKET.format(way)) for way in ("asc", "desc"))
_AFTER = text(_KEPT + " and seq > :after order by seq limit :many")
_ITSELF = (
    f"{_KEPT} %s and (cast(:types as text[]) is null or type = any(:types))"
    " and (cast(:person as text) is null or :person in"
    "   (cast(entry as jsonb) #>> '{actor,id}', cast(entry as jsonb) ->> 'user_id'))"
    " and seq < :before order by seq desc limit :many"
)
_OF_PEOPLE = text(_ITSELF % "")
_OF_SETTINGS = text(_ITSELF % "and ticket_id is null and e.audience = 'admins'")
_WORDS = text(
    "select seq, pointer, salt, text from entry_texts"
    " where workspace_id = :ws and book = :book and seq = any(cast(:seqs as bigint[]))"
)
_LINES = text(
    "select seq, entry, prev_hash, hash, ("
    "   select json_object_agg(pointer, 'sha256:' || encode(sha256(decode(salt, 'hex') || convert_to(text, 'UTF8')),"
    "   'hex')) from entry_texts as t where t.workspace_id = e.workspace_id and t.book = e.book and t.seq = e.seq"
    " ) as digests"
    " from entries as e where workspace_id = :ws and book = :book and seq > :after order by seq limit :many"
)
_PRUNE = text(
    "with outlived as ("
    "  select workspace_id, id from event_log where sent_at < now() - interval '30 days' order by sent_at limit :many"
    "), unworded as ("
    "  delete from event_texts as t using outlived as o where t.workspace_id = o.workspace_id and t.event_id = o.id"
    ")"
    " delete from event_log as e using outlived as o where e.workspace_id = o.workspace_id and e.id = o.id"
)
_STEP = "insert into report_steps (workspace_id, seq, ticket_id, kind, at, waited, agent, counts)"
_WAITED = "extract(epoch from cast(:at as timestamptz) - created_at)"
_COUNT = {
    "ticket_created": text(
        "with told as materialized ("  # noqa: S608 - constants
        "  select * from json_to_recordset(cast(:rows as json)) as told ("
        "    ticket uuid, at timestamptz, status text, seq bigint, agent uuid)"
        "), opened as ("
        "  insert into report_tickets (workspace_id, ticket_id, created_at, status)"
        "  select :ws, ticket, at, status from told on conflict do nothing"
        f") {_STEP} select :ws, seq, ticket, 'created', at, 0, agent, true from told"
    ),
    # What a statement reads is what was there before it.
    "status_changed": text(
        "with moved as ("  # noqa: S608 - constants
        "  update report_tickets set status = :status where workspace_id = :ws and ticket_id = :ticket)"
        f" {_STEP} select :ws, :seq, :ticket, 'resolved', :at, {_WAITED}, :agent, not deleted from report_tickets"
        " where workspace_id = :ws and ticket_id = :ticket and :status in ('resolved', 'closed')"
        " and status not in ('resolved', 'closed', 'spam')"
    ),
    "agent_replied": text(
        "with answered as ("  # noqa: S608 - constants
        "  update report_tickets set answered = true where workspace_id = :ws and ticket_id = :ticket and not answered"
        f") {_STEP} select :ws, :seq, :ticket, case when answered then 'replied' else 'answered' end, :at, {_WAITED},"
        " :agent, not deleted and status <> 'spam' from report_tickets where workspace_id = :ws and ticket_id = :ticket"
    ),
    "ticket_deleted": text("update report_tickets set deleted = true where workspace_id = :ws and ticket_id = :ticket"),
    "ticket_restored": text(
        "update report_tickets set deleted = false where workspace_id = :ws and ticket_id = :ticket"
    ),
}
_COUNTED = " from report_steps as s where s.workspace_id = :ws and s.at >= :begins and s.at < :ends and s.counts"
_BY_DAY = text(
    "select date_bin('1 day', s.at, :begins) as day,"
    " count(*) filter (where s.kind = 'created') as created, count(*) filter (where s.kind = 'resolved') as resolved"
    f"{_COUNTED} and s.kind in ('created', 'resolved') group by 1"
)
_TIMES = text(
    "select s.kind, count(*) as count, percentile_cont(array[0.5, 0.9]) within group (order by s.waited) as waited"
    f"{_COUNTED} and s.kind in ('answered', 'resolved') group by 1"
)
_AGENTS = text(
    "select s.agent as id, count(*) filter (where s.kind = 'resolved') as resolved,"
    " count(*) filter (where s.kind in ('answered', 'replied')) as replies,"
    " count(*) filter (where s.kind = 'answered') as first_responses,"
    " percentile_cont(0.5) within group (order by s.waited) filter (where s.kind = 'answered') as median_first_response"
    f"{_COUNTED} and s.kind <> 'created' and s.agent is not null"
    " group by 1 order by resolved desc, replies desc, id limit 500"
)
_AGES = {"under_1_day": 1, "under_3_days": 3, "under_7_days": 7, "under_30_days": 30}
_BACKLOG = text(
    "select status, count(*) as tickets, "  # noqa: S608 - constants
    + ", ".join(f"count(*) filter (where created_at > cast(:{name} as timestamptz)) as {name}" for name in _AGES)
    + " from report_tickets where workspace_id = :ws and not deleted and status not in ('resolved', 'closed', 'spam')"
    " group by status"
)
_WAITING = (Status.NEW, Status.OPEN, Status.IN_PROGRESS, Status.WAITING_ON_CUSTOMER)


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry without its words."""

    seq: int
    version: int | None
    audience: str | None
    """Who may see it now."""
    entry: str
    prev_hash: str
    hash: str
    size: int
    """Bytes of the entry and of the words that belong to it."""


def canonical(entry: dict[str, Any]) -> str:
    """Return the entry in the one form that is hashed: RFC 8785."""
    return _ENCODER.encode(entry) if _is_plain(entry) else rfc8785.dumps(entry).decode()


def _is_plain(value: object) -> bool:
    """Tell whether the encoder writes this as RFC 8785 does: no fraction, no huge number, names in ASCII."""
    if isinstance(value, dict):
        return all(map(str.isascii, value)) and all(map(_is_plain, value.values()))
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, str) or (isinstance(value, int) and abs(value) < _HUGE)


async def head(tx: Transaction, book: Book) -> BookHead:
    """Return the end of a book."""
    known: BookHead | None = tx.known.get(book)
    if known is None:
        row = await tx.one(_HEAD, {"ws": tx.workspace_id, "book": book.value})
        known = BookHead(book=book, seq=row["seq"] if row else 0, hash=row["hash"] if row else GENESIS)
    return known


async def heads_of_all(tx: Transaction) -> list[tuple[str, BookHead]]:
    """Return the end of every book that this transaction sees, by workspace."""
    rows = await tx.all(_HEADS)
    return [(row["workspace_id"], BookHead(book=Book(row["book"]), seq=row["seq"], hash=row["hash"])) for row in rows]


def add(tx: Transaction, after: BookHead, entry: dict[str, Any], texts: Texts) -> BookHead:
    """Write the next entry of a book and return its new end."""
    said = canonical(entry)
    head = BookHead(book=after.book, seq=entry["seq"], hash=chain(after.hash, said))
    tx.later(
        _ADD,
        {
            "book": after.book.value,
            "seq": head.seq,
            "entry": said,
            "prev_hash": after.hash,
            "hash": head.hash,
            "words": [{"pointer": at, "salt": salt, "text": word} for at, (salt, word) in texts.items()],
        },
    )
    tx.known[after.book] = head
    return head


async def entry_at(tx: Transaction, book: Book, seq: int) -> str | None:
    """Return what is written there, in canonical JSON."""
    said: str | None = await tx.scalar(_ENTRY, {"ws": tx.workspace_id, "book": book.value, "seq": seq})
    return said


async def reach(tx: Transaction, ticket_id: UUID) -> int | None:
    """Return the last version of a ticket that is recorded; None for a ticket that nothing is known of."""
    version: int | None = await tx.scalar(_REACH, {"ws": tx.workspace_id, "ticket": ticket_id})
    return version


async def is_deleted(tx: Transaction, ticket_id: UUID) -> bool:
    """Tell whether a ticket was deleted and not restored since, as far as is recorded."""
    return bool(await tx.scalar(_IS_DELETED, {"ws": tx.workspace_id, "ticket": ticket_id}))


async def of_ticket(
    tx: Transaction,
    ticket_id: UUID,
    *,
    types: Sequence[str],
    audiences: Sequence[str] | None,
    after: int,
    reach: int,
    limit: int,
    backwards: bool = False,
) -> list[Kept]:
    """Return a ticket's entries of these types and audiences, from version `after` + 1 to `reach`, or the other way."""
    rows = await tx.all(
        _BACK if backwards else _FORTH,
        {
            "ws": tx.workspace_id,
            "book": Book.TICKETS.value,
            "ticket": ticket_id,
            "types": list(types) or None,
            "audiences": audiences,
            "after": after,
            "reach": reach,
            "many": limit,
        },
    )
    return [Kept(**row) for row in rows]


async def after(tx: Transaction, book: Book, seq: int, limit: int) -> list[Kept]:
    """Return the entries of a book after `seq`, whoever may see them."""
    rows = await tx.all(_AFTER, {"ws": tx.workspace_id, "book": book.value, "after": seq, "many": limit})
    return [Kept(**row) for row in rows]


async def of_workspace_itself(
    tx: Transaction, book: Book, *, types: Sequence[str], person: UUID | None, before: int, limit: int
) -> list[Kept]:
    """Return the newest entries of a book before `before` that are about people and settings."""
    rows = await tx.all(
        _OF_PEOPLE if book is Book.PEOPLE else _OF_SETTINGS,
        {
            "ws": tx.workspace_id,
            "book": book.value,
            "types": list(types) or None,
            "person": person and str(person),
            "before": before,
            "many": limit,
        },
    )
    return [Kept(**row) for row in rows]


async def words(tx: Transaction, book: Book, seqs: Sequence[int]) -> dict[int, Texts]:
    """Return the words of these entries that were not erased, by seq."""
    found: dict[int, Texts] = {seq: {} for seq in seqs}
    for row in await tx.all(_WORDS, {"ws": tx.workspace_id, "book": book.value, "seqs": list(seqs)}):
        found[row["seq"]][row["pointer"]] = (row["salt"], row["text"])
    return found


async def lines(tx: Transaction, book: Book, after: int = BEGINNING) -> list[Line]:
    """Return the next lines of a book, by seq, whatever numbers there are; its words stay where they are."""
    rows = await tx.all(_LINES, {"ws": tx.workspace_id, "book": book.value, "after": after, "many": _AT_ONCE})
    return [Line(row["seq"], row["entry"], row["prev_hash"], row["hash"], row["digests"] or {}) for row in rows]


async def erase(tx: Transaction, book: Book, words: Sequence[ErasedWords]) -> None:
    """Erase words of a book's entries; what is not there any more is left out."""
    places = [(each.seq, pointer) for each in words for pointer in each.pointers]
    await tx.execute(
        _ERASE,
        {
            "ws": tx.workspace_id,
            "book": book.value,
            "seqs": [seq for seq, _ in places],
            "pointers": [pointer for _, pointer in places],
        },
    )


async def prune(tx: Transaction) -> int:
    """Forget some announcements that were sent long ago; return how many."""
    return await tx.execute(_PRUNE, {"many": _PRUNED_AT_ONCE})


# Reports


async def count(tx: Transaction, seq: int, step: Counted) -> None:
    """Keep what reports count of the entry with this seq."""
    values = {"ws": tx.workspace_id, "ticket": step.ticket_id}
    if step.type in ("ticket_created", "status_changed", "agent_replied"):
        values |= {"seq": seq, "at": step.at, "agent": step.agent}
    if step.type in ("ticket_created", "status_changed"):
        if step.status is None:
            return
        values["status"] = step.status
    if step.type == "ticket_created":  # of each ticket the first, which waits for no other
        tx.later(_COUNT[step.type], values)
    else:
        await tx.execute(_COUNT[step.type], values)


async def counts_by_day(tx: Transaction, begins: dt.datetime, ends: dt.datetime) -> dict[int, tuple[int, int]]:
    """Return how many tickets were created and resolved, by the number of the day; days without any are left out."""
    rows = await tx.all(_BY_DAY, {"ws": tx.workspace_id, "begins": begins, "ends": ends})
    return {(row["day"] - begins).days: (row["created"], row["resolved"]) for row in rows}


async def times(tx: Transaction, begins: dt.datetime, ends: dt.datetime) -> tuple[Times, Times]:
    """Return how long first replies and resolutions took."""
    rows = await tx.all(_TIMES, {"ws": tx.workspace_id, "begins": begins, "ends": ends})
    found = {row["kind"]: Times(count=row["count"], median=row["waited"][0], p90=row["waited"][1]) for row in rows}
    nothing = Times(count=0, median=None, p90=None)
    return found.get("answered", nothing), found.get("resolved", nothing)


async def agents(tx: Transaction, begins: dt.datetime, ends: dt.datetime) -> tuple[AgentCount, ...]:
    """Return what each person did."""
    rows = await tx.all(_AGENTS, {"ws": tx.workspace_id, "begins": begins, "ends": ends})
    return tuple(AgentCount.model_validate(dict(row)) for row in rows)


async def backlog(tx: Transaction, now: dt.datetime) -> tuple[Backlog, ...]:
    """Return how many tickets wait in each status, and how old they are."""
    since = {name: now - dt.timedelta(days=days) for name, days in _AGES.items()}
    found = {row["status"]: dict(row) for row in await tx.all(_BACKLOG, {"ws": tx.workspace_id, **since})}
    return tuple(_aged(status, found.get(status.value, {})) for status in _WAITING)


def _aged(status: Status, row: dict[str, int]) -> Backlog:
    # Each count holds the younger ones too.
    reached = [0, *(row.get(name, 0) for name in _AGES), row.get("tickets", 0)]
    ages = [until - before for before, until in pairwise(reached)]
    return Backlog(status=status, tickets=reached[-1], older=ages[-1], **dict(zip(_AGES, ages[:-1], strict=True)))
