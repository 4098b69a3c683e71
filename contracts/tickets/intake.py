"""What other systems may publish to tickets."""

import datetime as dt
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.base import Intake, Model
from contracts.streams import Stream
from contracts.texts import Body, Email, ExternalId, Line, Name, NonEmptyBody, WebAddress
from contracts.tickets.conversations import AuthorKind
from contracts.tickets.shapes import Fields, Priority, Status, Tags

# The window is the shortest there is: one system must not be able to suppress another's message by naming its id first.
# What falls into it all the same is said again by who leads.
INTAKE = Stream(
    "INTAKE",
    ("tickets.intake.>",),
    max_bytes=512 << 20,
    max_msg_size=192 * 1024,
    duplicate_window=dt.timedelta(milliseconds=100),
)


class IntakeContact(Model):
    """Who asks, as the other system knows them."""

    name: Name
    email: Email | None = None
    external_id: ExternalId | None = None


class IntakeConversation(Model):
    """The conversation behind it, which the other system owns."""

    external_id: ExternalId
    url: WebAddress | None = None
    assistant_id: UUID | None = None
    """Left out where there is no such assistant: what is asked for counts more."""


class IntakeAuthor(Model):
    """Who wrote, as the other system knows them."""

    kind: AuthorKind
    name: Name
    email: Email | None = None


class MessageReceived(Intake, subject="tickets.intake.v1.message_received", heard_by=("tickets",)):
    """Publish this for each message of a conversation that your system owns; a `message_external_id` counts once.

    A conversation that is not known yet begins with it. A visitor's message is a customer's: linked tickets hear of it.
    """

    conversation_external_id: ExternalId
    message_external_id: ExternalId
    author: IntakeAuthor
    body: NonEmptyBody
    at: AwareDatetime
    """When it was written there."""
    url: WebAddress | None = None
    """Where an agent reads the conversation in your system."""


class TicketUpdated(Intake, subject="tickets.intake.v1.ticket_updated", heard_by=("tickets",)):
    """Publish this to move a ticket that your system opened: an alarm that ended, a deploy that mended it.

    `external_id` is that of its `ticket_requested`; each `ce-id` counts once.
    """

    external_id: ExternalId
    status: Status | None = None
    priority: Priority | None = None
    note: NonEmptyBody | None = None


class TicketRequested(Intake, subject="tickets.intake.v1.ticket_requested", heard_by=("tickets",)):
    """Publish this to open a ticket. The same `external_id` (or `ce-id`) never opens a second one."""

    external_id: ExternalId
    subject: Line
    description: Body = ""
    priority: Priority | None = None
    """None: the workspace's default."""
    contact: IntakeContact | None = None
    conversation: IntakeConversation | None = None
    tags: Tags = ()
    fields: Fields = Field(default_factory=dict)
    """What else is known of it: values by name."""
