"""A new ticket: its form, what is wrong with it, and how its words will look."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request, get, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import Field, StringConstraints

from contracts.base import Role, uuid7
from contracts.refusals import NotAllowed, Refusal
from contracts.texts import Body, Email, Line, Name
from contracts.tickets import CreateTicket, NewContact, Priority
from services.gateway.routes.bodies import Given
from services.gateway.routes.tickets import assigned
from services.gateway.web.forms import Form, read_form, words, wrong
from services.gateway.web.rendering import html, see
from services.gateway.web.shell import Here, enter, enter_by_form, page
from services.gateway.web.tickets import members


class NewTicket(Given):
    """What the form of a new ticket says."""

    subject: Line
    description: Body = ""
    priority: Priority = Priority.NORMAL
    assignee_id: UUID | None = None
    contact_name: Name | None = None
    contact_email: Email | None = None
    tags: Annotated[str, StringConstraints(max_length=1200)] = Field(default="")


@get("/w/{workspace:str}/tickets/new")
async def new_page(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Show the form of a new ticket."""
    here = await enter(request, workspace)
    if here.role is Role.GUEST:
        raise NotAllowed("Guests read tickets; ask an admin for another role to open one.")
    return await _new(request, here, Form())


@post("/w/{workspace:str}/tickets/new")
async def create(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Open a ticket."""
    here, form = await enter_by_form(request, workspace)
    try:
        new = form.read(NewTicket)
        if new.contact_email and not new.contact_name:
            raise wrong("contact_name", "missing", "say whose address this is")
        ticket = await here.desk.bus.ask(
            CreateTicket(
                caller=here.visitor.caller,
                via=here.visitor.via,
                idempotency=form.promise(request),
                ticket_id=uuid7(),
                subject=new.subject,
                description=new.description,
                priority=new.priority,
                assignee=await assigned(here.desk, here.visitor, new.assignee_id),
                contact=NewContact(name=new.contact_name, email=new.contact_email) if new.contact_name else None,
                tags=tuple(words(new.tags)),
            )
        )
    except Refusal as refusal:
        form.refusal = refusal
        return await _new(request, here, form)
    return see(f"{here.base}/tickets/{ticket.number}")


@post("/w/{workspace:str}/preview")
async def preview(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Show Markdown as it will look; nothing is kept."""
    form = await read_form(request)
    await enter(request, workspace, form.csrf)
    text = form.text("description") or form.text("body")
    return html(request, "preview.html", {"text": text})


async def _new(request: Request[Any, Any, Any], here: Here, form: Form) -> ASGIResponse:
    # A member gives a new ticket to themself or to nobody; who runs the desk, to anybody who works on tickets.
    people = await members(here)
    able = [
        each
        for each in people
        if each.role is not Role.GUEST and (here.role.runs_the_desk or each.id == here.visitor.user.id)
    ]
    return await page(request, here, "ticket_new.html", status=form.status, form=form, assignable=able, place="new")


HANDLERS = (new_page, create, preview)
