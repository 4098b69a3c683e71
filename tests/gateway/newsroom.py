"""A whole desk with its ledger, and a client that follows it as a browser's EventSource would."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from chassis.service import Service
from contracts.base import Role
from services.gateway.domain import Workspace
from tests.gateway.house import House, Somebody
from tests.support.eventually import eventually


@dataclass(slots=True)
class Follower:
    """One connection to the stream."""

    answer: httpx.Response
    events: list[dict[str, Any]] = field(default_factory=list)
    """Entries, as they came."""
    said: list[str] = field(default_factory=list)
    """Comments."""
    last_id: str = ""
    ended: bool = False

    @property
    def seqs(self) -> list[int]:
        return [event["seq"] for event in self.events]

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    async def listen(self) -> None:
        """Read as the standard says: an id counts when its block ends, and a block without data is no event."""
        fields: dict[str, str] = {}
        with suppress(httpx.HTTPError):
            async for line in self.answer.aiter_lines():
                name, _, value = line.partition(": ")
                if line == "":
                    self._dispatch(fields)
                    fields = {}
                elif name == "":
                    self.said.append(value)
                else:
                    fields[name] = value
        self.ended = True

    def _dispatch(self, fields: dict[str, str]) -> None:
        self.last_id = fields.get("id", self.last_id)
        if "data" in fields:
            entry = httpx.Response(200, content=fields["data"]).json()
            assert (str(entry["seq"]), entry["type"]) == (self.last_id, fields["event"])
            self.events.append(entry)

    async def sees(self, many: int) -> None:
        """Wait until so many entries came."""
        await eventually(lambda: len(self.events) >= many)

    async def is_cut(self) -> None:
        """Wait until the stream is ended."""
        await eventually(lambda: self.ended)


@asynccontextmanager
async def following(url: str, headers: dict[str, str], kind: type[Follower] = Follower) -> AsyncIterator[Follower]:
    """Follow a stream from the moment it says hello until the block ends."""
    async with (
        httpx.AsyncClient(timeout=httpx.Timeout(20, read=None)) as client,
        client.stream("GET", url, headers=headers) as answer,
    ):
        assert answer.status_code == 200, await answer.aread()
        follower = kind(answer)
        task = asyncio.create_task(follower.listen())
        try:
            await eventually(lambda: "hello" in follower.said)
            yield follower
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@dataclass(slots=True)
class Newsroom:
    """The three services behind a desk and its ledger, on a broker of their own."""

    house: House
    gateway: Service
    settings: dict[str, Any]
    """Of the gateway, for another replica of it."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.gateway.port}"


@dataclass(slots=True)
class Desk:
    """A workspace, its owner, and a client that speaks for them unless told otherwise."""

    room: Newsroom
    client: httpx.AsyncClient
    workspace: Workspace
    owner: Somebody

    def path(self, path: str) -> str:
        return f"/api/v1/workspaces/{self.workspace.slug}/{path}"

    async def send(
        self, method: str, path: str, body: Any = None, *, who: Somebody | None = None, **headers: str
    ) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.request(
            method, self.path(path), json=body, headers={**(who or self.owner).bearer, **named}
        )

    async def get(self, path: str, *, who: Somebody | None = None) -> Any:
        answer = await self.send("GET", path, who=who)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def ticket(self, **fields: Any) -> dict[str, Any]:
        answer = await self.send("POST", "tickets", {"subject": "The printer is on fire", **fields})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def change(self, ticket: dict[str, Any], **fields: Any) -> dict[str, Any]:
        answer = await self.send("PATCH", f"tickets/{ticket['id']}", fields)
        assert answer.status_code == 200, answer.text
        changed: dict[str, Any] = answer.json()
        return changed

    async def note(self, ticket: dict[str, Any], body: str = "Between us", **fields: Any) -> None:
        answer = await self.send("POST", f"tickets/{ticket['id']}/notes", {"body": body, **fields})
        assert answer.status_code == 201, answer.text

    async def member(self, role: Role, name: str = "Grace Hopper") -> Somebody:
        return await self.room.house.member(self.workspace, role, name)

    async def recorded(self, ticket: dict[str, Any]) -> dict[str, Any]:
        """Return a ticket's whole history, once it is in the ledger."""
        path = f"tickets/{ticket['id']}/activity?min_version={ticket['version']}&limit=100"

        async def page() -> dict[str, Any]:
            # The gateway gives up after two seconds, which is soon for a busy machine.
            read: dict[str, Any] = await self.get(path)
            return read

        return await eventually(page)

    @asynccontextmanager
    async def follow(
        self, who: Somebody | None = None, *, last_id: str = "", query: str = "", base: str = ""
    ) -> AsyncIterator[Follower]:
        """Follow the workspace's stream."""
        headers = {**(who or self.owner).bearer, **({"last-event-id": last_id} if last_id else {})}
        url = (base or self.room.url) + self.path("events") + query
        async with following(url, headers) as follower:
            yield follower
