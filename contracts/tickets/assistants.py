"""Assistants, their widget and what visitors do through it: what tickets answers and announces about them."""

import ipaddress
import re
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, ConfigDict, Field, StringConstraints

from contracts.base import Change, Command, LookUp, Model, Query, RecordEvent, Token
from contracts.texts import Body, Email, ExternalId, FreeText, Line, Name, NonEmptyBody, formed
from contracts.tickets.conversations import MessageSnapshot
from contracts.tickets.shapes import Limit, Status

_ORIGIN = re.compile(r"(https?)://(\[[0-9a-f.:]+\]|[a-z0-9.-]+)(?::([0-9]{1,5}))?")
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_OWN_PORTS = {"http": 80, "https": 443}
_LARGEST_PORT = 65535


def _origin(text: str) -> str:
    """Return an origin as browsers send it; raises ValueError for what is none."""
    found = _ORIGIN.fullmatch(text.lower()) if text.isascii() else None
    if found is None:
        msg = "must be scheme and host, and the port where it is not the scheme's own: https://www.example.com"
        raise ValueError(msg)
    scheme, host, port = found[1], found[2], int(found[3] or _OWN_PORTS[found[1]])
    if not 0 < port <= _LARGEST_PORT:
        msg = "has no such port"
        raise ValueError(msg)
    if host.startswith("["):
        host = f"[{ipaddress.IPv6Address(host[1:-1])}]"
    elif not _HOST.fullmatch(host):
        msg = "must name a host, in its ASCII form"
        raise ValueError(msg)
    return f"{scheme}://{host}" if port == _OWN_PORTS[scheme] else f"{scheme}://{host}:{port}"


def _distinct(origins: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(origins))


WebOrigin = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=300),
    AfterValidator(_origin),
    Field(json_schema_extra={"pattern": r"^[Hh][Tt][Tt][Pp][Ss]?://[A-Za-z0-9.\-\[\]:]+$"}),
]
"""An origin as browsers send it (RFC 6454): scheme, host in lower case, port unless it is the scheme's own."""
Colour = Annotated[str, formed(r"^#[0-9a-f]{6}$", "must be a colour, such as #0a7d5c")]
Greeting = Annotated[Body, StringConstraints(max_length=500)]


class WidgetSettings(Model):
    """How an assistant's widget looks and what it lets visitors do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    allow_ticket_creation: bool = False
    require_contact_info: bool = False
    """Whether a visitor must give name and e-mail address before a ticket is sent."""
    allowed_origins: Annotated[tuple[WebOrigin, ...], Field(max_length=50), AfterValidator(_distinct)] = ()
    """Sites that may embed it; none: any."""
    require_identity: bool = False
    """Whether only visitors whom the site vouches for are let in."""
    title: Line = "How can we help?"
    colour: Colour = "#2f5d50"
    greeting: Greeting = ""

    def admits(self, origin: str | None) -> bool:
        """Tell whether a page of this origin, as its browser names it, may use the widget."""
        return not self.allowed_origins or origin in self.allowed_origins


class AssistantSnapshot(Model):
    """An assistant as it is; its identity secret is read by a request of its own."""

    id: UUID
    name: FreeText
    widget: WidgetSettings
    version: int
    created_at: AwareDatetime
    updated_at: AwareDatetime


class AssistantPage(Model):
    """One page of assistants, by name."""

    items: tuple[AssistantSnapshot, ...]
    next_cursor: str | None


class CreateAssistant(Command[AssistantSnapshot], subject="tickets.requests.v1.create_assistant"):
    """Add an assistant. Refused: not_allowed."""

    assistant_id: UUID
    name: Line
    widget: WidgetSettings = WidgetSettings()


class AssistantChange(Change):
    """Which fields of an assistant get another value; the widget's settings are given whole."""

    name: Line | None = None
    widget: WidgetSettings | None = None


class ChangeAssistant(Command[AssistantSnapshot], subject="tickets.requests.v1.change_assistant"):
    """Edit an assistant. Refused: not_found, not_allowed, stale_version."""

    assistant_id: UUID
    expected_version: int | None = None
    change: AssistantChange


class DeleteAssistant(Command[AssistantSnapshot], subject="tickets.requests.v1.delete_assistant"):
    """Remove an assistant; its conversations stay, its visitors are shut out. Refused: not_found, not_allowed."""

    assistant_id: UUID
    expected_version: int | None = None


class GetAssistant(Query[AssistantSnapshot], subject="tickets.requests.v1.get_assistant"):
    """Read an assistant. Refused: not_found, not_allowed (members and guests)."""

    assistant_id: UUID


class ListAssistants(Query[AssistantPage], subject="tickets.requests.v1.list_assistants"):
    """Read the assistants. Refused: not_allowed (members and guests)."""

    cursor: str | None = None
    limit: Limit = 50


class IdentitySecret(Model):
    """What the customer's site signs its visitors with; shown to admins only."""

    assistant_id: UUID
    secret: str


class GetIdentitySecret(Query[IdentitySecret], subject="tickets.requests.v1.get_identity_secret"):
    """Read an assistant's identity secret. Refused: not_found, not_allowed."""

    assistant_id: UUID


class RotateIdentitySecret(Command[AssistantSnapshot], subject="tickets.requests.v1.rotate_identity_secret"):
    """Draw a new identity secret; the old one is void at once. Refused: not_found, not_allowed."""

    assistant_id: UUID


class FoundAssistant(Model):
    """An assistant and the workspace that it belongs to."""

    workspace_id: Token
    assistant: AssistantSnapshot


class FindAssistant(LookUp[FoundAssistant], subject="tickets.requests.v1.find_assistant"):
    """Tell which workspace an assistant belongs to, for visitors know nothing else. Refused: assistant_not_found."""

    PURPOSE: ClassVar[str] = "assistant look-up"

    assistant_id: UUID


# What visitors do; the caller is the conversation itself, of kind `contact`.


class Identity(Model):
    """Who the visitor is on the customer's site, vouched for by it.

    `hmac` is the hex HMAC-SHA256 (RFC 2104), under the assistant's identity secret, of these lines joined by a line
    feed: assistant id, `user_id`, `exp`, `nonce`, `name`, `email`; what is missing is an empty line.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    user_id: ExternalId
    exp: Annotated[int, Field(ge=0, lt=2**53)]
    """Seconds since 1970 (RFC 7519 NumericDate) after which it is void."""
    nonce: Annotated[str, formed(r"^[A-Za-z0-9_-]{16,100}$", "must be 16 to 100 letters, digits, _ and -")]
    """Counts once."""
    name: Name | None = None
    email: Email | None = None
    hmac: Annotated[str, formed(r"^[0-9a-f]{64}$", "must be 64 hexadecimal digits in lower case")]


class VisitorContact(Model):
    """Who the visitor says they are."""

    name: Name | None = None
    email: Email | None = None


class VisitorConversation(Model):
    """A conversation as its visitor sees it."""

    conversation_id: UUID
    identified: bool
    """Whether the site vouched for the visitor."""
    known: bool
    """Whether name and e-mail address are known, so that neither need be asked."""
    messages: tuple[MessageSnapshot, ...]


class StartConversation(Command[VisitorConversation], subject="tickets.requests.v1.start_conversation"):
    """Begin a conversation, with the visitor's first message if there is one.

    Refused: assistant_not_found, not_allowed (identity missing, wrong, expired or used before).
    """

    assistant_id: UUID
    conversation_id: UUID
    message_id: UUID
    body: NonEmptyBody | None = None
    contact: VisitorContact | None = None
    identity: Identity | None = None


class PostVisitorMessage(Command[MessageSnapshot], subject="tickets.requests.v1.post_visitor_message"):
    """Write in the visitor's conversation. Refused: not_found, rate_limited (the conversation is too long)."""

    conversation_id: UUID
    message_id: UUID
    body: NonEmptyBody


class VisitorTicket(Model):
    """A ticket as its visitor sees it."""

    id: UUID
    number: int
    subject: FreeText
    status: Status
    created_at: AwareDatetime


class OpenVisitorTicket(Command[VisitorTicket], subject="tickets.requests.v1.open_visitor_ticket"):
    """Open a ticket from the visitor's conversation.

    Refused: not_found, ticket_creation_disabled, contact_info_required, invalid (nothing was said yet), conflict.
    """

    conversation_id: UUID
    ticket_id: UUID
    subject: Line | None = None
    contact: VisitorContact | None = None


class VisitorTranscript(Model):
    """What a visitor has not seen yet of their conversation, oldest first, and its tickets."""

    messages: tuple[MessageSnapshot, ...]
    """Agents are named, but have no id here."""
    tickets: tuple[VisitorTicket, ...]
    more: bool


class ReadVisitorConversation(Query[VisitorTranscript], subject="tickets.requests.v1.read_visitor_conversation"):
    """Read the visitor's conversation after a seq. Refused: not_found."""

    conversation_id: UUID
    after: Annotated[int, Field(ge=0, lt=2**31)] = 0
    limit: Limit = 100


# The audit of an assistant


class AssistantCreated(RecordEvent, subject="tickets.events.v1.assistant_created", heard_by=("activity",)):
    """Sent when an assistant was added."""

    name: FreeText
    new: WidgetSettings


class AssistantChanged(RecordEvent, subject="tickets.events.v1.assistant_changed", heard_by=("activity",)):
    """Sent when an assistant's name or its widget's settings were edited; both values are whole."""

    old_name: FreeText
    name: FreeText
    old: WidgetSettings
    new: WidgetSettings


class AssistantDeleted(RecordEvent, subject="tickets.events.v1.assistant_deleted", heard_by=("activity",)):
    """Sent when an assistant was removed."""

    name: FreeText


class IdentitySecretRotated(RecordEvent, subject="tickets.events.v1.identity_secret_rotated", heard_by=("activity",)):
    """Sent when an assistant got another identity secret, which is in no event."""
