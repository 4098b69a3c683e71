"""Who knocks: one of each kind of caller at one desk."""

import asyncio
import datetime as dt
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx
from sqlalchemy import text

from chassis.database import Database
from chassis.inbox import bury
from contracts.base import Role, now
from services.gateway.domain import Scope, User, Workspace
from tests.gateway.house import Clock, House, Somebody, an_address
from tests.support.stack import Stack


class As(StrEnum):
    """A column of the table, in its order."""

    ANONYMOUS = "anonymous"
    GUEST = "guest"
    MEMBER = "member"
    """The ticket, where there is one, is somebody else's."""
    ASSIGNEE = "assignee"
    """A member; the ticket, where there is one, is theirs."""
    ADMIN = "admin"
    OWNER = "owner"
    STRANGER = "stranger"
    """Owner of another workspace, and nothing in this one."""
    REMOVED = "removed"
    """Was an admin here until a moment ago."""
    REVOKED = "revoked"
    """An owner whose session was ended."""
    EXPIRED = "expired"
    """An owner whose session is over."""
    TOKEN = "token"
    """An API token of an admin's rights, with every scope."""
    LESSER = "lesser"
    """The same without the one scope that the operation needs."""
    LAPSED = "lapsed"
    """The same with every scope, after its end."""
    VISITOR = "visitor"
    """A visitor of a widget here; the conversation, where there is one, is theirs."""


ROLES = {
    As.GUEST: Role.GUEST,
    As.MEMBER: Role.MEMBER,
    As.ASSIGNEE: Role.MEMBER,
    As.ADMIN: Role.ADMIN,
    As.OWNER: Role.OWNER,
    As.REVOKED: Role.OWNER,
    As.EXPIRED: Role.OWNER,
}
_LAPSED = text(
    "update api_tokens set created_at = created_at - interval '2 days', expires_at = now() - interval '1 second'"
    " where token_hash = sha256(convert_to(:token, 'UTF8'))"
)
_RESET = text(
    "with asked as (insert into password_resets (id, user_id, asked_at, due_at, sent_at)"
    " values (gen_random_uuid(), :user, now(), now(), now()) returning id)"
    " insert into password_reset_tokens (token_hash, reset_id, expires_at)"
    " select sha256(convert_to(:token, 'UTF8')), id, now() + interval '5 minutes' from asked"
)
_LETTER = text("select id from dead_letters where sequence = :sequence")
_MAIL = text(
    "insert into mails (id, kind, workspace_id, cause, recipient, state, attempts, made_at, not_before, expires_at,"
    " settled_at, reason, to_email, to_name, letter)"
    " values (gen_random_uuid(), 'replied', :ws, gen_random_uuid()::text, 'contact:' || gen_random_uuid(), 'failed', 1,"
    " now(), now(), now() + interval '1 hour', now(), 'smtp 550', 'maria@example.org', 'Maria',"
    """ '{"subject": "[#1] Printer", "text": "It smokes.", "html": ""}') returning id"""
)
_SUPPRESSED = text(
    "insert into suppressed (workspace_id, id, address, reason, since)"
    " values (:ws, gen_random_uuid(), gen_random_uuid() || '@example.org', 'smtp 550', now()) returning id"
)
_END = text("delete from sessions where token_hash = sha256(convert_to(:token, 'UTF8'))")
_OVER = text("update sessions set expires_at = :at where token_hash = sha256(convert_to(:token, 'UTF8'))")


@dataclass(slots=True)
class Premises:
    """A running desk, three of its databases, and a client."""

    stack: Stack
    house: House
    tickets: Database
    notifications: Database
    http: httpx.AsyncClient

    async def send(self, method: str, path: str, token: str, **more: Any) -> httpx.Response:
        """Send a request and read its answer; of a stream its beginning."""
        headers = {"x-forwarded-for": an_address()} | ({"authorization": f"Bearer {token}"} if token else {})
        request = self.http.build_request(method, path, **{**more, "headers": headers | more.get("headers", {})})
        answer = await self.http.send(request, stream=True)
        try:
            if not answer.headers.get("content-type", "").startswith("text/event-stream"):
                await answer.aread()
        finally:
            await answer.aclose()
        return answer

    async def dead_letter(self, workspace_id: str) -> str:
        """Bury a message of this workspace, and return the letter's id."""
        sequence = secrets.randbelow(1 << 60)
        async with self.tickets.transaction(workspace_id) as tx:
            await bury(
                tx,
                stream="INTAKE",
                sequence=sequence,
                subject=f"tickets.intake.v1.ticket_requested.{workspace_id}.nobody",
                reason="internal",
                detail="a bug that is mended now",
                headers={},
                body=json.dumps({"external_id": str(sequence), "subject": "Disk full"}).encode(),
            )
            return str(await tx.scalar(_LETTER, {"sequence": sequence}))

    async def mail(self, workspace_id: str) -> str:
        """Keep a mail of this workspace that was refused, and return its id."""
        async with self.notifications.transaction(workspace_id) as tx:
            return str(await tx.scalar(_MAIL, {"ws": workspace_id}))

    async def suppressed(self, workspace_id: str) -> str:
        """Have this workspace write to an address no more, and return the entry's id."""
        async with self.notifications.transaction(workspace_id) as tx:
            return str(await tx.scalar(_SUPPRESSED, {"ws": workspace_id}))

    async def reset(self, user: User) -> str:
        """Make a link that sets another password, as a mail would hold it, and return its secret."""
        token = secrets.token_urlsafe(32)
        async with self.house.database.every_workspace("test") as tx:
            await tx.execute(_RESET, {"user": user.id, "token": token})
        return token

    async def scene(self) -> "Scene":
        """Found a workspace, to which people come when they are needed."""
        owner = await self.house.somebody("Olivia Owner")
        return Scene(self, await self.house.workspace(owner), {As.OWNER: owner})


@dataclass(slots=True)
class Scene:
    """One workspace and the people around it."""

    premises: Premises
    workspace: Workspace
    people: dict[As, Somebody]
    tokens: dict[tuple[As, str | None], str] = field(default_factory=dict)
    made: dict[str, Any] = field(default_factory=dict)
    """What recipes keep for one another."""
    door: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Who comes, comes once."""
    _shop: asyncio.Lock = field(default_factory=asyncio.Lock)

    def path(self, path: str) -> str:
        """Return a path below the workspace."""
        return f"/api/v1/workspaces/{self.workspace.id}/{path}"

    async def person(self, caller: As) -> Somebody:
        """Return one of the people in or around this workspace."""
        if caller not in self.people:
            async with self.door:
                if caller not in self.people:
                    self.people[caller] = await self._arrive(caller)
        return self.people[caller]

    async def id_of(self, caller: As) -> str:
        """Return a person's id."""
        return str((await self.person(caller)).user.id)

    async def _arrive(self, caller: As) -> Somebody:
        house = self.premises.house
        if caller is As.STRANGER:
            stranger = await house.somebody("Steve Stranger")
            await house.workspace(stranger)
            return stranger
        somebody = await house.member(self.workspace, ROLES.get(caller, Role.ADMIN), caller.title())
        if caller is As.REMOVED:
            await self.make("DELETE", f"members/{somebody.user.id}")
        async with house.database.every_workspace("test") as tx:
            if caller is As.REVOKED:
                await tx.execute(_END, {"token": somebody.token})
            if caller is As.EXPIRED:
                await tx.execute(_OVER, {"token": somebody.token, "at": now() - dt.timedelta(seconds=1)})
        return somebody

    async def token(self, caller: As, scope: str | None = None) -> str:
        """Return what a caller comes with; `scope` is what will be needed."""
        if caller is As.ANONYMOUS:
            return ""
        if caller not in (As.TOKEN, As.LESSER, As.LAPSED, As.VISITOR):
            return (await self.person(caller)).token
        key = caller, scope if caller is As.LESSER else None
        async with self.door:
            if key not in self.tokens:
                visitor = caller is As.VISITOR
                self.tokens[key] = (await self.talk())["visitor_token"] if visitor else await self._program(*key)
        return self.tokens[key]

    async def _program(self, caller: As, scope: str | None) -> str:
        scopes = [each.value for each in Scope if caller is not As.LESSER or each.value != scope]
        made = await self.make("POST", "tokens", {"name": "A program", "role": "admin", "scopes": scopes})
        token: str = made["token"]
        if caller is As.LAPSED:
            async with self.premises.house.database.transaction(self.workspace.id) as tx:
                await tx.execute(_LAPSED, {"token": token})
        return token

    async def assistant(self) -> str:
        """Return the id of an assistant whose visitors may open tickets, made when it is needed."""
        async with self._shop:
            if "assistant" not in self.made:
                body = {"name": "Shop", "widget": {"allow_ticket_creation": True}}
                self.made["assistant"] = (await self.make("POST", "assistants", body))["id"]
        return str(self.made["assistant"])

    async def talk(self) -> dict[str, str]:
        """Begin a conversation as a visitor."""
        path = f"/widget/v1/{await self.assistant()}/conversations"
        begun = await self.premises.send("POST", path, "", json={"body": "Where is my parcel?"})
        assert begun.status_code == httpx.codes.CREATED, begun.text
        talk: dict[str, str] = begun.json()
        return talk

    async def make(self, method: str, path: str, body: Any = None, *, who: As = As.OWNER) -> Any:
        """Do something as the owner, or as somebody else, and return the answer; it must succeed."""
        path = path if path.startswith("/") else self.path(path)
        more = {} if body is None else {"json": body}
        answer = await self.premises.send(method, path, (await self.person(who)).token, **more)
        assert answer.is_success, f"{method} {path}: {answer.text}"
        return answer.json() if answer.content else None


@asynccontextmanager
async def premises(stack: Stack) -> AsyncIterator[Premises]:
    """Enter a running desk by its front door, and three databases by the back one."""
    people, tickets, notifications = (
        Database(stack.secret(f"{name}.database-url"), name, pool=5) for name in ("gateway", "tickets", "notifications")
    )
    try:
        nothing = CookieJar(DefaultCookiePolicy(allowed_domains=()))  # who signs in last would speak for all
        async with httpx.AsyncClient(base_url=stack.url, timeout=20, cookies=nothing) as http:
            yield Premises(stack, House(people, Clock(now())), tickets, notifications, http)
    finally:
        await people.close()
        await tickets.close()
        await notifications.close()


def a_word() -> str:
    """Return a word that nobody used before."""
    return f"w{secrets.token_hex(5)}"
