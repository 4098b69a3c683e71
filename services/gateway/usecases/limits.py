"""How often something may be tried, counted for all replicas together."""

import datetime as dt
import hashlib
import math
from collections.abc import Callable, Mapping

from chassis.database import Database
from contracts.base import now
from contracts.refusals import RateLimited
from services.gateway import store
from services.gateway.domain import LIMITS, Limit

LIMIT = "limits"
"""Why a transaction may see every workspace: who tries is in none yet."""


class Limiter:
    """Counts tries by name and key: `hit("reset_by_address", address)`. Each name is one of `LIMITS`."""

    def __init__(
        self, database: Database, clock: Callable[[], dt.datetime] = now, limits: Mapping[str, Limit] = LIMITS
    ) -> None:
        """Keep the count in `database`."""
        self._database = database
        self._clock = clock
        self._limits = limits

    async def hit(self, name: str, *key: str) -> None:
        """Count a try; raises RateLimited, with the seconds to wait, for one too many."""
        async with self._database.every_workspace(LIMIT) as tx:
            wait = await store.count_hit(tx, _hash(name, key), self._limits[name], self._clock())
        _check(wait)

    async def take_back(self, name: str, *key: str) -> None:
        """Let a try that was counted count no more."""
        async with self._database.every_workspace(LIMIT) as tx:
            await store.take_back_hit(tx, _hash(name, key))

    async def check(self, name: str, *key: str) -> None:
        """Count nothing; raises RateLimited where a try would be one too many."""
        async with self._database.every_workspace(LIMIT) as tx:
            wait = await store.wait(tx, _hash(name, key), self._limits[name], self._clock())
        _check(wait)

    async def purge(self) -> dict[str, int]:
        """Forget tries that count no longer; returns how many."""
        async with self._database.every_workspace(LIMIT) as tx:
            return {"tries": await store.purge_hits(tx, self._clock())}


def _hash(name: str, key: tuple[str, ...]) -> bytes:
    return hashlib.sha256("\0".join((name, *key)).encode()).digest()


def _check(wait: dt.timedelta | None) -> None:
    if wait is not None:
        raise RateLimited(retry_after=max(1, math.ceil(wait.total_seconds())))
