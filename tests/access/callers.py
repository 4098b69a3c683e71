"""Who knocks: one of each kind of caller at one desk, and a session of their own for every request."""

import datetime as dt
import secrets
from collections.abc import AsyncIterator, Mapping
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
from services.gateway.domain import Workspace
from tests.gateway.house import Clock, House, Somebody
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


ROLES = {
    As.GUEST: Role.GUEST,
    As.MEMBER: Role.MEMBER,
    As.ASSIGNEE: Role.MEMBER,
    As.ADMIN: Role.ADMIN,
    As.OWNER: Role.OWNER,
    As.REVOKED: Role.OWNER,
    As.EXPIRED: Role.OWNER,
}
_LETTER = text("select id from dead_letters where sequence = :sequence")
_END = text("delete from sessions where token_hash = sha256(convert_to(:token, 'UTF8'))")
_OVER = text("update sessions set expires_at = :at where token_hash = sha256(convert_to(:token, 'UTF8'))")


@dataclass(slots=True)
class Premises:
    """A running desk, two of its databases, and a client."""

    stack: Stack
    house: House
    tickets: Database
    http: httpx.AsyncClient

    async def send(self, method: str, path: str, token: str, **more: Any) -> httpx.Response:
        """Send a request and read its answer; of a stream its beginning."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
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
                reason="malformed",
                detail="the body is not JSON",
                headers={},
                body=b"{",
            )
            return str(await tx.scalar(_LETTER, {"sequence": sequence}))

    async def scene(self) -> "Scene":
        """Found a workspace with one of each kind of member, and one of each kind of stranger."""
        owner = await self.house.somebody("Olivia Owner")
        workspace = await self.house.workspace(owner)
        people = {As.OWNER: owner}
        for caller, role in ROLES.items():
            if caller not in people:
                people[caller] = await self.house.member(workspace, role, caller.title())
        removed = people[As.REMOVED] = await self.house.member(workspace, Role.ADMIN, "Rita Removed")
        people[As.STRANGER] = await self.house.somebody("Steve Stranger")
        await self.house.workspace(people[As.STRANGER])
        scene = Scene(self, workspace, people)
        await scene.make("DELETE", f"members/{removed.user.id}")
        return scene


@dataclass(slots=True)
class Scene:
    """One workspace and the people around it."""

    premises: Premises
    workspace: Workspace
    people: Mapping[As, Somebody]
    made: dict[str, Any] = field(default_factory=dict)
    """What recipes keep for one another."""

    def path(self, path: str) -> str:
        """Return a path below the workspace."""
        return f"/api/v1/workspaces/{self.workspace.id}/{path}"

    async def token(self, caller: As) -> str:
        """Return a token that nobody else uses, in the state that the caller's is in."""
        if caller is As.ANONYMOUS:
            return ""
        database = self.premises.house.database
        token = (await self.premises.house.sign_in(self.people[caller].user)).token
        async with database.every_workspace("test") as tx:
            if caller is As.REVOKED:
                await tx.execute(_END, {"token": token})
            if caller is As.EXPIRED:
                await tx.execute(_OVER, {"token": token, "at": now() - dt.timedelta(seconds=1)})
        return token

    async def make(self, method: str, path: str, body: Any = None, *, who: As = As.OWNER) -> Any:
        """Do something as the owner, or as somebody else, and return the answer; it must succeed."""
        path = path if path.startswith("/") else self.path(path)
        more = {} if body is None else {"json": body}
        answer = await self.premises.send(method, path, self.people[who].token, **more)
        assert answer.is_success, f"{method} {path}: {answer.text}"
        return answer.json() if answer.content else None


@asynccontextmanager
async def premises(stack: Stack) -> AsyncIterator[Premises]:
    """Enter a running desk by its front door, and two databases by the back one."""
    people, tickets = (Database(stack.secret(f"{name}.database-url"), name, pool=5) for name in ("gateway", "tickets"))
    try:
        nothing = CookieJar(DefaultCookiePolicy(allowed_domains=()))  # who signs in last would speak for all
        async with httpx.AsyncClient(base_url=stack.url, timeout=20, cookies=nothing) as http:
            yield Premises(stack, House(people, Clock(now())), tickets, http)
    finally:
        await people.close()
        await tickets.close()


def a_word() -> str:
    """Return a word that nobody used before."""
    return f"w{secrets.token_hex(5)}"
