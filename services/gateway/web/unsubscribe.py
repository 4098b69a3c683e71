"""Mail that somebody wants no more: the link in it, and the one click of a mail program (RFC 8058)."""

import re
from typing import Any

from litestar import Request, get, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.notifications import Unsubscribe
from contracts.refusals import NotFound
from services.gateway.routes.visitors import desk_of
from services.gateway.web.rendering import html

_PAGE = "/unsubscribe/{token:str}"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,64}")


@get(_PAGE)
async def unsubscribe_page(request: Request[Any, Any, Any], token: FromPath[str]) -> ASGIResponse:
    """Ask whether mail shall end; opening a link alone ends nothing, since programs open links too."""
    return html(request, "unsubscribe.html", {"token": token if _TOKEN.fullmatch(token) else None, "done": False})


@post(_PAGE)
async def unsubscribe(request: Request[Any, Any, Any], token: FromPath[str]) -> ASGIResponse:
    """End it. A mail program says so without a page, so no page has to prove that it was ours."""
    known = _TOKEN.fullmatch(token) is not None
    try:
        if known:
            await desk_of(request).bus.ask(Unsubscribe(token=token))
    except NotFound:
        known = False
    told = {"token": token if known else None, "done": True}
    return html(request, "unsubscribe.html", told, status=200 if known else NotFound.status)


HANDLERS = (unsubscribe_page, unsubscribe)
