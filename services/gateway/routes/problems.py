"""Every "no" over HTTP: RFC 9457, with the refusal's code and facts, and never a word of what went wrong inside."""

import json
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException

from chassis.database import is_weather
from chassis.logs import get_logger
from chassis.redaction import without_words
from chassis.telemetry import trace_id
from contracts.refusals import (
    Crashed,
    HeadersTooLarge,
    Malformed,
    NoSuchMethod,
    NotFound,
    Refusal,
    TooLarge,
    Unauthenticated,
    Unavailable,
    WrongMediaType,
)
from services.gateway.routes.visits import visit_of

log = get_logger()

MEDIA_TYPE = "application/problem+json"
_OURS = ("type", "title", "status", "detail", "code", "trace_id")
_BY_STATUS: dict[int, type[Refusal]] = {
    kind.status: kind for kind in (NotFound, NoSuchMethod, TooLarge, WrongMediaType, HeadersTooLarge, Unavailable)
}


def title_of(code: str) -> str:
    """Return a code as words."""
    return code.replace("_", " ").capitalize()


def document(refusal: Refusal) -> dict[str, Any]:
    """Return the refusal as the members of a problem."""
    facts = {name: value for name, value in refusal.facts.items() if name not in _OURS}
    return {
        "type": f"urn:counterfoil:problem:{refusal.code}",
        "title": title_of(refusal.code),
        "status": refusal.status,
        "detail": refusal.detail,
        "code": refusal.code,
        "trace_id": trace_id(),
        **facts,
    }


def headers_of(refusal: Refusal) -> dict[str, str]:
    """Return the headers that go with the refusal."""
    headers: dict[str, str] = {}
    if isinstance(refusal, Unauthenticated):
        headers["www-authenticate"] = 'Bearer realm="counterfoil"'
    if "retry_after" in refusal.facts or isinstance(refusal, Unavailable):
        headers["retry-after"] = str(max(1, round(refusal.facts.get("retry_after", 1))))
    return headers


def body_of(refusal: Refusal) -> bytes:
    """Return the problem's bytes."""
    return json.dumps(document(refusal), ensure_ascii=False).encode()


def refusal_of(error: Exception) -> Refusal:
    """Return the refusal that an exception amounts to; a bug is logged, under the trace id that the caller is told."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, HTTPException) and error.status_code < Crashed.status:
        return _BY_STATUS.get(error.status_code, Malformed)()
    if is_weather(error):
        log.warning("http.unavailable", error=type(error).__name__)
        return Unavailable(retry_after=1)
    log.error("http.crashed", error=without_words(error))
    return Crashed()


def answer_exception(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer whatever a handler, the router or the framework raised."""
    refusal = refusal_of(error)
    visit_of(request.scope).code = refusal.code
    headers = headers_of(refusal)
    if isinstance(error, HTTPException) and error.headers and (allow := error.headers.get("allow")):
        headers["allow"] = allow
    return Response(body_of(refusal), status_code=refusal.status, media_type=MEDIA_TYPE, headers=headers)
