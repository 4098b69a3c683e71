"""Hearing a stream in parts: the workspaces are spread over them, and each part has a leader of its own.

JetStream copies the stream into another one and puts the part's number before each subject (`partition()`, by the
workspace). A workspace is in one part alone, so that its order is what it was, and positions tell what is missing, as
they do without parts. The copy keeps a message until everybody who hears it has settled it.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any
from uuid import uuid4

from chassis.database import is_weather
from chassis.leader import BEAT, TRY, call_off, lock_session
from chassis.logs import get_logger
from chassis.telemetry import Metrics
from contracts.streams import Stream

log = get_logger()

_REPLICAS = (
    "select count(distinct application_name) from pg_stat_activity"
    " where usename = current_user and datname = current_database() and application_name like $1"
)
_LET_GO = "select pg_advisory_unlock(hashtextextended($1, 0))"


@dataclass(frozen=True, slots=True)
class Part:
    """What one leader hears of a stream: all of it, or one of so many parts."""

    stream: Stream
    of: int = 1
    nth: int = 0

    @property
    def source(self) -> str:
        """The JetStream stream that it is heard from."""
        return self.stream.name if self.of == 1 else copy_name(self.stream, self.of)

    @property
    def subject(self) -> str:
        """The subjects there."""
        return self.stream.subjects[0] if self.of == 1 else f"{self.nth}.{self.stream.subjects[0]}"

    def durable(self, service: str) -> str:
        """Return a service's consumer of it."""
        return service if self.of == 1 else f"{service}_{self.nth}"


def parts(stream: Stream, partitions: int) -> list[Part]:
    """Return the parts in which a stream is heard: one, unless it may be parted and so many are wanted."""
    many = partitions if stream.parted else 1
    return [Part(stream, many, nth) for nth in range(many)]


def copy_name(stream: Stream, partitions: int) -> str:
    """Return the name of a stream's copy in so many parts."""
    return f"{stream.name}_BY_{partitions}"


def copy_config(stream: Stream, partitions: int, replicas: int = 1) -> dict[str, Any]:
    """Return the copy as JetStream's API describes it."""
    owner_and_kind = stream.subjects[0].removesuffix(".>")
    source = {
        "name": stream.name,
        "subject_transforms": [
            {
                "src": f"{owner_and_kind}.*.*.*",
                "dest": f"{{{{partition({partitions},3)}}}}.{owner_and_kind}"
                ".{{wildcard(1)}}.{{wildcard(2)}}.{{wildcard(3)}}",
            }
        ],
    }
    return {
        "name": copy_name(stream, partitions),
        "storage": "file",
        "retention": "interest",
        "discard": "new",
        "max_bytes": stream.max_bytes,
        "num_replicas": replicas,
        "sources": [source],
    }


class Shares:
    """Has each part heard by one replica, and each replica hear its share of them.

    The locks are PostgreSQL advisory locks of one session. Who hears more than its share, for others have come, lets
    the rest go; a part whose replica dies or freezes is taken over within five seconds.
    """

    def __init__(
        self, database_url: str, service: str, metrics: Metrics, works: Sequence[Callable[[], Awaitable[None]]]
    ) -> None:
        """Stand for every part; `works` says what is to be done for each."""
        self._url, self._metrics, self._works = database_url, metrics, works
        self._locks = [f"part:{service}:{len(works)}:{nth}" for nth in range(len(works))]
        self._family = f"{service} parts "
        self._working: dict[int, asyncio.Future[None]] = {}

    async def run(self) -> None:
        """Work until cancelled; work that fails costs this replica all its parts, for a moment."""
        while True:
            try:
                await self._term()
            except Exception as error:
                if is_weather(error):
                    log.warning("parts.interrupted", error=repr(error))
                else:
                    log.exception("parts.failed")
            await asyncio.sleep(random.uniform(0.3, 0.8) + BEAT)  # noqa: S311 - spreads replicas

    async def _term(self) -> None:
        session = await lock_session(self._url, f"{self._family}{uuid4().hex[:12]}")
        try:
            while True:
                await self._share(session)
                tick = asyncio.ensure_future(asyncio.sleep(BEAT * random.uniform(0.5, 1)))  # noqa: S311 - as above
                await asyncio.wait([tick, *self._working.values()], return_when=asyncio.FIRST_COMPLETED)
                tick.cancel()
                for done in [each for each in self._working.values() if each.done()]:
                    await done
        finally:
            try:
                await self._stop(list(self._working))
            finally:
                session.terminate()

    async def _share(self, session: Any) -> None:
        """Take what is free and let go of what is too much."""
        replicas = await session.fetchval(_REPLICAS, f"{self._family}%", timeout=2)
        share = ceil(len(self._works) / max(1, replicas))
        before = sorted(self._working)
        for nth in before[share:]:
            await self._stop([nth])
            await session.fetchval(_LET_GO, self._locks[nth], timeout=2)
        free = [nth for nth in range(len(self._works)) if nth not in self._working]
        for nth in random.sample(free, len(free)):
            if len(self._working) < share and await session.fetchval(TRY, self._locks[nth], timeout=2):
                self._working[nth] = asyncio.ensure_future(self._works[nth]())
        if before != sorted(self._working):
            self._tell()

    async def _stop(self, parts: Sequence[int]) -> None:
        stopped = [self._working.pop(nth) for nth in parts]
        await call_off(stopped)
        if stopped and not self._working:
            self._tell()

    def _tell(self) -> None:
        log.info("parts.heard", parts=sorted(self._working), of=len(self._works))
        self._metrics.parts.set(len(self._working))
