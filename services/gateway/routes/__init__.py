"""Ears for HTTP: a request in, a question to whoever owns the thing, an answer out. No decision is made here."""

import json

from litestar import Litestar, get
from litestar.datastructures import State
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp

from chassis.telemetry import Metrics
from services.gateway.routes import (
    bulk,
    dead_letters,
    deletion,
    filters,
    invitations,
    ledger,
    live,
    members,
    notifications,
    passwords,
    schemas,
    sessions,
    settings,
    tickets,
    tokens,
    workspaces,
)
from services.gateway.routes.door import Door
from services.gateway.routes.operations import API, describe
from services.gateway.routes.problems import answer_exception
from services.gateway.routes.visitors import Desk

__all__ = ["Desk", "web"]

_HANDLERS = (
    *sessions.HANDLERS,
    *passwords.HANDLERS,
    *workspaces.HANDLERS,
    *members.HANDLERS,
    *invitations.HANDLERS,
    *tokens.HANDLERS,
    *tickets.HANDLERS,
    *filters.HANDLERS,
    *deletion.HANDLERS,
    *bulk.HANDLERS,
    *settings.HANDLERS,
    *ledger.HANDLERS,
    *live.HANDLERS,
    *dead_letters.HANDLERS,
    *notifications.HANDLERS,
)
_DESCRIPTION = "/api/openapi.json"


def web(desk: Desk, metrics: Metrics) -> ASGIApp:
    """Assemble the API."""
    description = json.dumps(describe(_HANDLERS, desk.public_url or "/"), separators=(",", ":")).encode()

    @get("/")
    async def home() -> ASGIResponse:
        """Say what this is and where to go on."""
        addresses = {"openapi": _DESCRIPTION, "asyncapi": schemas.ASYNCAPI, "schemas": schemas.SCHEMAS}
        return _json({"name": "Counterfoil", "api": API, **addresses})

    @get(_DESCRIPTION)
    async def openapi() -> ASGIResponse:
        """Describe the API."""
        return ASGIResponse(body=description, media_type="application/json", headers={"cache-control": "no-cache"})

    app = Litestar(
        route_handlers=[home, openapi, *schemas.HANDLERS, *_HANDLERS],
        exception_handlers={Exception: answer_exception},
        state=State({"desk": desk}),
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
    return Door(app, metrics, https=desk.https)


def _json(content: dict[str, str]) -> ASGIResponse:
    return ASGIResponse(body=json.dumps(content).encode(), media_type="application/json")
