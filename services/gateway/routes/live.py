"""A workspace's book as it grows: Server-Sent Events, resumed by `Last-Event-ID` without a gap or a double."""

import re
from contextlib import AbstractAsyncContextManager
from typing import Any

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import Field

from contracts.activity import Entry
from contracts.refusals import Malformed, NotFound, RateLimited
from services.gateway.domain import Visitor
from services.gateway.routes.bodies import Flag, Given, query
from services.gateway.routes.operations import EVENTS, W, operation
from services.gateway.routes.streams import Stream
from services.gateway.routes.visitors import desk_of, inside
from services.gateway.usecases.live import NOTIFIED, Frame, Live, Reader

_SEQ = re.compile(r"[0-9]{1,15}")


class Since(Given):
    """Where to go on."""

    after: int | None = Field(
        default=None, ge=0, le=2**53 - 1, description="The last seq you have; `Last-Event-ID` says the same and wins."
    )
    inbox: Flag = Field(
        default=False,
        description="Say too when something came into your inbox: the event `notified`, without an id.",
    )


def event_of(frame: Frame) -> bytes:
    """Return an entry as an event; a hint has no place to resume from."""
    if frame is NOTIFIED:
        return b"event: %b\ndata: %b\n\n" % (frame.type.encode(), frame.json)
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (frame.seq, frame.type.encode(), frame.json)


class _Stream(Stream[Reader]):
    """The book of a workspace, as its reader may see it."""

    def __init__(self, live: Live, visitor: Visitor, after: int | None, *, inbox: bool) -> None:
        super().__init__()
        self._live, self._visitor, self._after, self._inbox = live, visitor, after, inbox

    def opening(self) -> AbstractAsyncContextManager[Reader]:
        return self._live.following(self._visitor, self._after, inbox=self._inbox)

    def place(self, reader: Reader) -> str:
        return "" if self._after is not None else str(reader.after)

    async def news(self, reader: Reader, within: float) -> bytes:
        return b"".join(map(event_of, await reader.read(within)))


@operation(
    "GET",
    f"{W}/events",
    "follow_events",
    scope="tickets:read",
    tag="ledger",
    summary="Follow the entries of tickets as they are recorded (Server-Sent Events)",
    query=Since,
    answer=Entry,
    media=EVENTS,
    refusals=(NotFound, RateLimited),
    resumes=True,
)
async def follow_events(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Send each entry that the visitor may see: `id` is its seq, `event` its type, `data` itself."""
    visitor = await inside(request, workspace)
    wanted = query(request, Since)
    after = wanted.after
    if (resumed := request.headers.get("last-event-id")) is not None:
        if not _SEQ.fullmatch(resumed):
            raise Malformed("Last-Event-ID must be the id of an event of this stream.")
        after = int(resumed)
    return _Stream(desk_of(request).live, visitor, after, inbox=wanted.inbox)


HANDLERS = (follow_events,)
