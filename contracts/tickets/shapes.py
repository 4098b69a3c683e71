"""What a ticket, a note and their lists look like to those who ask."""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.base import Actor, Model, Person
from contracts.texts import FIELD_NAME, Email, FieldName, FieldValue, FreeText, Label, Name, PersonName


class Status(StrEnum):
    """Where a ticket stands."""

    NEW = "new"
    OPEN = "open"
    IN_PROGRESS = "in_progress"
    WAITING_ON_CUSTOMER = "waiting_on_customer"
    RESOLVED = "resolved"
    CLOSED = "closed"
    SPAM = "spam"

    @property
    def label(self) -> str:
        """The name that people see."""
        return self.value.replace("_", " ").title().replace(" On ", " on ")


ACTIVE = (Status.NEW, Status.OPEN, Status.IN_PROGRESS, Status.WAITING_ON_CUSTOMER, Status.RESOLVED)
"""What a list shows unless another status is asked for."""


class Priority(StrEnum):
    """How urgent a ticket is, most urgent first."""

    CRITICAL = "critical"
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"

    @property
    def rank(self) -> int:
        """0 for the most urgent."""
        return list(Priority).index(self)


class Action(StrEnum):
    """What a caller may do with a ticket."""

    EDIT = "edit"
    """Subject, description, contact, tags, fields, priority."""
    MOVE = "move"
    NOTE = "note"
    READ_NOTES = "read_notes"
    LINK = "link"
    REPLY = "reply"
    ASSIGN = "assign"
    CLAIM = "claim"
    """Take it while nobody has it."""
    CLOSE = "close"
    REOPEN = "reopen"
    DELETE = "delete"
    RESTORE = "restore"
    WATCH = "watch"


class ContactRef(Model):
    """A contact as a ticket names it."""

    id: UUID
    name: PersonName
    email: PersonName | None = None


class ConversationRef(Model):
    """A conversation as a ticket names it; `external_id` and `url` where another system owns it."""

    id: UUID
    external_id: str | None = None
    url: str | None = None


class TicketRef(Model):
    """A ticket as another record names it."""

    id: UUID
    number: int


class TicketField(Model):
    """A field that people gave a ticket, as facts tell it: its name is a code, its value their words."""

    name: FieldName
    value: FreeText


class Allowed(Model):
    """What this caller may do with this ticket now."""

    actions: tuple[Action, ...]
    statuses: tuple[Status, ...]
    """The moves that are open."""


class TicketRow(Model):
    """A ticket in a list: everything but its description."""

    id: UUID
    number: int
    subject: str
    status: Status
    priority: Priority
    assignee: Person | None
    contact: ContactRef | None
    tags: tuple[str, ...]
    fields: dict[str, str] = Field(default_factory=dict)
    """What people added to it: values by name."""
    conversations: tuple[ConversationRef, ...]
    version: int
    created_at: AwareDatetime
    updated_at: AwareDatetime
    first_response_at: AwareDatetime | None
    resolved_at: AwareDatetime | None
    closed_at: AwareDatetime | None
    follow_up_of: TicketRef | None = None
    """The closed ticket that the customer wrote to again."""
    deleted_at: AwareDatetime | None = None
    """Shown to admins; for everybody else a deleted ticket is not there."""
    allowed: Allowed


class TicketSnapshot(TicketRow):
    """A ticket as it is."""

    description: str


class TicketPage(Model):
    """One page of a list."""

    items: tuple[TicketRow, ...]
    next_cursor: str | None


class TicketCounts(Model):
    """How many tickets there are in each status, under the same filters as a list; statuses without any are 0."""

    counts: dict[Status, int]
    more: bool = False
    """Whether there are more than were counted: a search counts some hundreds, and each status has at least so many."""


class TagList(Model):
    """Tags that are in use."""

    tags: tuple[Label, ...]


class NoteKind(StrEnum):
    """A standing note may be pinned; a comment is one turn of the team's discussion."""

    NOTE = "note"
    COMMENT = "comment"


class NoteSnapshot(Model):
    """An internal note or comment as it is."""

    id: UUID
    ticket_id: UUID
    kind: NoteKind
    body: str
    pinned: bool
    in_reply_to: UUID | None
    author: Actor
    created_at: AwareDatetime
    ticket_version: int
    mentions: tuple[Person, ...] = ()


class NotePage(Model):
    """One page of a ticket's notes, oldest first."""

    items: tuple[NoteSnapshot, ...]
    next_cursor: str | None


class NewContact(Model):
    """Somebody who may be known already: found again by `external_id`, else by e-mail."""

    name: Name
    email: Email | None = None


MOST_FIELDS = 20
_NAMED = {"propertyNames": {"pattern": FIELD_NAME}}
Fields = Annotated[dict[FieldName, FieldValue], Field(max_length=MOST_FIELDS, json_schema_extra=_NAMED)]
FieldChanges = Annotated[
    dict[FieldName, FieldValue | None], Field(max_length=2 * MOST_FIELDS, json_schema_extra=_NAMED)
]
"""One that is not named stays as it is, null takes one away; all may give way to as many others."""
MOST_TAGS = 20
Tags = Annotated[tuple[Label, ...], Field(max_length=MOST_TAGS)]
Limit = Annotated[int, Field(ge=1, le=100)]
