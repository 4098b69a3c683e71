"""One field of one ticket, changed where it stands in a list, and taken back."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import StringConstraints

from contracts.base import Person
from contracts.refusals import Refusal
from contracts.tickets import Action, ChangeTicket, GetTicket, Priority, Status, TicketChange, TicketSnapshot
from services.gateway.routes.bodies import Flag, Given
from services.gateway.routes.filters import UUID_FORM
from services.gateway.routes.tickets import assigned
from services.gateway.web.forms import wrong
from services.gateway.web.rendering import html
from services.gateway.web.shell import enter_by_form
from services.gateway.web.tickets import rights

_FIELDS = ("status", "priority", "assignee")


class Quick(Given):
    """Which ticket, what it was where it was seen, and what it is to be."""

    ticket: UUID
    seen: str = ""
    """Status, priority and assignee as the list showed them; without, whatever they are."""
    status: Status | None = None
    priority: Priority | None = None
    assignee: Annotated[str, StringConstraints(pattern=rf"^(none|{UUID_FORM})$")] | None = None
    undo: Flag = False

    @property
    def field(self) -> str:
        """The one that is changed."""
        named = [name for name in _FIELDS if getattr(self, name) is not None]
        if len(named) != 1:
            raise wrong("status", "ambiguous", "change one thing")
        return named[0]


@post("/w/{workspace:str}/tickets/quick")
async def change(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Change one thing, and answer with the row as it is now and what can be said of it."""
    here, form = await enter_by_form(request, workspace)
    said: dict[str, Any] = {"here": here, "base": here.base, "rights": rights}
    try:
        given = form.read(Quick)
        field = given.field
        old = await here.desk.bus.ask(GetTicket(caller=here.visitor.caller, ticket=str(given.ticket)))
        seen = dict(zip(_FIELDS, given.seen.split(), strict=False))
        if seen.get(field, _value(old, field)) != _value(old, field):
            answer = {**said, "ticket": old, "stale": field}
            return html(request, "tickets_said.html", answer, status=409)
        value = getattr(given, field)
        if field == "assignee":
            value = await assigned(here.desk, here.visitor, None if value == "none" else UUID(value))
        new = await here.desk.bus.ask(
            ChangeTicket(
                caller=here.visitor.caller,
                via=here.visitor.via,
                ticket=str(old.id),
                expected_version=old.version,
                change=TicketChange(**{field: value}),
            )
        )
    except Refusal as refusal:
        return html(request, "tickets_said.html", {**said, "refusal": refusal}, status=refusal.status)
    back = (
        _value(old, field) if not given.undo and new.version > old.version and _may_go_back(old, new, field) else None
    )
    return html(
        request, "tickets_said.html", {**said, "ticket": new, "field": field, "back": back, "undone": given.undo}
    )


def _may_go_back(old: TicketSnapshot, new: TicketSnapshot, field: str) -> bool:
    """Tell whether the reverse is allowed."""
    if field == "status":
        return old.status in new.allowed.statuses
    return (Action.EDIT if field == "priority" else Action.ASSIGN) in new.allowed.actions


def _value(ticket: TicketSnapshot, field: str) -> str:
    value: Status | Priority | Person | None = getattr(ticket, field)
    if value is None:
        return "none"
    return str(value.id) if isinstance(value, Person) else value.value


HANDLERS = (change,)
