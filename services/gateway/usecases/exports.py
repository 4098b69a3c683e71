"""A workspace as a file: a header, every row of every store, both books, and a footer that counts them."""

import asyncio
import datetime as dt
import hashlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from chassis import transfer
from chassis.bus import Bus
from chassis.database import Database
from contracts.activity import Book, BookHead, ExportBook, ReadHeads
from contracts.base import now, uuid7
from contracts.refusals import NotReached
from contracts.transfer import (
    ENTRY,
    FOOTER,
    FORMAT,
    HEADER,
    NOTIFICATIONS_KINDS,
    TICKETS_KINDS,
    ExportNotifications,
    ExportTickets,
    ReadRows,
)
from services.gateway import domain, store
from services.gateway.domain import Cause, Visitor
from services.gateway.usecases.acting import acting

_PATIENCE = 5.0
"""Seconds that the ledger has to reach what was done before."""
_PAUSE = 0.1
_WORK = 60.0

type Row = Mapping[str, Any]


class Exports:
    """Carries workspaces out."""

    def __init__(self, database: Database, bus: Bus, clock: Callable[[], dt.datetime] = now) -> None:
        """Read our own rows from `database`, and ask for those of the others."""
        self._database, self._bus, self._clock = database, bus, clock

    async def begin(self, visitor: Visitor) -> AsyncIterator[bytes]:
        """Write down that it is done, and return the pieces of the file; raises NotAllowed, NotReached."""
        here, _ = visitor.here
        export, at = uuid7(), self._clock()
        async with self._database.transaction(here.id) as tx:
            by = await acting(tx, visitor)
            tx.announce(
                domain.export_workspace(here.id, export, by=by, cause=Cause(command_id=export, via=visitor.via, at=at))
            )
        heads = await self._heads(visitor)
        header = {
            "kind": HEADER,
            "format": FORMAT,
            "export": str(export),
            "workspace": {"id": here.id, "slug": here.slug, "name": here.name},
            "at": at.isoformat(),
            "heads": _said(heads),
        }
        return self._file(visitor, header)

    async def _file(self, visitor: Visitor, header: Row) -> AsyncIterator[bytes]:
        counts: Counter[str] = Counter()
        digest = hashlib.sha256()

        def piece(lines: list[Row]) -> bytes:
            written = "".join(json.dumps(line) + "\n" for line in lines).encode("ascii")
            digest.update(written)
            return written

        yield piece([header])
        async for kind, rows in self._rows(visitor):
            counts[kind] += len(rows)
            yield piece([{"kind": kind, "row": row} for row in rows])
        # The books come last, and say how every row came to be as it is.
        heads = await self._heads(visitor)
        for head in heads:
            async for entries in self._entries(visitor, head):
                counts[ENTRY] += len(entries)
                yield piece([{"kind": ENTRY, "row": entry} for entry in entries])
        yield piece([{"kind": FOOTER, "counts": counts, "heads": _said(heads), "sha256": digest.hexdigest()}])

    async def _rows(self, visitor: Visitor) -> AsyncIterator[tuple[str, tuple[Row, ...]]]:
        here, _ = visitor.here
        for table in store.TABLES:
            after: str | None = None
            while True:
                async with self._database.transaction(here.id) as tx:
                    page = await transfer.page(tx, table, after)
                yield table.kind, page.rows
                if (after := page.after) is None:
                    break
        asked: list[tuple[type[ReadRows], str]] = [(ExportTickets, kind) for kind in TICKETS_KINDS]
        asked += [(ExportNotifications, kind) for kind in NOTIFICATIONS_KINDS]
        for request, kind in asked:
            after = None
            while True:
                page = await self._bus.ask(request(caller=visitor.caller, kind=kind, after=after), patience=_WORK)
                yield kind, page.rows
                if (after := page.after) is None:
                    break

    async def _entries(self, visitor: Visitor, head: BookHead) -> AsyncIterator[list[Row]]:
        after = 0
        while after < head.seq:
            asked = ExportBook(caller=visitor.caller, book=head.book, after=after, to=head.seq)
            page = await self._bus.ask(asked, patience=_WORK)
            if not page.lines:
                raise NotReached(retry_after=1)
            yield [{"book": head.book.value} | line.model_dump() for line in page.lines]
            after = page.lines[-1].seq

    async def _heads(self, visitor: Visitor) -> tuple[BookHead, ...]:
        """Return the ends of the books once they hold all that was done until now."""
        here, _ = visitor.here
        async with self._database.transaction(here.id) as tx:
            people = (await transfer.page(tx, store.POSITION, None)).rows
        tickets = (await self._bus.ask(ExportTickets(caller=visitor.caller, kind=store.POSITION.kind))).rows
        done = {Book.PEOPLE: _last(people), Book.TICKETS: _last(tickets)}
        until = time.monotonic() + _PATIENCE
        while True:
            heads = (await self._bus.ask(ReadHeads(caller=visitor.caller))).items
            if all(head.seq >= done[head.book] for head in heads):
                return heads
            if time.monotonic() + _PAUSE > until:
                raise NotReached("The record has not reached the present yet.", retry_after=1)
            await asyncio.sleep(_PAUSE)


def _last(rows: tuple[Row, ...]) -> int:
    return int(rows[0]["last"]) if rows else 0


def _said(heads: tuple[BookHead, ...]) -> list[dict[str, Any]]:
    return [head.model_dump(mode="json") for head in heads]
