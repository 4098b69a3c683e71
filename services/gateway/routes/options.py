"""Which methods an address takes: Litestar's own answer would name those of one handler alone."""

from collections.abc import Sequence

from litestar import route
from litestar.handlers import HTTPRouteHandler
from litestar.response.base import ASGIResponse


def options(handlers: Sequence[HTTPRouteHandler], preflight: HTTPRouteHandler) -> list[HTTPRouteHandler]:
    """Return what answers OPTIONS at each address of these handlers where `preflight` does not."""
    allowed: dict[str, set[str]] = {}
    for handler in handlers:
        for path in handler.paths:
            allowed.setdefault(path, {"OPTIONS"}).update(map(str, handler.http_methods))
    return [_options(path, ", ".join(sorted(names))) for path, names in allowed.items() if path not in preflight.paths]


def _options(path: str, allowed: str) -> HTTPRouteHandler:
    @route(path, http_method=["OPTIONS"], status_code=200)
    async def allow() -> ASGIResponse:
        return ASGIResponse(status_code=204, headers={"allow": allowed})

    return allow
