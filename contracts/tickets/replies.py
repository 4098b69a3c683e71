"""What tickets takes by mail."""

from typing import ClassVar
from uuid import UUID

from contracts.base import Command, Model
from contracts.texts import NonEmptyBody, PersonName


class ReplyTaken(Model):
    """The customer's message that was made of a mail."""

    message_id: UUID


class TakeReply(Command[ReplyTaken], subject="tickets.requests.v1.take_reply"):
    """Let a contact write by mail, as the customer and never as anybody else; once for each `message_id`, for ever.

    A ticket without a conversation gets one. Refused: not_allowed (the caller is not the contact), not_found (contact
    or conversation), ticket_deleted, rate_limited (the conversation is too long).
    """

    ASKED_BY: ClassVar[tuple[str, ...]] = ("notifications",)

    ticket_id: UUID
    conversation_id: UUID | None
    """None: the contact's own conversation by mail on this ticket, which begins with the first mail."""
    contact_id: UUID
    message_id: UUID
    body: NonEmptyBody
    unverified_sender: PersonName | None
    """Who the mail says it is from, where that is not the address that was written to; None: it is."""
    written_to: PersonName | None = None
    """The address that was written to: whoever answers from it has it."""
