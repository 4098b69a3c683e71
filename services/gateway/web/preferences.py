"""What somebody wants to hear of: their own choice, in every workspace apart."""

from functools import cache
from typing import Any
from zoneinfo import available_timezones

from litestar import Request, get, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.base import Role
from contracts.preferences import ChangePreferences, GetPreferences, Preferences, PreferencesChange
from contracts.refusals import Refusal, StaleVersion
from services.gateway.routes.notifications import PreferencesPatch
from services.gateway.web.forms import Form, Seen
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
    "created": ("A member opens a ticket", "Any that you may see, by hand or through the API."),
    "arrived": ("A ticket comes in", "From the widget or another system. In a busy workspace that is a lot."),
    "dead_letter": ("A message could not be applied", "It waits among the dead letters."),
    "webhook": ("A webhook is turned off", "Its calls have failed for too long."),
}
_NOT_FOR_GUESTS = ("assigned", "unassigned", "mention", "note")
_FOR_WHO_RUNS_THE_DESK = ("dead_letter", "webhook")
_ELSEWHERE = ("Etc", "SystemV", "posix", "right")


@get(_PAGE)
async def preferences_page(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Show what the visitor wants to hear of."""
    return await _show(request, await enter(request, workspace), Form())


@post(_PAGE)
async def choose(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Keep what was ticked and what was not, unless another window did meanwhile."""
    here, form = await enter_by_form(request, workspace)
    change: dict[str, Any] = {
        name: {"inbox": "inbox" in form.all(name), "mail": "mail" in form.all(name)} for name in _kinds(here)
    }
    change["mail_paused"] = form.text("mail_paused") == "true"
    change["quiet_hours"] = None
    if form.text("quiet") == "true":
        change["quiet_hours"] = {each: form.text(each) for each in ("start", "end", "zone")}
    try:
        patch = Form.checked(PreferencesPatch, change)
        await here.desk.bus.ask(
            ChangePreferences(
                caller=here.visitor.caller,
                via=here.visitor.via,
                idempotency=form.promise(request),
                expected_version=form.read(Seen).version,
                change=PreferencesChange.model_validate(patch.model_dump(exclude_unset=True)),
            )
        )
    except Refusal as refusal:
        form.refusal = refusal
        return await _show(request, here, form)
    return see(f"{here.base}/settings/notifications?saved=true")


async def _show(request: Request[Any, Any, Any], here: Here, form: Form) -> ASGIResponse:
    found = await here.desk.bus.ask(GetPreferences(caller=here.visitor.caller))
    return await page(
        request,
        here,
        "preferences.html",
        status=form.status,
        kinds=_kinds(here),
        typed=form if form.refusal else _typed(found),
        form=form,
        stale=isinstance(form.refusal, StaleVersion),
        version=form.version(found.version),
        zones=zones(),
        saved=form.refusal is None and request.query_params.get("saved") == "true",
        place="notification-preferences",
    )


@cache
def zones() -> tuple[str, ...]:
    """Return the time zones to choose from, by name."""
    cities = (zone for zone in available_timezones() if "/" in zone and zone.partition("/")[0] not in _ELSEWHERE)
    return ("UTC", *sorted(cities))


def _typed(found: Preferences) -> Form:
    """Return the form as it would have been filled in."""
    fields = {name: [way for way in ("inbox", "mail") if getattr(getattr(found, name), way)] for name in _KINDS}
    fields["mail_paused"] = ["true"] if found.mail_paused else []
    if found.quiet_hours is not None:
        fields |= {"quiet": ["true"]} | {name: [value] for name, value in found.quiet_hours.model_dump().items()}
    return Form(fields)


def _kinds(here: Here) -> dict[str, tuple[str, str]]:
    """Return what somebody of this role may ever hear of: no ticket is a guest's, and no word of the team's."""
    hidden = (
        *(_NOT_FOR_GUESTS if here.role is Role.GUEST else ()),
        *(() if here.role.runs_the_desk else _FOR_WHO_RUNS_THE_DESK),
    )
    return {name: words for name, words in _KINDS.items() if name not in hidden}


HANDLERS = (preferences_page, choose)
