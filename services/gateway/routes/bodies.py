"""What a client said: bodies and query strings, read once, strictly, and never repeated in an answer."""

import asyncio
import datetime as dt
import hashlib
import json
import math
import re
from dataclasses import dataclass
from typing import Annotated, Any, get_origin
from urllib.parse import parse_qsl
from uuid import UUID

from litestar import Request
from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from chassis.requests import invalid
from contracts.base import IdempotencyKey
from contracts.refusals import Invalid, Malformed, NotFound, TooLarge, WrongMediaType

MOST_BYTES = 1024 * 1024
_DEEPEST = 20
_MOST_FIELDS = 1_000
_MOST_ITEMS = 10_000
_MOST_ERRORS = 20
_LONGEST_FIELD = 200
_MOST_PARAMETERS = 100
_PATIENCE = 15.0
"""Seconds that a body may take to arrive."""

_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_BRACKETS = re.compile(rb"[\[\]{}]")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


class Given(BaseModel):
    """What a client may send: every field is named here, and another one is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)


def left_out() -> Any:  # noqa: ANN401 - stands where a value of any type was not given
    """Stand in a field that was not mentioned; `model_fields_set` tells."""
    return None


def is_time(text: str) -> bool:
    """Tell whether this has the form of a time by RFC 3339."""
    return _TIME.fullmatch(text) is not None


def _time(value: Any) -> Any:  # noqa: ANN401 - whatever a client sent
    if isinstance(value, str) and is_time(value):
        return dt.datetime.fromisoformat(value.upper())
    msg = "must be a time such as 2026-03-02T09:00:00Z"
    raise ValueError(msg)


Time = Annotated[AwareDatetime, BeforeValidator(_time)]
"""A time by RFC 3339, with its offset."""


def _either(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:  # noqa: ANN401 - whatever a client sent
    try:
        return handler(value)
    except ValidationError:
        msg = "must be a time such as 2026-03-02T09:00:00Z, or a number from 1"
        raise ValueError(msg) from None


Moment = Annotated[Time | Annotated[int, Field(ge=1, lt=2**53, strict=True)], WrapValidator(_either)]
"""A time, or a number of what came in order; a number in quotes is neither."""


def _flag(value: Any) -> Any:  # noqa: ANN401 - whatever a client sent
    if value in ("true", "false"):
        return value == "true"
    msg = "must be true or false"
    raise ValueError(msg)


Flag = Annotated[bool, BeforeValidator(_flag)]
"""A yes or no in a query string: `true` or `false`, and nothing that means as much."""


@dataclass(frozen=True, slots=True)
class Sent[Body: BaseModel]:
    """A body that was understood, and the client's promise about sending it again."""

    body: Body
    key: IdempotencyKey | None


async def read[Body: BaseModel](
    request: Request[Any, Any, Any], model: type[Body], *, most: int = MOST_BYTES
) -> Sent[Body]:
    """Read the body, of at most so many bytes, as `model`.

    Raises WrongMediaType, TooLarge, Malformed for what is no plain JSON, and Invalid with the fields at fault.
    """
    key = _client_key(request)
    _check_media(request)
    raw = await collect(request, most)
    said = _parse(raw)
    try:
        body = model.model_validate_json(raw, strict=True)
    except ValidationError as error:
        raise fault_of(error) from None
    return Sent(body, _promise(request, key, said) if key else None)


def path_id(id: str) -> UUID:
    """Return an id of the path; what is none, or one in another form, names nothing."""
    if not _UUID.fullmatch(id):
        raise NotFound
    return UUID(id)


def promise(request: Request[Any, Any, Any]) -> IdempotencyKey | None:
    """Return the client's promise about a request without a body."""
    key = _client_key(request)
    return _promise(request, key, None) if key else None


def query[Filter: BaseModel](request: Request[Any, Any, Any], model: type[Filter]) -> Filter:
    """Read the query string of a request as `model`."""
    return read_query(request.scope["query_string"].decode("latin-1"), model)


def read_query[Filter: BaseModel](text: str, model: type[Filter]) -> Filter:
    """Read a query string as `model`; a field that is a tuple may be repeated. Raises Malformed, Invalid."""
    try:
        pairs = parse_qsl(
            text.encode("ascii").decode(),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MOST_PARAMETERS,
        )
    except ValueError:
        raise Malformed("The query string can't be read.") from None
    given: dict[str, Any] = {}
    for name, value in pairs:
        field = model.model_fields.get(name)
        if field is not None and get_origin(field.annotation) is tuple:
            given.setdefault(name, []).append(value)
        elif name in given:
            raise Invalid.field(name[:_LONGEST_FIELD], "repeated", "may be given once")
        else:
            given[name] = value
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise fault_of(error) from None


def fault_of(error: ValidationError) -> Invalid | Malformed:
    """Return what pydantic found as a refusal that names the fields and repeats nothing of what was sent."""
    if any(each["type"] == "json_invalid" for each in error.errors(include_url=False, include_input=False)):
        return Malformed("The body is not JSON that can be read.")
    errors = invalid(error).facts["errors"][:_MOST_ERRORS]
    return Invalid(errors=[{**each, "field": each["field"][:_LONGEST_FIELD]} for each in errors])


def _client_key(request: Request[Any, Any, Any]) -> str | None:
    keys = request.headers.getall("idempotency-key", [])
    if not keys:
        return None
    if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
        raise Malformed("Idempotency-Key must be 1 to 255 visible ASCII characters, once.")
    return keys[0]


def _promise(request: Request[Any, Any, Any], key: str, said: object) -> IdempotencyKey:
    route = f"{request.method} {request.scope['path_template']}"
    words = [request.scope["path"], json.dumps(said, sort_keys=True, separators=(",", ":"))]
    if request.method in ("PATCH", "DELETE"):
        words.append(",".join(request.headers.getall("if-match", [])))
    return IdempotencyKey(key=key, route=route, fingerprint=hashlib.sha256("\0".join(words).encode()).hexdigest())


def _check_media(request: Request[Any, Any, Any]) -> None:
    media, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().replace('"', "")
    if media.strip().lower() != "application/json" or charset not in ("", "charset=utf-8"):
        raise WrongMediaType
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise WrongMediaType("Send the body as it is, without a content encoding.")


async def collect(request: Request[Any, Any, Any], most: int = MOST_BYTES) -> bytes:
    """Return the body; raises TooLarge, and Malformed for one that does not arrive."""
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and int(announced[:20]) > most:
        raise TooLarge
    body = bytearray()
    try:
        async with asyncio.timeout(_PATIENCE):
            more = True
            while more:
                message = await request.receive()
                if message["type"] != "http.request":
                    raise Malformed("The body ended early.")
                body += message["body"]
                if len(body) > most:
                    raise TooLarge
                more = message["more_body"]
    except TimeoutError:
        raise Malformed("The body took too long to arrive.") from None
    return bytes(body)


def _parse(raw: bytes) -> object:
    """Return what the JSON says; stricter than JSON itself, so that no two readers can understand it differently."""
    _check_shape(raw)
    try:
        return json.loads(
            raw.decode("utf-8"), object_pairs_hook=_unique, parse_float=_finite, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError):
        raise Malformed("The body is not JSON that can be read.") from None


def _check_shape(raw: bytes) -> None:
    """Refuse what would cost more to read than it can be worth, before it is read."""
    openings = raw.count(b"{") + raw.count(b"[")
    if openings <= _DEEPEST and raw.count(b":") <= _MOST_FIELDS and raw.count(b",") <= _MOST_ITEMS:
        return
    bones = _STRINGS.sub(b"", raw)
    brackets = _BRACKETS.findall(bones)
    if bones.count(b":") > _MOST_FIELDS or max(bones.count(b","), len(brackets)) > _MOST_ITEMS:
        raise Malformed("The body has too many fields.")
    depth = 0
    for bracket in brackets:
        depth += 1 if bracket in b"{[" else -1
        if depth > _DEEPEST:
            raise Malformed("The body is nested too deeply.")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        msg = "a name stands twice"
        raise ValueError(msg)
    return found


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        msg = "a number is too large"
        raise ValueError(msg)
    return value


def _refuse_constant(name: str) -> float:
    raise ValueError(name)
