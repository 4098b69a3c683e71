"""A password that was forgotten: ask for a link, and follow it."""

from typing import Any

from litestar import Request, get, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.refusals import NotFound, Refusal
from services.gateway.domain import PASSWORD_LEAST, RESET_LIFE
from services.gateway.routes.passwords import Forgotten, Replacement
from services.gateway.routes.visitors import came, check_origin, desk_of
from services.gateway.web.forms import Form, read_form
from services.gateway.web.rendering import html

_MINUTES = int(RESET_LIFE.total_seconds()) // 60


@get("/forgotten")
async def forgotten_page(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Ask whose password it is."""
    return html(request, "forgotten.html", {"form": Form(), "sent": False, "minutes": _MINUTES})


@post("/forgotten")
async def forget(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Have a link mailed; the answer is the same whoever asks, and for whom."""
    check_origin(request)
    form = await read_form(request)
    try:
        await desk_of(request).resets.ask(form.read(Forgotten).email, came(request).address)
    except Refusal as refusal:
        form.refusal = refusal
    return html(
        request,
        "forgotten.html",
        {"form": form, "sent": form.refusal is None, "minutes": _MINUTES},
        status=form.status,
        headers=form.headers,
    )


@get("/password-resets/{token:str}")
async def reset_page(request: Request[Any, Any, Any], token: FromPath[str]) -> ASGIResponse:
    """Ask for the password from now on."""
    return await _reset(request, token, Form())


@post("/password-resets/{token:str}")
async def reset(request: Request[Any, Any, Any], token: FromPath[str]) -> ASGIResponse:
    """Set the password, once per link."""
    check_origin(request)
    form = await read_form(request)
    try:
        await desk_of(request).resets.reset(token, form.read(Replacement).password, came(request).via)
    except Refusal as refusal:
        form.refusal = refusal
        return await _reset(request, token, form)
    return html(request, "reset.html", {"done": True})


async def _reset(request: Request[Any, Any, Any], token: str, form: Form) -> ASGIResponse:
    try:
        email = await desk_of(request).resets.whose(token)
    except NotFound as refusal:
        return html(request, "link_over.html", {"refusal": refusal, "to": "/forgotten"}, status=refusal.status)
    told = {"form": form, "email": email, "least": PASSWORD_LEAST, "done": False}
    return html(request, "reset.html", told, status=form.status)


HANDLERS = (forgotten_page, forget, reset_page, reset)
