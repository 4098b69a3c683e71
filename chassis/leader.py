"""Which replica of a service does what only one may do: relay, consume, keep the timers.

The lock is a PostgreSQL advisory lock held by a session of its own. Leadership only chooses who works; what keeps a
frozen or cut-off leader harmless are the row locks and positions inside each transaction.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection
from typing import Any

import asyncpg

from chassis.database import is_weather
from chassis.logs import get_logger
from chassis.telemetry import Metrics

log = get_logger()

BEAT = 1.0
_AGAIN = 5.0
"""Longer than anybody takes to let go."""
_SILENCE_MS = "4000"
TRY = "select pg_try_advisory_lock(hashtextextended($1, 0))"


async def lock_session(url: str, name: str) -> "asyncpg.Connection[asyncpg.Record]":
    """Open a session to hold locks; the server ends one that falls silent, so that a frozen process loses them."""
    settings = {"application_name": name, "idle_session_timeout": _SILENCE_MS}
    return await asyncpg.connect(url, timeout=3, server_settings=settings)


async def call_off(tasks: "Collection[asyncio.Future[Any]]") -> None:
    """Return once these have ended, however they do; who is told to stop meanwhile leaves them.

    They are told again and again: a library may take it for a failure of its own, after which its caller goes on.
    """
    while left := [task for task in tasks if not task.done()]:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=_AGAIN)
    for task in tasks:
        _hear(task)


def _hear(task: "asyncio.Future[Any]") -> None:
    """Let nobody say that what this ended with was never heard of."""
    if not task.cancelled():
        task.exception()


class Leader:
    """Runs work in one replica at a time; another takes over within five seconds of its death or freeze."""

    def __init__(self, database_url: str, service: str, metrics: Metrics) -> None:
        """Stand for election in the service's own database."""
        self.leading = False
        self._led = False
        self._url = database_url
        self._service = service
        self._metrics = metrics

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` whenever this process leads, until cancelled; work that fails costs the lead."""
        while True:
            self._led = False
            try:
                await self._term(work)
            except Exception as error:
                if is_weather(error):
                    log.warning("leader.interrupted", error=repr(error))
                else:
                    log.exception("leader.failed")
            # A beaten leader waits longer than one that stands by, so that the lead really moves.
            await asyncio.sleep(random.uniform(0.3, 0.8) + BEAT * self._led)  # noqa: S311 - spreads replicas

    async def _term(self, work: Callable[[], Awaitable[None]]) -> None:
        session = await lock_session(self._url, f"{self._service} leader")
        working: asyncio.Future[None] | None = None
        try:
            while not await session.fetchval(TRY, f"leader:{self._service}", timeout=2):  # noqa: ASYNC110 - another process has it
                await asyncio.sleep(BEAT * random.uniform(0.5, 1))  # noqa: S311 - spreads replicas
            self._led = True
            self._lead(leading=True)
            working = asyncio.ensure_future(work())
            while not working.done():
                await asyncio.wait([working], timeout=BEAT)
                await session.execute("select 1", timeout=2)
            await working
        finally:
            try:
                if working is not None:
                    working.cancel()
                    await asyncio.wait([working])  # as `gather` does not, it lets go when told to stop
                    _hear(working)
            finally:
                # Also when told a second time to stop, while the work still ends: nobody else would end the session.
                self._lead(leading=False)
                session.terminate()

    def _lead(self, *, leading: bool) -> None:
        if leading != self.leading:
            log.info("leader.elected" if leading else "leader.stepped_down")
        self.leading = leading
        self._metrics.leading.set(leading)
