"""The headers that travel with each kind of message, as JSON Schemas: the page and AsyncAPI tell the same."""

from typing import Any

from contracts.base import DeadLetter, Event, Intake, Message
from contracts.envelope import STRUCTURED
from contracts.refusals import Refusal

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

type Headers = dict[str, Any]

_JSON = {"const": "application/json"}
_TRACE = {"type": "string", "description": "W3C trace context: the trace of the request behind it."}


def _headers(required: list[str], **properties: dict[str, Any]) -> Headers:
    named = {name.replace("_", "-"): schema for name, schema in properties.items()}
    return {"type": "object", "properties": named} | ({"required": required} if required else {})


EVENT = _headers(
    ["ce-specversion", "ce-id", "ce-source", "ce-type", "ce-subject", "ce-time", "ce-position", "content-type"],
    ce_specversion={"const": "1.0", "description": "CloudEvents 1.0, binary mode."},
    ce_id={"type": "string", "format": "uuid", "description": "The fact's `id`: the same fact has it for ever."},
    ce_source={
        "type": "string",
        "pattern": "^/counterfoil/[a-z]+$",
        "description": "`/counterfoil/` and the owner.",
    },
    ce_type={"type": "string", "description": "The subject without the workspace."},
    ce_subject={"type": "string", "description": "Id of the ticket or other record that it is about."},
    ce_time={"type": "string", "format": "date-time", "description": "The fact's `at`."},
    ce_position={
        "type": "string",
        "pattern": "^[1-9][0-9]*$",
        "description": "Its place among all facts of this owner in this workspace: 1, 2, 3 … without holes.",
    },
    content_type=_JSON | {"description": "The body is the plain JSON of the fact."},
    traceparent=_TRACE,
) | {"title": "EventHeaders"}

INTAKE = _headers(
    [],
    ce_specversion={"const": "1.0", "description": "May be left out; another version is refused."},
    ce_id={
        "type": "string",
        "pattern": "^[!-~]{1,200}$",
        "description": "Your own id of this message: of one integration it takes effect once, for ever.",
    },
    ce_type={
        "type": "string",
        "description": "May be left out; else the subject without workspace and integration, or its last token.",
    },
    content_type=_JSON | {"description": f"Or `{STRUCTURED}`: then the whole envelope is the body."},
    traceparent=_TRACE | {"description": "W3C trace context: continues your trace."},
) | {"title": "IntakeHeaders"}

REQUEST = _headers([], traceparent=_TRACE | {"description": "W3C trace context: continues the asker's trace."}) | {
    "title": "RequestHeaders"
}

REFUSAL = _headers(
    ["Nats-Service-Error", "Nats-Service-Error-Code"],
    **{
        "Nats-Service-Error": {
            "type": "string",
            "description": "The refusal's code. A good answer has no such header.",
        },
        "Nats-Service-Error-Code": {
            "type": "string",
            "pattern": "^[45][0-9]{2}$",
            "description": "Its status, as over HTTP.",
        },
    },
) | {"title": "RefusalHeaders"}

DEAD_LETTER = _headers(
    ["content-type", "dead-letter-reason", "dead-letter-subject"],
    content_type=_JSON | {"description": "The body is the plain JSON of the dead letter."},
    dead_letter_reason={"type": "string", "description": "Its `reason`: a refusal's code."},
    dead_letter_subject={"type": "string", "description": "Its `subject`: where the message was sent to."},
) | {"title": "DeadLetterHeaders"}

ALL = {str(each["title"]): each for each in (EVENT, INTAKE, REQUEST, REFUSAL, DEAD_LETTER)}

STRUCTURED_MESSAGE: dict[str, Any] = {
    "title": "StructuredCloudEvent",
    "description": "CloudEvents 1.0 in structured mode: `data` holds the message.",
    "type": "object",
    "required": ["specversion", "id", "type", "source", "data"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "pattern": "^[!-~]{1,200}$"},
        "source": {"type": "string", "description": "Not believed: the subject names the integration."},
        "type": {"type": "string"},
        "subject": {"type": "string"},
        "time": {"type": "string", "format": "date-time"},
        "datacontenttype": {"const": "application/json"},
        "traceparent": {"type": "string"},
    },
}

REFUSED: dict[str, Any] = {
    "title": "Refusal",
    "description": "A typed “no”. A refusal's facts stand beside these two members.",
    "type": "object",
    "required": ["code", "detail"],
    "properties": {
        "code": {
            "type": "string",
            "description": "A word for programs, for ever.",
            "examples": sorted(Refusal.registry),
        },
        "detail": {"type": "string", "description": "A sentence for people."},
    },
}


def headers_of(kind: type[Message]) -> Headers:
    """Return the headers that travel with this message."""
    by_kind = {Event.KIND: EVENT, Intake.KIND: INTAKE, DeadLetter.KIND: DEAD_LETTER}
    return by_kind.get(kind.KIND, REQUEST)


def address_of(kind: type[Message], workspace: str, integration: str) -> str:
    """Return the subject that a message is sent to, with these words for workspace and integration."""
    match kind.KIND:
        case Event.KIND | DeadLetter.KIND:
            return f"{kind.SUBJECT}.{workspace}"
        case Intake.KIND:
            return f"{kind.SUBJECT}.{workspace}.{integration}"
        case _:
            return kind.SUBJECT
