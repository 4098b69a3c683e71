"""A running desk with so many tickets in it; one that was filled before, in a directory that is kept, is taken so."""

import datetime as dt
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit
from uuid import UUID

import asyncpg

from contracts.base import SERVICES, Person, Role
from contracts.tickets import Status
from tests.full.lives import World
from tests.full.loading import Stores, load
from tests.support.stack import Desk, Stack, running_stack

SEED: Final = 7
EVERY: Final = "&".join(f"status={each.value}" for each in Status)
"""A filter that leaves no status out."""
_DEEP: Final = 10_000
"""Tickets that are gone past before a deep page, or half of all."""


@dataclass(frozen=True, slots=True)
class FullDesk:
    """A desk, the owner's way in, and how long it took to start."""

    many: int
    desk: Desk
    started: float
    kept: bool
    """Whether it was there before."""

    @property
    def stack(self) -> Stack:
        """All that runs."""
        return self.desk.stack


@asynccontextmanager
async def full_desk(many: int, directory: Path) -> AsyncIterator[FullDesk]:
    """Start the desk in a directory; a new one is filled, and vacuumed as one that has been there for long."""
    filled = _place(directory) / "filled"
    began = time.perf_counter()
    async with running_stack(directory / "var") as stack:
        started = time.perf_counter() - began
        desk = await stack.sign_in()
        kept = filled.exists()
        if not kept:
            await load(await world_of(desk, many), stores_of(stack))
            await vacuum(stack)
            filled.write_text(f"{many} by {SEED}\n", encoding="utf-8")
        yield FullDesk(many, desk, started, kept)


def _place(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o755)
    return directory


async def world_of(desk: Desk, many: int) -> World:
    """Return what is to happen on an empty desk, until the last midnight."""
    me = await desk.get("/api/v1/me")
    owner = Person(id=UUID(me["user"]["id"]), name=me["user"]["name"], role=Role.OWNER)
    today = dt.datetime.now(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return World(me["workspaces"][0]["id"], owner, many, SEED, today)


def stores_of(stack: Stack) -> Stores:
    """Return where the services' app roles find their databases."""
    return Stores(*(stack.secret(f"{name}.database-url") for name in ("tickets", "activity", "notifications")))


async def vacuum(stack: Stack) -> None:
    """Tidy up as PostgreSQL does by itself in an hour."""
    for service in SERVICES:
        url = urlsplit(stack.secret(f"{service}.database-url"))
        password = stack.secret(f"database.{service}.owner")
        owner = url._replace(netloc=f"{service}_owner:{password}@{url.netloc.rpartition('@')[2]}").geturl()
        session = await asyncpg.connect(owner)
        await session.execute("vacuum analyze")
        await session.close()


async def deep_cursor(desk: Desk, query: str, many: int) -> str:
    """Return the cursor of a page far behind the first, of a list of so many."""
    cursor, left = "", min(_DEEP, many // 2)
    while left:
        after = cursor and f"&cursor={quote(cursor)}"
        found = await desk.get(f"tickets?{query}&limit={min(left, 100)}{after}")
        cursor, left = found["next_cursor"], left - min(left, 100)
    return cursor
