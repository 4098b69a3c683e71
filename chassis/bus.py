"""How a service speaks and listens: the safe way is the short way.

Subjects, queue groups, durables, acks, delays and transactions belong to the chassis; a handler gets a message and the
transaction that its effect belongs to.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, overload
from uuid import UUID

from nats.aio.client import Client
from nats.aio.msg import Msg
from pydantic import BaseModel, TypeAdapter, ValidationError

from chassis.applying import retry_letter
from chassis.connection import connect, flushed
from chassis.database import Database, Transaction
from chassis.held import Ear, Held, NotYet, Origin, Told
from chassis.logs import get_logger
from chassis.outbox import read_log
from chassis.parts import parts
from chassis.purging import Theirs, kept, purge
from chassis.requests import Answers, ask
from chassis.telemetry import Metrics, traced
from contracts.base import DeadLetter, Event, Intake, LoggedFact, Message, ReadLog, Request
from contracts.refusals import Conflict
from contracts.signals import Signal
from contracts.streams import DEADLETTERS, Stream, stream_of

if TYPE_CHECKING:
    from chassis.consumers import Consumer
    from chassis.lanes import Again

__all__ = ["Bus", "NotYet", "Origin", "Told", "Transaction"]

log = get_logger()

_OWNER_SECONDS = 1.0


class Bus:
    """A service's ears and mouth. What it says as facts goes through `Transaction.announce`."""

    def __init__(self, url: str, service: str, database: Database, metrics: Metrics, *, ca: str = "") -> None:
        """Connect in `start`; `ca` is who signs the server's certificate."""
        self.service = service
        self.closing = False
        self._url, self._ca = url, ca
        self._database = database
        self._metrics = metrics
        self._answers = Answers(service, database, metrics)
        self._ears: dict[str, Ear] = {}
        self._recorders: dict[str, Callable[[Told, Transaction], Awaitable[None]]] = {}
        self._followers: list[tuple[Any, Callable[[Any], Awaitable[None]]]] = []
        self._nats: Client | None = None
        for request in Message.registry.values():
            if issubclass(request, ReadLog) and service == request.OWNER:
                self._answers.add(request, read_log)

    @property
    def nats(self) -> Client:
        """The connection; raises RuntimeError before `start`."""
        if self._nats is None:
            msg = "the bus has not started"
            raise RuntimeError(msg)
        return self._nats

    @property
    def connected(self) -> bool:
        """Whether the broker is there at this moment."""
        return self._nats is not None and self._nats.is_connected

    def answers[Q: Request[Any], R: BaseModel](
        self,
        request: type[Q],
        *,
        alone: bool = False,
        ahead: Callable[[Sequence[Q], Transaction], Awaitable[None]] | None = None,
    ) -> Callable[[Callable[[Q, Transaction], Awaitable[R]]], Callable[[Q, Transaction], Awaitable[R]]]:
        """Answer these requests, in the transaction of the caller's workspace; a command takes effect once per key.

        `alone` is for a command that may take long: the others of its workspace do without it. `ahead` reads and holds
        at once what commands need that share a commit and follow one another, for as long as those last that name it.
        """

        def register(handler: Callable[[Q, Transaction], Awaitable[R]]) -> Callable[[Q, Transaction], Awaitable[R]]:
            self._answers.add(request, handler, alone=alone, ahead=ahead)
            return handler

        return register

    @overload
    def hears[E: Event](
        self, message: type[E]
    ) -> Callable[[Callable[[E, Transaction], Awaitable[None]]], Callable[[E, Transaction], Awaitable[None]]]: ...

    @overload
    def hears[I: Intake](
        self, message: type[I]
    ) -> Callable[
        [Callable[[I, Origin, Transaction], Awaitable[None]]], Callable[[I, Origin, Transaction], Awaitable[None]]
    ]: ...

    def hears(
        self, message: type[Message]
    ) -> Callable[[Callable[..., Awaitable[None]]], Callable[..., Awaitable[None]]]:
        """Apply these messages in order, once each, in the transaction of their workspace.

        A Refusal or a body that can't be read is a dead letter with its reason; NotYet waits; anything else is tried
        again with growing delays: for ever when a store is away, and about a minute long when it is a bug.
        """
        if self.service not in message.HEARD_BY or message.SUBJECT in self._ears:
            msg = f"{message.SUBJECT} is not meant for {self.service} (or is heard already)"
            raise TypeError(msg)

        def register(handler: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
            self._ears[message.SUBJECT] = Ear(message, handler, TypeAdapter(message))
            return handler

        return register

    async def retry(self, tx: Transaction, letter: UUID) -> DeadLetter:
        """Let the handler that would have heard a dead letter of ours apply it now, and forget the letter.

        A record takes the fact from its owner's log: what a letter says was never more than somebody's word.
        Raises NotFound, Conflict where too little was kept of it or its owner never told it, and why it is refused
        again.
        """

        async def record(held: Held) -> None:
            owner = held.base.partition(".")[0]
            again, recorder = self._again(owner), self._recorders[owner]
            found = await again(tx.workspace_id, held.position - 1) if again and held.position else ()
            fact = next((each for each in found if each.position == held.position), None)
            if fact is None:
                raise Conflict("Its owner has never told this, so it is not recorded. It can only be dropped.")
            await recorder(Told(id=str(fact.id), type=fact.type, position=fact.position, body=fact.body), tx)

        return await retry_letter(tx, self.service, self._ears, letter, record if self._recorders else None)

    async def retell(self, fact: LoggedFact, tx: Transaction) -> None:
        """Let the handler that once heard a fact of a log hear it again; a type that nobody hears is passed over.

        Raises why it is refused.
        """
        if ear := self._ears.get(fact.type):
            await ear.handler(ear.read.validate_json(json.dumps(fact.body)), tx)

    def records(
        self, owner: str
    ) -> Callable[[Callable[[Told, Transaction], Awaitable[None]]], Callable[[Told, Transaction], Awaitable[None]]]:
        """Apply every fact of an owner as it was told, of types not known here too; else as `hears`."""

        def register(
            handler: Callable[[Told, Transaction], Awaitable[None]],
        ) -> Callable[[Told, Transaction], Awaitable[None]]:
            self._recorders[owner] = handler
            return handler

        return register

    def follows[E: Event | Signal](
        self, event: type[E]
    ) -> Callable[[Callable[[E], Awaitable[None]]], Callable[[E], Awaitable[None]]]:
        """Be told of these in every replica, as a hint: at most once, without order, nothing is stored."""

        def register(handler: Callable[[E], Awaitable[None]]) -> Callable[[E], Awaitable[None]]:
            self._followers.append((event, handler))
            return handler

        return register

    async def signal(self, signal: Signal) -> None:
        """Tell every replica of this service something of the moment; while the broker is away it is left unsaid."""
        if self.connected:
            await self.nats.publish(f"{signal.SUBJECT}.{signal.workspace_id}", signal.model_dump_json().encode())

    async def letters(self, after: int) -> AsyncIterator[tuple[int, DeadLetter]]:
        """Read what any service could not apply, behind a place in `DEADLETTERS`: each one's place, and the letter."""
        async for place, _, body in kept(self.nats, DEADLETTERS.name, f"*.{DeadLetter.KIND}.>", after):
            try:
                letter = DeadLetter.model_validate_json(body)
            except ValidationError:
                log.warning("letter.unreadable", sequence=place)
            else:
                yield place, letter

    async def purge(self, stream: Stream, subject: str, is_theirs: Theirs) -> int:
        """Delete the messages of a subject that are to go, by their headers and bodies; return how many."""
        return await purge(self.nats, stream.name, subject, is_theirs)

    async def ask[R: BaseModel](self, request: Request[R], *, within: float = 5.0, patience: float = 2.0) -> R:
        """Ask the request's owner; raises the refusal that it sent, or Unavailable.

        `patience` is how long one try may take: more than `within` for work that must not be begun twice.
        """
        return await ask(self.nats, request, within, patience)

    def consumers(self, partitions: int = 1) -> "list[Consumer]":
        """Return the consumers, one per stream or part of it. Raises TypeError for a message without a handler."""
        heard = [m for m in Message.registry.values() if self.service in m.HEARD_BY]
        meant = {m.SUBJECT for m in heard if not (issubclass(m, Event) and m.OWNER in self._recorders)}
        if deaf := meant - self._ears.keys():
            msg = f"{self.service} has no handler for {sorted(deaf)}"
            raise TypeError(msg)
        # FastStream costs more than a second of start-up: only who hears pays.
        from chassis.consumers import Consumer  # noqa: PLC0415 - as just said

        made: dict[str, list[Consumer]] = {}
        subjects = [*self._ears, *(Event.of_kind(owner)[0].SUBJECT for owner in self._recorders)]
        for subject in subjects:
            stream: Stream = stream_of(f"{subject}.w")
            if stream.name not in made:
                owner = Message.registry[subject].OWNER
                made[stream.name] = [
                    Consumer(
                        part,
                        self._url,
                        self.service,
                        self._database,
                        self._metrics,
                        ca=self._ca,
                        recorder=self._recorders.get(owner),
                        again=self._again(owner),
                    )
                    for part in parts(stream, partitions)
                ]
            if subject in self._ears:
                for consumer in made[stream.name]:
                    consumer.ears[subject] = self._ears[subject]
        return [consumer for each in made.values() for consumer in each]

    def _again(self, owner: str) -> "Again | None":
        """Return how to ask an owner for facts that the broker did not bring, if this service may."""
        log_of = ReadLog.of(owner)
        if self.service not in log_of.ASKED_BY:
            return None

        async def again(workspace_id: str, after: int) -> Sequence[LoggedFact]:
            # Others wait meanwhile: an owner that is away is asked again later.
            return (await self.ask(log_of(workspace_id=workspace_id, after=after), within=_OWNER_SECONDS)).items

        return again

    async def connect(self) -> None:
        """Connect; waits for a broker that is away."""
        self._nats = await connect(self._url, self.service, closing=lambda: self.closing, ca=self._ca)

    async def start(self) -> None:
        """Follow and answer, once connected."""
        for event, handler in self._followers:
            await self.nats.subscribe(f"{event.SUBJECT}.*", cb=_teller(TypeAdapter(event), handler))
        await self._answers.start(self.nats)

    async def drain(self) -> None:
        """Take nothing new and finish what was begun."""
        self.closing = True
        if self._nats is None:
            return
        await self._answers.stop()
        if self._nats.is_connected:
            await flushed(self._nats, 2)

    async def close(self) -> None:
        """Break off what is left and disconnect."""
        self.closing = True
        self._answers.abandon()
        if self._nats is not None:
            # asyncio's and uvloop's word for a connection that is lost, and on which the client would say its last.
            with suppress(TypeError, RuntimeError):
                await self._nats.close()


def _teller(read: TypeAdapter[Any], handler: Callable[[Any], Awaitable[None]]) -> Callable[[Msg], Awaitable[None]]:
    async def tell(msg: Msg) -> None:
        try:
            event = read.validate_json(msg.data)
        except ValidationError:
            log.warning("follow.unreadable", subject=msg.subject)
            return
        with traced((msg.headers or {}).get("traceparent")):
            try:
                await handler(event)
            except Exception:
                log.exception("follow.failed", subject=msg.subject)

    return tell


async def wake_each_other(nats: Client, service: str, wake: Callable[[], None]) -> Callable[[], None]:
    """Return what tells the leader, in whichever replica it is, that something was committed."""
    subject = wake_subject(service)

    async def woken(_: Msg) -> None:
        wake()

    await nats.subscribe(subject, cb=woken)
    pending: set[asyncio.Task[None]] = set()

    def ring() -> None:
        if nats.is_connected:
            task = asyncio.ensure_future(nats.publish(subject, b""))
            pending.add(task)
            task.add_done_callback(pending.discard)

    return ring


def wake_subject(service: str) -> str:
    """Return the subject on which replicas of a service wake their leader."""
    return f"{service}.wake"
