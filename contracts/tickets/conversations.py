"""Conversations and their messages: what tickets answers and announces about them."""

from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.base import Audience, Command, Model, Query, RecordEvent, Via
from contracts.texts import Body, FreeText, Line, NonEmptyBody, PersonName, SearchText
from contracts.tickets.shapes import ContactRef, ConversationRef, Limit, Priority, Status, Tags, TicketSnapshot


class AuthorKind(StrEnum):
    """What sort of somebody writes in a conversation."""

    VISITOR = "visitor"
    """The customer, known or not."""
    AGENT = "agent"
    BOT = "bot"
    SYSTEM = "system"


class Author(Model):
    """Who wrote a message."""

    kind: AuthorKind
    id: str | None = None
    """A member's id for agents, a contact's for visitors who are known."""
    name: PersonName


class MessageSnapshot(Model):
    """One message of a conversation."""

    id: UUID
    conversation_id: UUID
    seq: int
    """1, 2, 3 … in its conversation, without holes."""
    author: Author
    body: str
    at: AwareDatetime
    external_id: str | None = None
    via: Via | None = None
    """The door that it came through; null for older ones, and for visitors."""
    unverified_sender: PersonName | None = None
    """Who a mail says it is from, where that is not the address that was written to: it may be anybody."""


class MessagePage(Model):
    """One page of a transcript, oldest first."""

    items: tuple[MessageSnapshot, ...]
    next_cursor: str | None


class LinkedTicket(Model):
    """A ticket that a conversation is linked to."""

    id: UUID
    number: int
    subject: str
    status: Status


class AssistantRef(Model):
    """An assistant as a conversation names it."""

    id: UUID
    name: str


class ConversationRow(Model):
    """A conversation in a list."""

    id: UUID
    assistant: AssistantRef | None
    contact: ContactRef | None
    identified: bool = False
    """Whether the site vouched for the visitor; else name and address are what they typed, and may be anybody's."""
    integration: str | None
    """The other system that owns it, if one does."""
    external_id: str | None
    url: str | None
    tickets: tuple[LinkedTicket, ...]
    """Deleted ones are left out."""
    message_count: int
    last_message: MessageSnapshot | None
    """Its body shortened to 200 characters."""
    awaits_reply: bool
    """Whether the customer wrote last."""
    version: int
    created_at: AwareDatetime
    updated_at: AwareDatetime


class ConversationSnapshot(ConversationRow):
    """A conversation with its transcript, or the beginning of a long one."""

    messages: tuple[MessageSnapshot, ...]
    """Oldest first, as many as fit."""
    next_cursor: str | None
    """For the messages after these; null at the end."""


class ConversationPage(Model):
    """One page of conversations, last written to first."""

    items: tuple[ConversationRow, ...]
    next_cursor: str | None


class ListConversations(Query[ConversationPage], subject="tickets.requests.v1.list_conversations"):
    """Read one page of conversations. Refused: not_allowed (guests), malformed (cursor)."""

    contact: UUID | None = None
    assistant: UUID | None = None
    ticket: str | None = None
    linked: bool | None = None
    """Whether a ticket is linked to it; None: either."""
    awaits_reply: bool | None = None
    q: SearchText = ""
    """Words or parts of words, in any case, of the contact's name or address or of what was written."""
    cursor: str | None = None
    limit: Limit = 50


class GetConversation(Query[ConversationSnapshot], subject="tickets.requests.v1.get_conversation"):
    """Read a conversation; a guest those that are linked to a ticket. Refused: not_found, malformed (cursor)."""

    conversation_id: UUID
    cursor: str | None = None
    limit: Limit = 100


class PostMessage(Command[MessageSnapshot], subject="tickets.requests.v1.post_message"):
    """Answer the customer; `set_status` moves the linked tickets in the same command.

    Refused: not_found, not_allowed, transition_not_allowed (no linked ticket can move there), conflict (another system
    owns the conversation).
    """

    conversation_id: UUID
    message_id: UUID
    body: NonEmptyBody
    set_status: Status | None = None


class ReplyOnTicket(Command[MessageSnapshot], subject="tickets.requests.v1.reply_on_ticket"):
    """Write to the contact of a ticket without a conversation: one by mail begins, is linked, and takes the answer.

    Once begun it is the one that is answered in. Refused: not_found, not_allowed, ticket_deleted, no_address,
    conflict (another conversation is linked: answer there; or the workspace mails no answers), transition_not_allowed.
    """

    ticket: str
    message_id: UUID
    body: NonEmptyBody
    set_status: Status | None = None


class MakeTicket(Command[TicketSnapshot], subject="tickets.requests.v1.make_ticket"):
    """Open a ticket from a conversation, linked and with its contact. Refused: not_found, not_allowed."""

    conversation_id: UUID
    ticket_id: UUID
    subject: Line | None = None
    """None: the beginning of the customer's first message."""
    description: Body | None = None
    """None: the customer's first message."""
    priority: Priority | None = None
    assignee_to_caller: bool = False
    tags: Tags = ()


class LinkMade(Model):
    """A ticket that a conversation is tied to."""

    ticket: TicketSnapshot
    fresh: bool
    """Whether it was not tied before."""


class LinkConversation(Command[LinkMade], subject="tickets.requests.v1.link_conversation"):
    """Tie a conversation to a ticket; once more is no event.

    Refused: not_found, not_allowed, invalid (no such conversation), ticket_deleted.
    """

    ticket: str
    conversation_id: UUID


class UnlinkConversation(Command[TicketSnapshot], subject="tickets.requests.v1.unlink_conversation"):
    """Untie a conversation from a ticket. Refused: not_found, not_allowed, ticket_deleted."""

    ticket: str
    conversation_id: UUID


class ConversationStarted(RecordEvent, subject="tickets.events.v1.conversation_started", heard_by=("activity",)):
    """Sent when a visitor, another system, or an answer by mail began a conversation."""

    AUDIENCE: ClassVar[Audience] = Audience.TEAM

    new: ConversationRef
    assistant_id: UUID | None
    contact: ContactRef | None
    integration: str | None


class MessagePosted(
    RecordEvent, subject="tickets.events.v1.message_posted", heard_by=("activity",), followed_by=("gateway",)
):
    """Sent for every message of every conversation; `subject` is the conversation."""

    AUDIENCE: ClassVar[Audience] = Audience.TEAM

    conversation_id: UUID
    message_id: UUID
    seq: Annotated[int, Field(ge=1)]
    author: Author
    body: FreeText
    written_at: AwareDatetime | None = None
    """When it was written, where another system says so."""
    unverified_sender: PersonName | None = None
    """Who a mail says it is from, where that is not the address that was written to."""
