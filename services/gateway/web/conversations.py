"""What customers write: the conversations of the workspace, each with its transcript and a way to answer."""

from typing import Any
from uuid import UUID

from litestar import Request, get, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.base import Role, uuid7
from contracts.refusals import NotAllowed, NotFound, Refusal
from contracts.texts import Line, NonEmptyBody
from contracts.tickets import ConversationSnapshot, GetConversation, ListConversations, MakeTicket, PostMessage
from services.gateway.routes.bodies import Given, path_id
from services.gateway.web.forms import Form, from_address
from services.gateway.web.rendering import see
from services.gateway.web.shell import Here, enter, enter_by_form, page

_PAGE = "/w/{workspace:str}/conversations"
_ONE = f"{_PAGE}/{{conversation:str}}"


class Wanted(Given):
    """Which conversations."""

    awaits_reply: bool | None = None
    linked: bool | None = None
    contact: UUID | None = None
    cursor: str | None = None


class Place(Given):
    """Which part of a transcript."""

    cursor: str | None = None


class Message(Given):
    """What goes to the customer."""

    body: NonEmptyBody


class Making(Given):
    """What the new ticket is called; else the beginning of what the customer wrote first."""

    subject: Line | None = None
    assign_to_me: bool = False


@get(_PAGE)
async def conversations_page(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Show the conversations, last written to first."""
    here = await enter(request, workspace)
    if here.role is Role.GUEST:
        raise NotAllowed("Guests read the conversations of tickets, and no list of them.")
    wanted = from_address(request).read(Wanted)
    found = await here.desk.bus.ask(ListConversations(caller=here.visitor.caller, **dict(wanted)))
    return await page(request, here, "conversations.html", found=found, wanted=wanted, place="conversations")


@get(_ONE)
async def conversation_page(
    request: Request[Any, Any, Any], workspace: FromPath[str], conversation: FromPath[str]
) -> ASGIResponse:
    """Show a transcript."""
    return await _show(request, await enter(request, workspace), path_id(conversation), Form(), Form())


@post(f"{_ONE}/messages")
async def answer(
    request: Request[Any, Any, Any], workspace: FromPath[str], conversation: FromPath[str]
) -> ASGIResponse:
    """Write to the customer."""
    here, form = await enter_by_form(request, workspace)
    id = path_id(conversation)
    try:
        await here.desk.bus.ask(
            PostMessage(
                caller=here.visitor.caller,
                via=here.visitor.via,
                idempotency=form.promise(request),
                conversation_id=id,
                message_id=uuid7(),
                body=form.read(Message).body,
            )
        )
    except NotFound:
        raise
    except Refusal as refusal:
        form.refusal = refusal
        return await _show(request, here, id, form, Form())
    return see(f"{here.base}/conversations/{id}#end")


@post(f"{_ONE}/ticket")
async def make_ticket(
    request: Request[Any, Any, Any], workspace: FromPath[str], conversation: FromPath[str]
) -> ASGIResponse:
    """Open a ticket from a conversation."""
    here, form = await enter_by_form(request, workspace)
    id = path_id(conversation)
    try:
        making = form.read(Making)
        ticket = await here.desk.bus.ask(
            MakeTicket(
                caller=here.visitor.caller,
                via=here.visitor.via,
                idempotency=form.promise(request),
                conversation_id=id,
                ticket_id=uuid7(),
                subject=making.subject,
                assignee_to_caller=making.assign_to_me,
            )
        )
    except NotFound:
        raise
    except Refusal as refusal:
        form.refusal = refusal
        return await _show(request, here, id, Form(), form)
    return see(f"{here.base}/tickets/{ticket.number}")


async def _show(request: Request[Any, Any, Any], here: Here, id: UUID, answer: Form, making: Form) -> ASGIResponse:
    cursor = from_address(request).read(Place).cursor if request.method == "GET" else None
    found: ConversationSnapshot = await here.desk.bus.ask(
        GetConversation(caller=here.visitor.caller, conversation_id=id, cursor=cursor)
    )
    # The owner of conversations says no where this is too kind: a ticket that is linked may be somebody else's.
    writes = here.role is not Role.GUEST
    return await page(
        request,
        here,
        "conversation.html",
        status=answer.status if answer.refusal else making.status,
        found=found,
        answers=writes and found.integration is None,
        makes=writes,
        answer=answer,
        making=making,
        place="conversations",
    )


HANDLERS = (conversations_page, conversation_page, answer, make_ticket)
