"""A workspace itself: what it is called, whose it is, how one leaves it, how it ends, and how another begins."""

from typing import Any

from litestar import Request, get, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.base import Role
from contracts.refusals import Invalid, Refusal, Taken
from contracts.texts import Line
from services.gateway.domain import slug_of
from services.gateway.routes.bodies import Given
from services.gateway.routes.members import Heir
from services.gateway.routes.workspaces import Ending, NewWorkspace
from services.gateway.web.forms import Form, read_form, wrong
from services.gateway.web.rendering import html, see
from services.gateway.web.shell import Here, Someone, enter, enter_by_form, page, recognise
from services.gateway.web.tickets import members

_PAGE = "/w/{workspace:str}/settings/workspace"
_NEW = "/workspaces/new"
_FORMS = ("naming", "handing", "leaving", "ending")


class NewName(Given):
    """What a workspace is to be called."""

    name: Line


@get(_NEW)
async def new_workspace_page(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Ask what a workspace is to be called."""
    return _new(request, await recognise(request), Form())


@post(_NEW)
async def found(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Make a workspace; its address is made of its name unless one was typed."""
    form = await read_form(request)
    who = await recognise(request, form.csrf)
    if not form.text("slug").strip():
        form.fields["slug"] = [slug_of(form.text("name"))]
    try:
        wanted = form.read(NewWorkspace)
        made = await who.desk.workspaces.found(who.visitor, wanted.name, wanted.slug, form.promise(request))
    except Taken:
        form.refusal = wrong("slug", "taken", "belongs to another workspace; choose another")
    except Refusal as refusal:
        form.refusal = refusal
    else:
        return see(f"/w/{made.slug}")
    if "slug" in form.errors and not form.text("slug"):
        form.refusal = wrong("slug", "missing", "can't be made of this name; type one")
    return _new(request, who, form)


@get(_PAGE)
async def workspace_page(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Show the workspace."""
    return await _show(request, await enter(request, workspace))


@post(_PAGE)
async def rename(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Call the workspace something else."""
    here, form = await enter_by_form(request, workspace)
    try:
        name = form.read(NewName).name
        await here.desk.workspaces.change(here.visitor, name, None, (), form.promise(request))
    except Refusal as refusal:
        form.refusal = refusal
        return await _show(request, here, naming=form)
    return see(f"{here.base}/settings/workspace")


@post(f"{_PAGE}/owner")
async def hand_over(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Make somebody else an owner in one's own place."""
    here, form = await enter_by_form(request, workspace)
    try:
        heir = form.read(Heir)
        await here.desk.people.hand_over(here.visitor, heir.user_id, heir.stay_as, form.promise(request))
    except Invalid as refusal:
        form.refusal = refusal
        if "user_id" in form.errors:
            form.refusal = wrong("user_id", "missing", "choose one of the members")
        return await _show(request, here, handing=form)
    return see(f"{here.base}/settings/workspace")


@post(f"{_PAGE}/leave")
async def leave(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Be no member any more."""
    here, form = await enter_by_form(request, workspace)
    try:
        await here.desk.people.remove_member(here.visitor, here.visitor.user.id, (), form.promise(request))
    except Refusal as refusal:
        form.refusal = refusal
        return await _show(request, here, leaving=form)
    return see("/w")


@post(f"{_PAGE}/end")
async def end(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Delete the workspace, for everybody in it."""
    here, form = await enter_by_form(request, workspace)
    try:
        await here.desk.workspaces.delete(here.visitor, form.read(Ending).confirm.strip(), ())
    except Refusal as refusal:
        form.refusal = refusal
        return await _show(request, here, ending=form)
    return see("/w")


async def _show(request: Request[Any, Any, Any], here: Here, **forms: Form) -> ASGIResponse:
    people = await members(here)
    return await page(
        request,
        here,
        "workspace.html",
        status=next((form.status for form in forms.values()), 200),
        forms={name: forms.get(name, Form()) for name in _FORMS},
        people=people,
        others=[each for each in people if each.id != here.visitor.user.id],
        is_last_owner=here.role is Role.OWNER and sum(each.role is Role.OWNER for each in people) == 1,
        place="workspace",
    )


def _new(request: Request[Any, Any, Any], who: Someone, form: Form) -> ASGIResponse:
    return html(request, "workspace_new.html", {"here": who, "form": form}, status=form.status)


HANDLERS = (new_workspace_page, found, workspace_page, rename, hand_over, leave, end)
