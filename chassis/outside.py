"""The gateway's hands around other systems: it lets them in, keeps the consumer that each reads with, cuts them off."""

import asyncio
import contextlib
import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from structlog.contextvars import bound_contextvars

from chassis.callout import LIFE, Admits, Callout
from chassis.connection import connect
from chassis.logs import get_logger
from chassis.provision import CALLOUT, KEEPER, KICKER, OUT, Outsider, outsider_consumer, outsider_stream
from chassis.starting import refusing
from chassis.telemetry import Metrics
from contracts.base import now
from contracts.refusals import Unavailable

log = get_logger()

_EPOCH: Final = dt.datetime.fromtimestamp(0, dt.UTC)
_PATIENCE: Final = 3.0
_GLANCE: Final = 1.0
"""Seconds for what is only shown."""
_QUIET: Final = 0.25
"""Seconds without another server's answer, after which all have answered."""
_MOST_CONNECTIONS: Final = 1024
_RENEWED_FROM: Final = LIFE * 0.6
_RENEWED_WITHIN: Final = 120
_NOT_FOUND: Final = frozenset((10014, 10037, 10059))
"""JetStream's codes for a consumer, message or stream that is not there."""


@dataclass(frozen=True, slots=True)
class OutsideAccess:
    """How the gateway enters NATS as each of the three, and what it signs with."""

    callout_url: str
    keeper_url: str
    kicker_url: str
    issuer_seed: str
    ca: str = ""


class NothingThere(Exception):
    """The stream has not reached that point."""


class Outside:
    """Everything about other systems that only NATS can do; raises Unavailable while it is away."""

    def __init__(
        self, access: OutsideAccess, admits: Admits, metrics: Metrics, clock: Callable[[], dt.datetime] = now
    ) -> None:
        """Ask `admits` who may come in."""
        self._access = access
        self._callout = Callout(access.issuer_seed, admits, metrics)
        self._clock = clock
        self._clients: dict[str, Client] = {}
        self._closing = False

    async def start(self) -> None:
        """Connect, wait for a broker that is away, and let others in from now on."""
        urls = {KEEPER: self._access.keeper_url, KICKER: self._access.kicker_url, CALLOUT: self._access.callout_url}
        for user, url in urls.items():
            # Whatever its connection logs says which of the three it is: that one's password may be wrong.
            with refusing(user), bound_contextvars(nats_user=user):
                self._clients[user] = await connect(url, user, closing=lambda: self._closing, ca=self._access.ca)
        await self._callout.listen(self._clients[CALLOUT])

    async def close(self) -> None:
        """Leave it to other replicas."""
        self._closing = True
        if CALLOUT in self._clients:
            with contextlib.suppress(NatsError, TimeoutError):
                await self._callout.hush(self._clients[CALLOUT])
        for client in self._clients.values():
            await client.close()

    async def keep(self, outsider: Outsider) -> None:
        """Make the consumer of another system, or bring what it brings in line with what they may read."""
        body = {"stream_name": outsider_stream(), "config": outsider_consumer(outsider)}
        await self._call(f"CONSUMER.DURABLE.CREATE.{outsider_stream()}.{outsider.durable}", body)

    async def forget(self, outsider: Outsider) -> None:
        """Take the consumer away, if it is there."""
        with contextlib.suppress(NothingThere):
            await self._call(f"CONSUMER.DELETE.{outsider_stream()}.{outsider.durable}")

    async def pending(self, outsider: Outsider) -> int | None:
        """Return how many facts wait for another system, those that it has and did not acknowledge included."""
        try:
            told = await self._call(f"CONSUMER.INFO.{outsider_stream()}.{outsider.durable}", patience=_GLANCE)
        except (NothingThere, Unavailable):
            return None
        return int(told["num_pending"]) + int(told["num_ack_pending"])

    async def replay(self, outsider: Outsider, since: dt.datetime | int) -> int:
        """Let another system read again from a time or a sequence of the stream on; returns that sequence.

        Raises NothingThere for one that the stream has not reached.
        """
        state = (await self._call(f"STREAM.INFO.{outsider_stream()}"))["state"]
        end = int(state["last_seq"]) + 1
        sequence = since if isinstance(since, int) else await self._at(since, end)
        if sequence > end:
            raise NothingThere
        sequence = max(sequence, int(state["first_seq"]), 1)
        await self._call(f"CONSUMER.RESET.{outsider_stream()}.{outsider.durable}", {"seq": sequence})
        return sequence

    async def _at(self, time: dt.datetime, end: int) -> int:
        try:
            # The server counts nanoseconds in 64 bits, which a time before 1677 leaves on the wrong side.
            start = max(time, _EPOCH).isoformat()
            found = await self._call(f"STREAM.MSG.GET.{outsider_stream()}", {"start_time": start})
        except NothingThere:
            return end
        return int(found["message"]["seq"])

    async def cut(self, outsider: Outsider) -> int:
        """Cut every connection of another system, on every server; returns how many."""
        found = await self._connections(user=outsider.user)
        for server, connection in found:
            await self._kick(server, connection)
        return len(found)

    async def renew(self) -> int:
        """Have those whose rights end soon come in again; returns how many.

        A client that is cut comes back by itself; one that a server tells that its rights have ended may give up.
        """
        old = []
        for server, connection in await self._connections():
            age = (self._clock() - dt.datetime.fromisoformat(connection["start"])).total_seconds()
            # Whoever stands in the configuration has no end; and not all who came at once go at once.
            if connection.get("issuer_key") and age >= _RENEWED_FROM + connection["cid"] % _RENEWED_WITHIN:
                old.append((server, connection))
        for server, connection in old:
            await self._kick(server, connection)
        return len(old)

    async def _connections(self, **which: str) -> list[tuple[str, dict[str, Any]]]:
        """Return the connections of other systems, and on which server each is: every server answers for its own."""
        kicker = self._client(KICKER)
        answers: asyncio.Queue[Msg] = asyncio.Queue()
        inbox = kicker.new_inbox()
        asked = {"auth": True, "acc": OUT, "limit": _MOST_CONNECTIONS, **which}
        found: list[tuple[str, dict[str, Any]]] = []
        try:
            heard = await kicker.subscribe(inbox, cb=answers.put)
            await kicker.publish(f"$SYS.REQ.ACCOUNT.{OUT}.CONNZ", json.dumps(asked).encode(), reply=inbox)
            patience = _PATIENCE
            with contextlib.suppress(TimeoutError):
                while True:
                    answer = json.loads((await asyncio.wait_for(answers.get(), patience)).data)
                    patience = _QUIET
                    server = answer["server"]["id"]
                    found += [(server, each) for each in (answer.get("data") or {}).get("connections") or ()]
            await heard.unsubscribe()
        except NatsError as error:
            raise Unavailable from error
        return found

    async def _kick(self, server: str, connection: dict[str, Any]) -> None:
        asked = json.dumps({"cid": connection["cid"]}).encode()
        with contextlib.suppress(TimeoutError, NatsError):  # whoever asks for the cut asks again
            await self._client(KICKER).request(f"$SYS.REQ.SERVER.{server}.KICK", asked, timeout=_PATIENCE)
            log.info("outside.cut", user=connection.get("authorized_user"), server=server)

    async def _call(self, verb: str, body: Any = None, patience: float = _PATIENCE) -> dict[str, Any]:
        try:
            asked = json.dumps(body).encode() if body else b""
            answer = await self._client(KEEPER).request(f"$JS.API.{verb}", asked, timeout=patience)
        except (TimeoutError, NatsError) as error:
            raise Unavailable from error
        read: dict[str, Any] = json.loads(answer.data)
        if error_told := read.get("error"):
            if error_told.get("err_code") in _NOT_FOUND:
                raise NothingThere
            log.warning("outside.refused", verb=verb, error=error_told)
            raise Unavailable
        return read

    def _client(self, user: str) -> Client:
        if (client := self._clients.get(user)) is None:
            raise Unavailable
        return client
