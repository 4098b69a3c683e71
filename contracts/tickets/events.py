"""What tickets announces: every step of a ticket, and what it could not take in."""

from typing import ClassVar
from uuid import UUID

from contracts.base import Audience, DeadLetter, Person, RecordEvent, TicketEvent
from contracts.streams import Stream
from contracts.texts import FreeText
from contracts.tickets.shapes import ContactRef, ConversationRef, Priority, Status, TicketField, TicketRef

TICKETS = Stream(
    "TICKETS", ("tickets.events.>",), max_bytes=1 << 30, max_msg_size=256 * 1024, batches=True, parted=True
)


class TicketCreated(TicketEvent, subject="tickets.events.v1.ticket_created", heard_by=("activity", "notifications")):
    """Sent when somebody asked for help and a ticket now exists; it may have an assignee from the start."""

    number: int
    subject: FreeText
    description: FreeText
    status: Status
    priority: Priority
    assignee: Person | None
    contact: ContactRef | None
    tags: tuple[str, ...]
    external_id: str | None = None
    """The other system's own name for it, where an integration asked."""
    follow_up_of: TicketRef | None = None
    """The closed ticket that the customer wrote to again."""
    fields: tuple[TicketField, ...] = ()
    """By name."""


class StatusChanged(
    TicketEvent,
    subject="tickets.events.v1.status_changed",
    heard_by=("activity", "notifications"),
    followed_by=("gateway",),
):
    """Sent when a ticket moved to another status, by a person, by a customer's answer or by the clock."""

    old: Status
    new: Status


class PriorityChanged(
    TicketEvent, subject="tickets.events.v1.priority_changed", heard_by=("activity", "notifications")
):
    """Sent when a ticket became more or less urgent."""

    old: Priority
    new: Priority


class Assigned(TicketEvent, subject="tickets.events.v1.assigned", heard_by=("activity", "notifications")):
    """Sent when somebody got the ticket; `old` is who had it before, if anybody."""

    old: Person | None
    new: Person


class Unassigned(TicketEvent, subject="tickets.events.v1.unassigned", heard_by=("activity", "notifications")):
    """Sent when a ticket was taken from its assignee and nobody has it now."""

    old: Person
    new: None = None


class SubjectChanged(TicketEvent, subject="tickets.events.v1.subject_changed", heard_by=("activity", "notifications")):
    """Sent when the subject was edited."""

    old: FreeText
    new: FreeText


class DescriptionChanged(
    TicketEvent, subject="tickets.events.v1.description_changed", heard_by=("activity", "notifications")
):
    """Sent when the description was edited."""

    old: FreeText
    new: FreeText


class TagsChanged(TicketEvent, subject="tickets.events.v1.tags_changed", heard_by=("activity", "notifications")):
    """Sent when tags were added or taken away; both lists are whole."""

    old: tuple[str, ...]
    new: tuple[str, ...]


class FieldsChanged(TicketEvent, subject="tickets.events.v1.fields_changed", heard_by=("activity", "notifications")):
    """Sent when fields got another value, were added or taken away; both lists are whole, by name."""

    old: tuple[TicketField, ...]
    new: tuple[TicketField, ...]


class ContactLinked(TicketEvent, subject="tickets.events.v1.contact_linked", heard_by=("activity", "notifications")):
    """Sent when the ticket got a contact or another one; not for the contact it was created with."""

    old: ContactRef | None
    new: ContactRef


class ContactUnlinked(
    TicketEvent, subject="tickets.events.v1.contact_unlinked", heard_by=("activity", "notifications")
):
    """Sent when the ticket's contact was taken away."""

    old: ContactRef
    new: None = None


class ConversationLinked(
    TicketEvent,
    subject="tickets.events.v1.conversation_linked",
    heard_by=("activity", "notifications"),
    followed_by=("gateway",),
):
    """Sent when a conversation was tied to the ticket, at most once each until it is unlinked."""

    new: ConversationRef


class ConversationUnlinked(
    TicketEvent, subject="tickets.events.v1.conversation_unlinked", heard_by=("activity", "notifications")
):
    """Sent when a conversation was untied from the ticket; both go on by themselves."""

    old: ConversationRef
    new: None = None


class CustomerMessage(
    TicketEvent, subject="tickets.events.v1.customer_message", heard_by=("activity", "notifications")
):
    """Sent when the customer wrote in a linked conversation: once on each ticket that it is linked to, with one cause.

    A `status_changed` to `open` follows where the ticket waited for it or was resolved.
    """

    conversation_id: UUID
    message_id: UUID
    body: FreeText
    unverified: bool = False
    """Whether it came by mail from another address than the one that was written to."""


class AgentReplied(TicketEvent, subject="tickets.events.v1.agent_replied", heard_by=("activity", "notifications")):
    """Sent when an agent answered the customer in a linked conversation, once on each ticket that it is linked to."""

    conversation_id: UUID
    message_id: UUID
    body: FreeText


class TicketDeleted(TicketEvent, subject="tickets.events.v1.ticket_deleted", heard_by=("activity", "notifications")):
    """Sent when a ticket was hidden from all but admins; its history stays."""


class TicketRestored(TicketEvent, subject="tickets.events.v1.ticket_restored", heard_by=("activity", "notifications")):
    """Sent when a deleted ticket came back as it was."""


class FollowUpOpened(TicketEvent, subject="tickets.events.v1.follow_up_opened", heard_by=("activity", "notifications")):
    """Sent when the customer wrote to a closed ticket, which stays closed: `new` is the ticket opened instead."""

    new: TicketRef


class NotePinned(TicketEvent, subject="tickets.events.v1.note_pinned", heard_by=("activity", "notifications")):
    """Sent when a standing note was pinned or unpinned. Never shown to guests or customers."""

    AUDIENCE: ClassVar[Audience] = Audience.TEAM

    note_id: UUID
    old: bool
    new: bool


class NoteAdded(TicketEvent, subject="tickets.events.v1.note_added", heard_by=("activity", "notifications")):
    """Sent when a standing note was added. Never shown to guests or customers."""

    AUDIENCE: ClassVar[Audience] = Audience.TEAM

    note_id: UUID
    body: FreeText
    pinned: bool
    mentions: tuple[Person, ...] = ()
    """Members whose attention it asks for."""


class CommentAdded(TicketEvent, subject="tickets.events.v1.comment_added", heard_by=("activity", "notifications")):
    """Sent when somebody joined the team's discussion of the ticket. Never shown to guests or customers."""

    AUDIENCE: ClassVar[Audience] = Audience.TEAM

    note_id: UUID
    body: FreeText
    in_reply_to: UUID | None
    mentions: tuple[Person, ...] = ()
    """Members whose attention it asks for."""


class DeadLetterRetried(RecordEvent, subject="tickets.events.v1.dead_letter_retried", heard_by=("activity",)):
    """Sent when somebody had a dead letter tried again and it was applied; what it did has facts of its own."""

    letter_subject: str
    """Where it had come in."""
    reason: str
    """Why it had been refused: a code."""


class DeadLetterDropped(RecordEvent, subject="tickets.events.v1.dead_letter_dropped", heard_by=("activity",)):
    """Sent when somebody dropped a dead letter: what it asked for is never done."""

    letter_subject: str
    reason: str


class TicketsDeadLetter(DeadLetter, subject="tickets.deadletters.v1.buried", followed_by=("notifications",)):
    """Kept when tickets could not apply a message."""
