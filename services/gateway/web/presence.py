"""Who is at a ticket: what its page says again and again while somebody looks at it."""

from typing import Any

from litestar import Request, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.base import Role
from contracts.refusals import NotAllowed
from contracts.signals import AtTicket
from services.gateway.routes.bodies import Given, path_id
from services.gateway.web.rendering import SAFETY
from services.gateway.web.shell import enter_by_form
from services.gateway.web.ticket_page import PAGE


class Doing(Given):
    """What somebody does there."""

    state: AtTicket


@post(f"{PAGE}/presence")
async def be_there(request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]) -> ASGIResponse:
    """Tell the team that somebody is at a ticket; guests are not told of, and not told."""
    here, form = await enter_by_form(request, workspace)
    if here.role is Role.GUEST:
        raise NotAllowed
    await here.desk.presence.say(here.visitor, path_id(ticket), form.read(Doing).state)
    return ASGIResponse(status_code=204, headers=SAFETY)


HANDLERS = (be_there,)
