"""Webhooks are kept by notifications; who changed them stands in the book of people."""

from uuid import UUID

from pydantic import BaseModel

from chassis.bus import Bus
from chassis.database import Database
from contracts.base import IdempotencyKey, now
from contracts.webhooks import ChangeWebhook, CreateWebhook, DeleteWebhook, RotateWebhookSecret, SecretRotated, Webhook
from services.gateway import domain
from services.gateway.domain import Cause, Visitor

type Act = CreateWebhook | ChangeWebhook | DeleteWebhook | RotateWebhookSecret


class _Told(BaseModel):
    """That it was told."""

    id: UUID


class Hooks:
    """What is done with webhooks."""

    def __init__(self, bus: Bus, database: Database) -> None:
        """Ask by `bus`, and tell by `database`."""
        self._bus = bus
        self._database = database

    async def do(self, visitor: Visitor, act: CreateWebhook | ChangeWebhook | DeleteWebhook) -> Webhook:
        """Have it done, and tell it."""
        hook = await self._bus.ask(act)
        gone = isinstance(act, DeleteWebhook)
        await self._tell(visitor, act, hook.model_copy(update={"version": hook.version + 1}) if gone else hook)
        return hook

    async def rotate(self, visitor: Visitor, act: RotateWebhookSecret) -> SecretRotated:
        """Have another secret drawn, and tell it."""
        rotated = await self._bus.ask(act)
        await self._tell(visitor, act, rotated.webhook)
        return rotated

    async def _tell(self, visitor: Visitor, act: Act, hook: Webhook) -> None:
        """Tell each version of a webhook once, also where an answer is asked for again."""
        workspace, _ = visitor.here

        async def tell() -> _Told:
            cause = Cause(command_id=act.command_id, via=visitor.via, at=now())
            tx.announce(domain.hook_fact(act, hook, workspace.id, visitor.actor, cause))
            return _Told(id=hook.id)

        once = IdempotencyKey(key=f"{hook.id} {hook.version}", route=act.SUBJECT, fingerprint="")
        async with self._database.transaction(workspace.id) as tx:
            await tx.once("webhooks", once, _Told, tell)
