"""What tickets answers."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from contracts.base import Command, DeadLetter, Model, Person, Query, ReadLog
from contracts.texts import Body, Label, Line, NonEmptyBody, SearchText
from contracts.tickets.shapes import (
    Limit,
    NewContact,
    NoteKind,
    NotePage,
    NoteSnapshot,
    Priority,
    Status,
    Tags,
    TicketPage,
    TicketSnapshot,
)


class CreateTicket(Command[TicketSnapshot], subject="tickets.requests.v1.create_ticket"):
    """Open a ticket. Refused: not_allowed, invalid."""

    ticket_id: UUID
    subject: Line
    description: Body = ""
    priority: Priority = Priority.NORMAL
    assignee: Person | None = None
    contact_id: UUID | None = None
    contact: NewContact | None = None
    tags: Tags = ()


class GetTicket(Query[TicketSnapshot], subject="tickets.requests.v1.get_ticket"):
    """Read a ticket by its id or its number. Refused: not_found."""

    ticket: str


class ListTickets(Query[TicketPage], subject="tickets.requests.v1.list_tickets"):
    """Read one page of tickets. Without `statuses` closed and spam stay hidden. Refused: malformed (cursor)."""

    statuses: tuple[Status, ...] = ()
    priorities: tuple[Priority, ...] = ()
    assignee: Literal["none"] | UUID | None = None
    tag: Label | None = None
    q: SearchText = ""
    sort: Literal["updated", "-updated", "created", "-created", "priority", "-priority", "number", "-number"] = (
        "-updated"
    )
    cursor: str | None = None
    limit: Limit = 50


class TicketChange(Model):
    """Which fields of a ticket get another value; a field that is not set stays as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: Line | None = None
    description: Body | None = None
    status: Status | None = None
    priority: Priority | None = None
    assignee: Person | None = None
    contact_id: UUID | None = None
    tags: Tags | None = None

    @model_serializer(mode="wrap")
    def _only_what_is_set(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what was not mentioned: null means "take it away"."""
        return {field: value for field, value in dump(self).items() if field in self.model_fields_set}


class ChangeTicket(Command[TicketSnapshot], subject="tickets.requests.v1.change_ticket"):
    """Change fields of a ticket in one transaction, one event per change; null takes assignee or contact away.

    Refused: not_found, not_allowed, transition_not_allowed, stale_version, invalid.
    """

    ticket: str
    expected_version: int | None = None
    change: TicketChange


class AddNote(Command[NoteSnapshot], subject="tickets.requests.v1.add_note"):
    """Add a standing note or an internal comment. Refused: not_found, not_allowed, invalid."""

    ticket: str
    note_id: UUID
    body: NonEmptyBody
    kind: NoteKind = NoteKind.NOTE
    pinned: bool = False
    in_reply_to: UUID | None = None
    mentions: Annotated[tuple[Person, ...], Field(max_length=20)] = ()


class ListNotes(Query[NotePage], subject="tickets.requests.v1.list_notes"):
    """Read a ticket's notes and comments. Refused: not_found, not_allowed (guests)."""

    ticket: str
    cursor: str | None = None
    limit: Limit = 20


class DeadLetterPage(Model):
    """One page of dead letters, newest first."""

    items: tuple[DeadLetter, ...]
    next_cursor: str | None


class ListDeadLetters(Query[DeadLetterPage], subject="tickets.requests.v1.list_dead_letters"):
    """Read what could not be applied in this workspace, bodies left out. Refused: not_allowed."""

    cursor: str | None = None
    limit: Limit = 50


class GetDeadLetter(Query[DeadLetter], subject="tickets.requests.v1.get_dead_letter"):
    """Read one dead letter whole. Refused: not_found, not_allowed."""

    id: UUID


class ReadTicketsLog(ReadLog, subject="tickets.requests.v1.read_log"):
    """Read the tickets' facts again."""
