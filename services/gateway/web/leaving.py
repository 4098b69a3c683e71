"""What leaves the desk: everything as one file, and people who are erased."""

from typing import Any
from uuid import UUID

from litestar import Request, get, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.base import Role
from contracts.refusals import Invalid, NotAllowed
from services.gateway.domain import Workspace
from services.gateway.routes.bodies import path_id
from services.gateway.usecases.imports import ImportReport
from services.gateway.web.forms import Form
from services.gateway.web.rendering import see
from services.gateway.web.shell import Here, enter, enter_by_form, page

EXPORT = "/w/{workspace:str}/settings/export"
SERVICES = {
    "tickets": "tickets and contacts",
    "activity": "the record",
    "notifications": "inboxes and mail",
    "gateway": "accounts",
}
"""What each service holds, in people's words."""


@get(EXPORT)
async def export_page(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Show what can be carried out, who can be erased, and who was."""
    return await show(request, _manager(await enter(request, workspace)), None, Form())


@post(f"{EXPORT}/members/{{user:str}}/erase")
async def erase_member(request: Request[Any, Any, Any], workspace: FromPath[str], user: FromPath[str]) -> ASGIResponse:
    """Have a member who left erased."""
    came, form = await enter_by_form(request, workspace)
    here, id = _manager(came), path_id(user)
    with form.tried():
        await here.desk.erasures.member(here.visitor, id, form.text("confirm").strip(), form.promise(request))
    if form.refusal:
        return await show(request, here, id, form)
    return see(f"{here.base}/settings/export")


def _manager(here: Here) -> Here:
    if not here.role.runs_the_desk:
        raise NotAllowed
    return here


async def show(
    request: Request[Any, Any, Any],
    here: Here,
    leaver: UUID | None,
    form: Form,
    *,
    report: ImportReport | None = None,
    there: Workspace | None = None,
) -> ASGIResponse:
    """Show the page with what became of a form; `report` tells of a file, and `there` into which workspace it went."""
    failed = report is not None and bool(report.faults) and not report.dry_run
    owns = here.role is Role.OWNER
    return await page(
        request,
        here,
        "export.html",
        status=Invalid.status if failed else form.status,
        former=(await here.desk.erasures.former(here.visitor)).items,
        erasures=(await here.desk.erasures.page(here.visitor)).items,
        imported=(await here.desk.imports.state(here.visitor)).items if owns else (),
        is_open=owns and await here.desk.imports.is_open(here.visitor),
        report=report,
        there=there,
        services=SERVICES,
        leaver=leaver,
        form=form,
        place="export",
    )


HANDLERS = (export_page, erase_member)
