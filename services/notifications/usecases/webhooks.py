"""Webhooks, as those who run the desk see and change them."""

import datetime as dt
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from chassis.database import Transaction
from contracts.base import Audience, Caller, Command, Subject, now
from contracts.refusals import Conflict, Invalid, NotAllowed, NotFound, StaleVersion
from contracts.webhooks import (
    MOST_WEBHOOKS,
    TEST_TYPE,
    ChangeWebhook,
    CreateWebhook,
    DeleteWebhook,
    Delivery,
    DeliveryPage,
    GetWebhook,
    ListDeliveries,
    ListWebhooks,
    Redeliver,
    Replay,
    ReplayEvents,
    RotateWebhookSecret,
    SecretRotated,
    SendTest,
    Trouble,
    Webhook,
    WebhookChanged,
    WebhookCreated,
    WebhookDeleted,
    WebhookPage,
    WebhookSecretRotated,
)
from services.notifications import domain, store
from services.notifications.channels import Forbidden, Way


class Webhooks:
    """What is done with webhooks; addresses are looked at before they are kept."""

    def __init__(self, way: Way) -> None:
        """Take what they leave by."""
        self._way = way

    async def create(self, command: CreateWebhook, tx: Transaction) -> Webhook:
        """Add one."""
        _require_desk(command.caller)
        types = domain.check_types(command.event_types)
        if await store.count_webhooks(tx) >= MOST_WEBHOOKS:
            raise Conflict(f"A workspace has at most {MOST_WEBHOOKS} webhooks.")
        await self._look(command.url)
        at = now()
        await store.add_webhook(
            tx,
            command.webhook_id,
            url=command.url,
            types=types,
            description=command.description,
            secret=command.secret,
            at=at,
        )
        tx.announce(
            WebhookCreated(
                **_about(tx, command, command.webhook_id, 1, at),
                host=host_of(command.url),
                event_types=types,
            )
        )
        return await _load(tx, command.webhook_id, command.caller)

    async def change(self, command: ChangeWebhook, tx: Transaction) -> Webhook:
        """Edit one, or turn it on or off; what waits for it is tried anew once it leads elsewhere or is on again."""
        before = await _load(tx, command.webhook_id, command.caller, for_update=True)
        _require_version(before, command.expected_version)
        wanted = command.change.model_dump(exclude_unset=True, exclude_none=True)
        if "event_types" in wanted:
            wanted["event_types"] = domain.check_types(wanted["event_types"])
        if "enabled" in wanted:
            wanted["disabled_because"] = None if wanted["enabled"] else before.disabled_because or Trouble.BY_HAND
        changed = before.model_copy(update=wanted)
        if changed == before:
            return before
        if changed.url != before.url or changed.enabled:
            await self._look(changed.url)
        at = now()
        await store.save_webhook(tx, changed, at)
        if changed.url != before.url or (changed.enabled and not before.enabled):
            await store.hurry(tx, changed.id, at)
        tx.announce(
            WebhookChanged(
                **_about(tx, command, changed.id, before.version + 1, at),
                host=host_of(changed.url),
                event_types=changed.event_types,
                enabled=changed.enabled,
            )
        )
        return await _load(tx, command.webhook_id, command.caller)

    async def _look(self, url: str) -> None:
        try:
            await self._way.check(url)
        except Forbidden as reason:
            raise Invalid.field("url", reason.code, reason.detail) from None


async def delete(command: DeleteWebhook, tx: Transaction) -> Webhook:
    """Remove one with all that waits for it."""
    gone = await _load(tx, command.webhook_id, command.caller, for_update=True)
    _require_version(gone, command.expected_version)
    at = now()
    await store.delete_webhook(tx, gone.id)
    tx.announce(
        WebhookDeleted(
            **_about(tx, command, gone.id, gone.version + 1, at),
            host=host_of(gone.url),
        )
    )
    return gone


async def get(query: GetWebhook, tx: Transaction) -> Webhook:
    """Read one."""
    return await _load(tx, query.webhook_id, query.caller)


async def list_page(query: ListWebhooks, tx: Transaction) -> WebhookPage:
    """Read a page of them."""
    _require_desk(query.caller)
    page, more = await store.webhook_page(tx, query.cursor, query.limit)
    return WebhookPage(items=tuple(page), next_cursor=more)


async def rotate(command: RotateWebhookSecret, tx: Transaction) -> SecretRotated:
    """Sign with another secret, and for a day with the one before too."""
    before = await _load(tx, command.webhook_id, command.caller, for_update=True)
    at = now()
    await store.rotate_secret(tx, before.id, command.secret, until=at + domain.SECRET_LIFE, at=at)
    tx.announce(
        WebhookSecretRotated(
            **_about(tx, command, before.id, before.version + 1, at),
        )
    )
    after = await _load(tx, command.webhook_id, command.caller)
    return SecretRotated(webhook=after, rotation_id=command.rotation_id)


async def deliveries(query: ListDeliveries, tx: Transaction) -> DeliveryPage:
    """Read a page of what is and was sent to one."""
    await _load(tx, query.webhook_id, query.caller)
    page, more = await store.delivery_page(tx, query.webhook_id, query.state, query.cursor, query.limit)
    return DeliveryPage(items=tuple(page), next_cursor=more)


async def redeliver(command: Redeliver, tx: Transaction) -> Delivery:
    """Send an event again, now."""
    await _load(tx, command.webhook_id, command.caller)
    await store.redeliver(tx, command.webhook_id, command.delivery_id, now())
    return await _delivery(tx, command.webhook_id, command.delivery_id)


async def test(command: SendTest, tx: Transaction) -> Delivery:
    """Send an event that means nothing."""
    _require_on(await _load(tx, command.webhook_id, command.caller))
    await store.queue_test(tx, command.webhook_id, command.delivery_id, TEST_TYPE, now())
    return await _delivery(tx, command.webhook_id, command.delivery_id)


async def replay(command: ReplayEvents, tx: Transaction) -> Replay:
    """Send what happened since then again; the span is queued beside everything else, and can be watched."""
    _require_on(await _load(tx, command.webhook_id, command.caller, for_update=True))
    if (command.from_time is None) == (command.from_sequence is None):
        raise Invalid.field("from", "missing", "Name a time or a sequence.")
    if await store.replays(tx, command.webhook_id):
        raise Conflict("It is being told the past already; wait until that is through.")
    await store.add_replay(
        tx, command.webhook_id, command.replay_id, time=command.from_time, sequence=command.from_sequence
    )
    begun, span = await store.replay(tx, command.replay_id), await store.span(tx, command.replay_id)
    if begun is None or span is None:
        raise NotFound
    is_to_come = command.from_time is not None and command.from_time > now()
    if is_to_come or (command.from_sequence or 0) > span.of("tickets")[1]:
        raise Invalid.field("from", "range", "nothing is that new yet")
    return begun


def host_of(url: str) -> str:
    """Return the part of an address that is no secret."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _about(tx: Transaction, command: Command[Any], id: UUID, version: int, at: dt.datetime) -> dict[str, Any]:
    """Return what every fact about a webhook says that a command brought about."""
    return {
        "workspace_id": tx.workspace_id,
        "actor": command.caller.actor,
        "via": command.via,
        "cause": str(command.command_id),
        "audience": Audience.ADMINS,
        "subject": Subject(kind="webhook", id=str(id), version=version),
        "at": at,
    }


def _require_desk(caller: Caller) -> None:
    if not caller.role.runs_the_desk:
        raise NotAllowed


def _require_on(webhook: Webhook) -> None:
    if not webhook.enabled:
        raise Conflict("This webhook is off; turn it on first.")


def _require_version(webhook: Webhook, expected: int | None) -> None:
    if expected is not None and expected != webhook.version:
        raise StaleVersion(version=webhook.version, missed=[])


async def _load(tx: Transaction, id: UUID, caller: Caller, *, for_update: bool = False) -> Webhook:
    _require_desk(caller)
    if found := await store.webhook(tx, id, for_update=for_update):
        return found
    raise NotFound


async def _delivery(tx: Transaction, webhook: UUID, id: UUID) -> Delivery:
    if found := await store.delivery(tx, webhook, id):
        return found
    raise NotFound
