"""What tickets answers."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.base import Change, Command, DeadLetter, Model, Person, Query, ReadLog
from contracts.letters import ListLetters
from contracts.texts import Body, Label, Line, NonEmptyBody, SearchText
from contracts.tickets.shapes import (
    FieldChanges,
    Fields,
    Limit,
    NewContact,
    NoteKind,
    NotePage,
    NoteSnapshot,
    Priority,
    Status,
    TagList,
    Tags,
    TicketCounts,
    TicketPage,
    TicketSnapshot,
)
from contracts.trying import Triable

Version = Annotated[int, Field(ge=1, lt=2**31)]


class CreateTicket(Triable[TicketSnapshot], subject="tickets.requests.v1.create_ticket"):
    """Open a ticket. Refused: not_allowed, invalid."""

    ticket_id: UUID
    subject: Line
    description: Body = ""
    priority: Priority | None = None
    """None: the workspace's default."""
    assignee: Person | None = None
    contact_id: UUID | None = None
    contact: NewContact | None = None
    conversation_id: UUID | None = None
    """Linked from the start; its contact is the ticket's where none is given."""
    tags: Tags = ()
    fields: Fields = Field(default_factory=dict)


class GetTicket(Query[TicketSnapshot], subject="tickets.requests.v1.get_ticket"):
    """Read a ticket by its id or its number, as it is or as it was, when nothing was `allowed` that could be done now.

    Refused: not_found (also: not there yet then, or not that far).
    """

    ticket: str
    as_of_time: AwareDatetime | None = None
    as_of_version: Version | None = None
    """Wins over `as_of_time`."""


class TicketFilter(Model):
    """Which tickets; a list, its counts and a bulk change mean the same by it."""

    statuses: tuple[Status, ...] = ()
    """None: every one but closed and spam."""
    priorities: tuple[Priority, ...] = ()
    assignee: Literal["none"] | UUID | None = None
    contact: UUID | None = None
    contact_q: SearchText = ""
    """Words or parts of words of the contact's name or address, in any case; not for guests."""
    tag: Label | None = None
    q: SearchText = ""
    """Words or parts of words of the subject, in any case; `#42` or `42` finds the number too."""
    created_from: AwareDatetime | None = None
    created_to: AwareDatetime | None = None
    """Exclusive, as `updated_to`."""
    updated_from: AwareDatetime | None = None
    updated_to: AwareDatetime | None = None
    deleted: bool = False
    """Deleted tickets instead, in every status; for admins."""


class ListTickets(TicketFilter, Query[TicketPage], subject="tickets.requests.v1.list_tickets"):
    """Read one page of tickets. Without `statuses` closed and spam stay hidden.

    Refused: malformed (cursor), not_allowed (deleted ones), invalid (a range without a moment in it).
    """

    sort: Literal["updated", "-updated", "created", "-created", "priority", "-priority", "number", "-number"] = (
        "-updated"
    )
    cursor: str | None = None
    limit: Limit = 50


class CountTickets(TicketFilter, Query[TicketCounts], subject="tickets.requests.v1.count_tickets"):
    """Count tickets per status under these filters, of which `statuses` is left aside.

    Refused: not_allowed, invalid.
    """


class ListTags(Query[TagList], subject="tickets.requests.v1.list_tags"):
    """Read the tags that tickets have had of late, those of many tickets first. Refused: nothing."""


class TicketChange(Change):
    """Which fields of a ticket get another value."""

    subject: Line | None = None
    description: Body | None = None
    status: Status | None = None
    priority: Priority | None = None
    assignee: Person | None = None
    contact_id: UUID | None = None
    tags: Tags | None = None
    add_tags: Tags = ()
    """Beside those that it has, or is given here."""
    remove_tags: Tags = ()
    fields: FieldChanges | None = None
    """Those that are named; null takes one away."""


class ChangeTicket(Triable[TicketSnapshot], subject="tickets.requests.v1.change_ticket"):
    """Change fields of a ticket in one transaction, one event per change; null takes assignee or contact away.

    Refused: not_found, not_allowed, transition_not_allowed, stale_version, ticket_deleted, invalid.
    """

    ticket: str
    expected_version: int | None = None
    change: TicketChange


class DeleteTicket(Command[TicketSnapshot], subject="tickets.requests.v1.delete_ticket"):
    """Hide a ticket from all but admins. Refused: not_found, not_allowed, stale_version, ticket_deleted."""

    ticket: str
    expected_version: int | None = None


class RestoreTicket(Command[TicketSnapshot], subject="tickets.requests.v1.restore_ticket"):
    """Bring a deleted ticket back as it was; one that is not deleted stays so. Refused: not_found, not_allowed."""

    ticket: str


class MarkNotSpam(Command[TicketSnapshot], subject="tickets.requests.v1.mark_not_spam"):
    """Give a ticket the status back that it had before it was spam.

    Refused: not_found, not_allowed, conflict (not spam), ticket_deleted.
    """

    ticket: str


class AddNote(Triable[NoteSnapshot], subject="tickets.requests.v1.add_note"):
    """Add a standing note or an internal comment. Refused: not_found, not_allowed, invalid."""

    ticket: str
    note_id: UUID
    body: NonEmptyBody
    kind: NoteKind = NoteKind.NOTE
    pinned: bool = False
    in_reply_to: UUID | None = None
    mentions: Annotated[tuple[Person, ...], Field(max_length=20)] = ()


class PinNote(Command[NoteSnapshot], subject="tickets.requests.v1.pin_note"):
    """Pin or unpin a standing note; once more is no event.

    Refused: not_found, not_allowed, stale_version (of the ticket), ticket_deleted, invalid (a comment).
    """

    ticket: str
    expected_version: int | None = None
    note_id: UUID
    pinned: bool


class ListNotes(Query[NotePage], subject="tickets.requests.v1.list_notes"):
    """Read a ticket's notes and comments. Refused: not_found, not_allowed (guests)."""

    ticket: str
    kind: NoteKind | None = None
    pinned: bool | None = None
    cursor: str | None = None
    limit: Limit = 20


class ListDeadLetters(ListLetters, subject="tickets.requests.v1.list_dead_letters"):
    """Read what could not be applied in this workspace, bodies left out. Refused: not_allowed."""


class GetDeadLetter(Query[DeadLetter], subject="tickets.requests.v1.get_dead_letter"):
    """Read one dead letter whole. Refused: not_found, not_allowed."""

    id: UUID


class RetryDeadLetter(Command[DeadLetter], subject="tickets.requests.v1.retry_dead_letter"):
    """Try a dead letter again now, as it came; applied, it is gone. Refused: not_found, not_allowed, and its reason."""

    id: UUID


class DropDeadLetter(Command[DeadLetter], subject="tickets.requests.v1.drop_dead_letter"):
    """Forget a dead letter. Refused: not_found, not_allowed."""

    id: UUID


class ReadTicketsLog(ReadLog, subject="tickets.requests.v1.read_log"):
    """Read the tickets' facts again."""
