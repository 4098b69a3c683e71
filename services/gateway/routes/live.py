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
from services.gateway.usecases.live import Frame, Live, Reader, Whisper

_SEQ = re.compile(r"[0-9]{1,15}")


class Since(Given):
    """Where to go on."""

    after: int | None = Field(
        default=None, ge=0, le=2**53 - 1, description="The last seq you have; `Last-Event-ID` says the same and wins."
    )
    inbox: Flag = Field(
        default=False,
        description="Say when something came into your inbox too: events `notified` without an id.",
    )
    presence: Flag = Field(
        default=False,
        description="Say who of the team looks at a ticket or writes there too: events `presence` without an id.",
    )


def event_of(frame: Frame | Whisper) -> bytes:
    """Return an entry as an event, or something of the moment as one that has no id."""
    if isinstance(frame, Whisper):
        return b"event: %b\ndata: %b\n\n" % (frame.type.encode(), frame.json)
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (frame.seq, frame.type.encode(), frame.json)


class _Stream(Stream[Reader]):
    """The book of a workspace, as its reader may see it."""

    def __init__(self, live: Live, visitor: Visitor, after: int | None, *, whispers: bool, inbox: bool) -> None:
        super().__init__()
        self._live, self._visitor, self._after = live, visitor, after
        self._whispers, self._inbox = whispers, inbox

    def opening(self) -> AbstractAsyncContextManager[Reader]:
        return self._live.following(self._visitor, self._after, whispers=self._whispers, inbox=self._inbox)

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
    asked = query(request, Since)
    after = asked.after
    if (resumed := request.headers.get("last-event-id")) is not None:
        if not _SEQ.fullmatch(resumed):
            raise Malformed("Last-Event-ID must be the id of an event of this stream.")
        after = int(resumed)
    return _Stream(desk_of(request).live, visitor, after, whispers=asked.presence, inbox=asked.inbox)


HANDLERS = (follow_events,)
