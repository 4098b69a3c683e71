"""A service: what starts in order, stops in reverse, and drains within ten seconds whatever is away."""

import asyncio
import contextlib
import gc
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import uvicorn
import uvloop
from nats.errors import Error as NatsError
from sqlalchemy import text
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from chassis.bus import Bus, wake_each_other
from chassis.database import SILENT, Database, is_weather
from chassis.health import App, Health
from chassis.leader import Leader, call_off
from chassis.logs import configure, get_logger, hear_of_lost
from chassis.looking import look
from chassis.outbox import Relay
from chassis.parts import Shares
from chassis.provision import Drift, altered, drift
from chassis.settings import ServiceSettings
from chassis.starting import Refused, refusing
from chassis.telemetry import Metrics, record_by, record_no_more, traced
from contracts.refusals import Malformed

if TYPE_CHECKING:
    from chassis.consumers import Consumer

log = get_logger()

ABORT = "counterfoil.abort"
"""The ASGI extension that breaks a connection off."""
_BEAT = 1.0
_LOOK = 5.0
_AGAIN = 0.5
_LETTING_GO = 2.0
_KEEP = (
    text("delete from idempotency where at < now() - interval '48 hours'"),
    # As long as the stream that it came from would have kept it.
    text("delete from dead_letters where at < now() - interval '30 days'"),
)

type Timer = Callable[[], Awaitable[None]]


class Service:
    """One deployable: its bus, its database, its timers and its port."""

    def __init__(self, name: str, settings: ServiceSettings, *, web: "Callable[[Service], App] | None" = None) -> None:
        """Assemble; nothing is opened before `start`. `web` makes what is served beside the health checks."""
        self.name = name
        self.settings = settings
        self.metrics = Metrics(name)
        self.database = Database(settings.database_url, name)
        self.bus = Bus(settings.nats_url, name, self.database, self.metrics, ca=settings.nats_ca)
        self.leader = Leader(settings.database_url, name, self.metrics)
        self.health = Health(
            name,
            self.metrics.registry,
            {"database": self._store_away, "nats": self._broker_away, "drift": self._drifted},
            token=settings.metrics_token,
        )
        self._web = web
        self._timers: list[tuple[float, str, Timer]] = [
            (3600.0, "forget", self._forget),
            (_LOOK, "look", self._look),
        ]
        self.metrics.connected.set_function(lambda: self.bus.connected)
        self.metrics.sessions.set_function(self.database.at_work)
        self._begun: list[Callable[[], Awaitable[None]]] = []
        self._ending: list[Callable[[], Awaitable[None]]] = []
        self._forgetting: list[Callable[[], None]] = [self.metrics.step_down]
        self._tasks: list[asyncio.Task[None]] = []
        self._relay: Relay | None = None
        self._server: _Server | None = None
        self._consumers: list[Consumer] = []

    @property
    def port(self) -> int:
        """The port that is really served, once started."""
        if self._server is None or not self._server.started:
            msg = "the service has not started"
            raise RuntimeError(msg)
        port: int = self._server.servers[0].sockets[0].getsockname()[1]
        return port

    def every(self, seconds: float, name: str) -> Callable[[Timer], Timer]:
        """Run this every so many seconds, in one replica; a failure is logged and the next turn comes all the same."""

        def register(timer: Timer) -> Timer:
            self._timers.append((seconds, name, timer))
            return timer

        return register

    def at_start(self, begin: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        """Run this once the store and the bus are there, before the port opens."""
        self._begun.append(begin)
        return begin

    def at_stop(self, end: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
        """Run this first when the service stops: what never ends by itself must end for the rest to drain."""
        self._ending.append(end)
        return end

    def stepping_down(self, forget: Callable[[], None]) -> None:
        """Call this whenever this replica leads no longer."""
        self._forgetting.append(forget)

    def background(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run `work` beside everything else until the service stops; a failure is logged."""
        self._tasks.append(asyncio.create_task(self._guarded(work, name), name=name))

    async def start(self) -> None:
        """Open store, bus and port, and stand for leader. Waits for a store or broker that is away.

        Raises Drift where a stream or durable was altered, and Refused for a server that won't do.
        """
        heard = self.bus.consumers(self.settings.partitions)
        self._consumers = [each for each in heard if each.part.of == 1]
        shared = [each.run for each in heard if each.part.of > 1]
        self.background(self._heart(), "heart")
        await self._enter_store()
        with refusing(self.name):
            await self.bus.connect()
        await self._refuse_altered()
        await self.bus.start()
        self._relay = Relay(self.database, self.bus.nats, self.name, self.metrics)
        self.database.wake = await self._wake(self._relay)
        for begin in self._begun:
            await begin()
        self.background(self.leader.run(self._lead), "leader")
        if shared:
            self.background(Shares(self.settings.database_url, self.name, self.metrics, shared).run(), "parts")
        self._server = _Server(self.health.beside(self._web(self) if self._web else None), self.settings)
        self.background(self._server.serve(), "http")
        while not self._server.started:
            if self._server.should_exit:
                msg = f"the port {self.settings.http_port} can't be opened"
                raise OSError(msg)
            await asyncio.sleep(0.005)
        log.info("service.started", port=self.port)

    async def stop(self) -> None:
        """Take nothing new, finish what was begun within `drain_seconds`, and let go of everything."""
        log.info("service.stopping")
        try:
            async with asyncio.timeout(self.settings.drain_seconds):
                await self._drain()
        except TimeoutError:
            log.warning("service.drain_cut_short", seconds=self.settings.drain_seconds)
        finally:
            await self._let_go()
        log.info("service.stopped")

    async def _drain(self) -> None:
        for end in self._ending:
            await end()
        if self._server is not None:
            self._server.should_exit = True
            await asyncio.wait(self._named("http"), timeout=self.settings.drain_seconds / 2)
        await self._cancel("leader")
        await self._cancel("parts")
        with contextlib.suppress(NatsError, OSError):
            await self.bus.drain()

    async def _let_go(self) -> None:
        """Keep nothing open, also after a drain that was cut short, and wait for nobody who does not let go."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_LETTING_GO)
        with contextlib.suppress(NatsError, OSError, TimeoutError):
            async with asyncio.timeout(_LETTING_GO):
                await self.bus.close()
        await self.database.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LETTING_GO):
                await asyncio.to_thread(record_no_more)

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then drain; ends with 1 where it refuses to start, and says why."""
        configure(self.name, self.settings.log_level, self.settings.log_format)
        trace_if_asked(self.name, os.environ)
        gc.freeze()  # what was imported is never garbage, and need not be looked through for it
        try:
            uvloop.run(self._main())
        except (Drift, Refused) as refused:
            log.critical("service.refused", why=str(refused))
            sys.exit(1)

    async def _main(self) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(hear_of_lost)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        starting = asyncio.create_task(self.start())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            await stopping
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await self.stop()

    async def _lead(self) -> None:
        """Do what only one replica does."""
        if self._relay is None:
            msg = "the service has not started"
            raise RuntimeError(msg)
        timers = [self._keep(seconds, name, timer) for seconds, name, timer in self._timers]
        works = [self._relay.run(), *timers, *(consumer.run() for consumer in self._consumers)]
        tasks = [asyncio.create_task(work) for work in works]
        try:
            ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                await task
        finally:
            await call_off(tasks)
            for forget in self._forgetting:
                forget()

    async def _keep(self, seconds: float, name: str, timer: Timer) -> None:
        failures = self.metrics.timer_failures.labels(name)
        while True:
            try:
                await timer()
            except Exception as error:
                failures.inc()
                if is_weather(error):
                    log.warning("timer.failed", timer=name, error=repr(error))
                else:
                    log.exception("timer.failed", timer=name)
            await asyncio.sleep(seconds)

    async def _forget(self) -> None:
        async with self.database.every_workspace("forget what is kept for a while") as tx:
            for statement in _KEEP:
                await tx.execute(statement)

    async def _look(self) -> None:
        if not self.bus.connected:  # what was seen last stands until the broker is back
            return
        with contextlib.suppress(NatsError, TimeoutError):
            await look(self.bus.nats, self.database, self.metrics, self.settings.partitions)

    async def _wake(self, relay: Relay) -> Callable[[], None]:
        ring = await wake_each_other(self.bus.nats, self.name, relay.wake)

        def wake() -> None:
            relay.wake()
            if not self.leader.leading:
                ring()

        return wake

    async def _heart(self) -> None:
        while True:
            self.health.beat = time.monotonic()
            await asyncio.sleep(_BEAT)

    @staticmethod
    async def _guarded(work: Coroutine[Any, Any, None], name: str) -> None:
        try:
            await work
        except Exception as error:
            if is_weather(error):
                log.warning("background.failed", task=name, error=repr(error))
            else:
                log.exception("background.failed", task=name)

    def _named(self, name: str) -> "list[asyncio.Task[None]]":
        return [task for task in self._tasks if task.get_name() == name]

    async def _cancel(self, name: str) -> None:
        for task in self._named(name):
            task.cancel()
            await asyncio.wait([task])

    async def _enter_store(self) -> None:
        """Return once the store answers; who is refused may be let in at any moment, and asks again too."""
        while why := await self.database.wrong():
            if why == SILENT:
                log.warning("database.away")
            else:
                log.error("database.refused", why=why)
            await asyncio.sleep(_AGAIN)

    async def _store_away(self) -> str | None:
        return await self.database.wrong()

    async def _broker_away(self) -> str | None:
        return None if self.bus.connected else "NATS does not answer"

    async def _refuse_altered(self) -> None:
        with contextlib.suppress(NatsError, TimeoutError):  # JetStream is away, and *ready* says so
            if found := await altered(self.bus.nats, self.name, self.settings.partitions):
                raise Drift(found)

    async def _drifted(self) -> str | None:
        if not self.bus.connected:
            return None
        try:
            return "; ".join(await drift(self.bus.nats, self.name, self.settings.partitions)) or None
        except (NatsError, TimeoutError) as error:
            return f"JetStream does not answer: {error!r}"


def trace_if_asked(service: str, environment: Mapping[str, str]) -> None:
    """Record spans if the environment says where to (`OTEL_…`); what records them is an extra."""
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    by_default = "otlp" if any(environment.get(name) for name in endpoints) else "none"
    disabled = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    if disabled or (environment.get("OTEL_TRACES_EXPORTER") or by_default) != "otlp":
        return
    try:
        from chassis.tracing import Tracing  # noqa: PLC0415 - only who traces needs what it imports
    except ModuleNotFoundError as error:
        log.warning("tracing.not_installed", module=error.name)
        return
    record_by(Tracing(service))


class _Protocol(HttpToolsProtocol):
    """What is no HTTP is refused as everything else is; and an answer may break its connection off.

    To close it politely waits for a client that does not read.
    """

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {ABORT: self.transport.abort}  # type: ignore[dict-item]

    def send_400_response(self, msg: str) -> None:
        with traced(None) as trace:
            refusal = Malformed(msg).to_wire()
        problem = {
            "type": f"urn:counterfoil:problem:{Malformed.code}",
            "title": "Malformed",
            "status": Malformed.status,
        }
        body = json.dumps({**problem, **refusal, "trace_id": trace}).encode()
        head = (
            "HTTP/1.1 400 Bad Request",
            "content-type: application/problem+json",
            f"content-length: {len(body)}",
            "x-content-type-options: nosniff",
            "cache-control: no-store",
            "connection: close",
        )
        self.transport.write("\r\n".join(head).encode() + b"\r\n\r\n" + body)
        self.transport.close()


class _Server(uvicorn.Server):
    """uvicorn inside our own loop: signals are the service's, and so is the log."""

    def __init__(self, app: App, settings: ServiceSettings) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=settings.http_host,
                port=settings.http_port,
                http=_Protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                # It would believe anybody on this machine; who sits behind which proxy is for the application to say.
                proxy_headers=False,
                date_header=False,
                timeout_keep_alive=30,
                timeout_graceful_shutdown=max(1, int(settings.drain_seconds / 2)),
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:  # its answer to a port that is taken; who starts the service is told by OSError
            self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
