"""What contacts answer by mail: a customer's message, whoever it says it is from, and once for ever."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.base import ActorKind, Caller, Role, Via, uuid7
from contracts.refusals import Conflict, Deleted, NoAddress, NotAllowed, NotFound, TransitionNotAllowed
from contracts.tickets import AuthorKind, CreateContact, ReplyOnTicket, Status, TakeReply, TicketSnapshot
from services.tickets import store
from tests.tickets.builders import person
from tests.tickets.desk import Desk, types_of
from tests.tickets.test_correspondence import asks


async def a_contact(desk: Desk, name: str = "Casey") -> UUID:
    made = CreateContact(caller=desk.who(), contact_id=uuid7(), name=name, email=f"{name}@customer.example")
    return (await desk.ask(made)).id


def a_reply(desk: Desk, ticket: TicketSnapshot, contact: UUID, **fields: Any) -> TakeReply:
    who = Caller(workspace_id=desk.workspace, kind=ActorKind.CONTACT, id=str(contact), name="", role=Role.GUEST)
    given = {
        "caller": who,
        "via": Via.MAIL,
        "ticket_id": ticket.id,
        "conversation_id": None,
        "contact_id": contact,
        "message_id": uuid4(),
        "body": "It works now.",
        "unverified_sender": None,
    }
    return TakeReply(**given | fields)  # type: ignore[arg-type]


async def test_two_mails_of_a_contact_share_a_conversation_and_others_have_their_own(desk: Desk) -> None:
    casey, kim = await a_contact(desk), await a_contact(desk, "Kim")
    ticket = await desk.create(contact_id=casey)
    first = a_reply(desk, ticket, casey)
    for _ in range(2):
        await desk.ask(first)
        # Long after its key is forgotten it is the same mail still.
        await desk.ask(first.model_copy(update={"command_id": uuid7()}))
    await desk.ask(a_reply(desk, ticket, casey, body="Or not.", unverified_sender="casey.private@example.org"))
    await desk.ask(a_reply(desk, ticket, kim, body="Same here."))
    there = (await desk.get(ticket)).conversations
    talks = [(await desk.reads(each.id)) for each in there]
    assert [[said.body for said in talk.messages] for talk in talks] == [["It works now.", "Or not."], ["Same here."]]
    assert [talk.contact and talk.contact.name for talk in talks] == ["Casey", "Kim"]
    verified, unverified = talks[0].messages
    assert (verified.author.kind, verified.author.id, verified.via) == (AuthorKind.VISITOR, str(casey), Via.MAIL)
    assert (unverified.author.id, unverified.unverified_sender) == (None, "casey.private@example.org")
    told = await desk.told(ticket)
    assert [each["unverified"] for each in told if each["type"] == "customer_message"] == [False, True, False]
    assert types_of(told)[1:3] == ["conversation_linked", "customer_message"]
    assert {each["via"] for each in told[1:]} == {"mail"}


def an_answer(desk: Desk, ticket: TicketSnapshot, **fields: Any) -> ReplyOnTicket:
    given: dict[str, Any] = {
        "caller": desk.who(),
        "ticket": str(ticket.id),
        "message_id": uuid7(),
        "body": "Here it is.",
    }
    return ReplyOnTicket(**given | fields)


async def test_an_agent_begins_the_conversation_by_mail_of_a_ticket_that_has_none(desk: Desk) -> None:
    casey = await a_contact(desk)
    ticket = await desk.create(contact_id=casey)
    waiting = Status.WAITING_ON_CUSTOMER
    first = an_answer(desk, ticket, set_status=waiting)
    said = await desk.ask(first)
    assert await desk.ask(first) == said
    assert (said.seq, said.body, said.author.kind, said.author.name) == (1, "Here it is.", AuthorKind.AGENT, "Olivia")
    after = await desk.get(ticket)
    assert (after.status, [each.id for each in after.conversations]) == (waiting, [said.conversation_id])
    told = await desk.told(ticket)
    assert types_of(told)[1:] == ["conversation_linked", "agent_replied", "status_changed"]
    assert types_of(await desk.told_of(said.conversation_id)) == ["conversation_started", "message_posted"]

    written = await asks(desk, ticket.id, message=said.id)
    assert (written.email, written.conversation_id) == ("Casey@customer.example", said.conversation_id)
    assert [each.body for each in written.replies] == ["Here it is."]

    # What the contact answers, to whichever mail, and what agents write next are in the same conversation.
    await desk.ask(a_reply(desk, ticket, casey))
    await desk.ask(an_answer(desk, ticket, body="Good."))
    talked = await desk.reads(said.conversation_id)
    assert [each.body for each in talked.messages] == ["Here it is.", "It works now.", "Good."]
    assert talked.contact is not None
    assert (talked.contact.id, talked.awaits_reply) == (casey, False)
    assert len((await desk.get(ticket)).conversations) == 1


async def test_who_may_reply_on_a_ticket_and_when_nobody_can(desk: Desk) -> None:
    maria = desk.who("Maria", Role.MEMBER)
    ticket = await desk.create(contact_id=await a_contact(desk), who=maria)
    for other in (maria, desk.who("Gustav", Role.GUEST)):
        with pytest.raises(NotAllowed):
            await desk.ask(an_answer(desk, ticket, caller=other))
    await desk.change(ticket, assignee=person("Maria"), status=Status.OPEN)
    with pytest.raises(TransitionNotAllowed):
        await desk.ask(an_answer(desk, ticket, caller=maria, set_status=Status.NEW))
    await desk.settle(mail_replied=False)
    with pytest.raises(Conflict, match="no replies by mail"):
        await desk.ask(an_answer(desk, ticket, caller=maria))
    await desk.settle(mail_replied=True)
    assert (await desk.get(ticket)).conversations == (), "what is refused begins nothing"
    await desk.ask(an_answer(desk, ticket, caller=maria))

    mute = CreateContact(caller=desk.who(), contact_id=uuid7(), name="Mute", email=None)
    for nobody in (await desk.create(), await desk.create(contact_id=(await desk.ask(mute)).id)):
        with pytest.raises(NoAddress):
            await desk.ask(an_answer(desk, nobody))
    talked = await desk.create(contact_id=await a_contact(desk, "Kim"))
    await desk.links(talked, await desk.chat())
    with pytest.raises(Conflict, match="answer there"):
        await desk.ask(an_answer(desk, talked))
    await desk.delete(ticket)
    with pytest.raises(Deleted):
        await desk.ask(an_answer(desk, ticket))


async def test_it_lands_in_the_conversation_that_was_written_from(desk: Desk) -> None:
    chat = await desk.chat()
    await desk.says(chat)
    casey = await a_contact(desk)
    ticket = await desk.create(contact_id=casey)
    await desk.links(ticket, chat)
    await desk.change(ticket, status=Status.WAITING_ON_CUSTOMER)
    await desk.ask(a_reply(desk, ticket, casey, conversation_id=chat))
    assert [each.body for each in (await desk.reads(chat)).messages] == ["Any news?", "It works now."]
    after = await desk.get(ticket)
    assert (after.status, [each.id for each in after.conversations]) == (Status.OPEN, [chat])
    with pytest.raises(NotFound):
        await desk.ask(a_reply(desk, ticket, casey, conversation_id=uuid4()))


async def test_nobody_else_writes_by_mail_and_what_is_gone_takes_none(desk: Desk) -> None:
    casey = await a_contact(desk)
    ticket = await desk.create(contact_id=casey)
    for other in (desk.who(), a_reply(desk, ticket, await a_contact(desk, "Kim")).caller):
        with pytest.raises(NotAllowed):
            await desk.ask(a_reply(desk, ticket, casey, caller=other))
    with pytest.raises(NotFound):
        await desk.ask(a_reply(desk, ticket, uuid4()))
    refused = a_reply(desk, ticket, casey)
    await desk.delete(ticket)
    with pytest.raises(Deleted):
        await desk.ask(refused)
    # Refused is not taken: once it is restored the same mail may come.
    await desk.restore(ticket)
    await desk.ask(refused)
    assert len((await desk.get(ticket)).conversations) == 1


async def test_whoever_answers_from_the_address_that_was_written_to_has_it(desk: Desk) -> None:
    chat = await desk.chat()
    contact = (await desk.reads(chat)).contact
    assert contact is not None
    ticket = await desk.create()
    await desk.links(ticket, chat)

    async def vouched() -> bool:
        async with desk.database.transaction(desk.workspace) as tx:
            known = await store.known_contact(tx, contact.id)
        assert known is not None
        return known.verified

    about = {"conversation_id": chat, "written_to": "KIM@example.com"}
    await desk.ask(a_reply(desk, ticket, contact.id, unverified_sender="eve@evil.example", **about))
    await desk.ask(a_reply(desk, ticket, contact.id, conversation_id=chat, written_to="kim.before@example.com"))
    assert not await vouched()
    await desk.ask(a_reply(desk, ticket, contact.id, **about))
    assert await vouched()
