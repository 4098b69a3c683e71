"""From the event log to JetStream: numbered after the commit, published in order, never skipped.

The event log is the outbox. Writers don't wait for one another; the relay (one leader) gives a workspace's committed
rows the positions 1, 2, 3 … and commits them before it publishes, so whoever listens can see a gap. Dead letters are
rows to publish too, without a position.
"""

import asyncio
import contextlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from nats.aio.client import Client
from nats.errors import ConnectionReconnectingError
from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError
from nats.nuid import NUID
from pydantic import TypeAdapter
from sqlalchemy import text

from chassis.database import Database, Row, Transaction
from chassis.inbox import dead_letter_of
from chassis.logs import get_logger
from chassis.telemetry import Metrics, Part, span, traced, traceparent
from contracts.base import DeadLetter, LoggedFact, LogPage, Message, ReadLog, now
from contracts.envelope import event_headers
from contracts.streams import Stream, stream_of
from contracts.texts import unseal

log = get_logger()

_AT_ONCE = 256
_WORTH_A_BATCH = 8
_GATHER = 0.1
"""Seconds between two batches: each costs the broker files and a sync, however little it holds."""
_POLL = 1.0
_LARGEST_PAGE = 200 * 1024
_LONGEST_DELAY = 2.0
_RECEIPT_SECONDS = 5.0
_DUPLICATE_IN_BATCH = 10201
_DIGEST = b'"sha256:'

_LOCK = text("select pg_try_advisory_xact_lock(hashtextextended('relay', 0))")
_SENT = text(
    "update event_log set sent_at = now() from unnest(cast(:ws as text[]), cast(:ids as uuid[])) as sent(ws, id)"
    " where workspace_id = sent.ws and event_log.id = sent.id"
)
_NUMBER = text(
    "with fresh as materialized ("
    "  select workspace_id, id, row_number() over (partition by workspace_id order by seq) as nth"
    "  from (select workspace_id, id, seq from event_log where position is null order by seq limit :many) as oldest"
    "), heads as ("
    "  insert into positions as p (workspace_id, last) select workspace_id, count(*) from fresh group by workspace_id"
    "  on conflict (workspace_id) do update set last = p.last + excluded.last"
    "  returning workspace_id, last"
    "), counted as (select workspace_id, count(*) as many from fresh group by workspace_id)"
    " update event_log as e set position = heads.last - counted.many + fresh.nth"
    " from fresh join heads using (workspace_id) join counted using (workspace_id)"
    " where e.workspace_id = fresh.workspace_id and e.id = fresh.id"
)
_UNSENT = text(
    "select workspace_id, id, position, type, about_id, at, body, traceparent,"
    "  (select json_object_agg(pointer, json_build_array(salt, text)) from event_texts as t"
    "   where t.workspace_id = e.workspace_id and t.event_id = e.id) as texts"
    " from event_log as e where sent_at is null and position is not null"
    " order by workspace_id, position limit :many"
)
_UNSENT_LETTERS = text(
    "select *, octet_length(body) as size from dead_letters where sent_at is null order by id limit :many"
)
_BEHIND = text(
    "select exists (select from event_log where sent_at is null)"
    " or exists (select from dead_letters where sent_at is null)"
)
_LETTERS_SENT = text("update dead_letters set sent_at = now() where id = any(cast(:ids as uuid[]))")
_SINCE = text(
    "select type, body, (select json_object_agg(pointer, json_build_array(salt, text)) from event_texts as t"
    "   where t.workspace_id = e.workspace_id and t.event_id = e.id) as texts"
    " from event_log as e where workspace_id = :ws and about_kind = :kind and about_id = :id and version > :version"
    " order by version limit :many"
)
_JSON: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])


_LOGGED = text(
    "select workspace_id, id, position, type, body,"
    "  (select json_object_agg(pointer, json_build_array(salt, text)) from event_texts as t"
    "   where t.workspace_id = e.workspace_id and t.event_id = e.id) as texts"
    " from event_log as e where position is not null and (workspace_id, position) > (:workspace, :after)"
    " and (cast(:only as text) is null or workspace_id = :only)"
    " and (cast(:since as timestamptz) is null or at >= :since)"
    " order by workspace_id, position limit :many"
)


@dataclass(frozen=True, slots=True)
class _Outgoing:
    stream: Stream
    subject: str
    headers: dict[str, str]
    body: bytes
    row: Row


def body_of(row: Row) -> dict[str, Any]:
    """Return the event's body as it is told, its words put back; words that were erased stay digests."""
    body: dict[str, Any] = dict(row["body"])
    words: dict[str, tuple[str, str]] = row["texts"] or {}
    unseal(body, words)
    return body | {"salts": {pointer: salt for pointer, (salt, _) in words.items()}}


async def events_since(tx: Transaction, kind: str, id: str, version: int, *, limit: int = 100) -> list[dict[str, Any]]:
    """Return what happened to a record after `version`, oldest first: the events' bodies and types.

    What this transaction announces is not in the log yet, but has happened: a command may share a commit with others.
    """
    rows = await tx.all(
        _SINCE,
        {"ws": tx.workspace_id, "kind": kind, "id": id, "version": version, "many": limit},
    )
    logged = [
        {"type": row["type"].rpartition(".")[2]} | {k: v for k, v in body_of(row).items() if k != "salts"}
        for row in rows
    ]
    announced = [
        {"type": fact.TYPE} | fact.model_dump(mode="json", exclude={"salts"})
        for fact in tx.announced()
        if (fact.about.kind, str(fact.about.id)) == (kind, id) and (fact.about.version or 0) > version
    ]
    return (logged + announced)[:limit]


async def read_log(request: ReadLog, tx: Transaction) -> LogPage:
    """Tell facts again, as many as fit into one message."""
    rows = await tx.all(
        _LOGGED,
        {
            "workspace": request.workspace_id or request.after_workspace,
            "after": request.after,
            "only": request.workspace_id,
            "since": request.since,
            "many": request.limit + 1,
        },
    )
    items: list[LoggedFact] = []
    size = 0
    for row in rows[: request.limit]:
        fact = LoggedFact(
            id=row["id"],
            type=row["type"],
            workspace_id=row["workspace_id"],
            position=row["position"],
            body=body_of(row),
        )
        size += len(fact.model_dump_json())
        if items and size > _LARGEST_PAGE:
            break
        items.append(fact)
    return LogPage(items=tuple(items), more=len(rows) > len(items))


class Relay:
    """Publishes what is committed, as long as it lives; what the broker has not stored stays in the table."""

    def __init__(self, database: Database, nats: Client, service: str, metrics: Metrics) -> None:
        """Read from `database`, publish through `nats`."""
        self._database = database
        self._nats = nats
        self._jetstream = nats.jetstream(timeout=5)
        self._service = service
        self._metrics = metrics
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look at once: something was committed."""
        self._wake.set()

    async def run(self) -> None:
        """Relay until cancelled. Raises when the store is away; waits, ever longer, while the broker is."""
        delay = 0.05
        sent: Sequence[_Outgoing] = ()
        while True:
            self._wake.clear()
            batch = await self._next(sent)
            sent = ()
            self._metrics.unsent.set(len(batch))
            self._metrics.outbox_age.set(max(((now() - out.row["at"]).total_seconds() for out in batch), default=0))
            if not batch:
                while not await self._is_woken() and not await self._is_behind():
                    pass
                continue
            try:
                with self._metrics.receipts.time():
                    await self._publish(batch)
            except (NatsError, JetStreamError, TimeoutError, OSError) as error:
                log.warning("relay.delayed", rows=len(batch), error=repr(error))
                await asyncio.sleep(delay)
                delay = min(delay * 2, _LONGEST_DELAY)
                continue
            delay, sent = 0.05, batch
            self._metrics.published_together.observe(len(batch))
            for out in batch:
                self._metrics.relayed.labels(out.stream.name).inc()
            if _WORTH_A_BATCH <= len(batch) < _AT_ONCE:
                await asyncio.sleep(_GATHER)

    async def _is_woken(self) -> bool:
        with contextlib.suppress(TimeoutError):
            return await asyncio.wait_for(self._wake.wait(), _POLL)
        return False

    async def _is_behind(self) -> bool:
        """Tell whether something is to be published of which nobody told."""
        async with self._database.glance("relay") as tx:
            return bool(await tx.scalar(_BEHIND))

    async def _next(self, sent: Sequence[_Outgoing]) -> list[_Outgoing]:
        """Mark what was sent, number what is new, and return what is to be published next, in order."""
        events = [out.row for out in sent if "position" in out.row]
        letters = [out.row["id"] for out in sent if "position" not in out.row]
        async with self._database.every_workspace("relay") as tx:
            if events:
                await tx.execute(_SENT, {"ws": [e["workspace_id"] for e in events], "ids": [e["id"] for e in events]})
            if letters:
                await tx.execute(_LETTERS_SENT, {"ids": letters})
            # Two that believe they lead must not both number.
            if not await tx.scalar(_LOCK):
                return []
            await tx.execute(_NUMBER, {"many": _AT_ONCE})
            rows = await tx.all(_UNSENT, {"many": _AT_ONCE})
            return [_event(row) for row in rows] + [
                _letter(self._service, row) for row in await tx.all(_UNSENT_LETTERS, {"many": _AT_ONCE})
            ]

    async def _publish(self, batch: Sequence[_Outgoing]) -> None:
        # The client would keep what is published now for when it is back, and let us wait for each receipt in vain.
        if not self._nats.is_connected:
            raise ConnectionReconnectingError
        rest = list(batch)
        head = [out for out in batch if out.stream.batches]
        if len(head) >= _WORTH_A_BATCH and await self._publish_at_once(head):
            rest = rest[len(head) :]
        for out in rest:
            with _told(out) as headers:
                await self._jetstream.publish(
                    out.subject, out.body, timeout=_RECEIPT_SECONDS, stream=out.stream.name, headers=headers
                )

    async def _publish_at_once(self, batch: Sequence[_Outgoing]) -> bool:
        """Store a batch with one fsync instead of one each; False where one of them is stored already."""
        name, last = NUID().next().decode(), len(batch)
        for nth, out in enumerate(batch, 1):
            with _told(out) as told:
                headers = told | {
                    "Nats-Expected-Stream": out.stream.name,
                    "Nats-Batch-Id": name,
                    "Nats-Batch-Sequence": str(nth),
                }
            if nth == last:
                headers["Nats-Batch-Commit"] = "1"
            if 1 < nth < last:
                await self._nats.publish(out.subject, out.body, headers=headers)
                continue
            answer = await self._nats.request(out.subject, out.body, timeout=_RECEIPT_SECONDS, headers=headers)
            receipt = json.loads(answer.data) if answer.data else {}
            if error := receipt.get("error"):
                if error.get("err_code") == _DUPLICATE_IN_BATCH:
                    return False
                raise NatsError(str(error))
            if nth == last and receipt.get("count") != last:
                msg = f"the broker stored {receipt.get('count')} of {last}"
                raise NatsError(msg)
        return True


@contextmanager
def _told(out: _Outgoing) -> Iterator[dict[str, str]]:
    """Record that a fact is published, where its trace is recorded; yields its headers."""
    if (parent := out.headers.get("traceparent")) is None:
        yield out.headers
        return
    type: str = out.row["type"]
    about = {"messaging.system": "nats", "messaging.operation.type": "send", "messaging.destination.name": type}
    with traced(parent), span(Part.PRODUCER, f"tell {type.rpartition('.')[2]}", about) as told:
        yield out.headers | {"traceparent": traceparent()} if told.is_recording() else out.headers


def _event(row: Row) -> _Outgoing:
    kind = Message.registry[row["type"]]
    headers = event_headers(
        id=str(row["id"]),
        owner=kind.OWNER,
        type=kind.SUBJECT,
        about=row["about_id"],
        at=row["at"],
        position=row["position"],
        traceparent=row["traceparent"],
    )
    subject, body = f"{kind.SUBJECT}.{row['workspace_id']}", _JSON.dump_json(body_of(row))
    # What is told anew without words that were erased is no duplicate of what it was.
    state = f".{erased}" if (erased := body.count(_DIGEST)) else ""
    return _Outgoing(stream_of(subject), subject, headers | {"Nats-Msg-Id": f"{row['id']}{state}"}, body, row)


def _letter(service: str, row: Row) -> _Outgoing:
    letter = dead_letter_of(service, row)
    kind = next(kind for kind in DeadLetter.of_kind(service))
    subject = f"{kind.SUBJECT}.{row['workspace_id'] or 'unknown'}"
    headers = {
        "Nats-Msg-Id": str(row["id"]),
        "content-type": "application/json",
        "dead-letter-reason": row["reason"],
        "dead-letter-subject": row["subject"],
    }
    return _Outgoing(stream_of(subject), subject, headers, letter.model_dump_json().encode(), row)
