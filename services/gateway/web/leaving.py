"""What leaves the desk: everything as one file, and people who are erased."""

from typing import Any
from uuid import UUID

from litestar import Request, get, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.base import Role
from contracts.refusals import NotAllowed
from services.gateway.routes.bodies import path_id
from services.gateway.web.forms import Form
from services.gateway.web.rendering import see
from services.gateway.web.shell import Here, enter, enter_by_form, page

_PAGE = "/w/{workspace:str}/settings/export"
SERVICES = {
    "tickets": "tickets and contacts",
    "activity": "the record",
    "notifications": "inboxes and mail",
    "gateway": "accounts",
}
"""What each service holds, in people's words."""


@get(_PAGE)
async def export_page(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Show what can be carried out, who can be erased, and who was."""
    return await _show(request, _manager(await enter(request, workspace)), None, Form())


@post(f"{_PAGE}/members/{{user:str}}/erase")
async def erase_member(request: Request[Any, Any, Any], workspace: FromPath[str], user: FromPath[str]) -> ASGIResponse:
    """Have a member who left erased."""
    came, form = await enter_by_form(request, workspace)
    here, id = _manager(came), path_id(user)
    with form.tried():
        await here.desk.erasures.member(here.visitor, id, form.text("confirm").strip(), form.promise(request))
    if form.refusal:
        return await _show(request, here, id, form)
    return see(f"{here.base}/settings/export")


def _manager(here: Here) -> Here:
    if not here.role.runs_the_desk:
        raise NotAllowed
    return here


async def _show(request: Request[Any, Any, Any], here: Here, leaver: UUID | None, form: Form) -> ASGIResponse:
    return await page(
        request,
        here,
        "export.html",
        status=form.status,
        former=(await here.desk.erasures.former(here.visitor)).items,
        erasures=(await here.desk.erasures.page(here.visitor)).items,
        imported=(await here.desk.imports.state(here.visitor)).items if here.role is Role.OWNER else (),
        services=SERVICES,
        leaver=leaver,
        form=form,
        place="export",
    )


HANDLERS = (export_page, erase_member)
