"""What customers write: the conversations of the workspace, each with its transcript and a way to answer."""

import asyncio
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from litestar import Request, get, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.base import Role, uuid7
from contracts.refusals import NotAllowed, NotFound, Refusal
from contracts.texts import Line, NonEmptyBody, SearchText
from contracts.tickets import (
    Action,
    ContactSnapshot,
    ConversationSnapshot,
    GetContact,
    GetConversation,
    GetTicket,
    LinkConversation,
    ListConversations,
    ListTickets,
    MakeTicket,
    MessageSnapshot,
    PostMessage,
    Priority,
    Status,
    TicketSnapshot,
    UnlinkConversation,
)
from services.gateway.routes.bodies import Given, path_id
from services.gateway.web.choices import AT_ONCE, Choice, choice_of, id_in
from services.gateway.web.forms import Form, from_address, wrong
from services.gateway.web.rendering import see
from services.gateway.web.shell import Here, enter, enter_by_form, or_none, page, shell

_PAGE = "/w/{workspace:str}/conversations"
_ONE = f"{_PAGE}/{{conversation:str}}"
_PAGES_AT_ONCE = 5
"""How many parts of a transcript its page shows from the beginning on."""
_MOST_ASKED = 10
"""Of how many linked tickets is asked what may be done with them."""


class Wanted(Given):
    """Which conversations."""

    awaits_reply: bool | None = None
    linked: bool | None = None
    contact: UUID | None = None
    q: SearchText = ""
    cursor: str | None = None


class Place(Given):
    """Which part of a transcript."""

    cursor: str | None = None


class Message(Given):
    """What goes to the customer."""

    body: NonEmptyBody
    set_status: Status | None = None


class Making(Given):
    """What the new ticket is called; else the beginning of what the customer wrote first."""

    subject: Line | None = None
    priority: Priority | None = None
    assign_to_me: bool = False


class Tying(Given):
    """The ticket to be linked: one that was found, or its number."""

    ticket_id: UUID | None = None
    ticket_q: SearchText = ""


@dataclass(frozen=True, slots=True)
class Forms:
    """What the forms of a transcript's page said; the one that was sent may be refused."""

    answer: Form = field(default_factory=Form)
    making: Form = field(default_factory=Form)
    tying: Form = field(default_factory=Form)

    @property
    def status(self) -> int:
        """The HTTP status of the page."""
        return next((each.status for each in (self.answer, self.making, self.tying) if each.refusal), 200)


@get(_PAGE)
async def conversations_page(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Show the conversations, last written to first."""
    here = await enter(request, workspace)
    if here.role is Role.GUEST:
        raise NotAllowed("Guests read the conversations of tickets, and no list of them.")
    wanted = from_address(request).read(Wanted)
    found, whose, frame = await asyncio.gather(
        here.desk.bus.ask(ListConversations(caller=here.visitor.caller, **dict(wanted))),
        _whose(here, wanted.contact),
        shell(here),
    )
    return await page(
        request,
        here,
        "conversations.html",
        found=found,
        wanted=wanted,
        whose=whose,
        place="conversations",
        frame=frame,
    )


@get(_ONE)
async def conversation_page(
    request: Request[Any, Any, Any], workspace: FromPath[str], conversation: FromPath[str]
) -> ASGIResponse:
    """Show a transcript."""
    return await _show(request, await enter(request, workspace), path_id(conversation), Forms())


@post(f"{_ONE}/messages")
async def answer(
    request: Request[Any, Any, Any], workspace: FromPath[str], conversation: FromPath[str]
) -> ASGIResponse:
    """Write to the customer."""
    here, form = await enter_by_form(request, workspace)
    id = path_id(conversation)
    with form.tried():
        said = form.read(Message)
        await here.desk.bus.ask(
            PostMessage(
                caller=here.visitor.caller,
                via=here.visitor.via,
                idempotency=form.promise(request),
                conversation_id=id,
                message_id=uuid7(),
                body=said.body,
                set_status=said.set_status,
            )
        )
    if form.refusal:
        return await _show(request, here, id, Forms(answer=form))
    return see(f"{here.base}/conversations/{id}#end")


@post(f"{_ONE}/ticket")
async def make_ticket(
    request: Request[Any, Any, Any], workspace: FromPath[str], conversation: FromPath[str]
) -> ASGIResponse:
    """Open a ticket from a conversation."""
    here, form = await enter_by_form(request, workspace)
    id = path_id(conversation)
    with form.tried():
        making = form.read(Making)
        ticket = await here.desk.bus.ask(
            MakeTicket(
                caller=here.visitor.caller,
                via=here.visitor.via,
                idempotency=form.promise(request),
                conversation_id=id,
                ticket_id=uuid7(),
                subject=making.subject,
                priority=making.priority,
                assignee_to_caller=making.assign_to_me,
            )
        )
    if form.refusal:
        return await _show(request, here, id, Forms(making=form))
    return see(f"{here.base}/tickets/{ticket.number}")


@post(f"{_ONE}/links")
async def link(request: Request[Any, Any, Any], workspace: FromPath[str], conversation: FromPath[str]) -> ASGIResponse:
    """Tie a conversation to a ticket that is there already; one button looks for it instead, another unties one."""
    here, form = await enter_by_form(request, workspace)
    id = path_id(conversation)
    if form.text("do") == "find":
        return await _show(request, here, id, Forms(tying=form))
    said: dict[str, Any] = {
        "caller": here.visitor.caller,
        "via": here.visitor.via,
        "idempotency": form.promise(request),
        "conversation_id": id,
    }
    try:
        if form.text("do") == "untie":
            await here.desk.bus.ask(UnlinkConversation(**said, ticket=str(id_in(form, "ticket_id"))))
        else:
            await here.desk.bus.ask(LinkConversation(**said, ticket=_meant(form)))
    except Refusal as refusal:
        # Of all that is named, only the ticket was typed.
        missing = isinstance(refusal, NotFound)
        form.refusal = wrong("ticket_id", "not_found", "there is no such ticket") if missing else refusal
        return await _show(request, here, id, Forms(tying=form))
    return see(f"{here.base}/conversations/{id}")


def _meant(form: Form) -> str:
    """Return the ticket that is meant, by its id or its number; raises Invalid where that is not plain."""
    said = form.read(Tying)
    number = said.ticket_q.strip().removeprefix("#")
    if said.ticket_id is not None:
        return str(said.ticket_id)
    if number.isascii() and number.isdigit() and len(number) < len("1000000000"):
        return number
    raise wrong("ticket_id", "missing", "choose the ticket that is meant, or type its number")


async def _show(request: Request[Any, Any, Any], here: Here, id: UUID, forms: Forms) -> ASGIResponse:
    cursor = from_address(request).read(Place).cursor if request.method == "GET" else None
    found = await here.desk.bus.ask(GetConversation(caller=here.visitor.caller, conversation_id=id, cursor=cursor))
    (messages, more), tickets, choices, frame = await asyncio.gather(
        _messages(here, found), _tickets(here, found), _choices(here, forms.tying), shell(here)
    )
    team = here.role is not Role.GUEST
    replies = team and (not found.tickets or any(Action.REPLY in each.allowed.actions for each in tickets))
    moves = {status for each in tickets for status in each.allowed.statuses if status is not Status.SPAM}
    return await page(
        request,
        here,
        "conversation.html",
        status=forms.status,
        found=found,
        messages=messages,
        more=more,
        first=cursor is None,
        team=team,
        answers=replies and found.integration is None,
        makes=replies,
        unties={each.id for each in tickets if Action.LINK in each.allowed.actions},
        moves=[status for status in Status if status in moves],
        choices=choices,
        forms=forms,
        place="conversations",
        frame=frame,
    )


async def _messages(here: Here, found: ConversationSnapshot) -> tuple[list[MessageSnapshot], str | None]:
    """Return what was written from here on, as much as a page shows, and where it goes on."""
    messages, more = [*found.messages], found.next_cursor
    for _ in range(_PAGES_AT_ONCE - 1):
        if more is None:
            break
        part = await here.desk.bus.ask(
            GetConversation(caller=here.visitor.caller, conversation_id=found.id, cursor=more)
        )
        messages.extend(part.messages)
        more = part.next_cursor
    return messages, more


async def _tickets(here: Here, found: ConversationSnapshot) -> list[TicketSnapshot]:
    """Return the linked tickets, with what may be done with each."""
    asked = [
        or_none(here.desk.bus.ask, GetTicket(caller=here.visitor.caller, ticket=str(each.id)))
        for each in found.tickets[:_MOST_ASKED]
    ]
    return [each for each in await asyncio.gather(*asked) if each is not None]


async def _choices(here: Here, form: Form) -> list[Choice]:
    """Return the tickets that a search found, among those that this reader may link."""
    try:
        sought = form.read(Tying).ticket_q.strip()
    except Refusal:
        return []
    if not sought:
        return []
    mine = None if here.role.runs_the_desk else here.visitor.user.id
    tickets = await here.desk.bus.ask(
        ListTickets(caller=here.visitor.caller, q=sought, statuses=tuple(Status), assignee=mine, limit=AT_ONCE)
    )
    return [choice_of(each) for each in tickets.items]


async def _whose(here: Here, contact: UUID | None) -> ContactSnapshot | None:
    """Return the contact whose conversations are asked for."""
    if contact is None:
        return None
    return await here.desk.bus.ask(GetContact(caller=here.visitor.caller, contact_id=contact))


HANDLERS = (conversations_page, conversation_page, answer, make_ticket, link)
