"""`/health/live`, `/health/ready` and `/metrics`: the three addresses that every service has on its own port."""

import hmac
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

type Scope = Mapping[str, Any]
type Receive = Callable[[], Awaitable[Any]]
type Send = Callable[[Any], Awaitable[None]]
type App = Callable[[Any, Any, Any], Awaitable[None]]
type Check = Callable[[], Awaitable[str | None]]

_WEDGED = 10.0


class Health:
    """What an orchestrator asks. Live: the event loop turns. Ready: store and broker answer and nothing has drifted."""

    def __init__(
        self, service: str, registry: CollectorRegistry, checks: Mapping[str, Check], *, token: str = ""
    ) -> None:
        """Run `checks` at each question; each returns what is wrong, or None. `token` is asked of who reads metrics."""
        self._service = service
        self._registry = registry
        self._checks = checks
        self._access = f"Bearer {token}".encode() if token else b""
        self.beat = time.monotonic()
        """When the service's own heart last beat."""

    async def live(self) -> tuple[bool, dict[str, str]]:
        """Tell whether the process should go on."""
        late = time.monotonic() - self.beat
        return late < _WEDGED, {"service": self._service, "heartbeat": f"{late:.1f} s ago"}

    async def ready(self) -> tuple[bool, dict[str, str]]:
        """Tell whether the process can do its work, and what is wrong if not."""
        found = {name: await check() for name, check in self._checks.items()}
        return not any(found.values()), {"service": self._service} | {n: wrong or "ok" for n, wrong in found.items()}

    def beside(self, web: App | None) -> App:
        """Return the ASGI app of the service's port: these three addresses, and `web` for all others."""

        async def app(scope: Any, receive: Receive, send: Send) -> None:
            path = scope.get("path")
            if scope["type"] == "http" and path in ("/health/live", "/health/ready", "/metrics"):
                await self._answer(path, scope, send)
            elif web is not None:
                await web(scope, receive, send)
            elif scope["type"] == "http":
                await _respond(send, 404, b'{"status": 404, "code": "not_found"}', "application/problem+json")

        return app

    async def _answer(self, path: str, scope: Scope, send: Send) -> None:
        if path == "/metrics":
            if self._lets_in(scope):
                await _respond(send, 200, generate_latest(self._registry), CONTENT_TYPE_LATEST)
            else:
                await _respond(send, 401, b'{"status": 401, "code": "unauthenticated"}', "application/problem+json")
            return
        well, facts = await (self.live() if path == "/health/live" else self.ready())
        body = json.dumps({"status": "ok" if well else "unavailable"} | facts).encode()
        await _respond(send, 200 if well else 503, body, "application/json")

    def _lets_in(self, scope: Scope) -> bool:
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        return not self._access or hmac.compare_digest(given, self._access)


async def _respond(send: Send, status: int, body: bytes, media: str) -> None:
    headers = [
        (b"content-type", media.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
