"""What is done with a ticket's own page: its fields, and whether it is there at all."""

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from litestar import Request, get, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import ValidationError

from contracts.base import Command, IdempotencyKey
from contracts.refusals import StaleVersion
from contracts.texts import FIELD_NAME, Body, FieldValue, Line
from contracts.tickets import (
    ChangeTicket,
    DeleteTicket,
    FieldChanges,
    MarkNotSpam,
    Priority,
    RestoreTicket,
    Status,
    TicketChange,
    TicketSnapshot,
)
from services.gateway.routes.bodies import Given, fault_of
from services.gateway.routes.tickets import assigned, ticket_reference
from services.gateway.web.forms import Form, Seen, TypedTags, wrong
from services.gateway.web.past import as_it_was
from services.gateway.web.quick import FIELDS, VALUE, seen_as, way_back
from services.gateway.web.rendering import see
from services.gateway.web.shell import Here, enter, enter_by_form, framed
from services.gateway.web.story import touched
from services.gateway.web.ticket_page import PAGE, find, show

_FIELD = "fields."
_ALWAYS = {"subject", "status", "priority"}
_AGAIN = 3
"""How often a change is tried anew when somebody else changed something else at this moment."""


class TicketEdit(Given):
    """The fields that a form may change; those that it does not have stay as they are."""

    subject: Line | None = None
    description: Body | None = None
    status: Status | None = None
    priority: Priority | None = None
    assignee: UUID | None = None
    contact_id: UUID | None = None
    tags: TypedTags = ()


class FieldsEdit(Given):
    """The fields that people gave a ticket."""

    fields: FieldChanges


class NewValue(Given):
    """What a field that is added says."""

    new_value: FieldValue | None


@get(PAGE)
async def ticket_page(request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]) -> ASGIResponse:
    """Show a ticket."""
    here = await enter(request, workspace)
    # The frame needs not know which ticket it is.
    async with framed(here) as frame:
        found = await find(here, ticket)
        if ticket != str(found.number):
            return see(f"{here.base}/tickets/{found.number}")
        if then := request.query_params.get("as_of"):
            return await as_it_was(request, here, found, then, frame)
        field, _, was = request.query_params.get("was", "").partition(".")
        done = (field, way_back(found, field, was)) if field in FIELDS and "hx-request" in request.headers else None
        return await show(request, here, found, done=done, opened=_is_opened(request), frame=frame)


def _is_opened(request: Request[Any, Any, Any]) -> bool:
    """Tell whether somebody goes to the page, other than a page that is open and renews itself."""
    headers = request.headers
    return headers.get("sec-fetch-mode") == "navigate" or headers.get("hx-boosted") == "true"


@post(PAGE)
async def change(request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]) -> ASGIResponse:
    """Give fields of a ticket another value."""
    here, form = await enter_by_form(request, workspace)
    reference = ticket_reference(ticket)
    with form.tried():
        fields = await _fields(here, form)
        version = form.read(Seen).version
        await _change(here, reference, fields, version, form.promise(request))
    if form.refusal:
        return await show(request, here, await find(here, ticket), edit=form)
    was = next((f"?was={each}.{seen}" for each in FIELDS if each in fields and (seen := _seen(form, each))), "")
    return see(f"{here.base}/tickets/{ticket}{was if 'hx-request' in request.headers else ''}")


@post(f"{PAGE}/delete")
async def delete(request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]) -> ASGIResponse:
    """Hide a ticket from all but admins."""
    return await _act(request, workspace, ticket, DeleteTicket)


@post(f"{PAGE}/restore")
async def restore(request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]) -> ASGIResponse:
    """Bring a deleted ticket back."""
    return await _act(request, workspace, ticket, RestoreTicket)


@post(f"{PAGE}/not-spam")
async def not_spam(request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]) -> ASGIResponse:
    """Give a ticket the status back that it had before it was spam."""
    return await _act(request, workspace, ticket, MarkNotSpam)


async def _act(
    request: Request[Any, Any, Any], workspace: str, ticket: str, command: type[Command[TicketSnapshot]]
) -> ASGIResponse:
    here, form = await enter_by_form(request, workspace)
    given: dict[str, Any] = {
        "caller": here.visitor.caller,
        "via": here.visitor.via,
        "idempotency": form.promise(request),
        "ticket": ticket_reference(ticket),
    }
    with form.tried():
        await here.desk.bus.ask(command(**given))
    if form.refusal:
        return await show(request, here, await find(here, ticket), edit=form)
    return see(f"{here.base}/tickets/{ticket}")


def _seen(form: Form, field: str) -> str | None:
    was = seen_as(form.text("seen"), field)
    return was if was and VALUE.fullmatch(was) else None


async def _fields(here: Here, form: Form) -> dict[str, Any]:
    """Return what the form changes, as the tickets service is told of it."""
    given = form.read(TicketEdit)
    fields: dict[str, Any] = {name: getattr(given, name) for name in TicketEdit.model_fields if name in form.fields}
    for name in _ALWAYS & fields.keys():
        if fields[name] is None:
            raise wrong(name, "missing", "must not be empty")
    if "assignee" in fields:
        fields["assignee"] = await assigned(here.desk, here.visitor, given.assignee)
    if "description" in fields:
        fields["description"] = given.description or ""
    if named := _named(form):
        try:
            fields["fields"] = FieldsEdit(fields=named).fields
        except ValidationError as error:
            raise fault_of(error) from None
    if not fields:
        raise wrong("subject", "missing", "there is nothing to change")
    return fields


def _named(form: Form) -> dict[str, str | None]:
    """Return what the form says of the fields that people gave the ticket: one left blank is taken away."""
    named = {
        name.removeprefix(_FIELD): form.text(name).strip() or None for name in form.fields if name.startswith(_FIELD)
    }
    if new := form.text("new_field").strip():
        name = "_".join(new.lower().split())
        if not re.fullmatch(FIELD_NAME, name):
            raise wrong("new_field", "invalid", "use letters a to z, digits and spaces: a letter first, 50 at most")
        named[name] = form.checked(NewValue, {"new_value": form.text("new_value").strip() or None}).new_value
    return named


async def _change(here: Here, ticket: str, fields: Mapping[str, Any], version: int, key: IdempotencyKey | None) -> None:
    """Make the change; what others did meanwhile to other fields is no obstacle."""
    for left in reversed(range(_AGAIN)):
        try:
            await here.desk.bus.ask(
                ChangeTicket(
                    caller=here.visitor.caller,
                    via=here.visitor.via,
                    idempotency=key,
                    ticket=ticket,
                    expected_version=version,
                    change=TicketChange(**fields),
                )
            )
        except StaleVersion as stale:
            mine = fields.keys() | {f"{_FIELD}{name}" for name in fields.get("fields", ())}
            if not left or touched(stale.facts["missed"]) & mine:
                raise
            version = stale.facts["version"]
        else:
            return


HANDLERS = (ticket_page, change, delete, restore, not_spam)
