"""A site that has embedded an assistant's widget, and visitors who use it, each from an address of their own."""

import datetime as dt
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx

from contracts.base import uuid7
from services.gateway import store
from services.gateway.domain import VisitorToken, Workspace, token_hash
from tests.gateway.house import Somebody, an_address
from tests.gateway.newsroom import Follower, Newsroom, following

ORIGIN = "https://shop.example.com"


@dataclass(slots=True)
class Talk:
    """A visitor's conversation."""

    id: str
    token: str
    begun: dict[str, Any]

    @property
    def path(self) -> str:
        return f"conversations/{self.id}"


class Listener(Follower):
    """A browser that listens to its visitor's conversation."""

    @property
    def bodies(self) -> list[str]:
        return [event["body"] for event in self.events]

    def _dispatch(self, fields: dict[str, str]) -> None:
        self.last_id = fields.get("id", self.last_id)
        if "data" in fields:
            news = json.loads(fields["data"])
            if fields["event"] != "ticket":
                assert (str(news["seq"]), fields["event"]) == (self.last_id, "message")
            self.events.append(news)


@dataclass(slots=True)
class Site:
    """One assistant of a desk of its own, seen from outside."""

    room: Newsroom
    client: httpx.AsyncClient
    workspace: Workspace
    owner: Somebody
    assistant: dict[str, Any] = field(default_factory=dict)
    address: str = field(default_factory=an_address)
    origin: str | None = ORIGIN

    @classmethod
    @asynccontextmanager
    async def opens(cls, room: Newsroom, **widget: Any) -> "AsyncIterator[Site]":
        owner = await room.house.somebody()
        workspace = await room.house.workspace(owner)
        async with httpx.AsyncClient(base_url=room.url, timeout=20) as client:
            site = cls(room, client, workspace, owner)
            made = await site.admin("POST", "assistants", {"name": "Shop", "widget": widget})
            assert made.status_code == 201, made.text
            site.assistant = made.json()
            yield site

    async def admin(
        self, method: str, path: str, body: Any = None, *, who: Somebody | None = None, **headers: str
    ) -> httpx.Response:
        """Ask as somebody of the desk."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        path = f"/api/v1/workspaces/{self.workspace.slug}/{path}"
        return await self.client.request(method, path, json=body, headers={**(who or self.owner).bearer, **named})

    async def widget(self, **settings: Any) -> dict[str, Any]:
        """Change the widget's settings."""
        answer = await self.admin("PATCH", f"assistants/{self.assistant['id']}", {"widget": settings})
        assert answer.status_code == 200, answer.text
        self.assistant = answer.json()
        return self.assistant

    def headers(self, talk: Talk | str | None = None, **headers: str | None) -> dict[str, str]:
        given = {"x-forwarded-for": self.address, "origin": self.origin}
        if talk is not None:
            given["authorization"] = f"Bearer {talk.token if isinstance(talk, Talk) else talk}"
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        return {name: value for name, value in given.items() if value is not None}

    def url(self, path: str, assistant: str | None = None) -> str:
        return f"/widget/v1/{assistant or self.assistant['id']}/{path}"

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        talk: Talk | str | None = None,
        *,
        assistant: str | None = None,
        **headers: str | None,
    ) -> httpx.Response:
        """Ask as a visitor's browser."""
        return await self.client.request(
            method, self.url(path, assistant), json=body, headers=self.headers(talk, **headers)
        )

    async def start(self, body: str | None = "Hello", **fields: Any) -> Talk:
        given = fields if body is None else {"body": body, **fields}
        answer = await self.ask("POST", "conversations", given)
        assert answer.status_code == 201, answer.text
        begun = answer.json()
        return Talk(begun["conversation_id"], begun["visitor_token"], begun)

    async def post(self, talk: Talk, body: str = "And another thing") -> dict[str, Any]:
        answer = await self.ask("POST", f"{talk.path}/messages", {"body": body}, talk)
        assert answer.status_code == 201, answer.text
        posted: dict[str, Any] = answer.json()
        return posted

    async def transcript(self, talk: Talk, query: str = "") -> dict[str, Any]:
        answer = await self.ask("GET", f"{talk.path}{query}", talk=talk)
        assert answer.status_code == 200, answer.text
        read: dict[str, Any] = answer.json()
        return read

    async def planted(self, talk: Talk, ends: dt.datetime) -> str:
        """Return a token to the conversation that ends when we say."""
        token = secrets.token_urlsafe(32)
        opens = VisitorToken(uuid7(), self.workspace.id, UUID(self.assistant["id"]), UUID(talk.id), ends)
        async with self.room.house.database.transaction(self.workspace.id) as tx:
            await store.add_visitor_token(tx, opens, token_hash(token))
        return token

    @asynccontextmanager
    async def listen(self, talk: Talk | str, last_id: str | None = None, query: str = "") -> AsyncIterator[Listener]:
        """Follow the visitor's conversation."""
        headers = self.headers(talk, last_event_id=last_id)
        async with following(self.room.url + self.url(f"events{query}"), headers, Listener) as listener:
            assert isinstance(listener, Listener)
            yield listener

    async def signed(self, *, for_assistant: str | None = None, **fields: Any) -> dict[str, Any]:
        """Vouch for a visitor as a customer's server would."""
        secret = (await self.admin("GET", f"assistants/{self.assistant['id']}/identity-secret")).json()["secret"]
        identity: dict[str, Any] = {
            "user_id": "u-1",
            "exp": int(time.time()) + 600,
            "nonce": secrets.token_urlsafe(16),
        } | fields
        words = [for_assistant or self.assistant["id"], identity["user_id"], str(identity["exp"]), identity["nonce"]]
        words += [identity.get("name") or "", identity.get("email") or ""]
        return identity | {"hmac": hmac.new(secret.encode(), "\n".join(words).encode(), hashlib.sha256).hexdigest()}
