"""Somebody's own account: name, password, where they are signed in, and how pages look to them."""

from collections.abc import Mapping
from typing import Any

from litestar import Request, get, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.refusals import Refusal
from services.gateway.domain import PASSWORD_LEAST
from services.gateway.routes.bodies import path_id
from services.gateway.routes.passwords import NewPassword
from services.gateway.routes.sessions import NewSelf
from services.gateway.routes.visitors import came
from services.gateway.web.forms import Form
from services.gateway.web.places import Part, places
from services.gateway.web.rendering import DENSITIES, see
from services.gateway.web.shell import Here, enter, enter_by_form, page

_PAGE = "/w/{workspace:str}/settings/account"
_MOST_SESSIONS = 100
_DONE: Mapping[str, str] = {
    "name": "Your name is changed.",
    "password": "Your password is changed, and you are signed out everywhere else.",
    "session": "That session is signed out.",
    "sessions": "You are signed out everywhere else.",
}
"""What a form led to, by what the address says of it."""


@get("/w/{workspace:str}/settings")
async def settings(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Lead whoever comes without saying where to the first of the settings."""
    here = await enter(request, workspace)
    return see(f"{here.base}/{places(Part.SETTINGS, here.role)[0].path}")


@get(_PAGE)
async def account_page(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Show somebody their account."""
    here = await enter(request, workspace)
    return await _show(request, here, done=_DONE.get(request.query_params.get("done", ""), ""))


@post(_PAGE)
async def rename(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Be called something else."""
    here, form = await enter_by_form(request, workspace)
    try:
        await here.desk.accounts.rename(here.visitor, form.read(NewSelf).name)
    except Refusal as refusal:
        form.refusal = refusal
        return await _show(request, here, naming=form)
    return _done(here, "name")


@post(f"{_PAGE}/password")
async def change_password(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Take another password; this browser goes on with a new session, and every other one ends."""
    here, form = await enter_by_form(request, workspace)
    try:
        given = form.read(NewPassword)
        begun = await here.desk.accounts.change_password(here.visitor, given.current, given.new, came(request))
    except Refusal as refusal:
        form.refusal = refusal
        return await _show(request, here, password=form)
    return _done(here, "password", {"set-cookie": here.desk.cookie_header(begun.token)})


@post(f"{_PAGE}/sessions")
async def end_others(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Be signed in here alone."""
    here, _ = await enter_by_form(request, workspace)
    await here.desk.accounts.end_other_sessions(here.visitor)
    return _done(here, "sessions")


@post(f"{_PAGE}/sessions/{{session:str}}")
async def end_session(
    request: Request[Any, Any, Any], workspace: FromPath[str], session: FromPath[str]
) -> ASGIResponse:
    """Be signed out somewhere else."""
    here, _ = await enter_by_form(request, workspace)
    await here.desk.accounts.end_session(here.visitor, path_id(session))
    return _done(here, "session")


async def _show(request: Request[Any, Any, Any], here: Here, *, done: str = "", **forms: Form) -> ASGIResponse:
    form = next(iter(forms.values()), Form())
    return await page(
        request,
        here,
        "account.html",
        status=form.status,
        tried=form,
        naming=forms.get("naming", Form()),
        password=forms.get("password", Form()),
        sessions=(await here.desk.accounts.sessions(here.visitor, None, _MOST_SESSIONS)).items,
        least=PASSWORD_LEAST,
        densities=DENSITIES,
        done=done,
        place="account",
    )


def _done(here: Here, what: str, headers: Mapping[str, str] | None = None) -> ASGIResponse:
    return see(f"{here.base}/settings/account?done={what}", headers)


HANDLERS = (settings, account_page, rename, change_password, end_others, end_session)
