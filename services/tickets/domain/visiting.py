"""What a visitor of a site says of themself, what the site vouches for, and what that lets them do."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self
from uuid import UUID

from contracts.base import Actor, ActorKind, Caller
from contracts.refusals import ContactInfoRequired, NotAllowed, NotFound, RateLimited, TicketCreationDisabled
from contracts.tickets import (
    Author,
    AuthorKind,
    Identity,
    MessageSnapshot,
    Status,
    VisitorContact,
    VisitorTicket,
    WidgetSettings,
)
from services.tickets.domain.conversation import Conversation
from services.tickets.domain.state import Contact

SITE = "widget"
"""The source of the names that sites give their own users."""
MOST_MESSAGES = 5_000
"""Messages of one conversation, after which its visitor has to begin another."""
_NOBODY_YET = "Visitor"
_LONGEST_NAME = 120
_DONE_WITH = (Status.CLOSED, Status.SPAM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who talks in a conversation of the widget, as far as they have said, or the site vouched for.

    An agent may know more of somebody who has this address; a visitor who merely types it is told none of it.
    """

    conversation_id: UUID
    assistant_id: UUID
    name: str | None = None
    email: str | None = None
    identified: bool = False
    """Whether the site vouched for name and address."""

    @classmethod
    def arriving(
        cls, conversation_id: UUID, assistant_id: UUID, identity: Identity | None, contact: VisitorContact | None
    ) -> Self:
        """Return who arrives, with what the site vouches for, and with what they say beside it."""
        return cls(
            conversation_id=conversation_id,
            assistant_id=assistant_id,
            name=identity.name if identity else None,
            email=identity.email if identity else None,
            identified=identity is not None,
        ).saying(contact)

    def saying(self, contact: VisitorContact | None) -> Self:
        """Return the visitor once they have said more; what the site vouched for stays."""
        if contact is None:
            return self
        keeps = self.identified
        return replace(
            self,
            name=(self.name or contact.name) if keeps else (contact.name or self.name),
            email=(self.email or contact.email) if keeps else (contact.email or self.email),
        )

    def met(self, contact: Contact, identity: Identity) -> Self:
        """Return the visitor whom the site vouched for, with what is known of them here."""
        name = None if contact.name == stand_in(identity) else contact.name
        return replace(self, name=self.name or name, email=self.email or contact.email)

    @property
    def known(self) -> bool:
        """Whether neither name nor address need be asked."""
        return None not in (self.name, self.email)

    @property
    def shown(self) -> str:
        """What the visitor is called in their own conversation."""
        return self.name or _NOBODY_YET

    @property
    def called(self) -> str:
        """What a contact is called who is made of them."""
        return self.name or (self.email or _NOBODY_YET)[:_LONGEST_NAME]

    @property
    def author(self) -> Author:
        """The visitor as the author of a message."""
        return Author(kind=AuthorKind.VISITOR, name=self.shown)

    @property
    def actor(self) -> Actor:
        """The visitor as the actor of a fact: their conversation is all that is certain of them."""
        return Actor(kind=ActorKind.CONTACT, id=str(self.conversation_id), name=self.shown)

    def require_ticket(self, widget: WidgetSettings) -> None:
        """Raise TicketCreationDisabled or ContactInfoRequired unless this visitor may open a ticket now."""
        if not widget.allow_ticket_creation:
            raise TicketCreationDisabled
        if widget.require_contact_info and not self.known:
            missing = {"name": self.name, "email": self.email}
            raise ContactInfoRequired(
                errors=[
                    {"field": field, "code": "required", "detail": "needed before a ticket is created"}
                    for field, value in missing.items()
                    if value is None
                ]
            )


def stand_in(identity: Identity) -> str:
    """Return what somebody is called whom the site names by an id alone."""
    return identity.user_id.strip()[:_LONGEST_NAME] or _NOBODY_YET


def require_visitor(caller: Caller, id: UUID) -> None:
    """Raise NotFound unless the caller is the visitor of this conversation, or of this assistant before one begins."""
    if caller.kind is not ActorKind.CONTACT or caller.id != str(id):
        raise NotFound


def require_identity(widget: WidgetSettings, identity: Identity | None) -> None:
    """Raise NotAllowed for a visitor whom nobody vouches for where somebody must."""
    if widget.require_identity and identity is None:
        raise NotAllowed("Only visitors who are signed in on the site may write here.")


def require_a_place(conversation: Conversation) -> None:
    """Raise RateLimited for a conversation that is as long as one may get."""
    if conversation.message_count >= MOST_MESSAGES:
        raise RateLimited("This conversation is too long; start a new one.", retry_after=3600)


def open_ticket_of(tickets: Iterable[VisitorTicket]) -> VisitorTicket | None:
    """Return which of the visitor's tickets is being worked on, if one is."""
    return next((ticket for ticket in tickets if ticket.status not in _DONE_WITH), None)


def as_visitors_see(message: MessageSnapshot) -> MessageSnapshot:
    """Return a message as it is shown outside: its author is named, and no more."""
    author = message.author.model_copy(update={"id": None})
    return message.model_copy(update={"author": author, "external_id": None, "via": None, "unverified_sender": None})


def ticket_as_visitors_see(ticket: VisitorTicket) -> VisitorTicket:
    """Return a ticket as it is shown outside: what the team takes for spam is done with, and nobody is called names."""
    return ticket.model_copy(update={"status": Status.CLOSED}) if ticket.status is Status.SPAM else ticket
