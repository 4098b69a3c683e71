"""What notifications answers and announces: who hears of what, and who is written to. Owner: services/notifications."""

from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.base import (
    Actor,
    Audience,
    Change,
    Command,
    DeadLetter,
    Errand,
    Model,
    Query,
    RecordEvent,
)
from contracts.letters import DeadLetterPage
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
    MESSAGE = "message"
    """The customer wrote."""
    FOLLOW_UP = "follow_up"
    """The customer wrote to a closed ticket; `new` is the number of the one opened instead."""
    UNASSIGNED = "unassigned"
    PRIORITY = "priority"
    CREATED = "created"
    """Somebody opened a ticket."""


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


class Reason(StrEnum):
    """Why somebody watches a ticket."""

    CREATOR = "creator"
    ASSIGNEE = "assignee"
    MENTIONED = "mentioned"
    CHOSEN = "chosen"


class WatchState(Model):
    """Whether the caller watches the ticket."""

    watching: bool


class WatchTicket(Command[WatchState], subject="notifications.requests.v1.watch_ticket"):
    """Let the caller watch a ticket that they may see; once more is no change. Refused: not_allowed."""

    ticket_id: UUID


class UnwatchTicket(Command[WatchState], subject="notifications.requests.v1.unwatch_ticket"):
    """Let the caller watch a ticket no more, whatever the reason, until they choose to or are assigned to it again.

    What is meant for them alone, an assignment or a mention, is told all the same. Refused: not_allowed.
    """

    ticket_id: UUID
    ticket_version: Annotated[int, Field(ge=1, lt=2**31)]
    """The version that they have seen: only an assignment after it makes them watch again."""


class Watcher(Model):
    """Somebody who watches a ticket."""

    id: UUID
    reasons: tuple[Reason, ...]


class Watchers(Model):
    """One page of those who watch a ticket, by id."""

    items: tuple[Watcher, ...]
    next_cursor: str | None


class GetWatchers(Query[Watchers], subject="notifications.requests.v1.get_watchers"):
    """Read who watches a ticket that the caller may see. Refused: malformed (cursor)."""

    ticket_id: UUID
    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 100


class Wanted(Model):
    """By which way somebody wants to hear of something; another way is another field."""

    inbox: bool = True


class Preferences(Model):
    """What somebody wants to hear of: what they never chose stays as it is here."""

    assigned: Wanted = Wanted()
    """A ticket was given to them."""
    unassigned: Wanted = Wanted()
    """A ticket was taken from them."""
    mention: Wanted = Wanted()
    """They were called by name."""
    message: Wanted = Wanted()
    """The customer wrote on a ticket that they watch, closed ones included."""
    note: Wanted = Wanted()
    """A note or comment on a ticket that they watch."""
    status: Wanted = Wanted()
    """A ticket that they watch was moved."""
    priority: Wanted = Wanted(inbox=False)
    """A ticket that they watch became more or less urgent."""
    created: Wanted = Wanted(inbox=False)
    """Somebody opened a ticket that they may see."""


class GetPreferences(Query[Preferences], subject="notifications.requests.v1.get_preferences"):
    """Read what the caller wants to hear of. Refused: not_allowed (programs)."""


class PreferencesChange(Change):
    """What the caller wants to hear of otherwise than before."""

    assigned: Wanted | None = None
    unassigned: Wanted | None = None
    mention: Wanted | None = None
    message: Wanted | None = None
    note: Wanted | None = None
    status: Wanted | None = None
    priority: Wanted | None = None
    created: Wanted | None = None


class ChangePreferences(Command[Preferences], subject="notifications.requests.v1.change_preferences"):
    """Change what the caller hears of from now on: what is in their inbox stays. Refused: not_allowed (programs)."""

    change: PreferencesChange


class MailQueued(Model):
    """The mail is kept, and sent as soon as a server takes it."""

    mail_id: UUID


class SendPasswordReset(Errand[MailQueued], subject="notifications.requests.v1.send_password_reset"):
    """Write to somebody who forgot their password; the same `mail_id` is one mail.

    It is not sent once the link has expired. `url` opens somebody's account: it is kept until the mail is sent or the
    link has expired, and is in no event and no log.
    """

    PURPOSE: ClassVar[str] = "mail"

    mail_id: UUID
    to_email: Email
    to_name: Name
    url: WebAddress
    expires_at: AwareDatetime


class Notified(RecordEvent, subject="notifications.events.v1.notified", followed_by=("gateway",)):
    """Sent when somebody has a new notification; `subject` is their inbox, its version counts what came into it."""

    AUDIENCE: ClassVar[Audience] = Audience.ADMINS

    recipient_id: UUID
    item_id: UUID
    item_kind: Kind
    ticket_id_of: UUID


class ListNotificationLetters(Query[DeadLetterPage], subject="notifications.requests.v1.list_dead_letters"):
    """Read what notifications could not apply, bodies left out. Refused: not_allowed, malformed (cursor)."""

    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 50


class GetNotificationLetter(Query[DeadLetter], subject="notifications.requests.v1.get_dead_letter"):
    """Read one of them whole. Refused: not_found, not_allowed."""

    id: UUID


class NotificationsDeadLetter(DeadLetter, subject="notifications.deadletters.v1.buried"):
    """Kept when notifications could not apply a message."""
