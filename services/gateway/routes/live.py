"""A workspace's book as it grows: Server-Sent Events, resumed by `Last-Event-ID` without a gap or a double."""

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from litestar.types import Receive, Scope, Send
from pydantic import Field

from chassis.service import ABORT
from contracts.activity import Entry
from contracts.refusals import Malformed, NotFound, RateLimited
from services.gateway.domain import Visitor
from services.gateway.routes.bodies import Given, query
from services.gateway.routes.operations import W, operation
from services.gateway.routes.visitors import desk_of, inside
from services.gateway.routes.visits import visit_of
from services.gateway.usecases.live import Frame, Live, Reader

HEARTBEAT = 15.0
_RETRY = 1000
_FAREWELL = 0.5
_SEQ = re.compile(r"\d{1,18}")
_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class Since(Given):
    """Where to go on."""

    after: int | None = Field(
        default=None, ge=0, le=10**18, description="The last seq you have; `Last-Event-ID` says the same and wins."
    )


def event_of(frame: Frame) -> bytes:
    """Return an entry as an event."""
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (frame.seq, frame.type.encode(), frame.json)


class _Stream(ASGIResponse):
    """An answer that goes on until the client leaves or may not read any longer."""

    def __init__(self, live: Live, visitor: Visitor, after: int | None) -> None:
        super().__init__()
        self._live, self._visitor, self._after = live, visitor, after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._live.following(self._visitor, self._after) as reader:
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            # Who has seen nothing yet would not know where to resume: an id without data is remembered, and no event.
            place = "" if self._after is not None else f"id: {reader.after}\n"
            await _say(send, f": hello\nretry: {_RETRY}\n{place}\n".encode())
            writing = asyncio.create_task(_write(reader, send))
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


async def _write(reader: Reader, send: Send) -> None:
    while not reader.over.is_set():
        frames = await reader.read(HEARTBEAT)
        await _say(send, b"".join(map(event_of, frames)) or b": beat\n\n")


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


@operation(
    "GET",
    f"{W}/events",
    "follow_events",
    scope="tickets:read",
    tag="ledger",
    summary="Follow the entries of tickets as they are recorded (Server-Sent Events)",
    query=Since,
    answer=Entry,
    media="text/event-stream",
    refusals=(NotFound, RateLimited),
    resumes=True,
)
async def follow_events(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Send each entry that the visitor may see: `id` is its seq, `event` its type, `data` itself."""
    visitor = await inside(request, workspace)
    after = query(request, Since).after
    if resumed := request.headers.get("last-event-id"):
        if not _SEQ.fullmatch(resumed):
            raise Malformed("Last-Event-ID must be the id of an event of this stream.")
        after = int(resumed)
    return _Stream(desk_of(request).live, visitor, after)


HANDLERS = (follow_events,)
