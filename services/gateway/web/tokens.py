"""API tokens: the programs that are let in, each with a secret that is shown once."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from litestar import Request, get, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.base import Role
from contracts.refusals import Refusal
from services.gateway.domain import TOKEN_LIFE, Scope, outranks
from services.gateway.routes import mcp
from services.gateway.routes.bodies import path_id
from services.gateway.routes.tokens import NewToken
from services.gateway.routes.visitors import base_url
from services.gateway.usecases.answers import TokenMade
from services.gateway.web.forms import Form, wrong
from services.gateway.web.rendering import see
from services.gateway.web.shell import Here, enter, enter_by_form, page
from services.gateway.web.tickets import members

_PAGE = "/w/{workspace:str}/settings/tokens"
_MOST = 100
_LIVES: Mapping[int, str] = {7: "A week", 30: "30 days", TOKEN_LIFE.days: "90 days", 180: "Half a year", 365: "A year"}
_AREAS: Mapping[str, tuple[str, str]] = {
    "tickets": ("Tickets, their history and notes", "tickets"),
    "contacts": ("Contacts", "contacts"),
    "conversations": ("Conversations", "conversations"),
    "settings": ("Settings and widgets", ""),
    "people": ("Members, invitations and tokens", "members"),
    "audit": ("The record and dead letters", "audit/head"),
    "notifications": ("Notifications", "notifications"),
}
"""What scopes are about, in words, and what may be read first with one of them."""


@get(_PAGE)
async def tokens_page(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Show the tokens, to whoever may make them."""
    return await _show(request, await enter(request, workspace), Form())


@post(_PAGE)
async def make(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Let a program in. Its secret is shown on the page that answers, this once."""
    here, form = await enter_by_form(request, workspace)
    try:
        if not form.all("scopes"):
            raise wrong("scopes", "too_short", "choose at least one")
        wanted = form.read(NewToken)
        made = await here.desk.tokens.make(
            here.visitor,
            name=wanted.name,
            role=wanted.role,
            scopes=wanted.scopes,
            life=dt.timedelta(days=wanted.expires_in_days),
            key=form.promise(request),
        )
    except Refusal as refusal:
        form.refusal = refusal
        return await _show(request, here, form)
    return await _show(request, here, Form(), made)


@post(f"{_PAGE}/{{token:str}}")
async def revoke(request: Request[Any, Any, Any], workspace: FromPath[str], token: FromPath[str]) -> ASGIResponse:
    """End a token at once."""
    here, form = await enter_by_form(request, workspace)
    await here.desk.tokens.revoke(here.visitor, path_id(token), form.promise(request))
    return see(f"{here.base}/settings/tokens")


async def _show(request: Request[Any, Any, Any], here: Here, form: Form, made: TokenMade | None = None) -> ASGIResponse:
    held = (await here.desk.tokens.list(here.visitor, None, _MOST)).items
    return await page(
        request,
        here,
        "tokens.html",
        status=form.status,
        form=form,
        made=made,
        command=_command(request, here, made) if made else "",
        assistants_come_to=f"{base_url(request)}{mcp.ADDRESS}",
        tokens=held,
        makers={each.id: each.name for each in await members(here)},
        roles=[role for role in Role if role is not Role.OWNER and outranks(here.role, role)],
        areas={area: words for area, (words, _) in _AREAS.items()},
        lives=_LIVES,
        life=str(TOKEN_LIFE.days),
        place="tokens",
    )


def _command(request: Request[Any, Any, Any], here: Here, made: TokenMade) -> str:
    """Return what shows that a token works: the first that it may read, else who is in the way."""
    readable = [area for area in _AREAS if Scope(f"{area}:read") in made.scopes]
    path = _AREAS[readable[0]][1] if readable else "tickets"
    address = f"{base_url(request)}/api/v1/workspaces/{here.workspace.slug}/{path}".rstrip("/")
    return f"curl -H 'Authorization: Bearer {made.token}' \\\n  {address}"


HANDLERS = (tokens_page, make, revoke)
