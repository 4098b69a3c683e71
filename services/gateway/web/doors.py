"""Where people come in: sign in and out, follow an invitation, choose a workspace and how pages look."""

from contextlib import suppress
from typing import Any

from litestar import Request, get, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.refusals import Invalid, NotFound, Refusal, Unauthenticated
from services.gateway.domain import PASSWORD_LEAST
from services.gateway.routes.invitations import Acceptance
from services.gateway.routes.sessions import Credentials
from services.gateway.routes.visitors import came, check_origin, desk_of
from services.gateway.web.forms import Form, read_form
from services.gateway.web.rendering import DENSITIES, THEMES, html, own_path, see
from services.gateway.web.shell import enter, recognise

_YEAR = 365 * 24 * 3600


@get("/w")
async def home(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Go on to the workspace that was looked at last, else to the first."""
    who = await recognise(request)
    workspaces = (await who.desk.accounts.me(who.visitor, who.token)).workspaces
    if not workspaces:
        return html(request, "nowhere.html", {"here": who})
    last = request.cookies.get("counterfoil_workspace", "")
    slugs = [each.slug for each in workspaces]
    return see(f"/w/{last if last in slugs else slugs[0]}/tickets")


@get("/w/{workspace:str}")
async def into(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Enter a workspace, and remember it."""
    here = await enter(request, workspace)
    return see(f"{here.base}/tickets", {"set-cookie": _kept("workspace", here.workspace.slug)})


@get("/sign-in")
async def sign_in_page(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Ask who it is."""
    return _sign_in(request, Form({"next": [own_path(request.query_params.get("next", "/w"), "/w")]}))


@post("/sign-in")
async def sign_in(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Begin a session."""
    check_origin(request)
    form = await read_form(request)
    desk = desk_of(request)
    try:
        given = form.read(Credentials)
        begun = await desk.accounts.sign_in(given.email, given.password, came(request))
    except Refusal as refusal:
        form.refusal = refusal
        return _sign_in(request, form)
    return see(own_path(form.text("next"), "/w"), {"set-cookie": desk.cookie_header(begun.token)})


@post("/sign-out")
async def sign_out(request: Request[Any, Any, Any]) -> ASGIResponse:
    """End the session; one that is over already is no reason to stay."""
    form = await read_form(request)
    desk = desk_of(request)
    with suppress(Unauthenticated):
        await desk.accounts.sign_out((await recognise(request, form.csrf)).visitor)
    return see("/sign-in", {"set-cookie": desk.cookie_header("")})


@get("/invitations/{token:str}")
async def invitation_page(request: Request[Any, Any, Any], token: FromPath[str]) -> ASGIResponse:
    """Say where the link leads and for whom it is, and ask for the password to sign in with from now on."""
    return await _invitation(request, token, Form())


@post("/invitations/{token:str}")
async def accept(request: Request[Any, Any, Any], token: FromPath[str]) -> ASGIResponse:
    """Become a member and sign in."""
    check_origin(request)
    form = await read_form(request)
    desk = desk_of(request)
    try:
        given = form.read(Acceptance)
        begun = await desk.invitations.accept(token, given.password, None, came(request), name=given.name)
    except Refusal as refusal:
        form.refusal = refusal
        return await _invitation(request, token, form)
    return see("/w", {"set-cookie": desk.cookie_header(begun.token)})


@post("/looks")
async def looks(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Keep how somebody likes pages to look, in their own browser."""
    check_origin(request)
    form = await read_form(request)
    for name, known in (("theme", THEMES), ("density", DENSITIES)):
        if form.text(name) in known:
            return see(own_path(form.text("next")), {"set-cookie": _kept(name, form.text(name))})
    raise NotFound


def _sign_in(request: Request[Any, Any, Any], form: Form) -> ASGIResponse:
    return html(request, "sign_in.html", {"form": form}, status=_status(form), headers=form.headers)


async def _invitation(request: Request[Any, Any, Any], token: str, form: Form) -> ASGIResponse:
    try:
        welcome = await desk_of(request).invitations.look(token)
    except NotFound as refusal:
        return html(request, "link_over.html", {"refusal": refusal, "to": "/w"}, status=refusal.status)
    try:
        here = await recognise(request) if request.method == "GET" else None
    except Unauthenticated:
        here = None
    told = {"form": form, "welcome": welcome, "here": here, "least": PASSWORD_LEAST}
    return html(request, "invitation.html", told, status=_status(form), headers=form.headers)


def _status(form: Form) -> int:
    """Return the status of a door that stays shut: a browser asked for a page, and gets one."""
    return Invalid.status if form.status == Unauthenticated.status else form.status


def _kept(name: str, value: str) -> str:
    return f"counterfoil_{name}={value}; Max-Age={_YEAR}; Path=/; HttpOnly; SameSite=Lax"


HANDLERS = (home, into, sign_in_page, sign_in, sign_out, invitation_page, accept, looks)
