"""A new ticket: its form, what is wrong with it, and how its words will look."""

import asyncio
from typing import Any
from uuid import UUID

from litestar import Request, get, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import Field, ValidationError

from contracts.base import Role, uuid7
from contracts.refusals import NotAllowed, Refusal
from contracts.texts import Body, Email, Line, Name, SearchText
from contracts.tickets import (
    ConversationRow,
    ConversationSnapshot,
    CreateTicket,
    Fields,
    GetConversation,
    ListConversations,
    NewContact,
    Priority,
)
from services.gateway.routes.bodies import Given, fault_of
from services.gateway.routes.tickets import assigned
from services.gateway.web.choices import contacts_for, id_in
from services.gateway.web.forms import Form, TypedTags, from_address, read_form, wrong
from services.gateway.web.rendering import html, see
from services.gateway.web.shell import Here, enter, enter_by_form, or_none, page, shell
from services.gateway.web.tickets import known_tags, members

_PAGE = "/w/{workspace:str}/tickets/new"
_RECENT = 20
_LONGEST_SUBJECT = 100
_ROWS = 2
"""How many custom fields can be named at first."""
_FIELD_NAME = "field_name_"


class NewTicket(Given):
    """What the form of a new ticket says."""

    subject: Line
    description: Body = ""
    priority: Priority | None = None
    assignee_id: UUID | None = None
    contact_id: UUID | None = None
    contact_q: SearchText = ""
    contact_name: Name | None = None
    contact_email: Email | None = None
    conversation_id: UUID | None = None
    tags: TypedTags = ()


class Named(Given):
    """The custom fields of a new ticket."""

    fields: Fields = Field(default_factory=dict)


@get(_PAGE)
async def new_page(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Show the form of a new ticket, begun from a conversation or for a contact where the address names one."""
    here = await _enter(await enter(request, workspace))
    asked = from_address(request)
    form = Form({f"{name}_id": [asked.text(name)] for name in ("contact", "conversation") if asked.text(name)})
    talk = await _talk(here, form)
    if talk is not None and (said := next((m.body for m in talk.messages if m.author.kind.value == "visitor"), "")):
        form.fields |= {"subject": [_subject(said)], "description": [said]}
    return await _show(request, here, form)


@post(_PAGE)
async def create(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Open a ticket; one button shows how it will look instead, another looks for a contact, a third adds a row."""
    came, form = await enter_by_form(request, workspace)
    here = await _enter(came)
    if form.text("do"):
        return await _show(request, here, form)
    try:
        new = form.read(NewTicket)
        _require_one_contact(form, new)
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
                contact_id=new.contact_id,
                contact=NewContact(name=new.contact_name, email=new.contact_email) if new.contact_name else None,
                conversation_id=new.conversation_id,
                tags=new.tags,
                fields=_fields(form),
            )
        )
    except Refusal as refusal:
        form.refusal = refusal
        return await _show(request, here, form)
    return see(f"{here.base}/tickets/{ticket.number}")


@post("/w/{workspace:str}/preview")
async def preview(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Show Markdown as it will look; nothing is kept."""
    form = await read_form(request)
    await enter(request, workspace, form.csrf)
    text = form.text("description") or form.text("body")
    return html(request, "preview.html", {"text": text})


async def _enter(here: Here) -> Here:
    if here.role is Role.GUEST:
        raise NotAllowed("Guests read tickets; ask an admin for another role to open one.")
    return here


def _require_one_contact(form: Form, new: NewTicket) -> None:
    """Raise Invalid where it is not plain who asks."""
    if new.contact_email and not new.contact_name:
        raise wrong("contact_name", "missing", "say whose address this is")
    if new.contact_id and new.contact_name:
        raise wrong("contact_name", "ambiguous", "a contact is chosen already: choose nobody, or leave this empty")
    # A search that nothing was chosen from: whoever typed it meant somebody.
    if new.contact_q.strip() and "contact_id" not in form.fields and not new.contact_name:
        raise wrong("contact_id", "missing", "choose who is meant, or empty the search")


def _rows(form: Form) -> int:
    """Return how many custom fields the form can name."""
    return max(_ROWS, sum(name.startswith(_FIELD_NAME) for name in form.fields))


def _fields(form: Form) -> dict[str, str]:
    """Return the custom fields that the form names; raises Invalid."""
    named: dict[str, str] = {}
    for row in range(_rows(form)):
        name = "_".join(form.text(f"{_FIELD_NAME}{row}").lower().split())
        value = form.text(f"field_value_{row}").strip()
        if not name and not value:
            continue
        if not name or not value:
            raise wrong("fields", "missing", f"enter a {'value for ' + name if name else 'name for ' + value}")
        if name in named:
            raise wrong("fields", "ambiguous", f"{name} is there twice")
        named[name] = value
    try:
        return Named(fields=named).fields
    except ValidationError as error:
        raise fault_of(error) from None


async def _show(request: Request[Any, Any, Any], here: Here, form: Form) -> ASGIResponse:
    people, contacts, talk, recent, tags, frame = await asyncio.gather(
        members(here),
        contacts_for(here, form),
        _talk(here, form),
        or_none(here.desk.bus.ask, ListConversations(caller=here.visitor.caller, limit=_RECENT)),
        known_tags(here),
        shell(here),
    )
    talks: list[ConversationRow] = [each for each in (recent.items if recent else ()) if not talk or each.id != talk.id]
    # A member gives a new ticket to themself or to nobody; who runs the desk, to anybody who works on tickets.
    able = [
        each
        for each in people
        if each.role is not Role.GUEST and (here.role.runs_the_desk or each.id == here.visitor.user.id)
    ]
    return await page(
        request,
        here,
        "ticket_new.html",
        status=form.status,
        form=form,
        assignable=able,
        contacts=contacts,
        talk=talk,
        tags=tags,
        rows=_rows(form) + (form.text("do") == "field"),
        talks=[talk, *talks] if talk else talks,
        place="new",
        frame=frame,
    )


async def _talk(here: Here, form: Form) -> ConversationSnapshot | None:
    """Return the conversation that is chosen, if it is there."""
    chosen = id_in(form, "conversation_id")
    if chosen is None:
        return None
    return await or_none(
        here.desk.bus.ask, GetConversation(caller=here.visitor.caller, conversation_id=chosen, limit=_RECENT)
    )


def _subject(said: str) -> str:
    """Return the beginning of what a customer wrote, as one line."""
    line = " ".join(said.split())
    return line if len(line) <= _LONGEST_SUBJECT else line[:_LONGEST_SUBJECT].rsplit(" ", 1)[0] + "…"


HANDLERS = (new_page, create, preview)
