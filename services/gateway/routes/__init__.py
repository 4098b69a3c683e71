"""Ears for HTTP: a request in, a question to whoever owns the thing, an answer out. No decision is made here."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from litestar import Litestar, Request, Router, get
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp

from chassis.telemetry import Metrics
from services.gateway.routes import (
    assistants,
    bulk,
    contacts,
    conversations,
    dead_letters,
    deletion,
    deliveries,
    erasing,
    filters,
    importing,
    integrations,
    invitations,
    ledger,
    live,
    mails,
    mcp,
    members,
    notes,
    notifications,
    passwords,
    reports,
    schemas,
    sessions,
    settings,
    sheets,
    tickets,
    tokens,
    transfer,
    views,
    watching,
    webhooks,
    widget,
    workspaces,
)
from services.gateway.routes.door import Door
from services.gateway.routes.operations import API, describe
from services.gateway.routes.options import options
from services.gateway.routes.problems import answer_exception
from services.gateway.routes.visitors import Desk

__all__ = ["Desk", "Pages", "web"]

_HANDLERS = (
    *sessions.HANDLERS,
    *passwords.HANDLERS,
    *workspaces.HANDLERS,
    *members.HANDLERS,
    *invitations.HANDLERS,
    *tokens.HANDLERS,
    *integrations.HANDLERS,
    *views.HANDLERS,
    *tickets.HANDLERS,
    *assistants.HANDLERS,
    *contacts.HANDLERS,
    *conversations.HANDLERS,
    *filters.HANDLERS,
    *sheets.HANDLERS,
    *deletion.HANDLERS,
    *bulk.HANDLERS,
    *settings.HANDLERS,
    *notes.HANDLERS,
    *watching.HANDLERS,
    *webhooks.HANDLERS,
    *deliveries.HANDLERS,
    *erasing.HANDLERS,
    *importing.HANDLERS,
    *transfer.HANDLERS,
    *ledger.HANDLERS,
    *reports.HANDLERS,
    *live.HANDLERS,
    *dead_letters.HANDLERS,
    *notifications.HANDLERS,
    *mails.HANDLERS,
    *widget.HANDLERS,
)
_DESCRIPTION = "/api/openapi.json"


@dataclass(frozen=True, slots=True)
class Pages:
    """What stands beside the API for browsers."""

    handlers: Sequence[HTTPRouteHandler]
    answer_exception: Callable[[Request[Any, Any, Any], Exception], Any]
    home: str
    """Where a browser that comes to the root goes on."""
    state: Mapping[str, Any] = field(default_factory=dict)


def web(desk: Desk, metrics: Metrics, pages: Pages | None = None) -> ASGIApp:
    """Assemble the API, and the pages beside it, behind a door."""
    return Door(assemble(desk, pages), metrics, https=desk.https)


def assemble(desk: Desk, pages: Pages | None = None) -> Litestar:
    """Assemble the API, and the pages beside it."""

    @cache
    def description() -> bytes:
        return json.dumps(describe(_HANDLERS, desk.public_url or "/"), separators=(",", ":")).encode()

    @get("/")
    async def home(request: Request[Any, Any, Any]) -> ASGIResponse:
        """Say what this is and where to go on."""
        if pages is not None and _is_browser(request):
            return ASGIResponse(status_code=303, headers={"location": pages.home})
        addresses = {"openapi": _DESCRIPTION, "asyncapi": schemas.ASYNCAPI, "schemas": schemas.SCHEMAS}
        return _json({"name": "Counterfoil", "api": API, **addresses})

    @get(_DESCRIPTION)
    async def openapi() -> ASGIResponse:
        """Describe the API."""
        return ASGIResponse(body=description(), media_type="application/json", headers={"cache-control": "no-cache"})

    def answer(request: Request[Any, Any, Any], error: Exception) -> Any:  # noqa: ANN401 - a page or a problem
        if pages is not None and _is_browser(request) and not request.scope["path"].startswith("/api/"):
            return pages.answer_exception(request, error)
        return answer_exception(request, error)

    beside = (
        [Router("/", route_handlers=[*pages.handlers], exception_handlers={Exception: pages.answer_exception})]
        if pages
        else []
    )
    return Litestar(
        # First, for Litestar answers OPTIONS itself wherever nobody does yet.
        route_handlers=[
            widget.preflight,
            *options(_HANDLERS, widget.preflight),
            home,
            openapi,
            *schemas.HANDLERS,
            *mcp.HANDLERS,
            *_HANDLERS,
            *beside,
        ],
        exception_handlers={Exception: answer},
        state=State({"desk": desk, **(pages.state if pages else {})}),
        openapi_config=None,
        logging_config=None,
        debug=False,
    )


def _is_browser(request: Request[Any, Any, Any]) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _json(content: dict[str, str]) -> ASGIResponse:
    return ASGIResponse(body=json.dumps(content).encode(), media_type="application/json")
