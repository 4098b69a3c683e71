"""What somebody wants to hear of: their own choice, in every workspace apart."""

from typing import Any

from litestar import Request, get, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.base import Role
from contracts.notifications import ChangePreferences, GetPreferences, PreferencesChange, Wanted
from services.gateway.web.rendering import see
from services.gateway.web.shell import Here, enter, enter_by_form, page

_PAGE = "/w/{workspace:str}/settings/notifications"
_KINDS = {
    "assigned": ("A ticket is assigned to you", "By somebody else."),
    "unassigned": ("A ticket is unassigned from you", "It has another assignee, or none."),
    "mention": ("Somebody mentions you", "With @ and your name, in a note or a comment."),
    "message": ("The customer writes", "On a ticket that you watch, one that is closed included."),
    "note": ("Somebody adds an internal note", "A note or a comment on a ticket that you watch."),
    "status": ("A ticket changes status", "If you watch it."),
    "priority": ("A ticket changes priority", "If you watch it."),
    "created": ("Somebody opens a ticket", "Any that you may see. In a busy workspace that is a lot."),
}
_NOT_FOR_GUESTS = ("assigned", "unassigned", "mention", "note")


@get(_PAGE)
async def preferences_page(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Show what the visitor wants to hear of."""
    here = await enter(request, workspace)
    found = await here.desk.bus.ask(GetPreferences(caller=here.visitor.caller))
    return await page(
        request,
        here,
        "preferences.html",
        kinds=_kinds(here),
        wanted={name for name in _KINDS if getattr(found, name).inbox},
        saved=request.query_params.get("saved") == "true",
        place="notification-preferences",
    )


@post(_PAGE)
async def choose(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Keep what was ticked, and what was not."""
    here, form = await enter_by_form(request, workspace)
    change = {name: Wanted(inbox=form.text(name) == "inbox") for name in _kinds(here)}
    await here.desk.bus.ask(
        ChangePreferences(
            caller=here.visitor.caller, via=here.visitor.via, change=PreferencesChange.model_validate(change)
        )
    )
    return see(f"{here.base}/settings/notifications?saved=true")


def _kinds(here: Here) -> dict[str, tuple[str, str]]:
    """Return what somebody of this role may ever hear of: no ticket is a guest's, and no word of the team's."""
    guest = here.role is Role.GUEST
    return {name: words for name, words in _KINDS.items() if not (guest and name in _NOT_FOR_GUESTS)}


HANDLERS = (preferences_page, choose)
