"""Ad-hoc services: the chassis with a few handlers that do as a test tells them, on a NATS server of their own.

`gateway` announces facts and asks; `tickets` hears them, hears other systems, and answers. Both are real services, real
users and real databases: only what their handlers do is the test's.
"""

import asyncio
import json
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from nats.aio.client import Client
from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError
from pydantic import BaseModel
from sqlalchemy import text

from chassis import provision
from chassis.bus import Origin
from chassis.callout import draw_issuer, issuer_of
from chassis.connection import inbox_prefix
from chassis.database import Database, Transaction
from chassis.embedded.nats import EmbeddedNats
from chassis.outside import Outside, OutsideAccess
from chassis.provision import CALLOUT, KEEPER, KICKER, PROVISIONER, Outsider
from chassis.service import Service
from chassis.settings import ServiceSettings
from chassis.telemetry import Metrics, trace_id
from contracts.base import Actor, ActorKind, Audience, Caller, Event, Message, Request, Role, Subject, Via
from contracts.gateway import RoleChanged, WorkspaceCreated
from contracts.refusals import NotFound
from contracts.tickets import AddNote, NotePage, NoteSnapshot, TicketRequested
from tests.support.eventually import eventually
from tests.support.infra import PROJECT, NatsServer, PostgresServer, Urls, temporary_directory
from tests.support.outsider import enter
from tests.support.plumbing import plumbed

CHAOS = "chaos"
"""A user of `APP` without any limits: the hand that breaks things. No shipped configuration knows it."""

HEARD = (
    "create table heard (n bigint generated always as identity, workspace_id text not null, what text not null,"
    " trace text not null)"
)

type Reaction = Callable[[Any, Transaction], Awaitable[None]]
type Answer = Callable[[Any, Transaction], Awaitable[BaseModel]]

ADA = Actor(kind=ActorKind.USER, id="7", name="Ada")


def a_workspace() -> str:
    """A workspace id that nobody had before."""
    return f"ws-{secrets.token_hex(5)}"


def a_caller(workspace_id: str) -> Caller:
    return Caller(workspace_id=workspace_id, kind=ActorKind.USER, id="7", name="Ada", role=Role.OWNER)


def a_fact(workspace_id: str, slug: str, name: str = "A desk") -> WorkspaceCreated:
    """Something that gateway announces and tickets hears; `slug` tells one from another."""
    return WorkspaceCreated(
        workspace_id=workspace_id,
        actor=ADA,
        via=Via.API,
        cause="a test",
        audience=Audience.ADMINS,
        subject=Subject(kind="workspace", id=str(uuid4()), version=1),
        name=name,
        slug=slug,
    )


def an_unheard_fact(workspace_id: str) -> RoleChanged:
    """Something that gateway announces and tickets has no ear for."""
    return RoleChanged(
        workspace_id=workspace_id,
        actor=ADA,
        via=Via.API,
        cause="a test",
        audience=Audience.ADMINS,
        subject=Subject(kind="member", id=str(uuid4()), version=1),
        user_id=uuid4(),
        name="Grace",
        old=Role.MEMBER,
        new=Role.ADMIN,
    )


def a_note(workspace_id: str, body: str = "A note.", **fields: Any) -> AddNote:
    """A command whose answer is easily made."""
    return AddNote(caller=a_caller(workspace_id), ticket="1", note_id=uuid4(), body=body, **fields)


def the_note(command: AddNote) -> NoteSnapshot:
    """The answer to `a_note`."""
    return NoteSnapshot.model_validate(
        {
            "id": command.note_id,
            "ticket_id": uuid4(),
            "kind": command.kind,
            "body": command.body,
            "pinned": command.pinned,
            "in_reply_to": None,
            "author": command.caller.actor,
            "created_at": "2030-01-01T00:00:00Z",
            "ticket_version": 1,
        }
    )


async def note_down(tx: Transaction, what: str) -> None:
    """Leave a trace in the table `heard`, which forbids no double: whatever happens twice shows."""
    await tx.execute(
        text("insert into heard (workspace_id, what, trace) values (:ws, :what, :trace)"),
        {"ws": tx.workspace_id, "what": what, "trace": trace_id()},
    )


# NATS


def with_chaos(accounts: str, password: str) -> str:
    """Add `CHAOS` to `APP`, known to whoever answers for others: who is not named there is asked about."""
    chaos = f'    users: [\n      {{ user: {CHAOS}, password: "{password}" }}\n'
    return accounts.replace("auth_users: [", f'auth_users: ["{CHAOS}", ').replace("    users: [\n", chaos, 1)


@asynccontextmanager
async def a_broker(*outsiders: Outsider, provisioned: bool = True) -> AsyncIterator[NatsServer]:
    """A NATS server for these tests alone, with every stream, and with `CHAOS` beside the users that are shipped."""
    passwords = {user: secrets.token_hex(8) for user in (*provision.users(), CHAOS)}
    passwords |= {outsider.user: outsider.password for outsider in outsiders}
    issuer = draw_issuer()
    accounts = with_chaos(provision.accounts(passwords, issuer_of(issuer), outsiders), passwords[CHAOS])
    with temporary_directory() as directory:
        server = EmbeddedNats(directory / "nats", accounts=accounts)
        broker = NatsServer(lambda: server.url("{user}", "{password}"), issuer, passwords, server)
        try:
            await server.start()
            if provisioned:
                await provision.provision(broker.url_for(PROVISIONER), outsiders=outsiders)
            yield broker
        finally:
            await server.stop()


@asynccontextmanager
async def let_in(broker: NatsServer, *guests: Outsider, **more: Any) -> AsyncIterator[Outside]:
    """Other systems whom no configuration names: somebody answers for them, and has their consumers made."""
    access = OutsideAccess(
        callout_url=broker.url_for(CALLOUT),
        keeper_url=broker.url_for(KEEPER),
        kicker_url=broker.url_for(KICKER),
        issuer_seed=broker.issuer,
    )
    known = {(guest.user, guest.password): guest for guest in guests}
    broker.passwords.update({guest.user: guest.password for guest in guests})

    async def admits(user: str, password: str) -> Outsider | None:
        return known.get((user, password))

    outside = Outside(access, admits, Metrics("gateway"), **more)
    await outside.start()
    try:
        for guest in guests:
            await outside.keep(guest)
        yield outside
    finally:
        await outside.close()


@asynccontextmanager
async def as_user(broker: NatsServer, user: str, **options: Any) -> AsyncIterator[Client]:
    """A bare connection of this user, with none of the chassis' habits but to leave no socket open."""
    told: list[Exception] = []

    async def hear(error: Exception) -> None:
        told.append(error)

    client = await enter(
        broker.url_for(user),
        **{"inbox_prefix": inbox_prefix(user), "error_cb": hear, "allow_reconnect": False} | options,
    )
    client.told = told  # type: ignore[attr-defined]  # what the server refused, for those who want to know
    try:
        yield client
    finally:
        await client.close()


async def api(client: Client, verb: str, body: Any = None) -> dict[str, Any]:
    """What JetStream answers; raises for a refusal."""
    answer = await client.request(f"$JS.API.{verb}", json.dumps(body).encode() if body else b"", timeout=10)
    read: dict[str, Any] = json.loads(answer.data)
    assert "error" not in read, read["error"]
    return read


async def stored(client: Client, stream: str, subject: str = ">") -> list[RawStreamMsg]:
    """What a stream holds under a subject, in order."""
    jetstream, found = client.jetstream(), list[RawStreamMsg]()
    with suppress(NotFoundError):
        while True:
            after = found[-1].seq or 0 if found else 0
            found.append(await jetstream.get_msg(stream, seq=after + 1, subject=subject, next=True))
    return found


# Services


@dataclass(slots=True)
class Script:
    """What handlers do besides noting what they got, by workspace."""

    hears: dict[str, Reaction] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    pages: dict[str, Answer] = field(default_factory=dict)


def settings_for(broker: NatsServer, name: str, urls: Urls, **more: Any) -> ServiceSettings:
    return ServiceSettings(nats_url=broker.url_for(name), database_url=urls.app, **more)


def a_gateway(settings: ServiceSettings) -> Service:
    return completed(Service("gateway", settings))


def a_tickets(settings: ServiceSettings, script: Script | None = None) -> Service:
    """Notes each fact and request in `heard`, unless the script's own reaction raises."""
    script = script or Script()
    service = Service("tickets", settings)

    @service.bus.hears(WorkspaceCreated)
    async def hear(fact: WorkspaceCreated, tx: Transaction) -> None:
        if react := script.hears.get(tx.workspace_id):
            await react(fact, tx)
        await note_down(tx, fact.slug)

    @service.bus.hears(TicketRequested)
    async def take_in(message: TicketRequested, origin: Origin, tx: Transaction) -> None:
        if react := script.hears.get(tx.workspace_id):
            await react(message, tx)
        await note_down(tx, f"{message.external_id} of {origin.integration}")

    @service.bus.answers(AddNote)
    async def add(command: AddNote, tx: Transaction) -> NoteSnapshot:
        await note_down(tx, command.body)
        answer = script.answers.get(tx.workspace_id)
        return await answer(command, tx) if answer else the_note(command)  # type: ignore[return-value]

    for request in (kind for kind in Message.registry.values() if kind.SUBJECT.endswith(".list_notes")):

        @service.bus.answers(request)  # type: ignore[type-var]
        async def page(query: Any, tx: Transaction) -> BaseModel:
            answer = script.pages.get(tx.workspace_id)
            return await answer(query, tx) if answer else NotePage(items=(), next_cursor=None)

    return completed(service)


def completed(service: Service) -> Service:
    """Give a handler to all that is meant for the service and that no test asks about."""

    async def ignore(*_: Any) -> None:
        """Hear it and go on."""

    async def nothing(_: Any, tx: Transaction) -> BaseModel:
        raise NotFound

    for kind in list(Message.registry.values()):
        if service.name in kind.HEARD_BY and kind.SUBJECT not in service.bus._ears:
            service.bus.hears(kind)(ignore)  # type: ignore[type-var]
        if issubclass(kind, Request) and service.name == kind.OWNER:
            with suppress(TypeError):  # it has one
                service.bus.answers(kind)(nothing)
    return service


@asynccontextmanager
async def running(*services: Service) -> AsyncIterator[None]:
    """Services that are started together and always stopped."""
    try:
        async with asyncio.TaskGroup() as starting:  # none goes on starting while the others are stopped
            for service in services:
                starting.create_task(service.start())
        yield
    finally:
        await asyncio.gather(*(service.stop() for service in services))


@dataclass(slots=True)
class Desk:
    """A broker with both services at work on it."""

    broker: NatsServer
    gateway: Service
    tickets: Service
    script: Script
    chaos: Client

    async def announce(self, *facts: Event) -> None:
        """Let gateway tell facts of one workspace, in one commit."""
        async with self.gateway.database.transaction(facts[0].workspace_id) as tx:
            tx.announce(*facts)

    async def publish(self, fact: Event, position: int, body: bytes | None = None, **headers: str) -> int:
        """Put a fact into the stream without an outbox, as no service could; return its sequence."""
        attributes = {"ce-id": str(fact.id), "ce-type": fact.SUBJECT, "ce-position": str(position)} | headers
        receipt = await self.chaos.jetstream().publish(
            fact.subject_for(fact.workspace_id), body or fact.model_dump_json().encode(), headers=attributes
        )
        return receipt.seq

    async def publish_intake(
        self, workspace_id: str, integration: str, body: bytes | Mapping[str, Any], *, id: str = "", **headers: str
    ) -> int:
        """Publish as if the workspace had an integration of this name; return its sequence."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        attributes = ({"ce-id": id} if id else {}) | {name.replace("_", "-"): said for name, said in headers.items()}
        subject = TicketRequested.subject_for(workspace_id, integration)
        return (await self.chaos.jetstream().publish(subject, raw, headers=attributes or None)).seq

    async def settled(self, stream: str, service: str = "tickets") -> None:
        """Wait until everything in the stream was delivered and acked."""

        async def done() -> bool:
            # What waits is counted a moment after a message was stored.
            last = (await api(self.chaos, f"STREAM.INFO.{stream}"))["state"]["last_seq"]
            told = await api(self.chaos, f"CONSUMER.INFO.{stream}.{service}")
            delivered = told["delivered"]["stream_seq"] >= last
            return delivered and not told["num_pending"] and not told["num_ack_pending"]

        await eventually(done)

    async def heard(self, workspace_id: str) -> list[str]:
        """What tickets noted down, in order."""
        return await heard(self.tickets.database, workspace_id)

    async def hears(self, workspace_id: str, *what: str) -> None:
        """Wait until tickets has noted exactly this."""

        async def said() -> bool:
            found = await self.heard(workspace_id)
            assert found == list(what)
            return True

        await eventually(said)

    async def buried(self, workspace_id: str) -> list[Mapping[str, Any]]:
        """The dead letters of a workspace, oldest first."""
        async with self.tickets.database.transaction(workspace_id) as tx:
            return [dict(row) for row in await tx.all(text("select * from dead_letters order by id"))]

    async def buries(self, workspace_id: str, *reasons: str) -> list[Mapping[str, Any]]:
        """Wait until these are the reasons of its dead letters, and return them."""

        async def said() -> list[Mapping[str, Any]]:
            letters = await self.buried(workspace_id)
            assert [letter["reason"] for letter in letters] == list(reasons)
            return letters

        return await eventually(said)

    def counted(self, name: str, **labels: str) -> float:
        """What a metric of tickets says."""
        return self.tickets.metrics.registry.get_sample_value(f"counterfoil_{name}", labels) or 0.0


async def heard(database: Database, workspace_id: str) -> list[str]:
    async with database.transaction(workspace_id) as tx:
        return [row["what"] for row in await tx.all(text("select what from heard order by n"))]


async def paced(count: int, every: float) -> AsyncIterator[int]:
    """Count, with this many seconds between one number and the next."""
    for n in range(count):
        yield n
        await asyncio.sleep(every)


@asynccontextmanager
async def a_desk(postgres: PostgresServer, *outsiders: Outsider) -> AsyncIterator[Desk]:
    """Both services at work, on a broker and databases of their own."""
    script = Script()
    urls = await plumbed(postgres, "gateway"), await plumbed(postgres, "tickets", HEARD, tenants=["heard"])
    async with a_broker(*outsiders) as broker, as_user(broker, CHAOS) as chaos:
        gateway = a_gateway(settings_for(broker, "gateway", urls[0]))
        tickets = a_tickets(settings_for(broker, "tickets", urls[1]), script)
        async with running(gateway, tickets):
            yield Desk(broker, gateway, tickets, script, chaos)


# Processes


@dataclass(slots=True)
class Process:
    """A service in a process of its own, to be frozen or killed; what it logs can be read while it runs."""

    process: asyncio.subprocess.Process
    log: Path

    def lines(self, event: str = "", **fields: object) -> list[dict[str, Any]]:
        """Its log lines of this event with these fields."""
        whole = self.log.read_text(encoding="utf-8").splitlines()
        read = [json.loads(line) for line in whole if line.startswith("{") and line.endswith("}")]
        return [line for line in read if event in ("", line["event"]) and fields.items() <= line.items()]

    async def says(self, event: str, **fields: object) -> dict[str, Any]:
        """Wait until it has logged this, and return the line."""
        assert self.process.returncode is None, self.log.read_text(encoding="utf-8")
        return (await eventually(lambda: self.lines(event, **fields), within=30))[-1]

    async def ends(self) -> int:
        """Wait for its end and return how it ended."""
        return await asyncio.wait_for(self.process.wait(), 30)

    def cpu_seconds(self) -> float:
        """How much work it has done (on Linux; elsewhere none is seen)."""
        stat = Path(f"/proc/{self.process.pid}/stat")
        if not stat.exists():
            return 0.0
        user, system = stat.read_text(encoding="utf-8").rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def a_process(name: Literal["gateway", "tickets"], broker: NatsServer, urls: Urls) -> AsyncIterator[Process]:
    """Run one of the two services as `python -m` would; it is killed at the end, if not before."""
    environment = {"COUNTERFOIL_NATS_URL": broker.url_for(name), "COUNTERFOIL_DATABASE_URL": urls.app}
    with temporary_directory() as directory:
        log = directory / f"{name}.log"
        with log.open("wb") as sink:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", __name__, name),
                cwd=PROJECT,
                env=os.environ | environment | {"COUNTERFOIL_LOG_FORMAT": "json"},
                stderr=sink,
            )
        try:
            yield Process(process, log)
        finally:
            for number in (signal.SIGCONT, signal.SIGKILL):
                with suppress(ProcessLookupError):
                    process.send_signal(number)
            await process.wait()


def main(name: str) -> None:
    """Be a service. A fact called "hang" never ends, and says when it began."""
    from chassis.logs import get_logger  # noqa: PLC0415 - only a process of its own logs

    async def react(fact: Any, tx: Transaction) -> None:
        if getattr(fact, "slug", "") == "hang":
            await tx.execute(text("select 1"))
            get_logger().info("test.hangs")
            await asyncio.Event().wait()

    settings = ServiceSettings()
    (a_gateway(settings) if name == "gateway" else a_tickets(settings, Script(hears=_Always(react)))).run()


class _Always(dict[str, Reaction]):
    """The same reaction in every workspace."""

    def __init__(self, reaction: Reaction) -> None:
        super().__init__()
        self._reaction = reaction

    def get(self, *_: Any) -> Reaction:
        return self._reaction


if __name__ == "__main__":
    main(sys.argv[1])
