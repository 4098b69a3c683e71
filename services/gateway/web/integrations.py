"""Integrations: other systems that enter NATS, and what each is told once to come in with."""

from typing import Any
from uuid import UUID

from litestar import Request, get, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.refusals import Refusal
from services.gateway.routes.bodies import path_id
from services.gateway.routes.integrations import NewIntegration
from services.gateway.usecases.answers import IntegrationMade
from services.gateway.web.forms import Form
from services.gateway.web.rendering import see
from services.gateway.web.shell import Here, enter, enter_by_form, page
from services.gateway.web.tickets import members

_PAGE = "/w/{workspace:str}/settings/integrations"
_ONE = f"{_PAGE}/{{integration:str}}"
_MOST = 100


@get(_PAGE)
async def integrations_page(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Show the integrations, and the form for another."""
    return await _show_all(request, await enter(request, workspace), Form())


@post(_PAGE)
async def make(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Let another system in. What it comes in with is shown on the page that answers, this once."""
    here, form = await enter_by_form(request, workspace)
    try:
        wanted = form.read(NewIntegration)
        made = await here.desk.integrations.make(
            here.visitor, wanted.name, form.promise(request), internal=wanted.internal
        )
    except Refusal as refusal:
        form.refusal = refusal
        return await _show_all(request, here, form)
    return await _show_one(request, here, made.id, Form(), made=made)


@get(_ONE)
async def integration_page(
    request: Request[Any, Any, Any], workspace: FromPath[str], integration: FromPath[str]
) -> ASGIResponse:
    """Show one: what it may write and read, and how far it is."""
    return await _show_one(request, await enter(request, workspace), path_id(integration), Form())


@post(_ONE)
async def settle(request: Request[Any, Any, Any], workspace: FromPath[str], integration: FromPath[str]) -> ASGIResponse:
    """Set one back, or shut it out."""
    here, form = await enter_by_form(request, workspace)
    id = path_id(integration)
    try:
        if form.text("do") == "revoke":
            await here.desk.integrations.revoke(here.visitor, id, form.promise(request))
            return see(f"{here.base}/settings/integrations")
        since = form.moment("from", "a time such as 2026-03-01 09:30, or a sequence of the stream")
        await here.desk.integrations.replay(here.visitor, id, since)
    except Refusal as refusal:
        form.refusal = refusal
        return await _show_one(request, here, id, form)
    return see(f"{here.base}/settings/integrations/{id}?done=replay")


async def _show_all(request: Request[Any, Any, Any], here: Here, form: Form) -> ASGIResponse:
    return await page(
        request,
        here,
        "integrations.html",
        status=form.status,
        form=form,
        integrations=(await here.desk.integrations.list(here.visitor, None, _MOST)).items,
        makers={each.id: each.name for each in await members(here)},
        place="integrations",
    )


async def _show_one(
    request: Request[Any, Any, Any], here: Here, id: UUID, form: Form, *, made: IntegrationMade | None = None
) -> ASGIResponse:
    integration = await here.desk.integrations.one(here.visitor, id)
    return await page(
        request,
        here,
        "integration.html",
        status=form.status,
        form=form,
        integration=integration,
        access=_access(made) if made else "",
        writes=[subject for subject in integration.subjects if ".intake." in subject],
        reads=sorted(subject.split(".")[-2] for subject in integration.subjects if ".events." in subject),
        replayed=request.query_params.get("done") == "replay",
        makers={each.id: each.name for each in await members(here)},
        place="integrations",
    )


def _access(made: IntegrationMade) -> str:
    """Return what its programs read, as the file that `make run` writes for another."""
    told = {
        "NATS_URL": made.nats_url,
        "NATS_INBOX_PREFIX": made.inbox_prefix,
        "WORKSPACE_ID": made.workspace_id,
        "INTEGRATION": made.name,
    }
    return "\n".join(f"{name}={value}" for name, value in told.items())


HANDLERS = (integrations_page, make, integration_page, settle)
