"""What may be written to a ticket's contact by mail: the owner of tickets decides it at the moment of writing."""

from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime

from contracts.base import Model, Query
from contracts.texts import Email, FreeText, PersonName


class ContactMail(StrEnum):
    """What a contact is written about."""

    RECEIVED = "received"
    """Their ticket has come."""
    REPLIED = "replied"
    """An agent has answered."""
    RESOLVED = "resolved"
    """Their ticket is resolved."""


class AgentWords(Model):
    """What an agent wrote to the customer."""

    message_id: UUID
    name: PersonName
    body: FreeText
    at: AwareDatetime


class Correspondence(Model):
    """Whom to write to, and what of: all of it as it is now."""

    ticket_id: UUID
    number: int
    subject: FreeText
    resolved: bool
    contact_id: UUID
    name: PersonName
    email: Email
    verified: bool
    """Whether an agent, the site, or the address itself vouches that it is theirs.

    Else somebody may have typed another's: no word of anybody may go there.
    """
    conversation_id: UUID | None
    """Where an answer belongs, if there is such a place yet."""
    replies: tuple[AgentWords, ...] = ()
    """From the message asked about on, oldest first, as many as fit."""
    more: bool = False


class GetCorrespondence(Query[Correspondence], subject="tickets.requests.v1.get_correspondence"):
    """Read what may be written to a ticket's contact now; only a service asks.

    Refused: not_allowed (people), not_found: nothing may be written, as there is no contact with an address, the
    workspace wants no such mail, or the ticket is spam, deleted, or not resolved any more.
    """

    ASKED_BY: ClassVar[tuple[str, ...]] = ("notifications",)

    kind: ContactMail
    ticket_id: UUID
    message_id: UUID | None = None
    """The first of the agents' messages to tell, where they have answered."""
