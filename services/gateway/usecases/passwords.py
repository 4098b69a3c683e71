"""Slow on purpose: argon2id in a thread, two at once at most, and as slow for an address that nobody has."""

import asyncio
import base64
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from pwdlib.hashers.argon2 import Argon2Hasher

from contracts.refusals import Unavailable

AT_ONCE = 2
_PATIENCE = 64
"""How many may wait for their turn before the rest are sent away."""
_ROUNDS, _KIB, _LANES = 2, 64 * 1024, 1


def _plain(raw: bytes) -> str:
    return base64.b64encode(raw).rstrip(b"=").decode()


class Passwords:
    """Makes and checks password hashes without taking the machine from everybody else."""

    def __init__(self) -> None:
        """Draw the hash that stands in where there is none: it has our costs, and no password leads to it."""
        self._hasher = Argon2Hasher(time_cost=_ROUNDS, memory_cost=_KIB, parallelism=_LANES)
        self._nobody = (
            f"$argon2id$v=19$m={_KIB},t={_ROUNDS},p={_LANES}${_plain(os.urandom(16))}${_plain(os.urandom(32))}"
        )
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    @property
    def of_nobody(self) -> str:
        """A hash of no password: whoever has it gets in by another way, or not at all."""
        return self._nobody

    async def hash(self, password: str) -> str:
        """Return what may be stored of a password."""
        async with self._turn():
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, password: str, known: str | None) -> bool:
        """Tell whether the password made the known hash; without one the same work is done for nothing."""
        async with self._turn():
            matches = await asyncio.to_thread(self._hasher.verify, password, known or self._nobody)
        return matches and known is not None

    @asynccontextmanager
    async def _turn(self) -> AsyncGenerator[None]:
        if self._waiting >= _PATIENCE:
            raise Unavailable("Too many people are signing in at once; try again in a moment.", retry_after=2)
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turns.release()
