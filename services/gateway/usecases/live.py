"""The live edge of each workspace's book, for as many readers as like: no entry is skipped and none comes twice.

One hint per entry comes over NATS, and a book that somebody reads is asked for every two seconds besides: a lost hint
costs time, never an entry. A reader catches up page by page, at its own speed, and joins where the edge is; from there
on it is handed what everybody is handed. One that can't keep up is sent away and resumes where it was.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from chassis.bus import Bus
from chassis.database import is_weather
from chassis.logs import get_logger
from contracts.activity import Book, Entry, EntryPage, EntryRecorded, Feed, ReadHeads, is_in_scope
from contracts.base import ActorKind, Audience, Caller, Role, Subject
from contracts.gateway import MemberRemoved, RoleChanged, TokenRevoked, WorkspaceDeleted
from contracts.notifications import Notified
from contracts.refusals import RateLimited, Refusal, TooLarge, Unavailable
from services.gateway.domain import Visitor
from services.gateway.usecases.people import People

log = get_logger()

POLL = 2.0
"""Seconds after which a book is asked for without a hint."""
CHECK = 2.0
"""Seconds between two looks at whether the readers may still read."""
UNCHECKED = 4.5
"""Seconds after which a reader is sent away whom nobody could vouch for."""
WAITING, WAITING_BYTES = 256, 1024 * 1024
"""How much may wait for one reader."""
AT_ONCE, AT_ONCE_BYTES = 100, 64 * 1024
MOST_PER_SESSION = 100
PATIENCE = 5.0
"""Seconds that a new reader waits to be told where the book ends."""
_AGAIN = 0.5
_BETWEEN_HINTS = 1.0


@dataclass(frozen=True, slots=True)
class Frame:
    """An entry as it is sent; made once for all who read it."""

    seq: int
    type: str
    audience: Audience
    subject: Subject | None
    json: bytes

    @classmethod
    def of(cls, entry: Entry) -> "Frame":
        """Write an entry down."""
        return cls(entry.seq, entry.type, entry.audience, entry.subject, entry.model_dump_json().encode())


@dataclass(frozen=True, slots=True)
class Whisper:
    """Something of the moment for the team, beside the book: it has no place in it and is not told again."""

    type: str
    json: bytes


NOTIFIED = Whisper("notified", b"{}")
"""What says to a reader that something came into their inbox."""


class Reader:
    """Somebody who follows a book: a session or token in a workspace, with a role that decides what they may see."""

    def __init__(
        self, visitor: Visitor, edge: "_Edge", after: int, *, whispers: bool = False, inbox: bool = False
    ) -> None:
        """Begin after this seq; `inbox`: be told too when something comes into the reader's own."""
        self.hears_of_inbox = inbox
        workspace, self.role = visitor.here
        self._scopes = visitor.token.scopes if visitor.token else ()
        self.after = after
        """Everything up to here was read, or waits, or is not for this role."""
        self.over = asyncio.Event()
        """Set when nothing more will come."""
        self.why: str | None = None
        self.user_id = visitor.person.id if visitor.person else None
        self.key = (visitor.credential.id, workspace.id)
        self._whispers = whispers and self.role is not Role.GUEST
        self.vouched_at = time.monotonic()
        self._edge = edge
        self._joined = False
        self._waiting: deque[Frame | Whisper] = deque()
        self._size = 0
        self._something = asyncio.Event()
        self._hints_again: asyncio.TimerHandle | None = None
        self._hint_due = False

    async def read(self, within: float) -> "Sequence[Frame | Whisper]":
        """Return what is new, as soon as there is something; nothing when `within` seconds pass without."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                while not self.over.is_set():
                    if found := await (self._take() if self._joined else self._catch_up()):
                        return found
        return []

    def offer(self, frame: Frame) -> None:
        """Hand over an entry at the edge; one that this reader has read itself is not repeated."""
        if not self._joined or frame.seq <= self.after:
            return
        self.after = frame.seq
        if not self._may_see(frame):
            return
        if len(self._waiting) >= WAITING or self._size >= WAITING_BYTES:
            self.end("slow")
            return
        self._waiting.append(frame)
        self._size += len(frame.json)
        self._something.set()

    def whisper(self, whisper: Whisper) -> None:
        """Hand over something of the moment, if they like to hear it and keep up."""
        if self._whispers and self._joined and len(self._waiting) < WAITING // 2:
            self._waiting.append(whisper)
            self._size += len(whisper.json)
            self._something.set()

    def hint(self) -> None:
        """Say that something came into the reader's inbox: once until it is read, and once a second at most."""
        if self._hints_again is None:
            self._hint()
            self._hints_again = asyncio.get_running_loop().call_later(_BETWEEN_HINTS, self._may_hint)
        else:
            self._hint_due = True

    def _may_hint(self) -> None:
        self._hints_again = None
        if self._hint_due:
            self._hint_due = False
            self.hint()

    def _hint(self) -> None:
        if not self.over.is_set() and NOTIFIED not in self._waiting:
            self._waiting.append(NOTIFIED)
            self._size += len(NOTIFIED.json)
            self._something.set()

    def end(self, why: str) -> None:
        """Send the reader away; what still waits for them is let go."""
        if not self.over.is_set():
            self.why = why
            self._joined = False
            self._waiting.clear()
            if self._hints_again is not None:
                self._hints_again.cancel()
            self.over.set()
            self._something.set()

    async def _catch_up(self) -> list[Frame]:
        if self.after >= await self._edge.reached():
            # Nothing is awaited between this comparison and the next hand-over: what comes after the edge comes here.
            self._joined = True
            return []
        try:
            page = await self._edge.page(self.after)
        except Refusal as refusal:
            log.warning("live.behind", code=refusal.code)
            await asyncio.sleep(_AGAIN)
            return []
        if page.last <= self.after:
            await asyncio.sleep(_AGAIN)
            return []
        fresh = [entry for entry in page.items if entry.seq > self.after]
        self.after = page.last
        return [Frame.of(entry) for entry in fresh if self._may_see(entry)]

    def _may_see(self, what: Entry | Frame) -> bool:
        return what.audience.includes(self.role) and is_in_scope(self._scopes, what.subject)

    async def _take(self) -> list[Frame | Whisper]:
        self._something.clear()
        if not self._waiting:
            await self._something.wait()
        found: list[Frame | Whisper] = []
        size = 0
        while self._waiting and size < AT_ONCE_BYTES:
            found.append(self._waiting.popleft())
            size += len(found[-1].json)
        self._size -= size
        return found


class _Edge:
    """How far the book of one workspace was read for all who follow it."""

    def __init__(self, bus: Bus, workspace_id: str) -> None:
        self.readers: set[Reader] = set()
        self._bus = bus
        self._caller = Caller(
            workspace_id=workspace_id, kind=ActorKind.SYSTEM, id="gateway", name="gateway", role=Role.OWNER
        )
        self._seq: int | None = None
        self._known = asyncio.Event()
        self._grown = asyncio.Event()
        self.task = asyncio.create_task(self._run(), name=f"edge {workspace_id}")

    def hint(self, seq: int) -> None:
        """Look at once: the book has grown."""
        if self._seq is None or seq > self._seq:
            self._grown.set()

    async def reached(self) -> int:
        """Return the seq of the edge, once it is known."""
        await self._known.wait()
        return self._seq or 0

    async def page(self, after: int) -> EntryPage:
        """Return the entries after a seq, whoever may see them; fewer where they are large."""
        limit = AT_ONCE
        while True:
            try:
                return await self._bus.ask(Feed(caller=self._caller, book=Book.TICKETS, after=after, limit=limit))
            except TooLarge:
                if limit == 1:
                    raise
                limit = max(1, limit // 4)

    async def _run(self) -> None:
        while True:
            try:
                self._grown.clear()
                if self._seq is None:
                    await self._begin()
                elif not await self._advance(self._seq):
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._grown.wait(), POLL)
            except Exception as error:
                if not (isinstance(error, Refusal) or is_weather(error)):
                    log.exception("live.failed")
                else:
                    log.warning("live.away", error=repr(error))
                await asyncio.sleep(_AGAIN)

    async def _begin(self) -> None:
        heads = (await self._bus.ask(ReadHeads(caller=self._caller))).items
        self._seq = next((head.seq for head in heads if head.book is Book.TICKETS), 0)
        self._known.set()

    async def _advance(self, seq: int) -> bool:
        """Hand out what is new; tells whether there is more already."""
        page = await self.page(seq)
        for entry in page.items:
            if entry.seq > seq:
                frame = Frame.of(entry)
                for reader in tuple(self.readers):
                    reader.offer(frame)
        self._seq = max(seq, page.last)
        return page.more


class Live:
    """Everybody who follows a workspace's book through this process."""

    def __init__(self, bus: Bus, people: People) -> None:
        """Follow what wakes readers and what ends them."""
        self._bus = bus
        self._people = people
        self._edges: dict[str, _Edge] = {}
        self._closed = False
        bus.follows(EntryRecorded)(self._recorded)
        bus.follows(Notified)(self._notified)
        bus.follows(RoleChanged)(self._role_changed)
        bus.follows(MemberRemoved)(self._removed)
        bus.follows(TokenRevoked)(self._token_revoked)
        bus.follows(WorkspaceDeleted)(self._deleted)

    @asynccontextmanager
    async def following(
        self, visitor: Visitor, after: int | None, *, whispers: bool = False, inbox: bool = False
    ) -> AsyncGenerator[Reader]:
        """Let the visitor follow the book after this seq, or from its present end, for as long as the block lasts.

        Raises RateLimited for a session that reads too often at once, and Unavailable while the end is not known.
        """
        workspace, _ = visitor.here
        if self._closed:
            raise Unavailable(retry_after=1)
        if sum(reader.key[0] == visitor.credential.id for reader in self._readers()) >= MOST_PER_SESSION:
            raise RateLimited("This session follows too many streams at once.", retry_after=5)
        edge = self._edges.get(workspace.id)
        if edge is None:
            edge = self._edges[workspace.id] = _Edge(self._bus, workspace.id)
        reader = Reader(visitor, edge, after or 0, whispers=whispers, inbox=inbox)
        edge.readers.add(reader)
        try:
            if after is None:
                try:
                    reader.after = await asyncio.wait_for(edge.reached(), PATIENCE)
                except TimeoutError as error:
                    raise Unavailable(retry_after=1) from error
            yield reader
        finally:
            reader.end("left")
            edge.readers.discard(reader)
            if not edge.readers:
                del self._edges[workspace.id]
                edge.task.cancel()

    def whisper(self, workspace_id: str, whisper: Whisper) -> None:
        """Tell the team of a workspace something of the moment."""
        edge = self._edges.get(workspace_id)
        for reader in tuple(edge.readers) if edge else ():
            reader.whisper(whisper)

    async def watch(self) -> None:
        """End the readers whose session or token is over, or who are not what they were; runs until cancelled."""
        while True:
            await asyncio.sleep(CHECK)
            await self.check()

    async def check(self) -> None:
        """Look once."""
        readers = list(self._readers())
        if not readers:
            return
        began = time.monotonic()
        try:
            async with asyncio.timeout(CHECK):
                present = await self._people.still_here(list({reader.key for reader in readers}))
        except Exception as error:
            if not is_weather(error):
                log.exception("live.unchecked")
            for reader in readers:
                # The next look may take as long and fail as well.
                if time.monotonic() - reader.vouched_at > UNCHECKED - CHECK:
                    reader.end("unchecked")
            return
        for reader in readers:
            if present.get(reader.key) is reader.role:
                reader.vouched_at = began
            else:
                reader.end("revoked")

    async def close(self) -> None:
        """End everybody, and let nobody in any more."""
        self._closed = True
        for reader in list(self._readers()):
            reader.end("stopping")

    def _readers(self) -> Iterator[Reader]:
        return (reader for edge in self._edges.values() for reader in edge.readers)

    async def _recorded(self, event: EntryRecorded) -> None:
        edge = self._edges.get(event.workspace_id)
        if edge is not None and event.book is Book.TICKETS:
            edge.hint(event.seq)

    async def _notified(self, event: Notified) -> None:
        edge = self._edges.get(event.workspace_id)
        for reader in tuple(edge.readers) if edge else ():
            if reader.hears_of_inbox and reader.user_id == event.recipient_id:
                reader.hint()

    async def _role_changed(self, event: RoleChanged) -> None:
        self._end(event.workspace_id, lambda reader: reader.user_id == event.user_id and reader.role is not event.new)

    async def _removed(self, event: MemberRemoved) -> None:
        self._end(event.workspace_id, lambda reader: reader.user_id == event.user_id)

    async def _token_revoked(self, event: TokenRevoked) -> None:
        self._end(event.workspace_id, lambda reader: str(reader.key[0]) == event.subject.id)

    async def _deleted(self, event: WorkspaceDeleted) -> None:
        self._end(event.workspace_id, lambda _: True)

    def _end(self, workspace_id: str, which: Callable[[Reader], bool]) -> None:
        edge = self._edges.get(workspace_id)
        for reader in list(edge.readers) if edge else []:
            if which(reader):
                reader.end("revoked")
