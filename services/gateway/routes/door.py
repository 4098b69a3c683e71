"""The outermost layer of the API: limits, trace, headers of safety, one log line and one measurement per request."""

from time import perf_counter

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPResponseStartEvent, HTTPScope, Message, Receive, Scope, Send

from chassis.logs import get_logger
from chassis.telemetry import Metrics, Part, Span, span, traced
from contracts.refusals import HeadersTooLarge, Refusal
from services.gateway.routes.problems import MEDIA_TYPE, body_of, headers_of, refusal_of
from services.gateway.routes.visits import Visit, enter

log = get_logger()

_MOST_HEADERS = 16 * 1024
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_GONE = 499


class Door:
    """Wraps an application. What it adds holds for every answer, the framework's own and a crash included."""

    def __init__(self, app: ASGIApp, metrics: Metrics, *, https: bool) -> None:
        """Guard `app`; `https` is whether people reach it by TLS."""
        self._app = app
        self._metrics = metrics
        safety = {
            "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
            "referrer-policy": "no-referrer",
            "x-content-type-options": "nosniff",
            "cross-origin-resource-policy": "same-origin",
            "cache-control": "no-store",
        }
        if https:
            safety["strict-transport-security"] = "max-age=31536000; includeSubDomains"
        self._safety = [(name.encode(), value.encode()) for name, value in safety.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in and an answer out."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        with traced(_header(scope, b"traceparent")) as trace, span(Part.SERVER, "HTTP") as told:
            await self._answer(scope, receive, send, trace, told)

    async def _answer(self, scope: HTTPScope, receive: Receive, send: Send, trace: str, told: Span) -> None:
        started, status = perf_counter(), 0
        visit = enter(scope)

        async def out(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])  # an enumeration, from a library
                self._dress(message, trace, visit)
            await send(message)

        try:
            if _size(scope) > _MOST_HEADERS:
                visit.code = HeadersTooLarge.code
                await _refuse(HeadersTooLarge(), out)
            else:
                await self._app(scope, receive, out)
        except Exception as error:
            refusal = refusal_of(error)
            visit.code = refusal.code
            if status:
                raise
            await _refuse(refusal, out)
        finally:
            took = perf_counter() - started
            route = _route(scope)
            method = scope["method"] if scope["method"] in _METHODS else "other"
            told.update_name(f"{method} {route}")
            told.set_attribute("http.request.method", method)
            told.set_attribute("http.route", route)
            told.set_attribute("http.response.status_code", status or _GONE)
            self._metrics.http.labels(method, route, str(status or _GONE)).observe(took)
            log.info(
                "http.answered",
                method=method,
                route=route,
                status=status or _GONE,
                code=visit.code,
                ms=round(took * 1000, 1),
                user_id=visit.user_id,
                workspace_id=visit.workspace_id,
            )

    def _dress(self, message: HTTPResponseStartEvent, trace: str, visit: Visit) -> None:
        """Add the headers of safety; a route's own word on one of them stands."""
        headers = list(message["headers"])
        headers += [(name.encode(), value.encode()) for name, value in visit.headers.items()]
        own = {name.lower() for name, _ in headers}
        headers += [header for header in self._safety if header[0] not in own]
        headers.append((b"x-trace-id", trace.encode()))
        message["headers"] = headers


async def _refuse(refusal: Refusal, send: Send) -> None:
    body = body_of(refusal)
    headers = {"content-type": MEDIA_TYPE, "content-length": str(len(body)), **headers_of(refusal)}
    await send(
        {
            "type": "http.response.start",
            "status": refusal.status,
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _header(scope: HTTPScope, name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)


def _size(scope: HTTPScope) -> int:
    """How much the request says before its body; the address is as large as anybody likes to make it, too."""
    line = len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"])
    return line + sum(len(name) + len(value) + 4 for name, value in scope["headers"])


def _route(scope: HTTPScope) -> str:
    """Return the route's template: an address that names a ticket or holds a token is in no label and no log."""
    return scope.get("path_template") or "unknown"
