"""A post office for stories about webhooks: an office with its owners' logs, and a clock that stands still."""

import asyncio
import base64
import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from chassis import inbox
from contracts.base import Event, LoggedFact, LogPage, ReadLog, Role, uuid7
from contracts.refusals import Unavailable
from contracts.webhooks import (
    ChangeWebhook,
    CreateWebhook,
    Delivery,
    GetWebhook,
    ListDeliveries,
    Webhook,
    WebhookChange,
)
from services.notifications.channels import Egress
from services.notifications.usecases.sending import Sender
from tests.notifications.office import Office

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(range(32, 64))).decode()
MINUTE = dt.timedelta(minutes=1)


@dataclass
class Post:
    """An office with its owners' logs and a sender whose clock stands still."""

    office: Office
    sender: Sender = field(init=False)
    now: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC) + MINUTE)
    """A little ahead of what people do meanwhile."""
    logs: dict[str, list[LoggedFact]] = field(default_factory=lambda: {"tickets": [], "gateway": []})
    away: bool = False

    def __post_init__(self) -> None:
        self.sender = Sender(
            self.office.database, self.log, Egress(self.office.opened), clock=lambda: self.now, chance=lambda: 0.0
        )

    async def log(self, request: ReadLog) -> LogPage:
        """Answer as the owner does."""
        if self.away:
            raise Unavailable
        if request.workspace_id != self.office.workspace:
            return LogPage(items=(), more=False)
        found = [
            fact
            for fact in self.logs[request.OWNER]
            if fact.position > request.after
            and (request.since is None or dt.datetime.fromisoformat(fact.body["at"]) >= request.since)
        ]
        return LogPage(items=tuple(found[: request.limit]), more=len(found) > request.limit)

    async def happens(self, *facts: Event) -> None:
        """Put facts into their owner's log, and hear them."""
        for fact in facts:
            here = fact.model_copy(update={"workspace_id": self.office.workspace})
            log = self.logs[fact.OWNER]
            body = here.model_dump(mode="json")
            log.append(
                LoggedFact(
                    id=here.id,
                    type=here.SUBJECT,
                    workspace_id=self.office.workspace,
                    position=len(log) + 1,
                    body=body,
                )
            )
        async with self.office.database.transaction(self.office.workspace) as tx:
            for stream, owner in (("TICKETS", "tickets"), ("GATEWAY", "gateway")):
                await inbox.applied(tx, stream)
                await inbox.advance(tx, stream, len(self.logs[owner]))

    async def webhook(self, url: str, *types: str, secret: str = SECRET) -> Webhook:
        return await self.office.ask(
            CreateWebhook(
                caller=self.office.who("Ada", Role.ADMIN),
                webhook_id=uuid7(),
                url=url,
                event_types=types or ("*",),
                secret=secret,
            )
        )

    async def change(self, webhook: Webhook, **change: Any) -> Webhook:
        caller = self.office.who("Ada", Role.ADMIN)
        return await self.office.ask(
            ChangeWebhook(caller=caller, webhook_id=webhook.id, change=WebhookChange(**change))
        )

    async def seen(self, webhook: Webhook) -> Webhook:
        return await self.office.ask(GetWebhook(caller=self.office.who("Ada", Role.ADMIN), webhook_id=webhook.id))

    async def deliveries(self, webhook: Webhook) -> list[Delivery]:
        """Oldest first."""
        query = ListDeliveries(caller=self.office.who("Ada", Role.ADMIN), webhook_id=webhook.id, limit=100)
        return list(reversed((await self.office.ask(query)).items))

    async def all_sent(self) -> None:
        """Send until nothing is due."""
        while await self.round():
            pass

    async def round(self) -> int:
        """Queue all there is, send what is due, and return how many tries that took."""
        while await self.sender.queue():
            pass
        ready = await self.sender._due()
        await asyncio.gather(*(self.sender.send(due) for due in ready))
        return len(ready)
