"""What a ticket is after each fact. Facts alone decide it, so telling them again tells the same ticket."""

import datetime as dt
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from contracts.base import Person, TicketEvent
from contracts.tickets import (
    AgentReplied,
    Assigned,
    CommentAdded,
    ContactLinked,
    ContactRef,
    ContactUnlinked,
    ConversationLinked,
    ConversationRef,
    ConversationUnlinked,
    CustomerMessage,
    DescriptionChanged,
    FieldsChanged,
    FollowUpOpened,
    NoteAdded,
    NotePinned,
    Priority,
    PriorityChanged,
    Status,
    StatusChanged,
    SubjectChanged,
    TagsChanged,
    TicketCreated,
    TicketDeleted,
    TicketField,
    TicketRef,
    TicketRestored,
    Unassigned,
)

_FIELDS = {
    PriorityChanged: "priority",
    Assigned: "assignee",
    Unassigned: "assignee",
    SubjectChanged: "subject",
    DescriptionChanged: "description",
    TagsChanged: "tags",
    FieldsChanged: "fields",
}
"""Facts whose `new` is a field's value, and which field."""


@dataclass(frozen=True, slots=True)
class Contact:
    """Who asked, as a ticket shows them.

    The address is no part of the ticket and stands in no fact about it: everyone may read those, guests too, and a
    guest knows contacts by name only.
    """

    id: UUID
    name: str
    email: str | None = field(default=None, compare=False)

    @property
    def ref(self) -> ContactRef:
        """The contact as facts name them."""
        return ContactRef(id=self.id, name=self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketState:
    """Everything that is known of a ticket at one version."""

    id: UUID
    workspace_id: str
    number: int
    version: int
    subject: str
    description: str
    status: Status
    status_before_spam: Status | None = None
    priority: Priority
    assignee: Person | None
    contact: Contact | None
    tags: tuple[str, ...]
    fields: tuple[TicketField, ...] = ()
    conversations: tuple[ConversationRef, ...] = ()
    created_at: dt.datetime
    updated_at: dt.datetime
    first_response_at: dt.datetime | None = None
    resolved_at: dt.datetime | None = None
    closed_at: dt.datetime | None = None
    follow_up_of: TicketRef | None = None
    deleted_at: dt.datetime | None = None


def born(fact: TicketCreated) -> TicketState:
    """Return the ticket that came to be."""
    return TicketState(
        id=fact.ticket_id,
        workspace_id=fact.workspace_id,
        number=fact.number,
        version=fact.version,
        subject=fact.subject,
        description=fact.description,
        status=fact.status,
        priority=fact.priority,
        assignee=fact.assignee,
        contact=_contact(fact.contact),
        tags=fact.tags,
        fields=fact.fields,
        created_at=fact.at,
        updated_at=fact.at,
        follow_up_of=fact.follow_up_of,
    )


def after(state: TicketState, fact: TicketEvent) -> TicketState:
    """Return the ticket after this fact; raises ValueError for a fact that is not the ticket's next."""
    if fact.ticket_id != state.id or fact.version != state.version + 1:
        msg = f"version {fact.version} of {fact.ticket_id} does not follow version {state.version} of {state.id}"
        raise ValueError(msg)
    return replace(state, version=fact.version, updated_at=fact.at, **_difference(state, fact))


def _difference(state: TicketState, fact: TicketEvent) -> dict[str, Any]:
    match fact:
        case StatusChanged():
            return _moved(state, fact)
        case ContactLinked(new=contact) | ContactUnlinked(new=contact):
            return {"contact": _contact(contact)}
        case ConversationLinked() | ConversationUnlinked():
            return {"conversations": _tied(state, fact)}
        case AgentReplied() | TicketDeleted() | TicketRestored():
            return _stamped(state, fact)
        case NoteAdded() | CommentAdded() | NotePinned() | CustomerMessage() | FollowUpOpened():
            return {}
        case (
            PriorityChanged(new=value)
            | Assigned(new=value)
            | Unassigned(new=value)
            | SubjectChanged(new=value)
            | DescriptionChanged(new=value)
            | TagsChanged(new=value)
            | FieldsChanged(new=value)
        ):
            return {_FIELDS[type(fact)]: value}
    msg = f"{type(fact).__name__} says nothing about a ticket that is known here"
    raise ValueError(msg)


def _stamped(state: TicketState, fact: AgentReplied | TicketDeleted | TicketRestored) -> dict[str, Any]:
    if isinstance(fact, AgentReplied):
        return {"first_response_at": state.first_response_at or fact.at}
    return {"deleted_at": fact.at if isinstance(fact, TicketDeleted) else None}


def _tied(state: TicketState, fact: ConversationLinked | ConversationUnlinked) -> tuple[ConversationRef, ...]:
    if isinstance(fact, ConversationLinked):
        return (*state.conversations, fact.new)
    return tuple(each for each in state.conversations if each.id != fact.old.id)


def _moved(state: TicketState, fact: StatusChanged) -> dict[str, Any]:
    spam = {"status": fact.new, "status_before_spam": state.status if fact.new is Status.SPAM else None}
    match fact.new:
        case Status.SPAM:
            return spam
        case Status.CLOSED:
            return spam | {"closed_at": fact.at}
        case Status.RESOLVED:
            return spam | {"resolved_at": fact.at, "closed_at": None}
        case _:
            return spam | {"resolved_at": None, "closed_at": None}


def _contact(ref: ContactRef | None) -> Contact | None:
    return Contact(ref.id, ref.name, ref.email) if ref else None
