"""One field of one ticket, changed where it stands in a list, and taken back."""

import re
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.base import Person
from contracts.refusals import Refusal
from contracts.texts import formed
from contracts.tickets import Action, ChangeTicket, GetTicket, Priority, Status, TicketChange, TicketSnapshot
from services.gateway.routes.bodies import Flag, Given
from services.gateway.routes.filters import UUID_FORM
from services.gateway.routes.tickets import assigned
from services.gateway.web.forms import wrong
from services.gateway.web.rendering import html
from services.gateway.web.shell import enter_by_form
from services.gateway.web.tickets import rights

FIELDS = ("status", "priority", "assignee")
VALUE = re.compile(r"[a-z0-9_-]{1,40}")

Assignee = Annotated[str, formed(rf"^(none|{UUID_FORM})$", "must be none or the id of a member")]


class Quick(Given):
    """Which ticket, what it was where it was seen, and what it is to be."""

    ticket: UUID
    seen: str = ""
    """Status, priority and assignee as the list showed them; without, whatever they are."""
    status: Status | None = None
    priority: Priority | None = None
    assignee: Assignee | None = None
    undo: Flag = False

    @property
    def field(self) -> str:
        """The one that is changed."""
        named = [name for name in FIELDS if getattr(self, name) is not None]
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
        if seen_as(given.seen, field) not in (None, _value(old, field)):
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
    back = way_back(new, field, _value(old, field)) if not given.undo and new.version > old.version else None
    return html(
        request, "tickets_said.html", {**said, "ticket": new, "field": field, "back": back, "undone": given.undo}
    )


def way_back(ticket: TicketSnapshot, field: str, value: str) -> str | None:
    """Return the value that a field had, where it may have it again."""
    allowed = {
        "status": value in {each.value for each in ticket.allowed.statuses},
        "priority": Action.EDIT in ticket.allowed.actions,
        "assignee": Action.ASSIGN in ticket.allowed.actions,
    }
    return value if allowed[field] and value != _value(ticket, field) else None


def seen_as(seen: str, field: str) -> str | None:
    """Return what a field was where a ticket was seen."""
    return dict(zip(FIELDS, seen.split(), strict=False)).get(field)


def _value(ticket: TicketSnapshot, field: str) -> str:
    value: Status | Priority | Person | None = getattr(ticket, field)
    if value is None:
        return "none"
    return str(value.id) if isinstance(value, Person) else value.value


HANDLERS = (change,)
