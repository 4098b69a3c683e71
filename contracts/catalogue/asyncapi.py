"""The messages as an AsyncAPI 3.0 document, from where Counterfoil stands: it sends facts and receives requests."""

import inspect
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from contracts.base import SERVICES, DeadLetter, Event, Intake, Message, Request, TicketEvent
from contracts.catalogue import envelopes
from contracts.catalogue.schemas import SAMPLES, Schema, messages, models, shapes
from contracts.envelope import STRUCTURED, headers_for
from contracts.streams import Stream, stream_of

VERSION = "3.0.0"

_BINDING = "0.1.0"
_SCHEMA = "#/components/schemas/{model}"
_REFUSAL = "refusal"
_INSIDE, _OUTSIDE = "inside", "outside"
_OWNERS = {
    "tickets": "Tickets, their notes and contacts.",
    "activity": "The record of a workspace, in two books.",
    "notifications": "Who hears of what.",
    "gateway": "Workspaces, people and roles; the only door for HTTP.",
}


def asyncapi(samples: Path = SAMPLES) -> dict[str, Any]:
    """Return the document; its examples are the samples."""
    places, definitions = shapes([*dict.fromkeys(models().values())], _SCHEMA)
    channels, operations, described = {}, {}, {_REFUSAL: _refusal()}
    for kind in messages():
        id = _id(kind)
        described[id] = _message(kind, places[kind], samples)
        names = {kind.TYPE: id}
        if issubclass(kind, Intake):
            described[f"{id}_structured"] = _structured(kind, places[kind])
            names[f"{kind.TYPE}_structured"] = f"{id}_structured"
        channels[id] = _channel(kind, names)
        operations[id] = _operation(kind, names)
        if issubclass(kind, Request):
            described[f"{id}_reply"] = _reply(kind, places[kind.reply()])
            channels[f"{id}_reply"] = _reply_channel(kind)
    return {
        "asyncapi": VERSION,
        "id": "urn:counterfoil",
        "info": {
            "title": "Counterfoil",
            "version": "1",
            "description": inspect.cleandoc(_ABOUT),
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
            "tags": [{"name": service, "description": _OWNERS[service]} for service in SERVICES],
        },
        "defaultContentType": "application/json",
        "servers": {
            _INSIDE: _server("APP", "Where the services meet; nobody else signs in here."),
            _OUTSIDE: _server("OUT", "Where other systems publish intake and read the facts of their workspace."),
        },
        "channels": channels,
        "operations": operations,
        "components": {
            "schemas": definitions | envelopes.ALL | {"Refusal": envelopes.REFUSED},
            "messages": described,
            "securitySchemes": {"user": {"type": "userPassword", "description": "A NATS user and its password."}},
        },
    }


_ABOUT = """
A support desk whose every ticket keeps its counterfoil. Facts are CloudEvents 1.0 in binary mode over NATS: the
attributes are headers `ce-…`, the body is the plain JSON of the fact. Facts, intake and dead letters are kept by
JetStream (`x-stream` names the stream and its limits); requests and their replies travel over core NATS.

A reader ignores fields and codes that it does not know. A version only grows: what is required here was always there.
`x-sealed` marks a text that is kept apart from the record, so that it can be erased; what was erased reads `sha256:…`.
"""


def _id(kind: type[Message]) -> str:
    return kind.SUBJECT.replace(".", "_")


def _ref(*path: str) -> dict[str, str]:
    return {"$ref": "/".join(("#", *path))}


def _server(account: str, description: str) -> dict[str, Any]:
    return {
        "host": "{host}",
        "protocol": "nats",
        "description": f"{description} NATS account `{account}`.",
        "variables": {"host": {"default": "127.0.0.1:4222", "description": "Host and port of the NATS server."}},
        "security": [_ref("components", "securitySchemes", "user")],
    }


def summary(kind: type[BaseModel]) -> str:
    """Return the first paragraph of what a class says of itself."""
    return " ".join(inspect.cleandoc(kind.__doc__ or "").partition("\n\n")[0].split())


def _channel(kind: type[Message], names: dict[str, str]) -> dict[str, Any]:
    channel: dict[str, Any] = {
        "address": envelopes.address_of(kind, "{workspaceId}", "{integration}"),
        "title": kind.TYPE,
        "summary": summary(kind),
        "servers": [_ref("servers", server) for server in _servers(kind)],
        "messages": {name: _ref("components", "messages", id) for name, id in names.items()},
        "tags": [{"name": kind.OWNER}],
    }
    if issubclass(kind, Request):
        return channel
    parameters = {"workspaceId": {"description": "Id of the workspace.", "examples": ["northwind"]}}
    if issubclass(kind, Intake):
        parameters["integration"] = {"description": "The name of your integration.", "examples": ["status-page"]}
    return channel | {"parameters": parameters, "x-stream": _stream(stream_of(f"{kind.SUBJECT}.w"))}


def _servers(kind: type[Message]) -> list[str]:
    if issubclass(kind, Intake):
        return [_OUTSIDE]
    return [_INSIDE, _OUTSIDE] if issubclass(kind, TicketEvent) else [_INSIDE]


def _stream(stream: Stream) -> dict[str, Any]:
    return {
        "name": stream.name,
        "max_bytes": stream.max_bytes,
        "max_msg_size": stream.max_msg_size,
        "max_age_days": stream.max_age.days,
        "duplicate_window_ms": round(stream.duplicate_window.total_seconds() * 1000),
        "discard": "new",
    }


def _operation(kind: type[Message], names: dict[str, str]) -> dict[str, Any]:
    id = _id(kind)
    operation: dict[str, Any] = {
        "action": "send" if issubclass(kind, Event | DeadLetter) else "receive",
        "channel": _ref("channels", id),
        "title": kind.TYPE,
        "summary": summary(kind),
        "messages": [_ref("channels", id, "messages", name) for name in names],
        "tags": [{"name": kind.OWNER}],
    }
    if issubclass(kind, Event):
        operation["x-audience"] = kind.AUDIENCE.value
        operation["x-heard-by"] = list(kind.HEARD_BY)
    if issubclass(kind, Request):
        answers = f"{id}_reply"
        operation["reply"] = {
            "channel": _ref("channels", answers),
            "messages": [_ref("channels", answers, "messages", name) for name in ("reply", _REFUSAL)],
        }
        # Every replica takes its share: the queue group is the service.
        operation["bindings"] = {"nats": {"queue": kind.OWNER, "bindingVersion": _BINDING}}
        operation["x-asked-by"] = list(kind.ASKED_BY)
    return operation


def _message(kind: type[Message], place: Schema, samples: Path) -> dict[str, Any]:
    return {
        "name": kind.SUBJECT,
        "title": kind.__name__,
        "summary": summary(kind),
        "description": inspect.cleandoc(kind.__doc__ or ""),
        "contentType": "application/json",
        "headers": _ref("components", "schemas", str(envelopes.headers_of(kind)["title"])),
        "payload": place,
        "examples": [_example(kind, sample.read_bytes()) for sample in samples.glob(f"{kind.SUBJECT}.json")],
    }


def _example(kind: type[Message], body: bytes) -> dict[str, Any]:
    headers: dict[str, str] = {"traceparent": envelopes.TRACEPARENT}
    if issubclass(kind, Event):
        headers = headers_for(kind.model_validate_json(body), 7, envelopes.TRACEPARENT)
    elif issubclass(kind, Intake):
        headers |= {"ce-specversion": "1.0", "ce-id": "INC-2041/1", "ce-type": kind.SUBJECT}
    elif issubclass(kind, DeadLetter):
        letter = kind.model_validate_json(body)
        headers = {
            "content-type": "application/json",
            "dead-letter-reason": letter.reason,
            "dead-letter-subject": letter.subject,
        }
    return {"name": kind.TYPE, "headers": headers, "payload": json.loads(body)}


def _structured(kind: type[Intake], place: Schema) -> dict[str, Any]:
    whole = envelopes.STRUCTURED_MESSAGE
    return {
        "name": f"{kind.SUBJECT} (structured)",
        "title": f"{kind.__name__} in structured mode",
        "summary": "The same with the whole CloudEvents envelope in the body.",
        "contentType": STRUCTURED,
        "payload": whole | {"properties": {**whole["properties"], "data": place}},
    }


def _reply(kind: type[Request[Any]], place: Schema) -> dict[str, Any]:
    reply = kind.reply()
    return {
        "name": f"{kind.SUBJECT}.reply",
        "title": reply.__name__,
        "summary": summary(reply),
        "contentType": "application/json",
        "payload": place,
    }


def _reply_channel(kind: type[Request[Any]]) -> dict[str, Any]:
    return {
        "address": None,
        "title": f"Reply to {kind.TYPE}",
        "description": "The reply subject that the request names: an inbox of whoever asks.",
        "servers": [_ref("servers", _INSIDE)],
        "messages": {
            "reply": _ref("components", "messages", f"{_id(kind)}_reply"),
            _REFUSAL: _ref("components", "messages", _REFUSAL),
        },
    }


def _refusal() -> dict[str, Any]:
    return {
        "name": _REFUSAL,
        "title": "Refusal",
        "summary": "A typed “no”, instead of the reply.",
        "contentType": "application/json",
        "headers": _ref("components", "schemas", str(envelopes.REFUSAL["title"])),
        "payload": _ref("components", "schemas", "Refusal"),
        "examples": [
            {
                "name": "not_found",
                "headers": {"Nats-Service-Error": "not_found", "Nats-Service-Error-Code": "404"},
                "payload": {"code": "not_found", "detail": "There is nothing here."},
            }
        ],
    }
