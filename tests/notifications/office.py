"""An office for stories about inboxes: it hears facts and is asked as by the bus, on a real database."""

import secrets
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import text

from chassis.bus import Bus
from chassis.database import Database
from chassis.telemetry import Metrics
from contracts.base import ActorKind, Caller, Command, Event, Query, Request, Role
from contracts.notifications import (
    CountUnread,
    GetWatchers,
    Inbox,
    Item,
    MarkRead,
    ReadInbox,
    UnwatchTicket,
    WatchTicket,
)
from services.notifications.channels import Egress
from services.notifications.handlers import answer_for_mail, answer_for_webhooks, listen
from services.notifications.usecases.postroom import Postroom
from services.notifications.usecases.webhooks import Webhooks
from tests.notifications.builders import id_of

TABLES = ("members", "tickets", "watchers", "choices", "called_back", "preferences", "items")


@dataclass
class Office:
    """One workspace."""

    database: Database
    opened: tuple[IPv4Network, ...] = (IPv4Network("127.0.0.0/8"),)
    """Where webhooks may lead."""
    workspace: str = field(default_factory=lambda: f"ws-{secrets.token_hex(5)}")

    def __post_init__(self) -> None:
        self.bus = Bus("", "notifications", self.database, Metrics("notifications"))
        listen(self.bus)
        answer_for_mail(self.bus, Postroom(configured=True, public_url="https://desk.example.com"))
        answer_for_webhooks(self.bus, Webhooks(Egress(self.opened)))

    def who(self, name: str, role: Role = Role.MEMBER) -> Caller:
        return Caller(workspace_id=self.workspace, kind=ActorKind.USER, id=str(id_of(name)), name=name, role=role)

    async def hears(self, *facts: Event) -> None:
        """Hear facts of one stream, as one batch."""
        async with self.database.transaction(self.workspace) as tx:
            for fact in facts:
                here = fact.model_copy(update={"workspace_id": self.workspace})
                await self.bus._ears[fact.SUBJECT].handler(here, tx)

    async def ask[R: BaseModel](self, request: Request[R]) -> R:
        sent = type(request).model_validate_json(request.model_dump_json())
        assert isinstance(sent, Command | Query)
        handler = self.bus._answers._endpoints[sent.SUBJECT].handler
        caller: Caller = sent.caller
        async with self.database.transaction(caller.workspace_id) as tx:
            answer = await handler(sent, tx)
        assert isinstance(answer, request.reply())
        return answer

    async def inbox(self, name: str, role: Role = Role.MEMBER, **more: Any) -> Inbox:
        return await self.ask(ReadInbox(caller=self.who(name, role), **more))

    async def told(self, name: str, role: Role = Role.MEMBER) -> list[str]:
        """What somebody was told, oldest first."""
        return [item.kind.value for item in reversed((await self.inbox(name, role)).items)]

    async def unread(self, name: str, role: Role = Role.MEMBER) -> int:
        return (await self.ask(CountUnread(caller=self.who(name, role)))).unread

    async def read(self, name: str, *items: Item) -> int:
        return (await self.ask(MarkRead(caller=self.who(name), ids=tuple(item.id for item in items)))).unread

    async def watch(self, name: str, role: Role = Role.MEMBER) -> None:
        await self.ask(WatchTicket(caller=self.who(name, role), ticket_id=id_of("ticket")))

    async def unwatch(self, name: str, seen: int = 1, role: Role = Role.MEMBER) -> None:
        caller = self.who(name, role)
        await self.ask(UnwatchTicket(caller=caller, ticket_id=id_of("ticket"), ticket_version=seen))

    async def watchers(self, **more: Any) -> dict[UUID, list[str]]:
        """Who watches the ticket, and why."""
        page = await self.ask(GetWatchers(caller=self.who("Olivia"), ticket_id=id_of("ticket"), **more))
        return {each.id: [reason.value for reason in each.reasons] for each in page.items}

    async def everything(self) -> dict[str, list[str]]:
        """Every row of this workspace, as text."""
        async with self.database.transaction(self.workspace) as tx:
            return {
                table: sorted(str(dict(row)) for row in await tx.all(text(f"select * from {table}")))
                for table in (*TABLES, "event_log")
            }

    async def announced(self) -> list[dict[str, Any]]:
        async with self.database.transaction(self.workspace) as tx:
            return [dict(row["body"]) for row in await tx.all(text("select body from event_log order by seq"))]
