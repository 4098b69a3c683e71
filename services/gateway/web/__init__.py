"""The dashboard: pages for browsers, on the same use cases as the API and through the same door.

Every page is whole without a script; scripts make it quicker. A refusal is a page too, and keeps what was typed.
"""

from typing import Any
from urllib.parse import quote

from litestar import Request
from litestar.response.base import ASGIResponse

from contracts.refusals import Refusal, Unauthenticated
from services.gateway.routes import Pages
from services.gateway.routes.problems import headers_of, refusal_of
from services.gateway.routes.visits import visit_of
from services.gateway.web import assets, doors, inbox, members, record, ticket, tickets
from services.gateway.web.rendering import Site, html, path_of, see

__all__ = ["pages"]


def pages() -> Pages:
    """Return the dashboard, to be put beside the API."""
    return Pages(
        handlers=(
            assets.asset,
            *doors.HANDLERS,
            *tickets.HANDLERS,
            *ticket.HANDLERS,
            *inbox.HANDLERS,
            *members.HANDLERS,
            *record.HANDLERS,
        ),
        answer_exception=answer_exception,
        state={"site": Site.build()},
        home="/w",
    )


def answer_exception(request: Request[Any, Any, Any], error: Exception) -> ASGIResponse:
    """Answer whatever a page raised: whoever must sign in first comes back to where they wanted to go."""
    refusal = refusal_of(error)
    visit_of(request.scope).code = refusal.code
    if isinstance(refusal, Unauthenticated):
        wanted = path_of(request) if request.method == "GET" else "/w"
        door = f"/sign-in?next={quote(wanted, safe='/')}"
        return _away(door) if "hx-request" in request.headers else see(door)
    return html(request, "error.html", {"refusal": refusal}, status=refusal.status, headers=_retry(refusal))


def _away(door: str) -> ASGIResponse:
    """Have htmx load a whole page, where it asked for a part."""
    return ASGIResponse(status_code=200, headers={"hx-redirect": door})


def _retry(refusal: Refusal) -> dict[str, str]:
    return {name: value for name, value in headers_of(refusal).items() if name == "retry-after"}
