"""What notifications answers and announces: who hears of what, and who is written to. Owner: services/notifications."""

from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints

from contracts.base import Actor, Audience, Command, DeadLetter, Errand, Model, Query, RecordEvent
from contracts.letters import ListLetters
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
    ARRIVED = "arrived"
    """A ticket came from outside: by the widget or another system."""
    DEAD_LETTER = "dead_letter"
    """A message could not be applied; for admins, of no ticket."""
    WEBHOOK = "webhook"
    """A webhook was turned off, since its calls failed; for admins, of no ticket."""


class Item(Model):
    """One notification in a person's inbox: of what is told together, what matters most."""

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


class NoticeTicket(Model):
    """A ticket that a notification is about."""

    MOST: ClassVar[int] = 20

    id: UUID
    number: int
    subject: str
    kind: Kind
    """The strongest reason to tell of this ticket."""
    count: int
    """How many causes it tells of on this ticket."""


class NoticePart(Model):
    """One of the things that were done at once."""

    kind: Kind
    old: str | None
    new: str | None


class Notice(Model):
    """One notification in a person's inbox, of a ticket or of the desk itself.

    It tells of one cause, whatever was done by it and on however many tickets; or it is a digest of many that came
    within a minute, and grows while they come. Ticket, actor, cause and values are those of what matters most in it.
    """

    id: UUID
    kind: Kind
    ticket_id: UUID | None
    """None: of no ticket, such as a webhook that was turned off."""
    ticket_number: int | None
    ticket_subject: str | None
    actor: Actor
    at: AwareDatetime
    cause: UUID
    """The fact behind it; one person is told of one cause once."""
    old: str | None
    new: str | None
    read_at: AwareDatetime | None
    """None: not read, or not all of it."""
    muted: bool
    """Whether the reader has muted the ticket since."""
    count: int = 1
    """How many causes it tells of; of more than one it is a digest."""
    tickets: tuple[NoticeTicket, ...] = ()
    """What it is about, what matters most first; 20 at most."""
    more_tickets: int = 0
    """How many tickets are not named."""
    parts: tuple[NoticePart, ...] = ()
    """All that the cause did, what matters most first; of a digest none."""


class Notices(Model):
    """One page of an inbox, newest first."""

    items: tuple[Notice, ...]
    unread: int
    next_cursor: str | None
    total: int | None = None
    """Of what one notification tells of: how many there are in all. None: of an inbox, which is not counted."""


class ReadNotices(Query[Notices], subject="notifications.requests.v2.inbox"):
    """Read the caller's own inbox, with what is of no ticket. Refused: malformed (cursor)."""

    unread_only: bool = False
    digest: UUID | None = None
    """Only what this notification tells of, each cause by itself; none where there is no such one."""
    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 50


class Unread(Model):
    """How many notifications are not read."""

    unread: int


class CountUnread(Query[Unread], subject="notifications.requests.v1.count_unread"):
    """Count what the caller has not read."""


class UnreadTickets(Model):
    """The tickets of which somebody has not read everything that they were told, the newest told first."""

    ticket_ids: tuple[UUID, ...]


class ListUnreadTickets(Query[UnreadTickets], subject="notifications.requests.v1.unread_tickets"):
    """List the tickets of the caller's unread notifications, at most 500."""


class MarkRead(Command[Unread], subject="notifications.requests.v1.mark_read"):
    """Mark the caller's notifications as read, all that they tell: those named, or all without. Refused: not_found."""

    ids: Annotated[tuple[UUID, ...], Field(max_length=100)] = ()
    ticket_id: UUID | None = None
    """Of this ticket alone, where no `ids` are named."""


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
    muted: bool = False
    """Whether the caller hears nothing of the ticket, by their own wish."""
    mails: bool = True
    """Whether mail leaves here at all: without a server it is kept."""


class GetWatchers(Query[Watchers], subject="notifications.requests.v1.get_watchers"):
    """Read who watches a ticket that the caller may see. Refused: malformed (cursor)."""

    ticket_id: UUID
    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 100


class MuteState(Model):
    """Whether the caller hears nothing of the ticket."""

    muted: bool


class MuteTicket(Command[MuteState], subject="notifications.requests.v1.mute_ticket"):
    """Tell the caller nothing more of a ticket that they may see, mentions included. Refused: not_allowed."""

    ticket_id: UUID


class UnmuteTicket(Command[MuteState], subject="notifications.requests.v1.unmute_ticket"):
    """Tell the caller of a ticket again, as they watch it and as they chose. Refused: not_allowed."""

    ticket_id: UUID


class GetMute(Query[MuteState], subject="notifications.requests.v1.get_mute"):
    """Read whether the caller has muted a ticket. Refused: not_allowed."""

    ticket_id: UUID


class Left(Model):
    """They are sent no more news by mail."""


class Unsubscribe(Errand[Left], subject="notifications.requests.v1.unsubscribe"):
    """Send no more news to whoever got this token in a mail; a repeat changes nothing. Refused: not_found."""

    PURPOSE: ClassVar[str] = "mail"

    token: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{20,64}$")]


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
    """Sent when somebody has a new notification, or one grows; `subject` is their inbox, its version counts both."""

    AUDIENCE: ClassVar[Audience] = Audience.ADMINS

    recipient_id: UUID
    item_id: UUID
    item_kind: Kind
    ticket_id_of: UUID


class ListNotificationLetters(ListLetters, subject="notifications.requests.v1.list_dead_letters"):
    """Read what notifications could not apply, bodies left out. Refused: not_allowed, malformed (cursor)."""


class GetNotificationLetter(Query[DeadLetter], subject="notifications.requests.v1.get_dead_letter"):
    """Read one of them whole. Refused: not_found, not_allowed."""

    id: UUID


class RetryNotificationLetter(Command[DeadLetter], subject="notifications.requests.v1.retry_dead_letter"):
    """Try one of them again now, as it came; a mail is delivered within seconds. It is gone then.

    Refused: not_found, not_allowed, conflict, and its reason.
    """

    id: UUID


class DropNotificationLetter(Command[DeadLetter], subject="notifications.requests.v1.drop_dead_letter"):
    """Forget one of them. Refused: not_found, not_allowed."""

    id: UUID


class NotificationsDeadLetter(
    DeadLetter, subject="notifications.deadletters.v1.buried", followed_by=("notifications",)
):
    """Kept when notifications could not apply a message."""
