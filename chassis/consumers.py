"""Hearing: one leader reads a stream in order and applies it, one transaction per workspace; acks follow the commit.

Who leads only decides who fetches. What makes an effect happen once and in order lies in the transaction: the book's
last position for our own facts, the inbox for messages of other systems. A message that can't be applied yet waits in
memory, together with what came behind it in its workspace; nobody else waits. A stream is read faster than it is
applied, so that who has little to say is not kept waiting by who has much.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import nats.errors
import nats.js.errors
from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, PullSub
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from chassis.connection import connect, die, flushed, inbox_prefix
from chassis.database import Database
from chassis.held import Ear
from chassis.lanes import Again, Lanes, Recorder
from chassis.logs import get_logger
from chassis.parts import Part
from chassis.provision import intake_of
from chassis.swallowed import Swallowed
from chassis.telemetry import Metrics
from contracts.base import Intake

log = get_logger()

_AT_ONCE = 500
_BEAT = 1.0
_SLACK = 1.0
_ASKED = json.dumps({"batch": _AT_ONCE, "expires": int(_BEAT * 1e9), "no_wait": True}).encode()
"""Where both are said, JetStream waits for the first message that comes, and ends with those that are there."""
_ENDS = ("404", "408")
_CHECK_AFTER = 10
_GRACE = 2.0


class _Broker(NatsBroker):
    """Enters NATS as every client of ours does; by FastStream's own way whoever takes its place hears a password."""

    def __init__(self, enter: Callable[[], Awaitable[Client]]) -> None:
        super().__init__(logger=None, graceful_timeout=_GRACE)
        self._enter = enter

    async def _connect(self) -> Client:
        client = await self._enter()
        self.config.connect(client)
        return client


class _Pull:
    """Stands in the place of nats-py's pull subscription, under FastStream.

    It asks for what is there, or else for the first that comes within a second, and tells by its subject which request
    an answer ends: nats-py's `fetch` takes the end of an older one for that of its own, asks once more, and after a
    quiet second holds back the second message that comes, for up to another. FastStream lingers until a batch is full:
    a partial second fetch is answered at once, so that what is there is handed over; it hears no other TimeoutError
    than that of nats.errors. A durable that is gone answers 503 or 409 for ever: `gone` asks, and ends the process.
    """

    def __init__(self, client: Client, durable: str, gone: Callable[[], Awaitable[None]]) -> None:
        """Ask nothing yet of this durable, named as STREAM.NAME."""
        self._client, self._gone = client, gone
        self._subject, self._inbox = f"$JS.API.CONSUMER.MSG.NEXT.{durable}", client.new_inbox()
        self._subscription: Subscription | None = None
        self._came: list[Msg] = []
        self._nth = self._empty = 0
        self._over = asyncio.Future[str]()

    async def fetch(
        self,
        batch: int = _AT_ONCE,
        timeout: float | None = _BEAT,  # noqa: ARG002, ASYNC109 - nats-py's signature
        heartbeat: float | None = None,  # noqa: ARG002 - nats-py's signature
    ) -> list[Msg]:
        if batch < _AT_ONCE:
            raise nats.errors.TimeoutError
        try:
            await self._ask()
        except (nats.errors.Error, nats.js.errors.Error) as error:
            log.warning("consumer.fetch", error=repr(error))
            await asyncio.sleep(0.5)
            await self._gone()
        messages, self._came = self._came, []
        self._empty = 0 if messages else self._empty + 1
        if self._empty and self._empty % _CHECK_AFTER == 0:
            await self._gone()
        if not messages:
            raise nats.errors.TimeoutError
        return messages

    async def _ask(self) -> None:
        """Return once all that was asked for is there, or its time is over."""
        if self._subscription is None:
            self._subscription = await self._client.subscribe(f"{self._inbox}.*", cb=self._hear)
        self._nth += 1
        self._over = asyncio.Future()
        await self._client.publish(self._subject, _ASKED, reply=f"{self._inbox}.{self._nth}")
        # Without an answer the connection was lost, and the request with it.
        with suppress(TimeoutError):
            status = await asyncio.wait_for(self._over, _BEAT + _SLACK)
            if status not in _ENDS:
                msg = f"the server answers {status}"
                raise nats.errors.Error(msg)

    async def _hear(self, message: Msg) -> None:
        if message.reply:
            self._came.append(message)
            if len(self._came) < _AT_ONCE:
                return
            status = _ENDS[0]
        elif message.subject == f"{self._inbox}.{self._nth}" and message.headers:
            status = message.headers.get("Status", "")
        else:  # the end of an older request
            return
        if not self._over.done():
            self._over.set_result(status)

    async def unsubscribe(self) -> None:
        if self._subscription is not None:
            with suppress(nats.errors.Error):
                await self._subscription.unsubscribe()


class Consumer:
    """Hears one stream, or a part of it, through a durable that bears the service's name."""

    def __init__(
        self,
        part: Part,
        url: str,
        service: str,
        database: Database,
        metrics: Metrics,
        *,
        ca: str = "",
        recorder: Recorder | None = None,
        again: Again | None = None,
    ) -> None:
        """Hear nothing yet; see `Lanes` for `recorder` and `again`."""
        self.part = part
        self._durable = part.durable(service)
        self._url, self._ca = url, ca
        self.ears: dict[str, Ear] = {}
        self._service = service
        nth = part.nth if part.of > 1 else None
        self._lanes = Lanes(
            part.stream.name, service, database, metrics, self.ears, recorder=recorder, again=again, part=nth
        )

    async def run(self) -> None:
        """Hear until cancelled."""
        async with self._connected() as broker, self._subscribed(broker):
            while True:
                await self._lanes.rest()
                await self._lanes.tend()

    @asynccontextmanager
    async def _connected(self) -> AsyncGenerator[NatsBroker]:
        stepping_down = False
        # FastStream would wait 15 s for a handler that hangs; what is cut off is rolled back and comes again.
        broker = _Broker(lambda: connect(self._url, self._service, closing=lambda: stepping_down, ca=self._ca))
        try:
            yield broker
        finally:
            stepping_down = True
            with suppress(nats.errors.Error, TimeoutError):
                await asyncio.wait_for(broker.stop(), _GRACE)

    @asynccontextmanager
    async def _subscribed(self, broker: NatsBroker) -> AsyncGenerator[None]:
        client: Client = await broker.connect()
        await self._exists(client)
        # What the last leader fetched and did not ack comes again at once, in order, instead of after `ack_wait`.
        answer = await client.request(f"$JS.API.CONSUMER.RESET.{self.part.source}.{self._durable}", b"", timeout=3)
        if b'"error"' in answer.data:
            msg = f"the consumer could not be reset: {answer.data.decode()}"
            raise nats.errors.Error(msg)
        subscriber = broker.subscriber(
            self.part.subject,
            stream=JStream(self.part.source, declare=False),
            durable=self._durable,
            persistent=False,
            pull_sub=PullSub(batch_size=_AT_ONCE, timeout=_BEAT, batch=True),
            inbox_prefix=f"{inbox_prefix(self._service)}.pull.".encode(),
            decoder=_raw,
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
        )
        subscriber(self._take)
        self._lanes.clear()
        if any(issubclass(ear.message, Intake) for ear in self.ears.values()):
            await client.subscribe(intake_of(self._service), cb=Swallowed(client).overhear)
            await flushed(client)
        try:
            await subscriber.start()
            # No await lies between FastStream's making of its fetching task and here: it never sees the bare one.
            subscriber.subscription = _Pull(client, f"{self.part.source}.{self._durable}", lambda: self._exists(client))  # type: ignore[assignment]
            log.info("consumer.started", stream=self.part.source)
            yield
        finally:
            await subscriber.stop()
            self._lanes.clear()

    async def _take(self, messages: Any) -> None:
        await self._lanes.take(messages, time.monotonic(), more=len(messages) >= _AT_ONCE)

    async def _exists(self, client: Client) -> None:
        """End the process if the durable is gone: it is the provisioner's, and nats-py would make one of its own."""
        try:
            await client.jetstream(timeout=2).consumer_info(self.part.source, self._durable)
        except nats.js.errors.NotFoundError:
            die(f"the durable {self._durable} of stream {self.part.source} is gone; run the provisioner")
        except (TimeoutError, nats.errors.Error, nats.js.errors.Error) as error:
            log.warning("consumer.info", error=repr(error))


async def _raw(message: Any) -> Any:
    """Leave the bytes alone: a body that can't be read must reach our own handler, or it would never be acked."""
    return message.raw_message
