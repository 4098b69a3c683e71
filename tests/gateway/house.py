"""People and workspaces for the gateway's tests, and a client that speaks to it as a program or as a browser would."""

import datetime as dt
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any, cast
from uuid import UUID

import httpx
from litestar import Litestar
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import text

from chassis.bus import Bus
from chassis.database import Database
from chassis.telemetry import Metrics
from contracts.base import Role, Via, uuid7
from contracts.notifications import MailQueued, SendPasswordReset
from contracts.refusals import Unavailable
from services.gateway import domain, store
from services.gateway.domain import Cause, User
from services.gateway.routes import Desk, assemble
from services.gateway.routes.door import Door
from services.gateway.usecases.accounts import Accounts, Came
from services.gateway.usecases.erasing import Erasures
from services.gateway.usecases.exports import Exports
from services.gateway.usecases.guards import Guard
from services.gateway.usecases.hooks import Hooks
from services.gateway.usecases.imports import Imports
from services.gateway.usecases.integrations import Integrations
from services.gateway.usecases.invitations import Invitations
from services.gateway.usecases.letters import Letters
from services.gateway.usecases.limits import Limiter
from services.gateway.usecases.live import Live
from services.gateway.usecases.passwords import Passwords
from services.gateway.usecases.people import People
from services.gateway.usecases.presence import Presence
from services.gateway.usecases.resets import Resets
from services.gateway.usecases.seals import Seals
from services.gateway.usecases.tokens import Tokens
from services.gateway.usecases.views import Views
from services.gateway.usecases.widget import Widget
from services.gateway.usecases.widget_live import WidgetLive
from services.gateway.usecases.workspaces import Workspaces

_IDLE: dict[str, list[Litestar]] = {}
"""What an API is made of, by its public address: all that it knows of a desk is the desk in its state."""
PASSWORD = "correct horse battery staple"
# As costly as the real ones would make each test half a second longer.
_QUICK = Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1)
_HASH = _QUICK.hash(PASSWORD)
NOON = dt.datetime(2030, 5, 17, 12, tzinfo=dt.UTC)


@dataclass(slots=True)
class Clock:
    """Time that passes when told to."""

    at: dt.datetime = NOON

    def __call__(self) -> dt.datetime:
        return self.at

    def passes(self, **span: float) -> None:
        self.at += dt.timedelta(**span)


@dataclass(slots=True)
class Somebody:
    """A user with the session that they are signed in with."""

    user: User
    token: str
    password: str = PASSWORD

    @property
    def bearer(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}

    @property
    def csrf(self) -> str:
        return domain.csrf_token(self.token)


@dataclass(slots=True)
class Post:
    """Where mails are asked for: it keeps each once, and may be away."""

    mails: dict[UUID, SendPasswordReset] = field(default_factory=dict)
    asked: list[SendPasswordReset] = field(default_factory=list)
    """Every time."""
    away: bool = False
    loses_answers: bool = False

    async def send(self, mail: SendPasswordReset) -> MailQueued:
        self.asked.append(mail)
        if self.away:
            raise Unavailable
        self.mails.setdefault(mail.mail_id, mail)
        if self.loses_answers:
            raise Unavailable
        return MailQueued(mail_id=mail.mail_id)


def an_address() -> str:
    """Return an address of the network that is kept for tests (RFC 2544) and beyond, which nobody else has."""
    return str(IPv4Address(secrets.randbits(32)))


def quick_passwords() -> Passwords:
    """Return what makes and checks hashes, for next to nothing."""
    passwords = Passwords()
    passwords._hasher, passwords._nobody = _QUICK, _QUICK.hash(secrets.token_urlsafe())
    return passwords


@dataclass(slots=True)
class House:
    """The gateway's people and the database that they are kept in."""

    database: Database
    clock: Clock = field(default_factory=Clock)
    passwords: Passwords = field(default_factory=quick_passwords)

    post: Post = field(default_factory=Post)

    @property
    def people(self) -> People:
        return People(self.database, self.clock)

    @property
    def limiter(self) -> Limiter:
        return Limiter(self.database, self.clock)

    @property
    def guard(self) -> Guard:
        return Guard(self.passwords, self.limiter)

    @property
    def accounts(self) -> Accounts:
        return Accounts(self.database, self.passwords, self.guard, self.clock)

    @property
    def invitations(self) -> Invitations:
        return Invitations(self.database, self.passwords, self.guard, self.clock)

    @property
    def resets(self) -> Resets:
        return Resets(self.database, self.passwords, self.limiter, self.post.send, self.clock)

    @property
    def workspaces(self) -> Workspaces:
        return Workspaces(self.database, self.clock)

    @property
    def tokens(self) -> Tokens:
        return Tokens(self.database, self.clock)

    def came(self, via: Via = Via.API) -> Came:
        """Come from where nobody else has come from."""
        return Came(an_address(), "", via)

    def cause(self) -> Cause:
        return Cause(command_id=uuid7(), via=Via.API, at=self.clock())

    async def somebody(self, name: str = "Ada Lovelace") -> Somebody:
        """Make a user who is signed in."""
        user = User(id=uuid7(), email=f"{name.split(maxsplit=1)[0]}.{secrets.token_hex(4)}@example.com", name=name)
        async with self.database.every_workspace("test") as tx:
            await store.add_user(tx, user, _HASH, self.clock())
        return await self.sign_in(user)

    async def sign_in(self, user: User) -> Somebody:
        """Begin another session, without the password that would take so long to check."""
        token = secrets.token_urlsafe(32)
        async with self.database.every_workspace("test") as tx:
            await store.add_session(tx, domain.begin_session(uuid7(), user, self.clock()), domain.token_hash(token))
        return Somebody(user, token)

    async def workspace(self, owner: Somebody, slug: str | None = None) -> domain.Workspace:
        """Make a workspace that belongs to somebody."""
        slug = slug or f"desk-{secrets.token_hex(4)}"
        made, member, created, joined = domain.found(str(uuid7()), slug, "A desk", owner.user, self.cause())
        async with self.database.transaction(made.id) as tx:
            await store.add_workspace(tx, made)
            await store.add_member(tx, made.id, member)
            tx.announce(created, joined)
        return made

    async def member(self, workspace: domain.Workspace, role: Role, name: str = "Grace Hopper") -> Somebody:
        """Make a user who is signed in and a member of the workspace."""
        somebody = await self.somebody(name)
        member, joined = domain.join(workspace.id, somebody.user, role, self.cause())
        async with self.database.transaction(workspace.id) as tx:
            await store.add_member(tx, workspace.id, member)
            tx.announce(joined)
        return somebody

    async def facts(self, workspace_id: str) -> list[Mapping[str, Any]]:
        """Return what was announced in a workspace, oldest first, and the words in it beside."""
        async with self.database.transaction(workspace_id) as tx:
            rows = await tx.all(text("select type, audience, about_kind, about_id, body from event_log order by seq"))
        return [dict(row) for row in rows]


def without_trace(answer: httpx.Response) -> dict[str, Any]:
    """Return a problem, but for what names the request."""
    body: dict[str, Any] = answer.json()
    assert len(body.pop("trace_id")) == 32
    return body


def is_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check that an answer is a complete problem, and return it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["code"] == code, answer.text
    assert body["status"] == status
    assert body["trace_id"] == answer.headers["x-trace-id"]
    assert {"type", "title", "detail"} <= body.keys()
    return body


def desk_of(house: House, bus: Bus, public_url: str = "", **more: Any) -> Desk:
    """Return what the routes work with."""
    return Desk(
        people=house.people,
        accounts=house.accounts,
        resets=house.resets,
        invitations=house.invitations,
        workspaces=house.workspaces,
        tokens=house.tokens,
        integrations=Integrations(house.database, None, Metrics("gateway"), "", house.clock),
        views=Views(house.database),
        limiter=house.limiter,
        bus=bus,
        public_url=public_url,
        live=(live := Live(bus, house.people)),
        presence=Presence(bus, live),
        seals=Seals(bus),
        hooks=Hooks(bus, house.database),
        letters=Letters(bus, house.database),
        erasures=Erasures(house.database, bus, house.clock),
        exports=Exports(house.database, bus, house.clock),
        imports=Imports(house.database, bus, house.clock),
        widget=(widget := Widget(house.database, bus, house.limiter, house.clock)),
        widget_live=WidgetLive(bus, widget),
        **more,
    )


@asynccontextmanager
async def door(
    house: House, public_url: str = "", bus: Bus | None = None, address: str | None = None, **more: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API, in this process; it comes from an address that nobody else comes from."""
    metrics = Metrics("gateway")
    bus = bus or Bus("", "gateway", house.database, metrics)
    desk = desk_of(house, bus, public_url, **more)
    idle = _IDLE.setdefault(public_url, [])
    api = idle.pop() if idle else assemble(desk)
    api.state.desk = desk
    app = cast(Any, Door(api, metrics, https=desk.https))
    transport = httpx.ASGITransport(app, client=(address or an_address(), 50_000))
    async with httpx.AsyncClient(transport=transport, base_url=public_url or "http://desk.test") as client:
        yield client
    idle.append(api)
