"""Who is in the workspace, as what, and who is asked in."""

from dataclasses import dataclass
from typing import Any

from litestar import Request, get, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.base import Role
from contracts.refusals import Refusal
from services.gateway.routes.bodies import path_id
from services.gateway.routes.invitations import NewInvitation
from services.gateway.routes.members import NewRole
from services.gateway.routes.visitors import base_url
from services.gateway.usecases.answers import InvitationMade
from services.gateway.web.forms import Form
from services.gateway.web.rendering import see
from services.gateway.web.shell import Here, enter, enter_by_form, page
from services.gateway.web.tickets import members

_PAGE = "/w/{workspace:str}/settings/members"
_MOST_INVITATIONS = 100
_RIGHTS = (
    ("See tickets and their history", (True, True, True, "Without internal notes")),
    ("See conversations and contacts", (True, True, True, "Those of a ticket")),
    ("Watch a ticket, be notified", (True, True, True, True)),
    ("Open a ticket", (True, True, True, False)),
    ("Edit, answer and move a ticket, write notes", (True, True, "On their own tickets", False)),
    ("Assign, close, reopen and delete tickets, change many at once", (True, True, False, False)),
    ("Manage contacts", (True, True, True, False)),
    ("Set up the desk: widgets, API tokens, the record", (True, True, False, False)),
    ("Invite people, change roles, remove people", (True, "But no owner", False, False)),
    ("Hand over or delete the workspace", (True, False, False, False)),
)
"""What may be done, and by which of owner, admin, member and guest."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a form on this page led to."""

    invite: Form
    manage: Form
    made: InvitationMade | None = None
    who: str = ""
    """Whom the link is for."""


@get(_PAGE)
async def members_page(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Show the members."""
    return await _show(request, await enter(request, workspace), Outcome(Form(), Form()))


@post(_PAGE)
async def invite(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Ask somebody in. The link is shown on the page that answers, this once."""
    here, form = await enter_by_form(request, workspace)
    base = base_url(request)
    try:
        given = form.read(NewInvitation)
        made = await here.desk.invitations.invite(
            here.visitor,
            given.email,
            given.name,
            given.role,
            key=form.promise(request),
            link=lambda token: f"{base}/invitations/{token}",
        )
    except Refusal as refusal:
        form.refusal = refusal
        return await _show(request, here, Outcome(form, Form()))
    return await _show(request, here, Outcome(Form(), Form(), made, given.name))


@post(f"{_PAGE}/{{user:str}}")
async def change_role(request: Request[Any, Any, Any], workspace: FromPath[str], user: FromPath[str]) -> ASGIResponse:
    """Give a member another role, or take them out."""
    here, form = await enter_by_form(request, workspace)
    id = path_id(user)
    with form.tried():
        if form.text("do") == "remove":
            await here.desk.people.remove_member(here.visitor, id, (), form.promise(request))
        else:
            await here.desk.people.change_role(here.visitor, id, form.read(NewRole).role, (), form.promise(request))
    if form.refusal:
        return await _show(request, here, Outcome(Form(), form))
    return see(f"{here.base}/settings/members")


@post(f"{_PAGE}/invitations/{{invitation:str}}")
async def revoke(request: Request[Any, Any, Any], workspace: FromPath[str], invitation: FromPath[str]) -> ASGIResponse:
    """Take an invitation back."""
    here, form = await enter_by_form(request, workspace)
    await here.desk.invitations.revoke(here.visitor, path_id(invitation), form.promise(request))
    return see(f"{here.base}/settings/members")


async def _show(request: Request[Any, Any, Any], here: Here, outcome: Outcome) -> ASGIResponse:
    manages = here.role.runs_the_desk
    open_ones = await here.desk.invitations.open(here.visitor, None, _MOST_INVITATIONS) if manages else None
    return await page(
        request,
        here,
        "members.html",
        status=outcome.invite.status if outcome.invite.refusal else outcome.manage.status,
        people=await members(here),
        invitations=open_ones.items if open_ones else (),
        roles=[role for role in Role if role is not Role.OWNER or here.role is Role.OWNER],
        manages=manages,
        rights=_RIGHTS,
        outcome=outcome,
        place="members",
    )


HANDLERS = (members_page, invite, change_role, revoke)
