"""How tickets are handled here, for those who run the desk."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from litestar import Request, get, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.refusals import NotAllowed, Refusal, StaleVersion
from contracts.tickets import ChangeSettings, Days, GetSettings, Priority, SettingsChange, SettingsSnapshot
from services.gateway.routes.bodies import Given
from services.gateway.usecases.settling import change_settings
from services.gateway.web.forms import Form, Seen
from services.gateway.web.rendering import see
from services.gateway.web.shell import Here, enter, enter_by_form, page

_PAGE = "/w/{workspace:str}/settings/tickets"
LABELS = {
    "members_may_claim": "Members may take unassigned tickets",
    "members_may_note_any": "Members may add notes to any ticket",
    "default_priority": "Default priority",
    "auto_close_days": "Close resolved tickets",
    "follow_up_days": "Follow up on closed tickets",
    "mail_received": "When their ticket has come",
    "mail_replied": "When an agent has answered",
    "mail_resolved": "When their ticket is resolved",
}


class Settled(Given):
    """The whole form: a box that is not ticked is not sent, a number left blank means for ever."""

    members_may_claim: bool = False
    members_may_note_any: bool = False
    default_priority: Priority = Priority.NORMAL
    auto_close_days: Days | None = None
    follow_up_days: Days | None = None
    mail_received: bool = False
    mail_replied: bool = False
    mail_resolved: bool = False


@dataclass(frozen=True, slots=True)
class Missed:
    """What somebody else settled meanwhile."""

    who: str
    what: str
    old: str
    new: str


@get(_PAGE)
async def settings_page(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Show what is settled."""
    return await _show(request, _manager(await enter(request, workspace)), Form())


@post(_PAGE)
async def settle(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Settle all of it, unless somebody else did meanwhile."""
    here, form = await enter_by_form(request, workspace)
    _manager(here)
    try:
        version, settled = form.read(Seen).version, form.read(Settled)
        await change_settings(
            here.desk.bus,
            ChangeSettings(
                caller=here.visitor.caller,
                via=here.visitor.via,
                expected_version=version,
                change=SettingsChange.model_validate(settled.model_dump()),
            ),
        )
    except Refusal as refusal:
        form.refusal = refusal
        return await _show(request, here, form)
    return see(f"{here.base}/settings/tickets?saved=true")


def missed(facts: Sequence[Mapping[str, Any]]) -> Iterator[Missed]:
    """Say what each of these changes gave another value."""
    for fact in facts:
        for name, label in LABELS.items():
            old, new = fact["old"].get(name), fact["new"].get(name)
            if old != new:
                yield Missed(fact["actor"]["name"], label, said(old), said(new))


def said(value: Any) -> str:  # noqa: ANN401 - a setting's value, of whichever type it is
    """Say a setting's value."""
    match value:
        case bool():
            return "yes" if value else "no"
        case None:
            return "no limit"
        case int():
            return f"{value} day{'s' if value != 1 else ''}"
    return str(value)


def _manager(here: Here) -> Here:
    if not here.role.runs_the_desk:
        raise NotAllowed
    return here


async def _show(request: Request[Any, Any, Any], here: Here, form: Form) -> ASGIResponse:
    now: SettingsSnapshot = await here.desk.bus.ask(GetSettings(caller=here.visitor.caller))
    stale = form.refusal.facts["missed"] if isinstance(form.refusal, StaleVersion) else ()
    typed = {
        "members_may_claim": now.members_may_claim,
        "members_may_note_any": now.members_may_note_any,
        "default_priority": now.default_priority.value,
        "auto_close_days": "" if now.auto_close_days is None else str(now.auto_close_days),
        "follow_up_days": "" if now.follow_up_days is None else str(now.follow_up_days),
        "mail_received": now.mail_received,
        "mail_replied": now.mail_replied,
        "mail_resolved": now.mail_resolved,
    }
    if form.refusal:
        typed |= {name: form.text(name) for name in typed}
    return await page(
        request,
        here,
        "ticket_settings.html",
        status=form.status,
        settled=now,
        typed=typed,
        labels=LABELS,
        stale=list(missed(stale)),
        form=form,
        saved=not form.refusal and request.query_params.get("saved") == "true",
        place="ticket-settings",
    )


HANDLERS = (settings_page, settle)
