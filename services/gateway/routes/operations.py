"""What the API says of itself: each route is declared together with its description (OpenAPI 3.1)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, get_origin

from litestar import route
from litestar.handlers import HTTPRouteHandler
from litestar.types import AnyCallable
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from contracts.refusals import (
    CsrfFailed,
    HeadersTooLarge,
    InProgress,
    Invalid,
    KeyReused,
    Malformed,
    RateLimited,
    Refusal,
    TooLarge,
    Unauthenticated,
    Unavailable,
    WrongMediaType,
)
from services.gateway.domain import Scope
from services.gateway.routes.links import link
from services.gateway.routes.precisely import Precisely
from services.gateway.routes.problems import MEDIA_TYPE

API = "/api/v1"
W = API + "/workspaces/{workspace:str}"

EVENTS = "text/event-stream"
CSV = "text/csv"
LINES = "application/jsonl"
_REF = "#/components/schemas/{model}"
_TAG = r'(W/)?"[1-9][0-9]{0,8}"'
_HEADERS: dict[str, dict[str, Any]] = {
    "ETag": {"description": 'The version, in quotes: `"7"`.', "schema": {"type": "string"}},
    "Location": {"description": "Where the new thing is.", "schema": {"type": "string"}},
    "Set-Cookie": {"description": "The session, for browsers.", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}},
    "WWW-Authenticate": {"description": "How to sign in.", "schema": {"type": "string"}},
    "X-Trace-Id": {
        "description": "Names this request in our logs.",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    },
}
_PARAMETERS: dict[str, dict[str, Any]] = {
    "Idempotency-Key": {
        "description": "Your own name for this request: sent twice, it takes effect once and has one answer.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    },
    "If-Match": {
        "description": 'The version that you have seen, `"7"`, or `*` for any: 412 when the record has changed since.',
        "schema": {"anyOf": [{"const": "*"}, {"type": "string", "pattern": rf"^{_TAG}( ?, ?{_TAG})*$"}]},
    },
    "If-None-Match": {
        "description": 'The version that you have, `"7"`: answered with 304 while it is current.',
        "schema": {"type": "string"},
    },
    "Last-Event-ID": {
        "description": "The id of the last event that you have: the stream goes on behind it.",
        "schema": {"type": "string", "pattern": "^[0-9]{1,15}$"},
    },
    "X-CSRF-Token": {
        "description": "Needed with the cookie: `csrf_token` of the session.",
        "schema": {"type": "string"},
    },
}
_PATHS = {
    "workspace": "Id or slug of the workspace.",
    "ticket": "Id or number of the ticket.",
    "token": "The secret part of the link that was mailed or handed over; of an API token, its id.",
    "integration": "Id of the integration.",
    "session": "Id of the session.",
    "invitation": "Id of the invitation.",
    "contact": "Id of the contact.",
    "user": "Id of the member.",
    "assistant": "Id of the assistant.",
    "conversation": "Id of the conversation.",
    "letter": "Id of the dead letter.",
    "bulk": "Id of the bulk change.",
    "note": "Id of the note.",
    "view": "Id of the view.",
    "mail": "Id of the mail.",
    "address": "Id of the entry of an address.",
    "webhook": "Id of the webhook.",
    "delivery": "Id of the delivery.",
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path, as it is described."""

    id: str
    tag: str
    summary: str
    answer: type[BaseModel] | None
    status: int
    also: tuple[int, ...] = ()
    """Other good statuses that the same answer may have."""
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    refusals: tuple[type[Refusal], ...] = ()
    headers: tuple[str, ...] = ()
    scope: str | None = None
    """What an API token must be allowed for it: one of `Scope`."""
    in_person: bool = False
    """Whether it takes a person who signed in: it concerns their own account, or what no program may decide."""
    open: bool = False
    """Whether nobody needs to be signed in."""
    visitors: bool = False
    """Whether it takes the token of a visitor of the widget."""
    keyed: bool = False
    if_match: bool = False
    if_none_match: bool = False
    resumes: bool = False
    media: str = field(default="application/json")
    takes: str = ""
    """The media type of a body that is a file."""

    def __post_init__(self) -> None:
        """Refuse an operation that does not say who may call it, or names a scope that there is not."""
        if (self.scope is not None) + self.in_person + self.open != 1:
            msg = f"{self.id}: name its scope, or say that it is open or takes a person"
            raise TypeError(msg)
        if self.scope is not None and self.scope not in {each.value for each in Scope}:
            msg = f"{self.id}: {self.scope!r} is no scope"
            raise TypeError(msg)


def operation(
    method: str,
    path: str,
    id: str,
    *,
    tag: str,
    summary: str,
    answer: type[BaseModel] | None,
    status: int = 200,
    **more: Any,
) -> Callable[[AnyCallable], HTTPRouteHandler]:
    """Declare a route and describe it."""
    described = Operation(id=id, tag=tag, summary=summary, answer=answer, status=status, **more)
    # Litestar takes its own status only for handlers that return data; ours return whole answers.
    return route(path, http_method=[method], status_code=200, opt={"operation": described})  # type: ignore[list-item]


def describe(handlers: Sequence[HTTPRouteHandler], server: str) -> dict[str, Any]:
    """Return the OpenAPI document of these routes."""
    operations = [
        (path, method, handler.opt["operation"])
        for handler in handlers
        if "operation" in handler.opt
        for path in handler.paths
        for method in handler.http_methods
    ]
    schemas, definitions = _schemas([described for _, _, described in operations])
    paths: dict[str, dict[str, Any]] = {}
    for path, method, described in sorted(operations, key=lambda each: each[:2]):
        plain = path.replace(":str", "")
        paths.setdefault(plain, {})[str(method).lower()] = _operation(plain, str(method), described, schemas)
        if method == "PATCH" and described.body:
            definitions[described.body.__name__]["minProperties"] = 1
    link(paths, definitions)
    tags = sorted({described.tag for _, _, described in operations})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Counterfoil",
            "version": "1",
            "summary": "A support desk whose every ticket keeps its counterfoil.",
            "description": "JSON in and out; errors are RFC 9457 problems with a stable `code`.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": server}],
        "tags": [{"name": tag} for tag in tags],
        "paths": paths,
        "components": {
            "schemas": definitions | {"Problem": _PROBLEM},
            "headers": _HEADERS,
            "parameters": {name: {"name": name, "in": "header", **each} for name, each in _PARAMETERS.items()},
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The token of a session, or an API token that has the scope.",
                },
                "visitor": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The token of a conversation, told to its visitor when it begins; for 24 hours.",
                },
                "cookie": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "counterfoil_session",
                    "description": "Set by `POST /sessions`; named `__Host-counterfoil` by TLS.",
                },
            },
        },
        "security": [{"bearer": []}, {"cookie": []}],
    }


_PROBLEM: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "Why a request was refused (RFC 9457). A refusal's facts stand beside these members.",
    "required": ["type", "title", "status", "detail", "code", "trace_id"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "A sentence for people."},
        "code": {"type": "string", "description": "A word for programs, for ever."},
        "trace_id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        "errors": {
            "type": "array",
            "description": "The fields at fault.",
            "items": {
                "type": "object",
                "required": ["field", "code", "detail"],
                "properties": {
                    "field": {"type": "string", "description": "Where, with dots between the steps."},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
        "allowed": {"type": "array", "items": {"type": "string"}, "description": "The moves that are open instead."},
        "missed": {
            "type": "array",
            "items": {"type": "object"},
            "description": "What happened since the version you saw.",
        },
        "version": {"type": "integer", "description": "The current version."},
        "id": {"type": "string", "description": "What the first request made."},
        "url": {"type": ["string", "null"], "description": "Where this is done instead."},
        "retry_after": {"type": "number", "description": "Seconds to wait."},
    },
}


type _Schemas = dict[type[BaseModel], dict[str, Any]]


def _schemas(operations: Sequence[Operation]) -> tuple[_Schemas, dict[str, Any]]:
    """Return where each model is described, and all the descriptions."""
    answers = {each.answer for each in operations if each.answer}
    bodies = {model for each in operations for model in (each.body, each.query) if model}
    wanted = [(model, "serialization") for model in answers] + [(model, "validation") for model in bodies]
    found, whole = models_json_schema(
        sorted(wanted, key=lambda each: each[0].__name__),  # type: ignore[arg-type]
        ref_template=_REF,
        schema_generator=Precisely,
    )
    return {model: schema for (model, _), schema in found.items() if issubclass(model, BaseModel)}, whole.get(
        "$defs", {}
    )


def _operation(path: str, method: str, described: Operation, schemas: _Schemas) -> dict[str, Any]:
    document: dict[str, Any] = {
        "operationId": described.id,
        "tags": [described.tag],
        "summary": described.summary,
        "parameters": _parameters(path, method, described),
        "responses": _responses(method, described, schemas),
    }
    if described.visitors:
        document["security"] = [{"visitor": []}]
    elif described.open:
        document["security"] = []
    elif described.scope:
        document["security"] = [{"bearer": [described.scope]}, {"cookie": []}]
    if described.body:
        document["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schemas[described.body]}},
        }
    if described.takes:
        document["requestBody"] = {"required": True, "content": {described.takes: {"schema": {"type": "string"}}}}
    return document


def _parameters(path: str, method: str, described: Operation) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "description": _PATHS[name], "schema": {"type": "string"}}
        for name in names
    ]
    if described.query:
        properties = described.query.model_json_schema(ref_template=_REF, schema_generator=Precisely)["properties"]
        for field_name, info in described.query.model_fields.items():
            name = info.alias or field_name
            schema = {
                key: value for key, value in properties[name].items() if key not in ("title", "default", "description")
            }
            schema = next((each for each in schema.get("anyOf", []) if each != {"type": "null"}), schema)
            if info.default is not None and get_origin(info.annotation) is not tuple:
                schema |= {"default": info.default}
            one = {"name": name, "in": "query", "required": False, "schema": schema}
            if info.description:
                one["description"] = info.description
            if get_origin(info.annotation) is tuple:
                one |= {"style": "form", "explode": True}
            found.append(one)
    wanted = {
        "Idempotency-Key": described.keyed,
        "If-Match": described.if_match,
        "If-None-Match": described.if_none_match,
        "Last-Event-ID": described.resumes,
        "X-CSRF-Token": not described.open and method != "GET",
    }
    return found + [{"$ref": f"#/components/parameters/{name}"} for name, is_wanted in wanted.items() if is_wanted]


def _responses(method: str, described: Operation, schemas: _Schemas) -> dict[str, Any]:
    good: dict[str, Any] = {
        "description": HTTPStatus(described.status).phrase,
        "headers": _named(*described.headers, "X-Trace-Id"),
    }
    if described.answer:
        good["content"] = {described.media: {"schema": _content(described.media, schemas[described.answer])}}
    if described.media == CSV:
        good["content"] = {CSV: {"schema": {"type": "string"}}}
    found = {str(described.status): good}
    found |= {str(status): good | {"description": HTTPStatus(status).phrase} for status in described.also}
    if described.if_none_match:
        found["304"] = {"description": "It is what you have.", "headers": _named("ETag", "X-Trace-Id")}
    by_status: dict[int, list[str]] = {}
    for kind in _refusals(method, described):
        codes = by_status.setdefault(kind.status, [])
        if kind.code not in codes:
            codes.append(kind.code)
    for status, codes in sorted(by_status.items()):
        headers = ["X-Trace-Id"]
        if status == Unauthenticated.status:
            headers.append("WWW-Authenticate")
        if status in (Unavailable.status, RateLimited.status):
            headers.append("Retry-After")
        found[str(status)] = {
            "description": "Refused: " + ", ".join(f"`{code}`" for code in codes),
            "headers": _named(*headers),
            "content": {MEDIA_TYPE: {"schema": {"$ref": _REF.format(model="Problem")}}},
        }
    return found


def _content(media: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a body; of a stream, that of each event in it, and of lines, that of each but the first."""
    if media == LINES:
        return {"type": "string", "contentMediaType": "application/json", "contentSchema": schema}
    if media != EVENTS:
        return schema
    data = {"type": "string", "contentMediaType": "application/json", "contentSchema": schema}
    fields = {"id": {"type": "string"}, "event": {"type": "string"}, "retry": {"type": "integer"}, "data": data}
    return {"type": "object", "properties": fields, "required": ["data"]}


def _named(*headers: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in headers}


def _refusals(method: str, described: Operation) -> list[type[Refusal]]:
    found: list[type[Refusal]] = [HeadersTooLarge, Unavailable, *described.refusals]
    if not described.open:
        found += [Unauthenticated, Malformed, Invalid]
        if method != "GET":
            found.append(CsrfFailed)
    if described.body:
        found += [Malformed, TooLarge, WrongMediaType, Invalid]
    if described.query:
        found += [Malformed, Invalid]
    if described.keyed:
        found += [Malformed, InProgress, KeyReused]
    return found
