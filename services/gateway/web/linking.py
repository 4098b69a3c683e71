"""Who a ticket is for and what they wrote: its contact and its conversations, looked up and chosen."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from litestar import Request, get, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.base import uuid7
from contracts.refusals import NotAllowed
from contracts.texts import Email, Name, SearchText
from contracts.tickets import (
    Action,
    ChangeTicket,
    ContactSnapshot,
    ConversationRow,
    CreateContact,
    LinkConversation,
    ListContacts,
    ListConversations,
    TicketChange,
    TicketSnapshot,
    UnlinkConversation,
)
from services.gateway.routes.bodies import Given
from services.gateway.routes.tickets import ticket_reference
from services.gateway.web.forms import Form, from_address
from services.gateway.web.rendering import see
from services.gateway.web.shell import Here, enter, enter_by_form, page, shell
from services.gateway.web.ticket_page import PAGE, find, show

_AT_ONCE = 20
_MOST_PEOPLE = 5
"""Of how many contacts that fit a search the conversations are shown."""


class Wanted(Given):
    """Who is looked for."""

    q: SearchText = ""


class NewContact(Given):
    """Somebody who is not known yet."""

    name: Name
    email: Email | None = None


class Choice(Given):
    """The conversation that was chosen."""

    conversation_id: UUID


@get(f"{PAGE}/contact")
async def contact_page(
    request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]
) -> ASGIResponse:
    """Let somebody choose whom a ticket is for."""
    here = await enter(request, workspace)
    return await _contacts(request, here, await _mine(here, ticket, Action.EDIT), Form())


@post(f"{PAGE}/contact")
async def new_contact(request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]) -> ASGIResponse:
    """Make a contact, and the ticket theirs."""
    here, form = await enter_by_form(request, workspace)
    found = await _mine(here, ticket, Action.EDIT)
    said: dict[str, Any] = {"caller": here.visitor.caller, "via": here.visitor.via}
    with form.tried():
        new = form.read(NewContact)
        made = await here.desk.bus.ask(
            CreateContact(**said, idempotency=form.promise(request), contact_id=uuid7(), name=new.name, email=new.email)
        )
        await here.desk.bus.ask(ChangeTicket(**said, ticket=str(found.id), change=TicketChange(contact_id=made.id)))
    if form.refusal:
        return await _contacts(request, here, found, form)
    return see(f"{here.base}/tickets/{ticket}")


@get(f"{PAGE}/conversations")
async def conversations_page(
    request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]
) -> ASGIResponse:
    """Let somebody choose a conversation to link: the contact's, or those of whoever is looked for."""
    here = await enter(request, workspace)
    found = await _mine(here, ticket, Action.LINK)
    wanted = from_address(request).read(Wanted)
    rows, frame = await asyncio.gather(_talks(here, found, wanted.q), shell(here))
    linked = {each.id for each in found.conversations}
    return await page(
        request,
        here,
        "ticket_conversations.html",
        ticket=found,
        wanted=wanted,
        found=[each for each in rows if each.id not in linked],
        place="tickets",
        frame=frame,
    )


@post(f"{PAGE}/conversations")
async def link(request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]) -> ASGIResponse:
    """Link a conversation to a ticket."""
    return await _tie(request, workspace, ticket, unlinks=False)


@post(f"{PAGE}/conversations/unlink")
async def unlink(request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]) -> ASGIResponse:
    """Untie a conversation from a ticket; both go on by themselves."""
    return await _tie(request, workspace, ticket, unlinks=True)


async def _tie(request: Request[Any, Any, Any], workspace: str, ticket: str, *, unlinks: bool) -> ASGIResponse:
    here, form = await enter_by_form(request, workspace)
    with form.tried():
        said: dict[str, Any] = {
            "caller": here.visitor.caller,
            "via": here.visitor.via,
            "idempotency": form.promise(request),
            "ticket": ticket_reference(ticket),
            "conversation_id": form.read(Choice).conversation_id,
        }
        if unlinks:
            await here.desk.bus.ask(UnlinkConversation(**said))
        else:
            await here.desk.bus.ask(LinkConversation(**said))
    if form.refusal:
        return await show(request, here, await find(here, ticket), edit=form)
    return see(f"{here.base}/tickets/{ticket}")


async def _mine(here: Here, ticket: str, action: Action) -> TicketSnapshot:
    """Return a ticket with which the visitor may do this; raises NotFound and NotAllowed."""
    found = await find(here, ticket)
    if action not in found.allowed.actions:
        raise NotAllowed
    return found


async def _contacts(request: Request[Any, Any, Any], here: Here, ticket: TicketSnapshot, form: Form) -> ASGIResponse:
    wanted = from_address(request).read(Wanted) if request.method == "GET" else Wanted()
    found, frame = await asyncio.gather(_people(here, wanted.q, _AT_ONCE), shell(here))
    return await page(
        request,
        here,
        "ticket_contact.html",
        status=form.status,
        ticket=ticket,
        wanted=wanted,
        found=found,
        form=form,
        place="tickets",
        frame=frame,
    )


async def _people(here: Here, q: str, limit: int) -> Sequence[ContactSnapshot]:
    return (await here.desk.bus.ask(ListContacts(caller=here.visitor.caller, q=q, limit=limit))).items


async def _talks(here: Here, ticket: TicketSnapshot, q: str) -> list[ConversationRow]:
    if q:
        whose = [each.id for each in await _people(here, q, _MOST_PEOPLE)]
    else:
        # The contact's own first, then the latest of anybody.
        whose = [ticket.contact.id] if ticket.contact else []
    asked = [ListConversations(caller=here.visitor.caller, contact=each, limit=_AT_ONCE) for each in whose]
    if not q:
        asked.append(ListConversations(caller=here.visitor.caller, linked=False, limit=_AT_ONCE))
    pages = await asyncio.gather(*(here.desk.bus.ask(each) for each in asked))
    return list({row.id: row for found in pages for row in found.items}.values())


HANDLERS = (contact_page, new_contact, conversations_page, link, unlink)
