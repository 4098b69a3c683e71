"""The public widget: what a visitor's browser may say, from the sites that an assistant may be used on.

These are the only answers that other origins may read. There are no cookies here: a visitor's token is a Bearer.
"""

import re
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, route
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import Field, StringConstraints

from contracts.base import Model
from contracts.refusals import (
    AlreadyAnswered,
    AssistantNotFound,
    Conflict,
    ContactInfoRequired,
    Invalid,
    Malformed,
    NotAllowed,
    NotFound,
    OriginNotAllowed,
    RateLimited,
    TicketCreationDisabled,
    Unauthenticated,
)
from contracts.texts import Email, Line, Name, NonEmptyBody
from contracts.tickets import (
    FoundAssistant,
    Identity,
    MessageSnapshot,
    VisitorContact,
    VisitorTicket,
    VisitorTranscript,
)
from services.gateway.domain import VisitorToken
from services.gateway.routes.bodies import Flag, Given, Sent, query, read
from services.gateway.routes.operations import EVENTS, operation
from services.gateway.routes.replies import fresh_or, reply
from services.gateway.routes.streams import Stream
from services.gateway.routes.visitors import address_of, desk_of
from services.gateway.routes.visits import visit_of
from services.gateway.usecases.answers import ConversationBegun
from services.gateway.usecases.widget import Words
from services.gateway.usecases.widget_live import Listener, WidgetLive

WIDGET = "/widget/v1/{assistant:str}"
_TALK = f"{WIDGET}/conversations/{{conversation:str}}"
MOST_BYTES = 64 * 1024
_SEQ = re.compile(r"[0-9]{1,9}")
_ORIGIN = re.compile(r"[\x21-\x7e]{1,500}")
_PREFLIGHT = {
    "access-control-allow-methods": "GET, POST",
    "access-control-allow-headers": "Authorization, Content-Type, Idempotency-Key, Last-Event-ID",
    "access-control-max-age": "600",
}
_CLOSED = (Malformed, AssistantNotFound, OriginNotAllowed, RateLimited)


class ContactGiven(Given):
    """Who the visitor says they are."""

    name: Name | None = None
    email: Email | None = None


class FirstWords(Given):
    """What a conversation begins with."""

    body: NonEmptyBody | None = Field(default=None, description="The first message, at most 64 KiB with all the rest.")
    contact: ContactGiven | None = None
    identity: Identity | None = Field(default=None, description="Who the visitor is, signed by the site.")
    website: Annotated[str, StringConstraints(max_length=500)] = Field(
        default="", description="Leave it empty: people don't see this field."
    )


class VisitorMessage(Given):
    """What a visitor writes."""

    body: NonEmptyBody


class TicketWish(Given):
    """A ticket that a visitor asks for."""

    subject: Line | None = Field(default=None, description="Else the beginning of the first message.")
    name: Name | None = None
    email: Email | None = None


class After(Given):
    """Where to go on."""

    after: int = Field(default=0, ge=0, lt=2**31, description="The last seq you have.")
    limit: int = Field(default=100, ge=1, le=100)


class Since(Given):
    """Where to go on."""

    after: int = Field(
        default=0, ge=0, lt=2**31, description="The last seq you have; `Last-Event-ID` says the same and wins."
    )
    tickets: Flag = Field(
        default=False,
        description="Say how the visitor's tickets are too, now and when they move: events `ticket` without an id.",
    )


class WidgetConfig(Model):
    """What a widget needs to know before anybody talks."""

    name: str
    title: str
    colour: str
    greeting: str
    allow_ticket_creation: bool
    require_contact_info: bool
    require_identity: bool
    version: int


@dataclass(frozen=True, slots=True)
class _Here:
    """Which assistant a page may use, which page it is, and from where it is read."""

    found: FoundAssistant
    origin: str | None
    address: str


async def _enter(request: Request[Any, Any, Any], assistant: str, *rules: str) -> _Here:
    """Let a page in: counted first, then by the assistant's id, then by its origin.

    Whatever is refused may be read by the page that asked, but for a page that may not use the assistant.
    """
    headers = visit_of(request.scope).headers
    headers |= {"cross-origin-resource-policy": "cross-origin", "vary": "Origin"}
    origin = _origin(request)
    if origin is not None:
        headers |= {
            "access-control-allow-origin": origin,
            "access-control-expose-headers": "ETag, Retry-After, X-Trace-Id",
        }
    widget, address = desk_of(request).widget, address_of(request)
    for rule in rules:
        await widget.counted(rule, address)
    try:
        id = UUID(assistant)
    except ValueError:
        raise AssistantNotFound from None
    try:
        found = await widget.assistant(id, origin)
    except OriginNotAllowed:
        headers.pop("access-control-allow-origin", None)
        raise
    visit_of(request.scope).workspace_id = found.workspace_id
    return _Here(found, origin, address)


async def _visitor(request: Request[Any, Any, Any], here: _Here, conversation: str | None) -> VisitorToken:
    """Return what the visitor's token opens; a conversation that it does not open is not there."""
    lines = request.headers.getall("authorization", [])
    if len(lines) > 1:
        raise Malformed("Authorization may be given once.")
    scheme, _, token = (lines or [""])[0].partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthenticated
    try:
        id = None if conversation is None else UUID(conversation)
    except ValueError:
        id = UUID(int=0)
    return await desk_of(request).widget.visitor(here.found, token.strip(), id)


def _origin(request: Request[Any, Any, Any]) -> str | None:
    lines = request.headers.getall("origin", [])
    if len(lines) > 1 or (lines and not _ORIGIN.fullmatch(lines[0])):
        raise Malformed("Origin must be what a browser sends, once.")
    return lines[0] if lines else None


@route(
    [f"{WIDGET}/config", f"{WIDGET}/conversations", _TALK, f"{_TALK}/messages", f"{_TALK}/ticket", f"{WIDGET}/events"],
    http_method=["OPTIONS"],
    status_code=200,  # as Litestar reads it; the answer has its own
)
async def preflight(request: Request[Any, Any, Any], assistant: FromPath[str]) -> ASGIResponse:
    """Tell a browser what a page of its origin may ask; that an assistant is not there is said to the question."""
    with suppress(AssistantNotFound):
        await _enter(request, assistant, "widget_by_address")
    return ASGIResponse(status_code=204, headers=_PREFLIGHT)


@operation(
    "GET",
    f"{WIDGET}/config",
    "widget_config",
    tag="widget",
    summary="Read what a widget needs to know",
    answer=WidgetConfig,
    headers=("ETag",),
    refusals=_CLOSED,
    open=True,
    if_none_match=True,
)
async def widget_config(request: Request[Any, Any, Any], assistant: FromPath[str]) -> ASGIResponse:
    """Describe the widget; a browser keeps it, and asks each time whether it has changed."""
    here = await _enter(request, assistant, "config_by_address")
    visit_of(request.scope).headers["cache-control"] = "private, no-cache"
    shown = here.found.assistant
    config = WidgetConfig(name=shown.name, version=shown.version, **_public(here.found))
    return fresh_or(request, config, config.version)


def _public(found: FoundAssistant) -> dict[str, Any]:
    return found.assistant.widget.model_dump(exclude={"allowed_origins"})


@operation(
    "POST",
    f"{WIDGET}/conversations",
    "start_conversation",
    tag="widget",
    summary="Begin a conversation",
    body=FirstWords,
    answer=ConversationBegun,
    status=201,
    refusals=(*_CLOSED, NotAllowed, AlreadyAnswered),
    open=True,
    keyed=True,
)
async def start_conversation(request: Request[Any, Any, Any], assistant: FromPath[str]) -> ASGIResponse:
    """Begin a conversation, whose token its visitor is told this once."""
    here = await _enter(request, assistant, "widget_by_address")
    sent = await read(request, FirstWords, most=MOST_BYTES)
    given = sent.body
    contact = VisitorContact(**dict(given.contact)) if given.contact else None
    begun = await desk_of(request).widget.start(
        here.found, Words(given.body, contact, given.identity, given.website), here.address, sent.key
    )
    return reply(begun, 201)


@operation(
    "POST",
    f"{_TALK}/messages",
    "post_visitor_message",
    tag="widget",
    summary="Write in the visitor's conversation",
    body=VisitorMessage,
    answer=MessageSnapshot,
    status=201,
    refusals=(*_CLOSED, Unauthenticated, NotFound),
    open=True,
    keyed=True,
    visitors=True,
)
async def post_visitor_message(
    request: Request[Any, Any, Any], assistant: FromPath[str], conversation: FromPath[str]
) -> ASGIResponse:
    """Write a message."""
    here = await _enter(request, assistant, "messages_by_address")
    opens = await _visitor(request, here, conversation)
    sent = await read(request, VisitorMessage, most=MOST_BYTES)
    posted = await desk_of(request).widget.post(opens, sent.body.body, sent.key)
    return reply(posted, 201)


@operation(
    "POST",
    f"{_TALK}/ticket",
    "open_visitor_ticket",
    tag="widget",
    summary="Make a ticket of the visitor's conversation",
    body=TicketWish,
    answer=VisitorTicket,
    status=201,
    refusals=(*_CLOSED, Unauthenticated, NotFound, TicketCreationDisabled, ContactInfoRequired, Conflict),
    open=True,
    keyed=True,
    visitors=True,
)
async def open_visitor_ticket(
    request: Request[Any, Any, Any], assistant: FromPath[str], conversation: FromPath[str]
) -> ASGIResponse:
    """Open a ticket; a second one only when the first is done with."""
    here = await _enter(request, assistant, "widget_by_address")
    opens = await _visitor(request, here, conversation)
    if not here.found.assistant.widget.allow_ticket_creation:
        raise TicketCreationDisabled
    sent = await _wish(request, here.found)
    wish = sent.body
    contact = VisitorContact(name=wish.name, email=wish.email) if wish.name or wish.email else None
    ticket = await desk_of(request).widget.open_ticket(opens, wish.subject, contact, here.address, sent.key)
    return reply(ticket, 201)


async def _wish(request: Request[Any, Any, Any], found: FoundAssistant) -> Sent[TicketWish]:
    try:
        return await read(request, TicketWish, most=MOST_BYTES)
    except Invalid as refusal:
        # Where they are asked for, an address that is none is as good as missing.
        errors = refusal.facts["errors"]
        if found.assistant.widget.require_contact_info and {each["field"] for each in errors} <= {"name", "email"}:
            raise ContactInfoRequired(errors=errors) from None
        raise


@operation(
    "GET",
    _TALK,
    "read_visitor_conversation",
    tag="widget",
    summary="Read the visitor's conversation and its tickets",
    query=After,
    answer=VisitorTranscript,
    refusals=(*_CLOSED, Unauthenticated, NotFound),
    open=True,
    visitors=True,
)
async def read_visitor_conversation(
    request: Request[Any, Any, Any], assistant: FromPath[str], conversation: FromPath[str]
) -> ASGIResponse:
    """Return what the visitor has not seen yet."""
    here = await _enter(request, assistant, "widget_by_address")
    opens = await _visitor(request, here, conversation)
    wanted = query(request, After)
    return reply(await desk_of(request).widget.transcript(opens, wanted.after, wanted.limit))


class _Replies(Stream[Listener]):
    """The visitor's conversation as it grows."""

    def __init__(self, live: WidgetLive, opens: VisitorToken, here: _Here, after: int, *, tickets: bool) -> None:
        super().__init__()
        self._live, self._opens = live, opens
        self._how: dict[str, Any] = {"origin": here.origin, "address": here.address, "after": after, "tickets": tickets}

    def opening(self) -> AbstractAsyncContextManager[Listener]:
        return self._live.listening(self._opens, **self._how)

    def place(self, reader: Listener) -> str:
        return str(reader.after)

    async def news(self, reader: Listener, within: float) -> bytes:
        return b"".join(map(_event, await reader.read(within)))


def _event(news: MessageSnapshot | VisitorTicket) -> bytes:
    data = news.model_dump_json().encode()
    if isinstance(news, VisitorTicket):
        return b"event: ticket\ndata: %b\n\n" % data
    return b"id: %d\nevent: message\ndata: %b\n\n" % (news.seq, data)


@operation(
    "GET",
    f"{WIDGET}/events",
    "follow_conversation",
    tag="widget",
    summary="Follow the messages of the visitor's conversation (Server-Sent Events)",
    query=Since,
    answer=MessageSnapshot,
    media=EVENTS,
    refusals=(*_CLOSED, Unauthenticated, NotFound),
    open=True,
    resumes=True,
    visitors=True,
)
async def follow_conversation(request: Request[Any, Any, Any], assistant: FromPath[str]) -> ASGIResponse:
    """Send each message after the last one that the visitor has: `id` is its seq, `data` itself."""
    here = await _enter(request, assistant, "widget_by_address")
    opens = await _visitor(request, here, None)
    asked = query(request, Since)
    after = asked.after
    if (resumed := request.headers.get("last-event-id")) is not None:
        if not _SEQ.fullmatch(resumed):
            raise Malformed("Last-Event-ID must be the id of an event of this stream.")
        after = int(resumed)
    return _Replies(desk_of(request).widget_live, opens, here, after, tickets=asked.tickets)


HANDLERS = (
    widget_config,
    start_conversation,
    post_visitor_message,
    open_visitor_ticket,
    read_visitor_conversation,
    follow_conversation,
)
