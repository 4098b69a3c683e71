"""Settings of the widget: the assistants, how each looks and what it allows, and what a visitor sees of that."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, get, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import Field

from contracts.base import uuid7
from contracts.refusals import NotFound, Refusal, StaleVersion
from contracts.texts import Line
from contracts.tickets import (
    AssistantChange,
    AssistantSnapshot,
    ChangeAssistant,
    Colour,
    CreateAssistant,
    DeleteAssistant,
    GetAssistant,
    GetIdentitySecret,
    Greeting,
    ListAssistants,
    RotateIdentitySecret,
    WebOrigin,
    WidgetSettings,
)
from services.gateway.routes.bodies import Given, path_id
from services.gateway.routes.visitors import base_url
from services.gateway.web.forms import Form, Seen
from services.gateway.web.rendering import see
from services.gateway.web.shell import Here, enter, enter_by_form, page
from services.gateway.web.ticket_settings import Missed, said

_PAGE = "/w/{workspace:str}/settings/widget"
_ONE = f"{_PAGE}/{{assistant:str}}"
_MOST = 100
_LABELS = {
    "title": "Title",
    "colour": "Colour",
    "greeting": "Greeting",
    "allow_ticket_creation": "Allow ticket creation",
    "require_contact_info": "Require contact info",
    "require_identity": "Require verified identity",
    "allowed_origins": "Allowed origins",
}


class NewAssistant(Given):
    """What an assistant is to be called."""

    name: Line


class Settings(Given):
    """All that can be set of an assistant; a box that is not ticked is not sent."""

    name: Line
    title: Line
    colour: Colour
    greeting: Greeting = ""
    allow_ticket_creation: bool = False
    require_contact_info: bool = False
    require_identity: bool = False
    allowed_origins: Annotated[tuple[WebOrigin, ...], Field(max_length=50)] = ()


@get(_PAGE)
async def assistants_page(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Show the assistants."""
    return await _show_all(request, await enter(request, workspace), Form())


@post(_PAGE)
async def create(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Add an assistant; its widget is as widgets are at first."""
    here, form = await enter_by_form(request, workspace)
    try:
        made = await here.desk.bus.ask(
            CreateAssistant(
                caller=here.visitor.caller,
                via=here.visitor.via,
                idempotency=form.promise(request),
                assistant_id=uuid7(),
                name=form.read(NewAssistant).name,
            )
        )
    except Refusal as refusal:
        form.refusal = refusal
        return await _show_all(request, here, form)
    return see(f"{here.base}/settings/widget/{made.id}")


@get(_ONE)
async def assistant_page(
    request: Request[Any, Any, Any], workspace: FromPath[str], assistant: FromPath[str]
) -> ASGIResponse:
    """Show an assistant."""
    here = await enter(request, workspace)
    return await _show(request, here, await _current(here, path_id(assistant)), Form())


@post(_ONE)
async def save(request: Request[Any, Any, Any], workspace: FromPath[str], assistant: FromPath[str]) -> ASGIResponse:
    """Change an assistant, unless somebody else did since the page was made."""
    here, form = await enter_by_form(request, workspace)
    id = path_id(assistant)
    try:
        given = _lines(form).read(Settings)
        widget = given.model_dump(exclude={"name"})
        await here.desk.bus.ask(
            ChangeAssistant(
                caller=here.visitor.caller,
                via=here.visitor.via,
                idempotency=form.promise(request),
                assistant_id=id,
                expected_version=form.read(Seen).version,
                change=AssistantChange(name=given.name, widget=WidgetSettings(**widget)),
            )
        )
    except NotFound:
        raise
    except Refusal as refusal:
        form.refusal = refusal
    else:
        return see(f"{here.base}/settings/widget/{id}?saved=true")
    return await _show(request, here, await _current(here, id), form)


@post(f"{_ONE}/secret")
async def rotate(request: Request[Any, Any, Any], workspace: FromPath[str], assistant: FromPath[str]) -> ASGIResponse:
    """Draw another secret to sign visitors with. It is shown on the page that answers."""
    here, form = await enter_by_form(request, workspace)
    id = path_id(assistant)
    caller = here.visitor.caller
    drawn = await here.desk.bus.ask(
        RotateIdentitySecret(caller=caller, via=here.visitor.via, idempotency=form.promise(request), assistant_id=id)
    )
    secret = await here.desk.bus.ask(GetIdentitySecret(caller=caller, assistant_id=id))
    return await _show(request, here, drawn, Form(), secret.secret)


@post(f"{_ONE}/delete")
async def delete(request: Request[Any, Any, Any], workspace: FromPath[str], assistant: FromPath[str]) -> ASGIResponse:
    """Remove an assistant."""
    here, form = await enter_by_form(request, workspace)
    await here.desk.bus.ask(
        DeleteAssistant(
            caller=here.visitor.caller,
            via=here.visitor.via,
            idempotency=form.promise(request),
            assistant_id=path_id(assistant),
        )
    )
    return see(f"{here.base}/settings/widget")


def _lines(form: Form) -> Form:
    """Return the form with each origin as a value of its own."""
    origins = [line for each in form.text("allowed_origins").splitlines() if (line := each.strip())]
    return Form({**form.fields, "allowed_origins": origins})


async def _current(here: Here, id: UUID) -> AssistantSnapshot:
    return await here.desk.bus.ask(GetAssistant(caller=here.visitor.caller, assistant_id=id))


async def _show_all(request: Request[Any, Any, Any], here: Here, form: Form) -> ASGIResponse:
    found = await here.desk.bus.ask(ListAssistants(caller=here.visitor.caller, limit=_MOST))
    return await page(
        request, here, "assistants.html", status=form.status, assistants=found.items, form=form, place="widget"
    )


async def _show(
    request: Request[Any, Any, Any], here: Here, assistant: AssistantSnapshot, form: Form, secret: str = ""
) -> ASGIResponse:
    return await page(
        request,
        here,
        "assistant.html",
        status=form.status,
        assistant=assistant,
        shown=form.text if form.fields else _said(assistant),
        form=form,
        stale=isinstance(form.refusal, StaleVersion),
        missed=list(_missed(form.refusal.facts["missed"])) if isinstance(form.refusal, StaleVersion) else [],
        saved=not form.fields and request.query_params.get("saved") == "true",
        secret=secret,
        desk_url=base_url(request),
        place="widget",
    )


def _missed(facts: Sequence[Mapping[str, Any]]) -> Iterator[Missed]:
    """Say what each of these changes gave another value."""
    for fact in facts:
        who = fact["actor"]["name"]
        if "old" not in fact:
            yield Missed(who, "Identity secret", "the one before", "another")
            continue
        if fact["old_name"] != fact["name"]:
            yield Missed(who, "Name", fact["old_name"], fact["name"])
        for name, label in _LABELS.items():
            old, new = fact["old"].get(name), fact["new"].get(name)
            if old != new:
                yield Missed(who, label, _value(old), _value(new))


def _value(value: Any) -> str:  # noqa: ANN401 - a setting's value, of whichever type it is
    if isinstance(value, list | tuple):
        return ", ".join(value) or "any site"
    return said(value) or "nothing"


def _said(assistant: AssistantSnapshot) -> Any:  # noqa: ANN401 - as a form's own `text`
    """Return what reads the settings as a form would say them."""
    widget = assistant.widget
    ticked = ("allow_ticket_creation", "require_contact_info", "require_identity")
    fields = {
        "name": [assistant.name],
        "title": [widget.title],
        "colour": [widget.colour],
        "greeting": [widget.greeting],
        "allowed_origins": ["\n".join(widget.allowed_origins)],
        **{name: ["true"] for name in ticked if getattr(widget, name)},
    }
    return Form(fields).text


HANDLERS = (assistants_page, create, assistant_page, save, rotate, delete)
