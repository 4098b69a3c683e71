"""A workspace out of a file that somebody chose on a page."""

from typing import Any

from litestar import Request, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.base import Role
from contracts.refusals import Malformed, NotAllowed, Refusal, Taken
from contracts.texts import Line
from services.gateway.domain import slug_of
from services.gateway.routes.bodies import Given
from services.gateway.routes.importing import lines_of
from services.gateway.routes.workspaces import NewWorkspace
from services.gateway.usecases.imports import ImportReport
from services.gateway.web.forms import wrong
from services.gateway.web.leaving import EXPORT, show
from services.gateway.web.shell import Here, enter
from services.gateway.web.uploads import Upload, read_upload

_PAGE = f"{EXPORT}/import"


class NewName(Given):
    """What the workspace of the file is to be called."""

    name: Line


@post(f"{_PAGE}/look")
async def look(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Say what a file would bring, and what is wrong with it; nothing is made."""
    upload = await read_upload(request)
    here = _owner(await enter(request, workspace, upload.form.csrf))
    return await _answer(request, here, here, upload, dry_run=True)


@post(_PAGE)
async def take(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Put a file into this workspace while nothing has happened in it, else into a new one; sent again, it goes on."""
    upload = await read_upload(request)
    form = upload.form
    here = there = _owner(await enter(request, workspace, form.csrf))
    if not await here.desk.imports.is_open(here.visitor):
        try:
            name = form.read(NewName).name
            wanted = form.checked(NewWorkspace, {"name": name, "slug": slug_of(name)})
            made = await here.desk.workspaces.found(here.visitor, wanted.name, wanted.slug, form.promise(request))
        except Taken:
            form.refusal = wrong("name", "taken", "leads to the address of another workspace; choose another")
        except Refusal as refusal:
            form.refusal = refusal
            if "slug" in form.errors:
                form.refusal = wrong("name", "malformed", "must hold letters or digits, for the address is made of it")
        else:
            there = await enter(request, made.id, form.csrf)
    return await _answer(request, here, there, upload, dry_run=False)


async def _answer(
    request: Request[Any, Any, Any], here: Here, there: Here, upload: Upload, *, dry_run: bool
) -> ASGIResponse:
    form, report = upload.form, None
    if form.refusal is None:
        try:
            report = await _taken(there, upload, dry_run=dry_run)
        except Refusal as refusal:
            form.refusal = refusal
    await upload.pass_over()
    return await show(request, here, None, form, report=report, there=there.workspace)


async def _taken(there: Here, upload: Upload, *, dry_run: bool) -> ImportReport:
    lines = lines_of(upload.file)
    try:
        if dry_run:
            return await there.desk.imports.look(there.visitor, lines)
        return await there.desk.imports.take(there.visitor, lines, dry_run=False)
    except Malformed as refusal:
        raise wrong("file", "malformed", f"is no file to import: {refusal.detail}") from None


def _owner(here: Here) -> Here:
    if here.role is not Role.OWNER:
        raise NotAllowed
    return here


HANDLERS = (look, take)
