"""Writes the lives of a desk into the stores of three services, a thousand tickets in each transaction.

As their own app roles, under row-level security, in rows as the stores write them; what a life leaves in the log, in
the ledger and in inboxes is all there, as if each step had come by itself and been heard.
"""

import asyncio
import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import batched
from typing import Any, Final
from uuid import uuid5

from sqlalchemy import text

from chassis.database import Database, Transaction
from contracts.streams import stream_of
from contracts.tickets import Assigned, Status, TicketCreated
from services.activity.domain import GENESIS, chain
from services.notifications import store as inboxes
from services.tickets.store.tickets import folded
from tests.full.lives import Desk, Fact, Life, World

_AT_ONCE: Final = 1_000
_UNREAD: Final = 20
"""One of so many items is not read."""

_WEEK: Final = 604_800
"""Seconds."""

_COLUMNS: Final = text("select attname from pg_attribute where attrelid = cast(:table as regclass) and attnum > 0")
_TOLD: Final = text(
    "update members set told = (select count(*) from items where workspace_id = :ws and recipient_id = :owner)"
    " where workspace_id = :ws and user_id = :owner"
)


@dataclass(frozen=True, slots=True)
class Stores:
    """Where each service's app role finds its database."""

    tickets: str
    activity: str
    notifications: str


@dataclass(slots=True)
class _End:
    """How far the log and the inbox of the owner have come."""

    position: int = 0
    hash: str = GENESIS
    told: int = 0


class _Rows(dict[str, list[str]]):
    """Rows by table, as JSON."""

    def add(self, table: str, row: Mapping[str, Any], **parsed: str) -> None:
        """Put in a row; `parsed` are columns that are JSON already."""
        said = json.dumps(row, default=str)
        rest = "".join(f', "{name}": {value}' for name, value in parsed.items())
        self.setdefault(table, []).append(f"{said[:-1]}{rest}}}")


async def load(world: World, stores: Stores) -> None:
    """Fill an empty workspace."""
    async with AsyncExitStack() as stack:
        databases = {}
        for name in ("tickets", "activity", "notifications"):
            databases[name] = Database(getattr(stores, name), name, pool=2)
            stack.push_async_callback(databases[name].close)

        async def write(part: Mapping[str, _Rows]) -> None:
            await asyncio.gather(*(_write(databases[name], world.workspace_id, rows) for name, rows in part.items()))

        async with databases["notifications"].transaction(world.workspace_id) as tx:
            await inboxes.remember(tx, world.owner.id, world.owner.role)
        parts = _parts(world)
        part = next(parts, None)
        while part:
            # The next part is told while this one is written.
            part, _ = await asyncio.gather(asyncio.to_thread(next, parts, None), write(part))
        async with databases["notifications"].transaction(world.workspace_id) as tx:
            await tx.execute(_TOLD, {"ws": world.workspace_id, "owner": world.owner.id})


async def _write(database: Database, workspace_id: str, rows: _Rows) -> None:
    async with database.transaction(workspace_id) as tx:
        for table, said in rows.items():
            await _insert(tx, table, said)


async def _insert(tx: Transaction, table: str, rows: list[str]) -> None:
    there = {row["attname"] for row in await tx.all(_COLUMNS, {"table": table})}
    columns = ", ".join(name for name in json.loads(rows[0]) if name in there)
    found = f"json_populate_recordset(cast(null as {table}), cast(:rows as json))"
    await tx.execute(
        text(f"insert into {table} ({columns}) select {columns} from {found}"),
        {"rows": f"[{','.join(rows)}]"},
    )


def _parts(world: World) -> Iterator[Mapping[str, _Rows]]:
    end = _End()
    people = {name: _Rows() for name in ("tickets", "activity", "notifications")}
    for nth in range(world.contacts):
        _contact(world, nth, people["tickets"])
    yield people
    for lives in batched(Desk(world).lives(), _AT_ONCE, strict=False):
        part = {name: _Rows() for name in people}
        for life in lives:
            _ticket(world, life, part["tickets"])
            _counted(world, life, part["activity"])
        _facts(world, lives, end, part)
        yield part
    last = {name: _Rows() for name in people}
    ws = {"workspace_id": world.workspace_id}
    last["tickets"].add("ticket_numbers", ws | {"last": world.many})
    last["tickets"].add("positions", ws | {"last": end.position})
    consumer = stream_of(f"{TicketCreated.SUBJECT}.{world.workspace_id}").name
    for name in ("activity", "notifications"):
        last[name].add("consumed", ws | {"consumer": consumer, "position": end.position})
    yield last


def _contact(world: World, nth: int, rows: _Rows) -> None:
    contact = world.contact(nth)
    at = world.until.isoformat()
    rows.add(
        "contacts",
        {
            "workspace_id": world.workspace_id,
            "id": contact.id,
            "name": contact.name,
            "email": contact.email,
            "email_key": contact.email,
            "created_at": at,
            "updated_at": at,
            "version": 1,
            "verified": True,
            "words": f"{folded(contact.name)} {contact.email}",
        },
    )


def _week(time: str) -> int:
    return int(dt.datetime.fromisoformat(time).timestamp() // _WEEK)


def _ticket(world: World, life: Life, rows: _Rows) -> None:
    rows.add("tickets", life.row)
    rows.add(
        "ticket_search",
        {
            "workspace_id": world.workspace_id,
            "ticket_id": life.row["id"],
            "words": folded(life.row["subject"]),
            "week": _week(life.row["updated_at"]),
            "opened_week": _week(life.row["created_at"]),
            "shown": life.row["deleted_at"] is None and life.row["status"] not in (Status.CLOSED, Status.SPAM),
        },
    )
    for fact in life.facts:
        if (note := fact.step.note) is not None:
            rows.add(
                "notes",
                {
                    "workspace_id": world.workspace_id,
                    "id": fact.values["note"],
                    "ticket_id": life.row["id"],
                    "ticket_version": fact.step.version,
                    "kind": "note",
                    "body": note["body"],
                    "pinned": False,
                    "in_reply_to": None,
                    "author_kind": note["author"].kind.value,
                    "author_id": note["author"].id,
                    "author_name": note["author"].name,
                    "created_at": fact.at,
                    "mentions": [],
                },
            )


def _facts(world: World, lives: Iterable[Life], end: _End, part: Mapping[str, _Rows]) -> None:
    happened = sorted(
        ((fact, life) for life in lives for fact in life.facts), key=lambda each: (each[0].at, each[0].step.version)
    )
    for fact, life in happened:
        end.position += 1
        _logged(world, fact, end, part["tickets"])
        _recorded(world, fact, life, end, part["activity"])
        _told(world, fact, life, end, part["notifications"])


def _logged(world: World, fact: Fact, end: _End, rows: _Rows) -> None:
    step = fact.step
    rows.add(
        "event_log",
        {
            "workspace_id": world.workspace_id,
            "id": fact.id,
            "position": end.position,
            "type": step.kind.SUBJECT,
            "about_kind": "ticket",
            "about_id": fact.values["ticket"],
            "version": step.version,
            "at": fact.at,
            "audience": step.audience,
            "sent_at": fact.at,
        },
        body=step.body.with_(fact.values),
    )
    for pointer, salt, words in fact.texts:
        rows.add(
            "event_texts",
            {
                "workspace_id": world.workspace_id,
                "event_id": fact.id,
                "pointer": pointer,
                "salt": salt,
                "text": words,
            },
        )


def _recorded(world: World, fact: Fact, life: Life, end: _End, rows: _Rows) -> None:
    place = {"workspace_id": world.workspace_id, "book": "tickets", "seq": end.position}
    entry = fact.step.entry.with_(fact.values | {"seq": str(end.position)})
    before, end.hash = end.hash, chain(end.hash, entry)
    rows.add("entries", place | {"entry": entry, "prev_hash": before, "hash": end.hash})
    for pointer, salt, words in fact.texts:
        rows.add("entry_texts", place | {"pointer": pointer, "salt": salt, "text": words})
    if fact.step.counted:
        rows.add(
            "report_steps",
            {
                "workspace_id": world.workspace_id,
                "seq": end.position,
                "ticket_id": life.row["id"],
                "kind": fact.step.counted,
                "at": fact.at,
                "waited": fact.step.after.total_seconds(),
                "agent": fact.step.agent,
                "counts": life.row["deleted_at"] is None and life.row["status"] != "spam",
            },
        )


def _counted(world: World, life: Life, rows: _Rows) -> None:
    ticket = {"workspace_id": world.workspace_id, "ticket_id": life.row["id"]}
    status = life.row["status"]
    deleted = life.row["deleted_at"] is not None
    rows.add(
        "report_tickets",
        ticket | {"created_at": life.facts[0].at, "status": status, "answered": False, "deleted": deleted},
    )


def _told(world: World, fact: Fact, life: Life, end: _End, rows: _Rows) -> None:
    ticket = {"workspace_id": world.workspace_id, "ticket_id": life.row["id"]}
    if fact.step.kind is TicketCreated:
        named = {"id": life.row["id"], "number": life.row["number"], "subject": life.row["subject"]}
        deleted = life.row["deleted_at"] is not None
        rows.add("tickets", {"workspace_id": world.workspace_id, **named, "deleted": deleted})
    if fact.step.kind is not Assigned:
        return
    rows.add("watchers", ticket | {"user_id": life.row["assignee_id"], "reason": "assignee"})
    if life.row["assignee_id"] != world.owner.id:
        return
    end.told += 1
    rows.add(
        "items",
        ticket
        | {
            "id": uuid5(fact.id, "item"),
            "recipient_id": world.owner.id,
            "nth": end.told,
            "first": end.told,
            "cause": fact.id,
            "because": fact.id,
            "kind": "assigned",
            "audience": fact.step.audience,
            "actor_kind": "user",
            "actor_id": str(world.owner.id),
            "actor_name": world.owner.name,
            "at": fact.at,
            "old": None,
            "new": None,
            "read_at": fact.at if end.told % _UNREAD else None,
        },
    )
