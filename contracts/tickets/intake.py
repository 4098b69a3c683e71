"""What other systems may publish to tickets."""

import datetime as dt
from uuid import UUID

from contracts.base import Intake, Model
from contracts.streams import Stream
from contracts.texts import Body, Email, ExternalId, Line, Name, WebAddress
from contracts.tickets.shapes import Priority, Tags

# The window is the shortest there is: one system must not be able to suppress another's message by naming its id first.
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


class TicketRequested(Intake, subject="tickets.intake.v1.ticket_requested", heard_by=("tickets",)):
    """Publish this to open a ticket. The same `external_id` (or `ce-id`) never opens a second one."""

    external_id: ExternalId
    subject: Line
    description: Body = ""
    priority: Priority = Priority.NORMAL
    contact: IntakeContact | None = None
    conversation: IntakeConversation | None = None
    tags: Tags = ()
