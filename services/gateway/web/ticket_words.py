"""What people write below a ticket, and who watches it."""

from typing import Any
from uuid import UUID

from litestar import Request, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.base import uuid7
from contracts.notifications import MuteTicket, UnmuteTicket, UnwatchTicket, WatchTicket
from contracts.refusals import Refusal
from contracts.texts import NonEmptyBody
from contracts.tickets import AddNote, NoteKind, PinNote, PostMessage, ReplyOnTicket, Status
from services.gateway.routes.bodies import Given, path_id
from services.gateway.routes.tickets import ticket_reference
from services.gateway.web.forms import wrong
from services.gateway.web.rendering import see
from services.gateway.web.shell import enter_by_form
from services.gateway.web.story import mentioned
from services.gateway.web.ticket_page import PAGE, find, show
from services.gateway.web.tickets import members


class Words(Given):
    """What somebody writes below a ticket."""

    body: NonEmptyBody
    kind: NoteKind = NoteKind.COMMENT
    pinned: bool = False
    in_reply_to: UUID | None = None


class Reply(Given):
    """What goes to the customer."""

    body: NonEmptyBody
    conversation_id: UUID | None = None
    """None: there is none yet; one by mail begins."""
    set_status: Status | None = None


@post(f"{PAGE}/notes")
async def note(request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]) -> ASGIResponse:
    """Add what only the team reads. Whoever is called by @ and name is told."""
    here, form = await enter_by_form(request, workspace)
    reference = ticket_reference(ticket)
    with form.tried():
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
                in_reply_to=said.in_reply_to if said.kind is NoteKind.COMMENT else None,
                mentions=tuple(mentioned(said.body, people)),
            )
        )
    if form.refusal:
        return await show(request, here, await find(here, ticket), note=form)
    return see(f"{here.base}/tickets/{ticket}#end")


@post(f"{PAGE}/replies")
async def answer(request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]) -> ASGIResponse:
    """Write to the customer."""
    here, form = await enter_by_form(request, workspace)
    found = await find(here, ticket)
    try:
        said = form.read(Reply)
        sent: dict[str, Any] = {
            "caller": here.visitor.caller,
            "via": here.visitor.via,
            "idempotency": form.promise(request),
            "message_id": uuid7(),
            "body": said.body,
            "set_status": said.set_status,
        }
        if said.conversation_id is None:
            await here.desk.bus.ask(ReplyOnTicket(**sent, ticket=str(found.id)))
        elif said.conversation_id in {each.id for each in found.conversations}:
            await here.desk.bus.ask(PostMessage(**sent, conversation_id=said.conversation_id))
        else:
            raise wrong("conversation_id", "not_linked", "is not linked to this ticket")
    except Refusal as refusal:
        form.refusal = refusal
        return await show(request, here, found, answer=form)
    return see(f"{here.base}/tickets/{ticket}#end")


@post(f"{PAGE}/watch")
async def watch(request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]) -> ASGIResponse:
    """Watch a ticket, or watch it no more."""
    here, form = await enter_by_form(request, workspace)
    found = await find(here, ticket)
    said: dict[str, Any] = {"caller": here.visitor.caller, "via": here.visitor.via, "ticket_id": found.id}
    if form.text("do") == "unwatch":
        await here.desk.bus.ask(UnwatchTicket(**said, ticket_version=found.version))
    else:
        await here.desk.bus.ask(WatchTicket(**said))
    return see(f"{here.base}/tickets/{ticket}")


@post(f"{PAGE}/mute")
async def mute(request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]) -> ASGIResponse:
    """Hear nothing more of a ticket, or hear of it again."""
    here, form = await enter_by_form(request, workspace)
    found = await find(here, ticket)
    said: dict[str, Any] = {"caller": here.visitor.caller, "via": here.visitor.via, "ticket_id": found.id}
    await here.desk.bus.ask(UnmuteTicket(**said) if form.text("do") == "unmute" else MuteTicket(**said))
    return see(f"{here.base}/tickets/{ticket}")


@post(f"{PAGE}/notes/{{note:str}}")
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


HANDLERS = (note, answer, watch, mute, pin)
