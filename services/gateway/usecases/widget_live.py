"""A visitor's own conversation as it grows: each listener asks for what it has not seen, at its own speed.

One hint per message and per move of a ticket comes over NATS, and every ten seconds a listener looks without one: a
lost hint costs time, never a message. Nothing waits here for a slow browser, for the transcript itself is the queue.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from chassis.bus import Bus
from chassis.database import is_weather
from chassis.logs import get_logger
from contracts.refusals import NotFound, OriginNotAllowed, RateLimited, Refusal, Unauthenticated, Unavailable
from contracts.tickets import ConversationLinked, MessagePosted, MessageSnapshot, Status, StatusChanged, VisitorTicket
from services.gateway.domain import VisitorToken
from services.gateway.usecases.widget import Widget

log = get_logger()

POLL = 10.0
"""Seconds after which a listener looks without a hint."""
CHECK = 2.0
"""Seconds between two looks at whether the listeners may still listen."""
MOST_PER_ADDRESS, MOST_PER_TOKEN = 10, 3
AT_ONCE = 100
_AGAIN = 0.5


class Listener:
    """A browser that listens to its conversation."""

    def __init__(
        self, widget: Widget, opens: VisitorToken, *, origin: str | None, address: str, after: int, tickets: bool
    ) -> None:
        """Begin after this seq; `tickets`: be told how the tickets are, now and when they move."""
        self.hears_of_tickets = tickets
        self.opens = opens
        self.origin = origin
        self.address = address
        self.after = after
        """Everything up to here was handed over."""
        self.over = asyncio.Event()
        """Set when nothing more will come."""
        self.why: str | None = None
        self._widget = widget
        self._something = asyncio.Event()
        self._statuses: dict[UUID, Status] | None = None
        """Of each ticket, as it was handed over; None before the first look."""

    async def read(self, within: float) -> list[MessageSnapshot | VisitorTicket]:
        """Return what is new, as soon as there is something; nothing when `within` seconds pass without."""
        until = time.monotonic() + within
        while not self.over.is_set():
            self._something.clear()
            try:
                # Once it is asked for, what comes is awaited: an answer that is cut off would be asked for again.
                found = await self._widget.transcript(self.opens, self.after, AT_ONCE)
            except NotFound:
                self.end("revoked")
                break
            except Refusal as refusal:
                log.warning("widget.behind", code=refusal.code)
                await asyncio.sleep(_AGAIN)
            else:
                fresh = [message for message in found.messages if message.seq > self.after]
                if fresh:
                    self.after = fresh[-1].seq
                news: list[MessageSnapshot | VisitorTicket] = [*fresh, *self._moved(found.tickets)]
                if news:
                    return news
            left = until - time.monotonic()
            if left <= 0:
                break
            with suppress(TimeoutError):
                await asyncio.wait_for(self._something.wait(), min(POLL, left))
        return []

    def _moved(self, tickets: Iterable[VisitorTicket]) -> list[VisitorTicket]:
        if not self.hears_of_tickets:
            return []
        before, self._statuses = self._statuses or {}, {each.id: each.status for each in tickets}
        return [each for each in tickets if before.get(each.id) is not each.status]

    def hint(self, seq: int) -> None:
        """Look at once: the conversation has grown."""
        if seq > self.after:
            self._something.set()

    def hint_of(self, ticket: UUID, *, new: bool = False) -> None:
        """Look at once if this ticket is among the conversation's: it has moved, or is new there."""
        if self.hears_of_tickets and (new or self._statuses is None or ticket in self._statuses):
            self._something.set()

    def end(self, why: str) -> None:
        """Send the listener away."""
        if not self.over.is_set():
            self.why = why
            self.over.set()
            self._something.set()


class WidgetLive:
    """Every visitor who listens through this process."""

    def __init__(self, bus: Bus, widget: Widget) -> None:
        """Follow what wakes listeners."""
        self._widget = widget
        self._listeners: dict[UUID, set[Listener]] = {}
        self._closed = False
        bus.follows(MessagePosted)(self._posted)
        bus.follows(StatusChanged)(self._moved)
        bus.follows(ConversationLinked)(self._linked)

    @asynccontextmanager
    async def listening(
        self, opens: VisitorToken, *, origin: str | None, address: str, after: int, tickets: bool
    ) -> AsyncGenerator[Listener]:
        """Let a visitor listen after this seq for as long as the block lasts.

        Raises RateLimited for an address or a token that listens too often at once, and Unavailable at the end.
        """
        if self._closed:
            raise Unavailable(retry_after=1)
        if sum(each.address == address for each in self._all()) >= MOST_PER_ADDRESS:
            raise RateLimited("Too many streams are open from this address.", retry_after=5)
        if sum(each.opens.id == opens.id for each in self._all()) >= MOST_PER_TOKEN:
            raise RateLimited("This visitor follows too many streams at once.", retry_after=5)
        listener = Listener(self._widget, opens, origin=origin, address=address, after=after, tickets=tickets)
        here = self._listeners.setdefault(opens.conversation_id, set())
        here.add(listener)
        try:
            yield listener
        finally:
            listener.end("left")
            here.discard(listener)
            if not here and self._listeners.get(opens.conversation_id) is here:
                del self._listeners[opens.conversation_id]

    async def watch(self) -> None:
        """End the listeners whose token is over, or whose page may not use the assistant; runs until cancelled."""
        while True:
            await asyncio.sleep(CHECK)
            await self.check()

    async def check(self) -> None:
        """Look once."""
        pages: dict[tuple[UUID, str | None], list[Listener]] = {}
        for listener in list(self._all()):
            try:
                self._widget.check_open(listener.opens)
            except Unauthenticated:
                listener.end("expired")
            else:
                pages.setdefault((listener.opens.assistant_id, listener.origin), []).append(listener)
        for (assistant_id, origin), listeners in pages.items():
            try:
                await self._widget.assistant(assistant_id, origin)
            except (NotFound, OriginNotAllowed):
                for listener in listeners:
                    listener.end("revoked")
            except Exception as error:
                # Nobody reads anything meanwhile either: transcripts come from the same service.
                if not isinstance(error, Refusal) and not is_weather(error):
                    log.exception("widget.unchecked")

    async def close(self) -> None:
        """End everybody, and let nobody in any more."""
        self._closed = True
        for listener in list(self._all()):
            listener.end("stopping")

    def _all(self) -> Iterator[Listener]:
        return (listener for here in self._listeners.values() for listener in here)

    async def _posted(self, event: MessagePosted) -> None:
        for listener in self._listeners.get(event.conversation_id, ()):
            listener.hint(event.seq)

    async def _moved(self, event: StatusChanged) -> None:
        for listener in self._all():
            listener.hint_of(event.ticket_id)

    async def _linked(self, event: ConversationLinked) -> None:
        for listener in self._listeners.get(event.new.id, ()):
            listener.hint_of(event.ticket_id, new=True)
