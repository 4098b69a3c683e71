"""Server-Sent Events: an answer that goes on until its reader leaves, may not read any longer, or does not read."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Protocol

from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send

from chassis.service import ABORT
from services.gateway.routes.visits import visit_of

HEARTBEAT = 15.0
SLOW = 60.0
"""Seconds that one event may take to be read."""
_RETRY = 1000
_FAREWELL = 0.5
_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class Reader(Protocol):
    """Somebody who follows something."""

    over: asyncio.Event
    """Set when nothing more will come."""
    why: str | None

    def end(self, why: str) -> None:
        """Send them away."""


class Stream[R: Reader](ASGIResponse):
    """An answer that goes on: `opening` lets the reader in, and `news` are what they have not seen yet."""

    def opening(self) -> AbstractAsyncContextManager[R]:
        """Let the reader follow while the block lasts."""
        raise NotImplementedError

    async def news(self, reader: R, within: float) -> bytes:
        """Return the events that are new, as soon as there are some; nothing when so many seconds pass without."""
        raise NotImplementedError

    def place(self, reader: R) -> str:
        """Return the id that the reader is to resume behind although they have seen nothing; empty: they know."""
        raise NotImplementedError

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Say hello, then what is new, with a beat in between."""
        async with self.opening() as reader:
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            # An id without data is remembered, and no event.
            place = f"id: {place}\n" if (place := self.place(reader)) else ""
            await _say(send, f": hello\nretry: {_RETRY}\n{place}\n".encode())
            writing = asyncio.create_task(self._write(reader, send))
            leaving = asyncio.create_task(_left(receive))
            ending = asyncio.create_task(reader.over.wait())
            tasks = (writing, leaving, ending)
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            visit_of(scope).code = reader.why
            if writing.done() and not writing.cancelled() and (failed := writing.exception()):
                raise failed
            if reader.why is not None:
                await _part(reader, scope, receive, send)

    async def _write(self, reader: R, send: Send) -> None:
        while not reader.over.is_set():
            said = await self.news(reader, HEARTBEAT)
            try:
                async with asyncio.timeout(SLOW):
                    await _say(send, said or b": beat\n\n")
            except TimeoutError:
                reader.end("slow")


async def _say(send: Send, said: bytes) -> None:
    await send({"type": "http.response.body", "body": said, "more_body": True})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _part(reader: Reader, scope: Scope, receive: Receive, send: Send) -> None:
    """End the answer; a client that does not even read that is not waited for."""
    if reader.why != "slow":
        with suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL):
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                return
    abort: Callable[[], None] | None = (scope.get("extensions") or {}).get(ABORT)  # type: ignore[assignment]
    if abort is not None:
        abort()
        with suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL):
                await _left(receive)
