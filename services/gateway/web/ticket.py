"""The page of one ticket: what it is, what happened to it, and what its reader may do with it."""

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, get, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import Field, StringConstraints

from contracts.base import Command, IdempotencyKey, Role, uuid7
from contracts.notifications import GetWatchers, UnwatchTicket, WatchTicket
from contracts.refusals import NotFound, Refusal, StaleVersion
from contracts.texts import Body, Line, NonEmptyBody
from contracts.tickets import (
    Action,
    AddNote,
    ChangeTicket,
    DeleteTicket,
    GetTicket,
    ListNotes,
    MarkNotSpam,
    NoteKind,
    NoteSnapshot,
    PinNote,
    PostMessage,
    Priority,
    RestoreTicket,
    Status,
    TicketChange,
    TicketSnapshot,
)
from services.gateway.routes.bodies import Given, path_id
from services.gateway.routes.tickets import assigned, ticket_reference
from services.gateway.web.forms import Form, words, wrong
from services.gateway.web.rendering import see
from services.gateway.web.shell import PATIENCE, Here, enter, enter_by_form, or_none, page, shell
from services.gateway.web.story import mentioned, story, touched
from services.gateway.web.tickets import members

_PAGE = "/w/{workspace:str}/tickets/{ticket:str}"
_VERSION = re.compile(r"[1-9][0-9]{0,8}")
_MOST_PINNED = 20
_AGAIN = 3
"""How often a change is tried anew when somebody else changed something else at this moment."""


class TicketEdit(Given):
    """The fields that a form may change; those that it does not have stay as they are."""

    subject: Line | None = None
    description: Body | None = None
    status: Status | None = None
    priority: Priority | None = None
    assignee: UUID | None = None
    tags: Annotated[str, StringConstraints(max_length=1200)] | None = None


class Words(Given):
    """What somebody writes below a ticket."""

    body: NonEmptyBody
    kind: NoteKind = NoteKind.COMMENT
    pinned: bool = False


class Reply(Given):
    """What goes to the customer."""

    body: NonEmptyBody
    conversation_id: UUID
    set_status: Status | None = None


class Seen(Given):
    """The version that a form was made of."""

    version: int = Field(ge=1, lt=2**31)


@dataclass(frozen=True, slots=True)
class Stale:
    """A change that was not made, for others were quicker."""

    form: Form
    missed: list[dict[str, Any]]
    names: tuple[str, ...]


@get(_PAGE)
async def ticket_page(request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]) -> ASGIResponse:
    """Show a ticket."""
    here = await enter(request, workspace)
    found = await _ticket(here, ticket)
    if ticket != str(found.number):
        return see(f"{here.base}/tickets/{found.number}")
    return await _show(request, here, found)


@post(_PAGE)
async def change(request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]) -> ASGIResponse:
    """Give fields of a ticket another value."""
    here, form = await enter_by_form(request, workspace)
    reference = ticket_reference(ticket)
    try:
        fields = await _fields(here, form)
        version = form.read(Seen).version
        await _change(here, reference, fields, version, form.promise(request))
    except NotFound:
        raise
    except Refusal as refusal:
        form.refusal = refusal
        return await _show(request, here, await _ticket(here, ticket), edit=form)
    return see(f"{here.base}/tickets/{ticket}")


@post(f"{_PAGE}/notes")
async def note(request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]) -> ASGIResponse:
    """Add what only the team reads. Whoever is called by @ and name is told."""
    here, form = await enter_by_form(request, workspace)
    reference = ticket_reference(ticket)
    try:
        said = form.read(Words)
        people = await members(here) if "@" in said.body else ()
        await here.desk.bus.ask(
            AddNote(
                caller=here.visitor.caller,
                via=here.visitor.via,
                idempotency=form.promise(request),
                ticket=reference,
                note_id=uuid7(),
                body=said.body,
                kind=said.kind,
                pinned=said.pinned and said.kind is NoteKind.NOTE,
                mentions=tuple(mentioned(said.body, people)),
            )
        )
    except NotFound:
        raise
    except Refusal as refusal:
        form.refusal = refusal
        return await _show(request, here, await _ticket(here, ticket), note=form)
    return see(f"{here.base}/tickets/{ticket}#end")


@post(f"{_PAGE}/replies")
async def answer(request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]) -> ASGIResponse:
    """Write to the customer."""
    here, form = await enter_by_form(request, workspace)
    found = await _ticket(here, ticket)
    try:
        said = form.read(Reply)
        if said.conversation_id not in {each.id for each in found.conversations}:
            raise wrong("conversation_id", "not_linked", "is not linked to this ticket")
        await here.desk.bus.ask(
            PostMessage(
                caller=here.visitor.caller,
                via=here.visitor.via,
                idempotency=form.promise(request),
                conversation_id=said.conversation_id,
                message_id=uuid7(),
                body=said.body,
                set_status=said.set_status,
            )
        )
    except Refusal as refusal:
        form.refusal = refusal
        return await _show(request, here, found, answer=form)
    return see(f"{here.base}/tickets/{ticket}#end")


@post(f"{_PAGE}/delete")
async def delete(request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]) -> ASGIResponse:
    """Hide a ticket from all but admins."""
    return await _act(request, workspace, ticket, DeleteTicket)


@post(f"{_PAGE}/restore")
async def restore(request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]) -> ASGIResponse:
    """Bring a deleted ticket back."""
    return await _act(request, workspace, ticket, RestoreTicket)


@post(f"{_PAGE}/not-spam")
async def not_spam(request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]) -> ASGIResponse:
    """Give a ticket the status back that it had before it was spam."""
    return await _act(request, workspace, ticket, MarkNotSpam)


@post(f"{_PAGE}/watch")
async def watch(request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]) -> ASGIResponse:
    """Watch a ticket, or watch it no more."""
    here, form = await enter_by_form(request, workspace)
    found = await _ticket(here, ticket)
    said: dict[str, Any] = {"caller": here.visitor.caller, "via": here.visitor.via, "ticket_id": found.id}
    if form.text("do") == "unwatch":
        await here.desk.bus.ask(UnwatchTicket(**said, ticket_version=found.version))
    else:
        await here.desk.bus.ask(WatchTicket(**said))
    return see(f"{here.base}/tickets/{ticket}")


@post(f"{_PAGE}/notes/{{note:str}}")
async def pin(
    request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str], note: FromPath[str]
) -> ASGIResponse:
    """Pin a standing note, or unpin it."""
    here, form = await enter_by_form(request, workspace)
    await here.desk.bus.ask(
        PinNote(
            caller=here.visitor.caller,
            via=here.visitor.via,
            idempotency=form.promise(request),
            ticket=ticket_reference(ticket),
            note_id=path_id(note),
            pinned=form.text("do") == "pin",
        )
    )
    return see(f"{here.base}/tickets/{ticket}")


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
    try:
        await here.desk.bus.ask(command(**given))
    except NotFound:
        raise
    except Refusal as refusal:
        form.refusal = refusal
        return await _show(request, here, await _ticket(here, ticket), edit=form)
    return see(f"{here.base}/tickets/{ticket}")


async def _ticket(here: Here, ticket: str) -> TicketSnapshot:
    return await here.desk.bus.ask(GetTicket(caller=here.visitor.caller, ticket=ticket_reference(ticket)))


async def _fields(here: Here, form: Form) -> dict[str, Any]:
    """Return what the form changes, as the tickets service is told of it."""
    given = form.read(TicketEdit)
    fields: dict[str, Any] = {}
    for name in TicketEdit.model_fields:
        if name not in form.fields:
            continue
        value = getattr(given, name)
        if name == "assignee":
            fields[name] = await assigned(here.desk, here.visitor, value)
        elif name == "tags":
            fields[name] = tuple(words(value or ""))
        elif name == "description":
            fields[name] = value or ""
        elif value is None:
            raise wrong(name, "missing", "must not be empty")
        else:
            fields[name] = value
    if not fields:
        raise wrong("subject", "missing", "there is nothing to change")
    return fields


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
            if not left or touched(stale.facts["missed"]) & fields.keys():
                raise
            version = stale.facts["version"]
        else:
            return


async def _show(
    request: Request[Any, Any, Any],
    here: Here,
    ticket: TicketSnapshot,
    *,
    edit: Form | None = None,
    note: Form | None = None,
    answer: Form | None = None,
) -> ASGIResponse:
    may = set(ticket.allowed.actions)
    told, pinned, watching, people, frame = await asyncio.gather(
        story(here, ticket, _before(request)),
        _pinned(here, ticket, may),
        _watching(here, ticket),
        members(here),
        shell(here),
    )
    stale = None
    if edit is not None and isinstance(edit.refusal, StaleVersion):
        names = tuple(name for name in TicketEdit.model_fields if name in edit.fields)
        stale = Stale(edit, edit.refusal.facts["missed"], names)
    forms = {"edit": edit or Form(), "note": note or Form(), "answer": answer or Form()}
    return await page(
        request,
        here,
        "ticket.html",
        status=next((form.status for form in forms.values() if form.refusal), 200),
        ticket=ticket,
        may={action.value for action in may},
        told=told,
        assignable=[each for each in people if each.role is not Role.GUEST],
        stale=stale,
        pinned=pinned,
        watching=watching,
        place="tickets",
        frame=frame,
        **forms,
    )


async def _pinned(here: Here, ticket: TicketSnapshot, may: set[Action]) -> tuple[NoteSnapshot, ...]:
    """Return the notes that stand above everything."""
    if Action.READ_NOTES not in may:
        return ()
    asked = ListNotes(caller=here.visitor.caller, ticket=str(ticket.id), pinned=True, limit=_MOST_PINNED)
    return (await here.desk.bus.ask(asked)).items


async def _watching(here: Here, ticket: TicketSnapshot) -> bool | None:
    """Tell whether the reader watches the ticket; None where that can't be told now."""
    asked = GetWatchers(caller=here.visitor.caller, ticket_id=ticket.id)
    found = await or_none(here.desk.bus.ask(asked, within=PATIENCE))
    return None if found is None else here.visitor.user.id in {each.id for each in found.items}


def _before(request: Request[Any, Any, Any]) -> int | None:
    """Return the version that the part to show ends at."""
    before = request.query_params.get("before", "")
    return int(before) if _VERSION.fullmatch(before) else None


HANDLERS = (ticket_page, change, note, answer, delete, restore, not_spam, watch, pin)
