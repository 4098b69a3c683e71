"""What notifications answers and announces: who hears of what. Owner: services/notifications."""

from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.base import Actor, Audience, Command, DeadLetter, Model, Query, RecordEvent, Request
from contracts.streams import Stream
from contracts.texts import Email, Name, WebAddress

NOTIFICATIONS = Stream(
    "NOTIFICATIONS", ("notifications.events.>",), max_bytes=256 << 20, max_msg_size=64 * 1024, batches=True
)


class Kind(StrEnum):
    """Why somebody is told."""

    ASSIGNED = "assigned"
    STATUS = "status"
    NOTE = "note"
    MENTION = "mention"


class Item(Model):
    """One notification in a person's inbox."""

    id: UUID
    kind: Kind
    ticket_id: UUID
    ticket_number: int
    ticket_subject: str
    actor: Actor
    at: AwareDatetime
    cause: UUID
    """The event behind it; one person is told of one cause once."""
    old: str | None = None
    new: str | None = None
    read_at: AwareDatetime | None = None


class Inbox(Model):
    """One page of an inbox, newest first."""

    items: tuple[Item, ...]
    unread: int
    next_cursor: str | None


class ReadInbox(Query[Inbox], subject="notifications.requests.v1.inbox"):
    """Read the caller's own inbox. Refused: malformed (cursor)."""

    unread_only: bool = False
    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 50


class Unread(Model):
    """How many notifications are not read."""

    unread: int


class CountUnread(Query[Unread], subject="notifications.requests.v1.count_unread"):
    """Count what the caller has not read."""


class MarkRead(Command[Unread], subject="notifications.requests.v1.mark_read"):
    """Mark the caller's own notifications as read: those named, or all with `ids` empty. Refused: not_found."""

    ids: Annotated[tuple[UUID, ...], Field(max_length=100)] = ()


class MailQueued(Model):
    """A mail that will be sent, once."""

    mail_id: UUID


class SendPasswordReset(Request[MailQueued], subject="notifications.requests.v1.send_password_reset"):
    """Mail somebody the link that sets a new password; the same `mail_id` is one mail."""

    mail_id: UUID
    to_email: Email
    to_name: Name
    url: WebAddress
    expires_at: AwareDatetime


class Notified(RecordEvent, subject="notifications.events.v1.notified"):
    """Sent when somebody has a new notification; `subject` is their inbox, its version counts what came into it."""

    AUDIENCE: ClassVar[Audience] = Audience.ADMINS

    recipient_id: UUID
    item_id: UUID
    item_kind: Kind
    ticket_id_of: UUID


class NotificationsDeadLetter(DeadLetter, subject="notifications.deadletters.v1.buried"):
    """Kept when notifications could not apply a message."""
