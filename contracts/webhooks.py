"""Webhooks: what notifications answers about them, and what it announces. Owner: services/notifications."""

from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints

from contracts.base import Audience, Change, Command, Event, Model, Query, RecordEvent
from contracts.texts import FreeText, SearchText, WebAddress, formed

ANY = "*"
"""Stands for every type of event, those to come included."""
TEST_TYPE = "notifications.events.v1.webhook_test"
"""Of the event that means nothing: it is sent to one webhook, and no fact."""
MOST_WEBHOOKS = 100
"""Of one workspace."""

EventType = Annotated[
    str, formed(r"^([a-z][a-z0-9_]{0,59}|\*)$", "must be a fact's name, such as status_changed, or *")
]
"""A fact's name without owner and version, such as `status_changed`; `*`: all."""
EventTypes = Annotated[tuple[EventType, ...], Field(min_length=1, max_length=100)]
Secret = Annotated[str, StringConstraints(pattern=r"^whsec_[A-Za-z0-9+/]{32,88}={0,2}$")]
"""`whsec_` and the base64 of 24 to 64 bytes, as Standard Webhooks has it."""


def event_types() -> tuple[str, ...]:
    """Return what a webhook can be told of: every fact about tickets, their surroundings, and people."""
    return tuple(sorted(event.TYPE for owner in ("tickets", "gateway") for event in Event.of_kind(owner)))


class Trouble(StrEnum):
    """Why a webhook was turned off."""

    BY_HAND = "by_hand"
    GONE = "gone"
    """The receiver said that it is no more (410)."""
    EXHAUSTED = "exhausted"
    """An event was tried for three days in vain."""


class Webhook(Model):
    """Where another system hears of what happens. Its secret is told once, when it is drawn."""

    id: UUID
    url: str
    event_types: tuple[str, ...]
    description: str
    enabled: bool
    disabled_because: Trouble | None
    failing_since: AwareDatetime | None
    """Since when nothing was taken; null while it works."""
    pending: int
    """Events that wait to be sent, at most 1,000 are counted."""
    old_secret_until: AwareDatetime | None
    """Until when the secret before signs too."""
    version: int
    created_at: AwareDatetime
    updated_at: AwareDatetime


class WebhookPage(Model):
    """One page of webhooks, oldest first."""

    items: tuple[Webhook, ...]
    next_cursor: str | None


class ListWebhooks(Query[WebhookPage], subject="notifications.requests.v1.list_webhooks"):
    """Read the webhooks. Refused: not_allowed (who does not run the desk), malformed (cursor)."""

    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 50


class GetWebhook(Query[Webhook], subject="notifications.requests.v1.get_webhook"):
    """Read a webhook. Refused: not_allowed, not_found."""

    webhook_id: UUID


class CreateWebhook(Command[Webhook], subject="notifications.requests.v1.create_webhook"):
    """Add a webhook; it is told of what happens from now on.

    Refused: not_allowed, invalid (an address that may not be called, a type that is not there), conflict (too many).
    """

    webhook_id: UUID
    url: WebAddress
    event_types: EventTypes
    description: SearchText = ""
    secret: Secret


class WebhookChange(Change):
    """What of a webhook gets another value."""

    url: WebAddress | None = None
    event_types: EventTypes | None = None
    description: SearchText | None = None
    enabled: bool | None = None


class ChangeWebhook(Command[Webhook], subject="notifications.requests.v1.change_webhook"):
    """Change a webhook. What happens while it is off is not told; a replay tells it.

    Refused: not_allowed, not_found, invalid, stale_version.
    """

    webhook_id: UUID
    expected_version: int | None = None
    change: WebhookChange


class DeleteWebhook(Command[Webhook], subject="notifications.requests.v1.delete_webhook"):
    """Remove a webhook; what waits is not sent. Refused: not_allowed, not_found, stale_version."""

    webhook_id: UUID
    expected_version: int | None = None


class SecretRotated(Model):
    """A webhook with a new secret; the one before signs too for a day."""

    webhook: Webhook
    rotation_id: UUID
    """The rotation that drew the secret in use."""


class RotateWebhookSecret(Command[SecretRotated], subject="notifications.requests.v1.rotate_webhook_secret"):
    """Sign with another secret. Refused: not_allowed, not_found."""

    webhook_id: UUID
    rotation_id: UUID
    secret: Secret


class DeliveryState(StrEnum):
    """What became of an event on its way to a webhook."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


class Try(Model):
    """One call of a receiver: what came of it, and nothing of what was said."""

    at: AwareDatetime
    status: int | None
    """HTTP status; null where there was no answer."""
    reason: str | None
    """Why it did not count: `status`, `timeout`, `no_connection`, `tls`, `not_public`, …; null: it was taken."""
    latency_ms: int


class Delivery(Model):
    """An event on its way to a webhook."""

    id: UUID
    webhook_id: UUID
    event_id: UUID
    """Sent as `webhook-id`; the same for ever."""
    type: str
    about: str
    """What the event is about, such as `ticket`."""
    about_id: str
    version: int
    state: DeliveryState
    attempts: int
    tries: tuple[Try, ...]
    """The last ten, oldest first."""
    next_try_at: AwareDatetime | None
    event_at: AwareDatetime
    settled_at: AwareDatetime | None


class DeliveryPage(Model):
    """One page of deliveries, newest first."""

    items: tuple[Delivery, ...]
    next_cursor: str | None


class ListDeliveries(Query[DeliveryPage], subject="notifications.requests.v1.list_deliveries"):
    """Read what is and was sent to a webhook. Refused: not_allowed, not_found, malformed (cursor)."""

    webhook_id: UUID
    state: DeliveryState | None = None
    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 50


class Redeliver(Command[Delivery], subject="notifications.requests.v1.redeliver"):
    """Send an event again, now. Refused: not_allowed, not_found."""

    webhook_id: UUID
    delivery_id: UUID


class SendTest(Command[Delivery], subject="notifications.requests.v1.test_webhook"):
    """Send an event that means nothing. Refused: not_allowed, not_found, conflict (it is off)."""

    webhook_id: UUID
    delivery_id: UUID


class Replay(Model):
    """A span of the past that is told again."""

    id: UUID
    webhook_id: UUID
    from_time: AwareDatetime | None
    from_sequence: int | None
    done: bool
    told: int
    """How many events are queued so far."""


class ReplayEvents(Command[Replay], subject="notifications.requests.v1.replay_events"):
    """Send what happened since a time, or since a sequence of the tickets book, again under the same ids.

    Refused: not_allowed, not_found, invalid (neither or both), conflict (it is off, or replays already).
    """

    webhook_id: UUID
    replay_id: UUID
    from_time: AwareDatetime | None = None
    from_sequence: Annotated[int, Field(ge=1, lt=2**53)] | None = None


class _WebhookFact(RecordEvent):
    """A fact about a webhook, whose id is its subject's."""

    AUDIENCE: ClassVar[Audience] = Audience.ADMINS


class WebhookCreated(_WebhookFact, subject="notifications.events.v1.webhook_created"):
    """Sent when a webhook was added. Its secret is in no event."""

    host: FreeText
    event_types: tuple[str, ...]


class WebhookChanged(_WebhookFact, subject="notifications.events.v1.webhook_changed"):
    """Sent when a webhook leads elsewhere, is told of something else, or was turned on or off by hand."""

    host: FreeText
    event_types: tuple[str, ...]
    enabled: bool


class WebhookSecretRotated(_WebhookFact, subject="notifications.events.v1.webhook_secret_rotated"):
    """Sent when a webhook got another secret."""


class WebhookDisabled(_WebhookFact, subject="notifications.events.v1.webhook_disabled"):
    """Sent when a webhook was turned off because nobody takes what it is told."""

    host: FreeText
    reason: Trouble


class WebhookDeleted(_WebhookFact, subject="notifications.events.v1.webhook_deleted"):
    """Sent when a webhook was removed."""

    host: FreeText
