"""What the lines of a workspace's file may hold: rows of each kind, by the types of the commands that made them."""

import datetime as dt
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

from contracts.activity import Book, BookLine, SealedText
from contracts.base import ActorKind, Model, Person, Role, Token, Via, now
from contracts.notifications import Reason
from contracts.texts import Body, Email, ExternalId, Line, Name, PersonName, WebAddress
from contracts.tickets import (
    AuthorKind,
    Fields,
    NoteKind,
    Priority,
    SettingsSnapshot,
    Source,
    Status,
    Tags,
    WidgetSettings,
)
from contracts.tickets.requests import Version
from contracts.transfer import ENTRY

_BEGINNING = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_AHEAD = dt.timedelta(days=1)
"""How far another desk's clock may be ahead of ours."""


def _has_been(at: dt.datetime) -> dt.datetime:
    if not _BEGINNING <= at <= now() + _AHEAD:
        msg = "must be a time that has been, since 1970"
        raise ValueError(msg)
    return at


def _each_once(tags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tags))


Moment = Annotated[AwareDatetime, AfterValidator(_has_been)]
Count = Annotated[int, Field(ge=0, lt=2**31)]
Words = Annotated[Body, StringConstraints(min_length=1)]
Called = Annotated[PersonName, StringConstraints(min_length=1, max_length=300)]
"""What somebody was called when they did it."""
Code = Annotated[str, StringConstraints(min_length=1, max_length=300)]


class Origin(Model):
    """The workspace that a file comes from."""

    id: Token
    slug: str
    name: str


class Header(Model):
    """The first line."""

    kind: Literal["header"]
    format: Literal["counterfoil workspace 1"]
    export: UUID
    workspace: Origin


class Footer(Model):
    """The last line."""

    kind: Literal["footer"]
    counts: dict[str, int]
    sha256: str


class RowOf(Model):
    """A row of a kind."""

    NAMES: ClassVar[dict[str, str]] = {}
    """Kinds of the rows that it names by their ids, which come before it."""
    ONCE: ClassVar[tuple[str, ...]] = ()
    """What no other row of its kind says, where it says it."""


class SettingsRow(SettingsSnapshot, RowOf):
    """What a workspace has settled."""

    version: Version
    updated_at: Moment


class ContactRow(RowOf):
    """A contact, without what is made of the other columns."""

    ONCE: ClassVar = ("address",)

    id: UUID
    name: Name
    email: Email | None
    verified: bool
    version: Version
    created_at: Moment
    updated_at: Moment

    @property
    def address(self) -> str | None:
        """The address in whichever case."""
        return self.email and self.email.casefold()


class ContactNameRow(RowOf):
    """What another system calls a contact."""

    ONCE: ClassVar = ("source", "external_id")
    NAMES: ClassVar = {"contact_id": "contact"}

    source: Source
    external_id: ExternalId
    contact_id: UUID


class AssistantRow(RowOf):
    """An assistant, without its secret."""

    id: UUID
    name: Line
    widget: WidgetSettings
    version: Version
    created_at: Moment
    updated_at: Moment
    deleted_at: Moment | None


class ConversationRow(RowOf):
    """A conversation without its messages."""

    ONCE: ClassVar = ("integration", "external_id")
    NAMES: ClassVar = {"assistant_id": "assistant", "contact_id": "contact"}

    id: UUID
    integration: Token | None
    external_id: ExternalId | None
    url: WebAddress | None
    assistant_id: UUID | None
    contact_id: UUID | None
    version: Version
    message_count: Count
    awaits_reply: bool
    created_at: Moment
    updated_at: Moment


class VisitorRow(RowOf):
    """What a visitor said of themself."""

    NAMES: ClassVar = {"conversation_id": "conversation", "assistant_id": "assistant"}

    conversation_id: UUID
    assistant_id: UUID
    name: Name | None
    email: Email | None
    identified: bool


class MessageRow(RowOf):
    """A message of a conversation."""

    NAMES: ClassVar = {"conversation_id": "conversation"}

    id: UUID
    conversation_id: UUID
    seq: Version
    author_kind: AuthorKind
    author_id: Code | None
    author_name: Called
    body: Words
    at: AwareDatetime
    """Other systems say when it was written there: it is theirs."""
    external_id: ExternalId | None
    via: Via | None = None
    unverified_sender: PersonName | None = None


class TicketRow(RowOf):
    """A ticket, without what is made of the other columns."""

    ONCE: ClassVar = ("number",)
    NAMES: ClassVar = {"contact_id": "contact", "follow_up_of": "ticket"}

    id: UUID
    number: Version
    version: Version
    subject: Line
    description: Body
    status: Status
    status_before_spam: Status | None
    priority: Priority
    assignee_id: UUID | None
    assignee_name: Called | None
    assignee_role: Role | None
    contact_id: UUID | None
    tags: Annotated[Tags, AfterValidator(_each_once)]
    fields: Fields = Field(default_factory=dict)
    created_at: Moment
    updated_at: Moment
    first_response_at: Moment | None
    resolved_at: Moment | None
    closed_at: Moment | None
    deleted_at: Moment | None
    follow_up_of: UUID | None


class LinkRow(RowOf):
    """That a conversation is tied to a ticket."""

    NAMES: ClassVar = {"ticket_id": "ticket", "conversation_id": "conversation"}

    ticket_id: UUID
    conversation_id: UUID
    ticket_version: Version
    opened: bool


class NoteRow(RowOf):
    """A note or comment."""

    NAMES: ClassVar = {"ticket_id": "ticket", "in_reply_to": "note"}

    id: UUID
    ticket_id: UUID
    ticket_version: Version
    kind: NoteKind
    body: Words
    pinned: bool
    in_reply_to: UUID | None
    author_kind: ActorKind
    author_id: Code
    author_name: Called
    created_at: Moment
    mentions: Annotated[tuple[Person, ...], Field(max_length=20)] = ()


class RequestRow(RowOf):
    """What another system asked for, by its own name."""

    NAMES: ClassVar = {"ticket_id": "ticket"}

    integration: Token
    kind: Code
    external_id: ExternalId
    ticket_id: UUID


class HeardRow(RowOf):
    """A message of another system that took effect."""

    source: Code
    message_id: Code
    at: Moment


class PreferenceRow(RowOf):
    """What a member wanted to hear of from then on."""

    user_id: UUID
    kind: Code
    since: Moment
    inbox: bool
    mail: bool


class WatcherRow(RowOf):
    """Who watches a ticket because of what happened."""

    NAMES: ClassVar = {"ticket_id": "ticket"}

    ticket_id: UUID
    user_id: UUID
    reason: Reason


class WatchRow(RowOf):
    """Who chose to watch a ticket, or no more."""

    ticket_id: UUID
    user_id: UUID
    since: Moment | Literal["-infinity"]
    """What was chosen before times were kept holds for all."""
    watches: bool
    ticket_version: Version | None


class CalledBackRow(RowOf):
    """Who was assigned last when."""

    ticket_id: UUID
    user_id: UUID
    version: Version


class MuteRow(RowOf):
    """Who muted a ticket, or no more."""

    ticket_id: UUID
    user_id: UUID
    since: Moment
    muted: bool


class SuppressedRow(RowOf):
    """An address that takes no mail."""

    id: UUID
    address: Email
    reason: Code
    since: Moment


class MemberRow(RowOf):
    """Somebody who was a member; they are not put in."""

    id: UUID
    email: str


class ViewRow(RowOf):
    """A list of tickets by name."""

    id: UUID
    owner_id: UUID
    name: Annotated[Line, StringConstraints(max_length=60)]
    query: Annotated[str, StringConstraints(max_length=2000)]
    shared: bool
    created_at: Moment
    version: Version


class SaltedText(SealedText):
    """Words of an entry."""

    pointer: Annotated[str, StringConstraints(pattern=r"^/")]
    salt: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]


class EntryRow(BookLine, RowOf):
    """An entry of a book."""

    book: Book
    texts: tuple[SaltedText, ...]


class Stamp(Model):
    """When a fact was told, which step of its record it is, and by which order somebody was erased."""

    at: Moment
    version: Version
    erasure: UUID | None


ROWS: dict[str, type[RowOf]] = {
    "settings": SettingsRow,
    "contact": ContactRow,
    "contact_name": ContactNameRow,
    "assistant": AssistantRow,
    "conversation": ConversationRow,
    "visitor": VisitorRow,
    "message": MessageRow,
    "ticket": TicketRow,
    "link": LinkRow,
    "note": NoteRow,
    "request": RequestRow,
    "heard": HeardRow,
    "preference": PreferenceRow,
    "watcher": WatcherRow,
    "watch": WatchRow,
    "called_back": CalledBackRow,
    "mute": MuteRow,
    "suppressed": SuppressedRow,
    "member": MemberRow,
    "view": ViewRow,
    ENTRY: EntryRow,
}
"""By kind: all that is read of a file. What else it holds is left out."""

NAMED = frozenset(kind for row in ROWS.values() for kind in row.NAMES.values())
"""Kinds that others name."""
