"""Questions and answers over core NATS: typed on both ends, refusals included, shared by all replicas.

A reply is JSON. A refusal's body is its JSON, and two headers say so: `Nats-Service-Error` (the code) and
`Nats-Service-Error-Code` (its number), as ADR-32 of NATS asks; `$SRV.PING|INFO|STATS` are answered by the same ADR.
"""

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.nuid import NUID
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from chassis.commands import Ahead, Commands, Handler
from chassis.connection import flushed
from chassis.database import Database, is_weather
from chassis.logs import get_logger
from chassis.telemetry import Metrics, Part, span, step, traced, traceparent
from contracts.base import Command, Errand, LookUp, Message, Query, Request, now
from contracts.refusals import Crashed, InProgress, Invalid, Refusal, TooLarge, Unavailable
from contracts.texts import FORMS
from contracts.trying import Triable

log = get_logger()

_AT_ONCE = 128
_TRIES = 3
_ONE_TRY = 2.0
_LARGEST = 250 * 1024
_VERSION = "1.0.0"

_IN_PLAIN_WORDS = {
    "missing": "must be given",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must be at least {min_length}",
    "too_long": "must be at most {max_length}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "json_invalid": "must be JSON: {error}",
    "uuid_parsing": "must be an id",
    "uuid_type": "must be an id",
    "datetime_type": "must be a time, such as 2026-01-31T09:00:00Z",
    "date_from_datetime_parsing": "must be a day, such as 2026-01-31",
    "datetime_from_date_parsing": "must be a time, such as 2026-01-31T09:00:00Z",
    "timezone_aware": "must say its time zone, such as 2026-01-31T09:00:00Z",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
    "extra_forbidden": "isn't known here",
}
"""What people are told in place of pydantic's words."""


def _said(error: ErrorDetails) -> str:
    """Return what is wrong; a pattern itself stands in the description of the API."""
    about = error.get("ctx", {})
    if error["type"] == "string_pattern_mismatch":
        return FORMS.get(about["pattern"], "has not the form that is needed here")
    if error["type"] == "string_too_short" and about["min_length"] == 1:
        return "must not be empty"
    plain = _IN_PLAIN_WORDS.get(error["type"])
    return plain.format(**about) if plain else error["msg"].removeprefix("Value error, ")


def invalid(error: ValidationError) -> Invalid:
    """Return the refusal that names each field at fault, without repeating what was sent."""
    return Invalid(
        errors=[
            {
                "field": ".".join(str(part) for part in e["loc"]).removesuffix(".[key]"),
                "code": e["type"],
                "detail": _said(e),
            }
            for e in error.errors(include_url=False, include_input=False)
        ]
    )


@dataclass(slots=True)
class _Endpoint:
    request: type[Request[Any]]
    handler: Handler
    read: TypeAdapter[Any]
    alone: bool
    """Whether its commands share their commit with no others."""
    ahead: Ahead | None
    requests: int = 0
    errors: int = 0
    nanoseconds: int = 0
    last_error: str = ""
    subscription: Subscription | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """What discovery calls it: a later version of a request is another endpoint."""
        version = self.request.SUBJECT.split(".")[2]
        return self.request.TYPE if version == "v1" else f"{self.request.TYPE}_{version}"


class Answers:
    """Answers the requests that this service owns; every replica takes its share."""

    def __init__(self, service: str, database: Database, metrics: Metrics) -> None:
        """Answer nothing yet."""
        self.service = service
        self._id = NUID().next().decode()
        self._started = now()
        self._database = database
        self._commands = Commands(database)
        self._metrics = metrics
        self._endpoints: dict[str, _Endpoint] = {}
        self._discovery: list[Subscription] = []
        self._nats: Client | None = None
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    def add(
        self, request: type[Request[Any]], handler: Handler, *, alone: bool = False, ahead: Ahead | None = None
    ) -> None:
        """Let `handler` answer these requests; raises TypeError for a stranger's request or a second handler."""
        if self.service != request.OWNER or request.SUBJECT in self._endpoints:
            msg = f"{self.service} can't answer {request.SUBJECT} (or answers it already)"
            raise TypeError(msg)
        self._endpoints[request.SUBJECT] = _Endpoint(request, handler, TypeAdapter(request), alone, ahead)

    async def start(self, nats: Client) -> None:
        """Begin to answer; raises TypeError when a request of this service has no handler."""
        missing = {
            request.SUBJECT
            for request in Message.registry.values()
            if issubclass(request, Request) and self.service == request.OWNER
        }
        missing -= self._endpoints.keys()
        if missing:
            msg = f"nobody answers {sorted(missing)}"
            raise TypeError(msg)
        self._nats = nats
        for endpoint in self._endpoints.values():
            endpoint.subscription = await nats.subscribe(
                endpoint.request.SUBJECT, queue=self.service, cb=self._taker(nats, endpoint)
            )
        for verb, tell in (("PING", self._ping), ("INFO", self._info), ("STATS", self._stats)):
            for subject in (f"$SRV.{verb}", f"$SRV.{verb}.{self.service}", f"$SRV.{verb}.{self.service}.{self._id}"):
                self._discovery.append(await nats.subscribe(subject, cb=_teller(tell)))
        await flushed(nats)

    async def stop(self) -> None:
        """Take no more requests and finish those begun."""
        subscriptions = [*(e.subscription for e in self._endpoints.values() if e.subscription), *self._discovery]
        if self._nats is not None and self._nats.is_connected:
            await asyncio.gather(*(s.drain() for s in subscriptions), return_exceptions=True)
        if self._tasks:
            await asyncio.wait(self._tasks)

    def abandon(self) -> None:
        """Break off what is not finished: nobody waits for it any longer."""
        for task in self._tasks:
            task.cancel()
        self._commands.abandon()

    def _taker(self, nats: Client, endpoint: _Endpoint) -> Callable[[Msg], Awaitable[None]]:
        async def take(msg: Msg) -> None:
            await self._slots.acquire()
            task = asyncio.create_task(self._answer(nats, endpoint, msg))
            self._tasks.add(task)
            task.add_done_callback(self._done)

        return take

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._slots.release()

    async def _answer(self, nats: Client, endpoint: _Endpoint, msg: Msg) -> None:
        started = time.perf_counter_ns()
        headers: dict[str, str] | None = None
        name = f"answer {endpoint.request.TYPE}"
        with (
            traced((msg.headers or {}).get("traceparent")),
            span(Part.SERVER, name, {"rpc.system": "nats", "rpc.service": self.service}) as told,
        ):
            try:
                body = await self._settle(endpoint, msg.data)
                outcome = "ok"
            except Refusal as refusal:
                body, outcome = json.dumps(refusal.to_wire()).encode(), refusal.code
                headers = {"Nats-Service-Error": refusal.code, "Nats-Service-Error-Code": str(refusal.status)}
                endpoint.errors += 1
                endpoint.last_error = refusal.code
            took = time.perf_counter_ns() - started
            endpoint.requests += 1
            endpoint.nanoseconds += took
            told.set_attribute("counterfoil.outcome", outcome)
            self._metrics.requests.labels(endpoint.request.TYPE, outcome).observe(took / 1e9)
            log.info("request.answered", type=endpoint.request.TYPE, outcome=outcome, ms=round(took / 1e6, 1))
            if msg.reply:
                try:
                    await nats.publish(msg.reply, body, headers=headers)
                except NatsError as error:
                    # The asker asks again; a command's answer is stored.
                    log.warning("request.reply_lost", type=endpoint.request.TYPE, error=repr(error))

    async def _settle(self, endpoint: _Endpoint, data: bytes) -> bytes:
        """Return the answer's JSON, or raise a Refusal."""
        try:
            request = endpoint.read.validate_json(data)
        except ValidationError as error:
            raise invalid(error) from error
        for left in reversed(range(_TRIES)):
            try:
                said = await self._handle(endpoint, request, alone=endpoint.alone or left < _TRIES - 1)
                break
            except Refusal:
                raise
            except Exception as error:
                if not is_weather(error):
                    log.exception("request.crashed", type=endpoint.request.TYPE)
                    raise Crashed from error
                if not left:
                    log.warning("request.unavailable", type=endpoint.request.TYPE, error=repr(error))
                    raise Unavailable(retry_after=1) from error
                # Whether a broken commit took effect is unknown, and need not be: the key tells.
                await asyncio.sleep(random.uniform(0.02, 0.2))  # noqa: S311 - spreads tries
        body = said.encode()
        if len(body) > _LARGEST:
            raise TooLarge("the answer is too large; ask for fewer items")
        return body

    async def _handle(self, endpoint: _Endpoint, request: Request[Any], *, alone: bool) -> str:
        if isinstance(request, Command) and not (isinstance(request, Triable) and request.dry_run):
            if not alone:
                said = await self._commands.together(request, endpoint.handler, endpoint.ahead)
                if said is not None:
                    return said
            return await self._commands.alone(request, endpoint.handler)
        if isinstance(request, LookUp | Errand):
            transaction = self._database.every_workspace(request.PURPOSE)
        elif isinstance(request, Command):
            transaction = self._database.rehearsal(request.caller.workspace_id)
        elif isinstance(request, Query):
            transaction = self._database.transaction(request.caller.workspace_id)
        else:
            msg = f"{endpoint.request.__name__} is neither a command nor a query"
            raise TypeError(msg)
        async with transaction as tx:
            return (await endpoint.handler(request, tx)).model_dump_json()

    def _about(self, kind: str) -> dict[str, Any]:
        return {
            "type": f"io.nats.micro.v1.{kind}_response",
            "name": self.service,
            "id": self._id,
            "version": _VERSION,
            "metadata": {},
        }

    def _ping(self) -> dict[str, Any]:
        return self._about("ping")

    def _info(self) -> dict[str, Any]:
        endpoints = [
            {"name": e.name, "subject": e.request.SUBJECT, "queue_group": self.service, "metadata": {}}
            for e in self._endpoints.values()
        ]
        return self._about("info") | {"description": f"Counterfoil {self.service}", "endpoints": endpoints}

    def _stats(self) -> dict[str, Any]:
        endpoints = [
            {
                "name": e.name,
                "subject": e.request.SUBJECT,
                "queue_group": self.service,
                "num_requests": e.requests,
                "num_errors": e.errors,
                "last_error": e.last_error,
                "processing_time": e.nanoseconds,
                "average_processing_time": e.nanoseconds // max(1, e.requests),
            }
            for e in self._endpoints.values()
        ]
        return self._about("stats") | {"started": self._started.isoformat(), "endpoints": endpoints}


def _teller(tell: Callable[[], dict[str, Any]]) -> Callable[[Msg], Awaitable[None]]:
    async def respond(msg: Msg) -> None:
        if msg.reply:
            await msg.respond(json.dumps(tell()).encode())

    return respond


async def ask[R: BaseModel](nats: Client, request: Request[R], within: float = 5.0, patience: float = _ONE_TRY) -> R:
    """Ask the owner of the request and return its answer; raise the refusal it sent, or Unavailable.

    A try without an answer for `patience` seconds is taken for lost, and repeated until `within` seconds are over:
    a query changes nothing, a command carries its id.
    """
    about = {"rpc.system": "nats", "rpc.service": request.OWNER}
    with step(Part.CLIENT, f"ask {request.TYPE}", about):
        return await _asked(nats, request, within, patience)


async def _asked[R: BaseModel](nats: Client, request: Request[R], within: float, patience: float) -> R:
    body = request.model_dump_json().encode()
    headers = {"traceparent": traceparent()}
    deadline = time.monotonic() + within
    lost = False
    while (left := deadline - time.monotonic()) > 0:
        if nats.is_connected:
            try:
                reply = await nats.request(request.SUBJECT, body, timeout=min(left, patience), headers=headers)
            except NoRespondersError:
                pass
            except (NatsError, TimeoutError, OSError):
                lost = True
            else:
                if not (reply.headers or {}).get("Nats-Service-Error"):
                    return request.reply().model_validate_json(reply.data)
                refusal = Refusal.from_wire(json.loads(reply.data))
                # Our own lost try may still be at work; a client's second send is told so at once.
                if not (lost and isinstance(refusal, InProgress)):
                    raise refusal
        await asyncio.sleep(random.uniform(0.05, 0.15))  # noqa: S311 - spreads tries
    raise Unavailable(retry_after=1)
