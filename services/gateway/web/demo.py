"""A page of a pretend shop that has embedded the widget, as another site would: from another origin than its own."""

import re
from typing import Any
from uuid import UUID

from litestar import Request, get
from litestar.response.base import ASGIResponse

from contracts.refusals import Malformed, Refusal
from contracts.tickets import FindAssistant
from services.gateway.routes.visitors import address_of, base_url, desk_of
from services.gateway.web.rendering import HTML, written

_LONGEST_ID = 100
_BASE = re.compile(r"(https?://)([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])((?::[0-9]{1,5})?)")
_TWINS = {"127.0.0.1": "localhost", "localhost": "127.0.0.1"}
"""Two names of this machine, which browsers take for two sites."""


@get("/demo")
async def demo(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Show the shop with the demo's assistant, or with the one that the address names."""
    desk = desk_of(request)
    await desk.widget.counted("config_by_address", address_of(request))
    # One that is named is tried, whatever it is: the widget itself says what is wrong with it.
    shown = request.query_params.get("assistant", "")[:_LONGEST_ID] or await _begun_with(request)
    origin = _other(base_url(request))
    body, headers = written(request, "demo.html", {"assistant": shown, "origin": origin})
    headers["content-security-policy"] = (
        f"default-src 'none'; script-src {origin}; connect-src {origin}; style-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return ASGIResponse(body=body, media_type=HTML, headers=headers)


async def _begun_with(request: Request[Any, Any, Any]) -> str:
    """Return the demo's assistant; nothing where there is none, or not yet."""
    id: UUID | None = request.app.state["demo_assistant"]
    if id is None:
        return ""
    try:
        await desk_of(request).bus.ask(FindAssistant(assistant_id=id))
    except Refusal:
        return ""
    return str(id)


def _other(base: str) -> str:
    """Return the origin that the script comes from: on one machine its other name, else where people reach the desk."""
    found = _BASE.fullmatch(base)
    if found is None:
        raise Malformed("The Host header names no host.")
    return f"{found[1]}{_TWINS.get(found[2], found[2])}{found[3]}"
