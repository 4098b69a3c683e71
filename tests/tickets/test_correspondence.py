"""What may be written to a ticket's contact by mail is decided here, at the moment of writing, on a real PostgreSQL."""

from typing import Any
from uuid import UUID

import pytest

from contracts.base import ActorKind, Caller, Role
from contracts.refusals import NotAllowed, NotFound
from contracts.tickets import ContactMail, Correspondence, GetCorrespondence, Status, TicketSnapshot, VisitorContact
from tests.tickets.desk import Desk
from tests.tickets.test_visitors import OPEN, Site

KIM = VisitorContact(name="Kim", email="kim@example.com")


async def asks(
    desk: Desk, ticket: UUID, kind: ContactMail = ContactMail.REPLIED, message: UUID | None = None
) -> Correspondence:
    caller = Caller(
        workspace_id=desk.workspace, kind=ActorKind.SYSTEM, id="notifications", name="Notifications", role=Role.GUEST
    )
    return await desk.ask(GetCorrespondence(caller=caller, kind=kind, ticket_id=ticket, message_id=message))


async def a_ticket(desk: Desk, **fields: Any) -> TicketSnapshot:
    return await desk.create(contact={"name": "Kim", "email": "kim@example.com"}, **fields)


async def test_whoever_an_agent_names_is_vouched_for_and_told_what_agents_wrote(desk: Desk) -> None:
    ticket, other = await a_ticket(desk), await desk.create("Without anybody")
    chat = await desk.chat(name="Kim")
    await desk.links(ticket, chat)
    await desk.links(other, chat)
    await desk.answers(chat, "Before.")
    first = await desk.answers(chat, "Soon.")
    await desk.says(chat, "When?")
    second = await desk.answers(chat, "Now.")

    found = await asks(desk, ticket.id, message=first.id)
    assert (found.number, found.subject, found.name, found.email) == (1, "Printer on fire", "Kim", "kim@example.com")
    assert (found.verified, found.conversation_id, found.more) == (True, chat, False)
    assert [(each.message_id, each.name, each.body) for each in found.replies] == [
        (first.id, "Olivia", "Soon."),
        (second.id, "Olivia", "Now."),
    ]
    assert (await asks(desk, other.id, message=first.id)).email == "kim@example.com", "whom the conversation is with"
    for nth in range(10):
        await desk.answers(chat, f"Part {nth}")
    long = await asks(desk, ticket.id, message=first.id)
    assert (len(long.replies), long.more) == (10, True)


async def test_a_visitor_who_types_an_address_is_vouched_for_by_nobody(desk: Desk) -> None:
    site = await Site.opens(desk, **OPEN)
    chat = await site.start("Help", contact=KIM)
    ticket = await site.ticket(chat)

    assert not (await asks(desk, ticket.id, ContactMail.RECEIVED)).verified
    assert not (await asks(desk, ticket.id)).verified


async def test_the_address_of_somebody_known_makes_a_visitor_not_them(desk: Desk) -> None:
    await a_ticket(desk)
    site = await Site.opens(desk, **OPEN)
    typed = await site.ticket(await site.start("Help", contact=KIM))
    signed = await site.ticket(
        await site.start("Help", identity=site.signed(user_id="kim", email="kim@example.com", nonce="n" * 16))
    )

    assert not (await asks(desk, typed.id, ContactMail.RECEIVED)).verified
    assert (await asks(desk, signed.id, ContactMail.RECEIVED)).verified


async def test_an_answer_on_a_ticket_that_is_gone_is_written_of_on_another(desk: Desk) -> None:
    gone, there = await a_ticket(desk), await a_ticket(desk)
    chat = await desk.chat(name="Kim")
    for ticket in (gone, there):
        await desk.links(ticket, chat)
    said = await desk.answers(chat)
    await desk.delete(gone)

    assert (await asks(desk, gone.id, message=said.id)).ticket_id == there.id
    await desk.change(there, status="spam")
    with pytest.raises(NotFound):
        await asks(desk, gone.id, message=said.id)


async def test_nothing_is_written_where_nobody_may_hear_of_it(desk: Desk) -> None:
    nobody, silent = await desk.create(), await desk.create(contact={"name": "Kim"})
    spam, gone, open_ = await a_ticket(desk), await a_ticket(desk), await a_ticket(desk)
    await desk.change(spam, status="spam")
    await desk.delete(gone)
    for ticket in (nobody, silent, spam, gone):
        with pytest.raises(NotFound):
            await asks(desk, ticket.id, ContactMail.RECEIVED)
    with pytest.raises(NotFound):
        await asks(desk, open_.id, ContactMail.RESOLVED)
    await desk.change(open_, status=Status.RESOLVED)
    assert (await asks(desk, open_.id, ContactMail.RESOLVED)).resolved


@pytest.mark.parametrize("kind", ContactMail)
async def test_a_workspace_turns_each_kind_off(desk: Desk, kind: ContactMail) -> None:
    ticket = await a_ticket(desk)
    await desk.change(ticket, status=Status.RESOLVED)
    off: dict[str, Any] = {f"mail_{kind.value}": False}
    await desk.settle(**off)

    with pytest.raises(NotFound):
        await asks(desk, ticket.id, kind)
    for other in set(ContactMail) - {kind}:
        assert (await asks(desk, ticket.id, other)).ticket_id == ticket.id


async def test_people_are_not_told_what_services_are(desk: Desk) -> None:
    ticket = await a_ticket(desk)
    with pytest.raises(NotAllowed):
        await desk.ask(GetCorrespondence(caller=desk.who(), kind=ContactMail.REPLIED, ticket_id=ticket.id))
