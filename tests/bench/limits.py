"""What nothing on this machine is quicker than: a round trip through NATS, a commit on its disk, a bare ASGI answer."""

import asyncio
import statistics
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import asyncpg
import nats
from nats.aio.msg import Msg

from chassis.connection import flushed
from tests.bench.line import Line
from tests.bench.table import Figure

IN_FLIGHT: Final = 32
_MANY: Final = {"short": 1_000, "long": 4_000}
_ALONE: Final = {"short": 100, "long": 400}
_INSERT: Final = "insert into things values ($1, $2)"

type Act = Callable[[int], Awaitable[object]]
"""Does it once, as one of so many clients."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How quick one thing is."""

    per_second: float
    """With so many in flight."""
    p50_ms: float
    """One at a time."""


def figures(limits: dict[str, Limit]) -> Iterator[Figure]:
    """Yield what was found."""
    for name, each in limits.items():
        yield Figure(f"limit: {name}, {IN_FLIGHT} in flight", "per s", [each.per_second])
        yield Figure(f"limit: {name}, one at a time", "ms, p50", [each.p50_ms])


async def measure(profile: str, *, broker: str, store: str, web: str) -> dict[str, Limit]:
    """Measure each by itself: `broker` and `store` are bare servers, `web` is a bare ASGI application."""
    found = {}
    for name, ready in (
        ("NATS round trip", _round_trip(broker)),
        ("commit with fsync", _commit(store)),
        ("bare ASGI", _answer(web)),
    ):
        async with ready as act:
            await _times(act, 100, IN_FLIGHT)
            began = time.perf_counter()
            many = len(await _times(act, _MANY[profile], IN_FLIGHT))
            per_second = many / (time.perf_counter() - began)
            found[name] = Limit(per_second, statistics.median(await _times(act, _ALONE[profile], 1)))
    return found


async def _times(act: Act, many: int, in_flight: int) -> list[float]:
    """Do it so often; returns the milliseconds of each."""
    took: list[float] = []
    left = iter(range(many))

    async def client(nth: int) -> None:
        for _ in left:
            began = time.perf_counter()
            await act(nth)
            took.append((time.perf_counter() - began) * 1_000)

    await asyncio.gather(*map(client, range(in_flight)))
    return took


@asynccontextmanager
async def _round_trip(url: str) -> AsyncIterator[Act]:
    asking, answering = await nats.connect(url), await nats.connect(url)

    async def echo(msg: Msg) -> None:
        await msg.respond(msg.data)

    await answering.subscribe("echo", cb=echo)
    await flushed(answering)
    try:
        yield lambda _: asking.request("echo", b"{}", timeout=10)
    finally:
        await asking.close()
        await answering.close()


@asynccontextmanager
async def _commit(url: str) -> AsyncIterator[Act]:
    async with asyncpg.create_pool(url, min_size=IN_FLIGHT, max_size=IN_FLIGHT) as pool:
        yield lambda _: pool.execute(_INSERT, uuid.uuid4(), "{}")


@asynccontextmanager
async def _answer(url: str) -> AsyncIterator[Act]:
    connections = [Line(url, {}) for _ in range(IN_FLIGHT)]
    try:
        yield lambda nth: connections[nth].send("POST", "/at-once", b"{}")
    finally:
        for each in connections:
            each.close()
