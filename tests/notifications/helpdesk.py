"""A whole helpdesk in one process, seen through its HTTP door."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import nats
from sqlalchemy import text

from chassis.connection import inbox_prefix
from chassis.database import Database
from chassis.service import Service
from contracts.base import Role
from services.gateway.domain import Workspace
from tests.gateway.house import House, Somebody
from tests.support.eventually import eventually
from tests.support.infra import NatsServer


async def deliver_again(server: NatsServer, stream: str) -> None:
    """Have the broker tell notifications everything from the beginning, and wait until it has been heard and acked."""
    client = await nats.connect(server.url_for("notifications"), inbox_prefix=inbox_prefix("notifications").encode())
    try:
        durable = f"{stream}.notifications"
        stored = json.loads((await client.request(f"$JS.API.STREAM.INFO.{stream}", b"", timeout=5)).data)
        answer = await client.request(f"$JS.API.CONSUMER.RESET.{durable}", b'{"seq": 1}', timeout=5)
        assert "error" not in json.loads(answer.data), answer.data

        async def heard() -> bool:
            info = json.loads((await client.request(f"$JS.API.CONSUMER.INFO.{durable}", b"", timeout=5)).data)
            assert info["ack_floor"]["consumer_seq"] >= stored["state"]["messages"] > 0
            return bool(info["num_pending"] == info["num_ack_pending"] == 0)

        await eventually(heard, within=30)
    finally:
        await client.close()


@dataclass(slots=True)
class Helpdesk:
    """The running services, and what lies behind them."""

    house: House
    client: httpx.AsyncClient
    store: Database
    nats: NatsServer
    notifications: Service
    another: Callable[[], Service]
    """Makes one more replica of notifications."""

    async def desk(self) -> "Desk":
        """A workspace that nobody else knows, and its owner."""
        owner = await self.house.somebody("Olivia Owner")
        return Desk(self, await self.house.workspace(owner), owner)

    async def said(self, workspace_id: str, begins: str) -> list[tuple[str, Any]]:
        """Return what the gateway has said by names that begin so, as the rest of the name and body."""
        async with self.house.database.transaction(workspace_id) as tx:
            rows = await tx.all(text("select type, body from event_log order by seq"))
        facts = [(row["type"].rpartition(".")[2], row["body"]) for row in rows]
        return [(type.removeprefix(begins), body) for type, body in facts if type.startswith(begins)]

    async def deliver_again(self, stream: str) -> None:
        """Have the broker tell everything from the beginning, and wait until it has been heard and acked."""
        await deliver_again(self.nats, stream)


@dataclass(slots=True)
class Desk:
    """One workspace through HTTP."""

    helpdesk: Helpdesk
    workspace: Workspace
    owner: Somebody

    async def member(self, role: Role = Role.MEMBER, name: str = "Grace Hopper") -> Somebody:
        return await self.helpdesk.house.member(self.workspace, role, name)

    async def send(
        self, method: str, path: str, body: Any = None, *, who: Somebody | None = None, **headers: str
    ) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.helpdesk.client.request(
            method,
            f"/api/v1/workspaces/{self.workspace.slug}/{path}",
            json=body,
            headers={**(who or self.owner).bearer, **named},
        )

    async def done(self, method: str, path: str, body: Any = None, *, who: Somebody | None = None) -> Any:
        """Send something that is not refused."""
        answer = await self.send(method, path, body, who=who)
        assert answer.is_success, answer.text
        return answer.json()

    async def ticket(self, **fields: Any) -> dict[str, Any]:
        made: dict[str, Any] = await self.done("POST", "tickets", {"subject": "Printer on fire"} | fields)
        return made

    async def inbox(self, who: Somebody, query: str = "") -> dict[str, Any]:
        read: dict[str, Any] = await self.done("GET", f"notifications{query}", who=who)
        return read

    async def told(self, who: Somebody) -> list[str]:
        """What somebody was told, oldest first."""
        return [item["kind"] for item in reversed((await self.inbox(who))["items"])]

    async def is_told(self, who: Somebody, *kinds: str) -> None:
        """Wait until somebody was told just this."""

        async def just_this() -> bool:
            told = await self.told(who)
            assert told == list(kinds)
            return True

        await eventually(just_this)

    async def all_heard(self) -> None:
        """Wait until notifications have heard all that tickets and gateway have said in this workspace."""
        marker = await self.helpdesk.house.member(self.workspace, Role.MEMBER, "Marker")
        ticket = await self.ticket(subject="Marker", assignee_id=str(marker.user.id))
        await self.is_told(marker, "assigned")
        assert ticket["version"] == 1

    async def forgets_what_was_heard(self) -> None:
        """Lose how far the books were applied in this workspace, as a store from an old backup has."""
        async with self.helpdesk.store.transaction(self.workspace.id) as tx:
            await tx.execute(text("update consumed set position = 0"))

    async def kept(self) -> dict[str, list[str]]:
        """Every row that notifications keep of this workspace."""
        async with self.helpdesk.store.transaction(self.workspace.id) as tx:
            return {
                table: sorted(str(dict(row)) for row in await tx.all(text(f"select * from {table}")))
                for table in (
                    "members",
                    "tickets",
                    "watchers",
                    "choices",
                    "called_back",
                    "preferences",
                    "items",
                    "event_log",
                    "dead_letters",
                    "consumed",
                )
            }
