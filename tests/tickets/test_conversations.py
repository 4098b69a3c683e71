"""Conversations on a real PostgreSQL: transcripts, answers, links, follow-ups, and many at once."""

import asyncio
import datetime as dt
from collections.abc import Awaitable
from typing import Any
from uuid import UUID

import pytest

from contracts.base import Role, now, uuid7
from contracts.refusals import Conflict, Deleted, Invalid, Malformed, NotAllowed, NotFound, TransitionNotAllowed
from contracts.tickets import (
    ChangeSettings,
    ConversationPage,
    DeleteTicket,
    ListConversations,
    MakeTicket,
    MessageSnapshot,
    Priority,
    SettingsChange,
    Status,
    TicketSnapshot,
    UnlinkConversation,
)
from services.tickets import store
from services.tickets.domain import Ticket
from tests.tickets.builders import person
from tests.tickets.desk import Desk, a_chat, types_of


async def listed(desk: Desk, *, role: Role = Role.OWNER, **filters: Any) -> ConversationPage:
    return await desk.ask(ListConversations(caller=desk.who(role=role), **filters))


async def unlink(desk: Desk, ticket: TicketSnapshot, chat: UUID, **more: Any) -> TicketSnapshot:
    given: dict[str, Any] = {"caller": desk.who(), "ticket": str(ticket.id), "conversation_id": chat}
    return await desk.ask(UnlinkConversation(**given | more))


async def make(desk: Desk, chat: UUID, **fields: Any) -> TicketSnapshot:
    given: dict[str, Any] = {"caller": desk.who(), "conversation_id": chat, "ticket_id": uuid7()}
    return await desk.ask(MakeTicket(**given | fields))


async def delete(desk: Desk, ticket: TicketSnapshot) -> None:
    await desk.ask(DeleteTicket(caller=desk.who(), ticket=str(ticket.id)))


async def tells_itself(desk: Desk, ref: str) -> Ticket:
    """Check that the ticket's log tells the ticket, version by version."""
    async with desk.database.transaction(desk.workspace) as tx:
        ticket = await store.load(tx, ref)
        life = [fact async for fact in store.life(tx, ticket)]
    again = Ticket.replay(life)
    assert again.state == ticket.state
    return ticket


# Transcripts


async def test_a_transcript_is_read_oldest_first_page_by_page(desk: Desk) -> None:
    chat = await desk.chat()
    for nth in range(3):
        await desk.says(chat, f"Question {nth}")
        await desk.answers(chat, f"Answer {nth}")

    whole = await desk.reads(chat)
    assert [message.seq for message in whole.messages] == [1, 2, 3, 4, 5, 6]
    assert (whole.message_count, whole.awaits_reply, whole.next_cursor) == (6, False, None)
    assert whole.last_message == whole.messages[-1]
    assert whole.contact is not None
    assert whole.messages[0].author.id == str(whole.contact.id)

    seen: list[MessageSnapshot] = []
    cursor = None
    while True:
        page = await desk.reads(chat, cursor=cursor, limit=2)
        seen += page.messages
        if (cursor := page.next_cursor) is None:
            break
    assert tuple(seen) == whole.messages


async def test_a_long_transcript_fits_into_its_messages(desk: Desk) -> None:
    chat = await desk.chat()
    for _ in range(8):
        await desk.says(chat, "x" * 60_000)

    first = await desk.reads(chat)
    assert 1 < len(first.messages) < 8
    assert first.next_cursor is not None
    assert len(first.model_dump_json()) < 250_000
    assert first.last_message is not None
    assert len(first.last_message.body) == 200


async def test_a_conversation_tells_its_whole_life(desk: Desk) -> None:
    chat = await desk.chat()
    await desk.says(chat, "A secret question")
    await desk.answers(chat)

    facts = await desk.told_of(chat)
    assert types_of(facts) == ["conversation_started", "message_posted", "message_posted"]
    assert [fact["subject"]["version"] for fact in facts] == [1, 2, 3]
    assert [fact["subject"]["kind"] for fact in facts] == ["conversation"] * 3
    assert "secret" not in str(facts)
    assert "Kim" not in str(facts)


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, ["linked", "answered", "asked", "theirs"]),
        ({"linked": True}, ["linked"]),
        ({"linked": False}, ["answered", "asked", "theirs"]),
        ({"awaits_reply": True}, ["asked", "linked"]),
        ({"ticket": "1"}, ["linked"]),
        ({"ticket": "9"}, []),
        ({"contact": uuid7()}, []),
        ({"assistant": uuid7()}, []),
    ],
)
async def test_conversations_are_found_last_written_to_first(
    desk: Desk, filters: dict[str, Any], found: list[str]
) -> None:
    chats: dict[str, UUID] = {}
    for name in ("asked", "answered", "linked"):
        chats[name] = await desk.chat(email=f"{name}@example.com")
        await desk.says(chats[name])
    await desk.links(await desk.create(), chats["linked"])
    await desk.answers(chats["answered"])
    async with desk.database.transaction(desk.workspace) as tx:
        chats["theirs"] = (await a_chat(tx, "chat", "C-1", None)).id

    names = {id: name for name, id in chats.items()}
    seen: list[str] = []
    cursor = None
    while True:
        page = await listed(desk, **filters, limit=1, cursor=cursor)
        seen += [names[each.id] for each in page.items]
        if (cursor := page.next_cursor) is None:
            break
    assert sorted(seen) == sorted(found)
    if not filters:
        assert seen == ["answered", "linked", "asked", "theirs"]


async def test_those_of_a_contact_are_found(desk: Desk) -> None:
    chat = await desk.chat()
    await desk.chat(email="lee@example.com")
    contact = (await desk.reads(chat)).contact
    assert contact is not None

    assert [each.id for each in (await listed(desk, contact=contact.id)).items] == [chat]


async def test_h21_a_cursor_is_good_for_its_own_transcript_only(desk: Desk) -> None:
    chats = [await desk.chat(email=None) for _ in range(2)]
    for chat in chats:
        await desk.says(chat)
        await desk.says(chat)
    messages = (await desk.reads(chats[0], limit=1)).next_cursor
    conversations = (await listed(desk, limit=1)).next_cursor

    for attempt in (
        desk.reads(chats[1], cursor=messages),
        desk.reads(chats[0], cursor=conversations),
        listed(desk, cursor=messages),
        listed(desk, linked=False, cursor=conversations),
    ):
        with pytest.raises(Malformed):
            await attempt


# Rights and walls


async def test_a_guest_reads_what_a_ticket_is_linked_to_and_no_addresses(desk: Desk) -> None:
    chat, guest = await desk.chat(), desk.who("Gus", Role.GUEST)
    with pytest.raises(NotFound):
        await desk.reads(chat, who=guest)
    ticket = await desk.create()
    await desk.links(ticket, chat)

    read = await desk.reads(chat, who=guest)
    assert read.contact is not None
    assert (read.contact.name, read.contact.email) == ("Kim", None)
    for attempt in (
        listed(desk, role=Role.GUEST),
        desk.answers(chat, who=guest),
        make(desk, chat, caller=guest),
        desk.links(ticket, chat, who=guest),
        unlink(desk, ticket, chat, caller=guest),
    ):
        with pytest.raises(NotAllowed):
            await attempt
    await delete(desk, ticket)
    with pytest.raises(NotFound):
        await desk.reads(chat, who=guest)


async def test_a_member_answers_where_a_linked_ticket_is_theirs_or_none_is_linked(desk: Desk) -> None:
    chat, max_ = await desk.chat(), desk.who("Max", Role.MEMBER)
    await desk.answers(chat, who=max_)
    ticket = await desk.create(assignee=person("Ann"))
    await desk.links(ticket, chat)
    for attempt in (desk.answers(chat, who=max_), make(desk, chat, caller=max_), desk.links(ticket, chat, who=max_)):
        with pytest.raises(NotAllowed):
            await attempt

    await desk.change(ticket, assignee=person("Max"))
    await desk.answers(chat, who=max_)
    assert (await desk.reads(chat)).message_count == 2


async def test_h1_h2_a_conversation_of_another_workspace_is_not_there(desk: Desk) -> None:
    theirs = await Desk(desk.database).chat()
    ticket = await desk.create()

    for attempt in (desk.reads(theirs), desk.answers(theirs), make(desk, theirs), unlink(desk, ticket, theirs)):
        with pytest.raises(NotFound):
            await attempt
    for refused in (desk.links(ticket, theirs), desk.create(conversation_id=theirs)):
        with pytest.raises(Invalid):
            await refused
    assert await desk.count("tickets") == 1


async def test_another_systems_conversation_is_not_answered_here(desk: Desk) -> None:
    async with desk.database.transaction(desk.workspace) as tx:
        chat = await a_chat(tx, "chat", "C-1", "https://chat.example/1")

    with pytest.raises(Conflict) as refused:
        await desk.answers(chat.id)
    assert refused.value.facts == {"url": "https://chat.example/1"}
    assert (await desk.reads(chat.id)).message_count == 0


# Links


async def test_both_sides_show_a_link_and_a_second_one_is_no_event(desk: Desk) -> None:
    ticket, chat = await desk.create(), await desk.chat()
    made, again = await desk.links(ticket, chat), await desk.links(ticket, chat)

    assert (made.fresh, again.fresh) == (True, False)
    assert made.ticket == again.ticket == await desk.get(ticket)
    assert [link.id for link in made.ticket.conversations] == [chat]
    assert [(each.number, each.status) for each in (await desk.reads(chat)).tickets] == [(1, Status.NEW)]
    assert types_of(await desk.told(ticket)) == ["ticket_created", "conversation_linked"]


async def test_an_unlinked_conversation_goes_on_by_itself(desk: Desk) -> None:
    ticket, chat = await desk.create(), await desk.chat()
    await desk.links(ticket, chat)
    after = await unlink(desk, ticket, chat)
    await desk.says(chat)

    assert (after.conversations, (await desk.reads(chat)).tickets) == ((), ())
    assert types_of(await desk.told(ticket))[-1] == "conversation_unlinked"
    with pytest.raises(NotFound):
        await unlink(desk, ticket, chat)
    assert (await desk.links(ticket, chat)).fresh
    await tells_itself(desk, "1")


async def test_many_who_link_at_once_link_once(desk: Desk) -> None:
    ticket, chat = await desk.create(), await desk.chat()
    made = await asyncio.gather(*(desk.links(ticket, chat) for _ in range(8)))

    assert sum(each.fresh for each in made) == 1
    await tells_itself(desk, "1")


async def test_a_deleted_ticket_is_neither_linked_nor_shown_nor_told(desk: Desk) -> None:
    ticket, chat = await desk.create(), await desk.chat()
    await desk.links(ticket, chat)
    await delete(desk, ticket)
    before = await desk.told(ticket)

    with pytest.raises(Deleted):
        await unlink(desk, ticket, chat)
    with pytest.raises(NotFound):
        await desk.links(ticket, chat, who=desk.who("Max", Role.MEMBER))
    await desk.says(chat)
    await desk.answers(chat, who=desk.who("Max", Role.MEMBER))
    assert (await desk.reads(chat)).tickets == ()
    assert await desk.told(ticket) == before


# A ticket from a conversation


async def test_a_ticket_is_made_of_a_conversation(desk: Desk) -> None:
    chat = await desk.chat()
    await desk.answers(chat, "Hello, how can I help?")
    await desk.says(chat, "My printer\nis on fire")
    made = await make(desk, chat, priority="high", tags=["vip"], assignee_to_caller=True)

    assert (made.subject, made.description) == ("My printer is on fire", "My printer\nis on fire")
    assert (made.priority, made.tags, made.status) == (Priority.HIGH, ("vip",), Status.NEW)
    assert made.assignee is not None
    assert str(made.assignee.id) == desk.who().id
    assert made.contact == (await desk.reads(chat)).contact
    assert [link.id for link in made.conversations] == [chat]
    assert types_of(await desk.told(made)) == ["ticket_created", "conversation_linked"]


async def test_without_a_word_a_subject_is_needed(desk: Desk) -> None:
    chat = await desk.chat()
    with pytest.raises(Invalid):
        await make(desk, chat)

    made = await make(desk, chat, subject="Call Kim", description="")
    assert (made.subject, made.description) == ("Call Kim", "")


async def test_a_ticket_created_with_a_conversation_takes_its_contact_or_gives_it_one(desk: Desk) -> None:
    known, unknown = await desk.chat(), await desk.chat(email=None)
    first = await desk.create(conversation_id=known)
    second = await desk.create(conversation_id=unknown, contact={"name": "Lee", "email": "lee@example.com"})

    assert first.contact == (await desk.reads(known)).contact
    assert second.contact == (await desk.reads(unknown)).contact
    assert second.contact is not None
    assert second.contact.name == "Lee"


# Answers


async def test_an_answer_is_one_event_on_each_ticket_with_one_cause(desk: Desk) -> None:
    chat, tickets = await desk.chat(), [await desk.create() for _ in range(3)]
    for ticket in tickets:
        await desk.links(ticket, chat)
    await desk.change(tickets[2], status="closed")
    before = now()
    await desk.answers(chat, set_status=Status.WAITING_ON_CUSTOMER)
    first = [(await desk.get(ticket)).first_response_at for ticket in tickets]
    await desk.answers(chat)

    told = [await desk.told(ticket) for ticket in tickets]
    assert [types_of(facts)[-3:] for facts in told[:2]] == [["agent_replied", "status_changed", "agent_replied"]] * 2
    assert types_of(told[2])[-2:] == ["agent_replied", "agent_replied"]
    causes = {fact["cause"] for facts in told for fact in facts if fact["type"] == "agent_replied"}
    posted = {fact["cause"] for fact in await desk.told_of(chat) if fact["type"] == "message_posted"}
    assert causes == posted
    assert len(causes) == 2
    assert all(time is not None and time >= before for time in first)
    assert [(await desk.get(ticket)).first_response_at for ticket in tickets] == first
    assert [(await desk.get(ticket)).status for ticket in tickets] == ["waiting_on_customer"] * 2 + ["closed"]


async def test_a_move_that_no_ticket_can_make_leaves_nothing_said(desk: Desk) -> None:
    chat, ticket = await desk.chat(), await desk.create()
    await desk.links(ticket, chat)
    await desk.change(ticket, status="closed")

    with pytest.raises(TransitionNotAllowed) as refused:
        await desk.answers(chat, set_status=Status.RESOLVED)
    assert refused.value.facts == {"allowed": ["open", "spam"]}
    assert (await desk.reads(chat)).message_count == 0


# The customer


async def test_a_message_is_one_event_on_each_ticket_with_one_cause(desk: Desk) -> None:
    chat = await desk.chat()
    stand = [Status.NEW, Status.IN_PROGRESS, Status.WAITING_ON_CUSTOMER, Status.RESOLVED, Status.SPAM]
    tickets = [await desk.create() for _ in stand]
    for ticket, status in zip(tickets, stand, strict=True):
        await desk.links(ticket, chat)
        if status is not Status.NEW:
            await desk.change(ticket, status=status)
    await desk.says(chat, "Any news?")

    after = [(await desk.get(ticket)).status for ticket in tickets]
    assert after == [Status.NEW, Status.IN_PROGRESS, Status.OPEN, Status.OPEN, Status.SPAM]
    heard = [fact for ticket in tickets for fact in await desk.told(ticket) if fact["via"] == "widget"]
    assert types_of(heard).count("customer_message") == 5
    assert types_of(heard).count("status_changed") == 2
    assert len({fact["cause"] for fact in heard}) == 1
    assert {fact["actor"]["kind"] for fact in heard} == {"contact"}
    assert await desk.count("tickets") == 5


async def test_a_closed_ticket_is_followed_up_once(desk: Desk) -> None:
    chat = await desk.chat()
    await desk.says(chat, "Fire!")
    old = await make(desk, chat, priority="high")
    await desk.change(old, status="closed")
    await desk.says(chat, "It burns again")
    await desk.says(chat, "Hello?")

    closed, new = await desk.get("1"), await desk.get("2")
    assert (closed.status, closed.follow_up_of) == (Status.CLOSED, None)
    assert new.follow_up_of is not None
    assert (new.follow_up_of.id, new.follow_up_of.number) == (old.id, 1)
    assert (new.subject, new.description, new.priority, new.contact) == (
        "Fire!",
        "It burns again",
        Priority.HIGH,
        old.contact,
    )
    assert [link.id for link in new.conversations] == [link.id for link in closed.conversations] == [chat]
    told, begun = await desk.told(old), await desk.told(new)
    assert types_of(told)[-3:] == ["customer_message", "follow_up_opened", "customer_message"]
    assert types_of(begun) == ["ticket_created", "conversation_linked", "customer_message"]
    assert told[-2]["new"]["number"] == 2
    assert begun[0]["cause"] == told[-2]["cause"]
    assert await desk.count("tickets") == 2
    for number in ("1", "2"):
        await tells_itself(desk, number)

    await desk.change("2", status="closed")
    await desk.says(chat)
    third = await desk.get("3")
    assert third.follow_up_of is not None
    assert third.follow_up_of.number == 2


async def test_what_was_closed_long_ago_stays_closed_and_the_message_is_one_of_its_conversation(desk: Desk) -> None:
    chat, ticket = await desk.chat(), await desk.create()
    await desk.links(ticket, chat)
    await desk.change(ticket, status="closed")
    await desk.ask(ChangeSettings(caller=desk.who(), change=SettingsChange(follow_up_days=3)))
    await desk.says(chat, at=now() + dt.timedelta(days=3, minutes=1))
    assert await desk.count("tickets") == 1
    assert types_of(await desk.told(ticket))[-1] == "customer_message"

    await desk.says(chat)
    assert await desk.count("tickets") == 2


# Many at once


async def test_twenty_at_once_are_numbered_without_holes_on_every_side(desk: Desk) -> None:
    chat, tickets = await desk.chat(), [await desk.create() for _ in range(2)]
    for ticket in tickets:
        await desk.links(ticket, chat)
        await desk.change(ticket, status="waiting_on_customer")
    await asyncio.gather(*(desk.says(chat, f"{nth}") for nth in range(20)))

    read = await desk.reads(chat)
    assert [message.seq for message in read.messages] == list(range(1, 21))
    assert {message.body for message in read.messages} == {str(nth) for nth in range(20)}
    assert [fact["subject"]["version"] for fact in await desk.told_of(chat)] == list(range(1, 22))
    for ticket in tickets:
        facts = await desk.told(ticket)
        assert [fact["version"] for fact in facts] == list(range(1, len(facts) + 1))
        assert types_of(facts).count("customer_message") == 20
        await tells_itself(desk, str(ticket.number))


async def test_two_who_write_to_a_closed_ticket_at_once_open_one_follow_up(desk: Desk) -> None:
    chats = []
    for _ in range(5):
        chat, ticket = await desk.chat(email=None), await desk.create()
        await desk.links(ticket, chat)
        await desk.change(ticket, status="closed")
        chats.append(chat)
    await asyncio.gather(*(desk.says(chat) for chat in chats for _ in range(2)))

    assert await desk.count("tickets") == 10
    assert [(await desk.reads(chat)).message_count for chat in chats] == [2] * 5
    for number in range(1, 11):
        await tells_itself(desk, str(number))


async def test_agents_and_customers_never_wait_in_a_circle(desk: Desk) -> None:
    tickets = [await desk.create() for _ in range(3)]
    chats = [await desk.chat(email=f"kim{nth}@example.com") for nth in range(3)]
    for ticket in tickets:
        for chat in chats[:2]:
            await desk.links(ticket, chat)

    def storm(nth: int) -> list[Awaitable[Any]]:
        ticket, chat = tickets[nth % 3], chats[nth % 2]
        status = ("resolved", "closed", "open", "waiting_on_customer")[nth % 4]
        return [
            desk.says(chat),
            desk.change(ticket, status=status),
            desk.answers(chat, set_status=Status.OPEN),
            desk.change(ticket, subject=f"Fire {nth}"),
            desk.links(ticket, chats[2]),
            unlink(desk, ticket, chats[2]),
            desk.create(conversation_id=chats[2], contact={"name": "New", "email": f"new{nth % 2}@example.com"}),
        ]

    for start in range(0, 12, 4):
        outcomes = await asyncio.gather(
            *(each for nth in range(start, start + 4) for each in storm(nth)), return_exceptions=True
        )
        # A deadlock would be an error of the store here: nothing retries.
        strange = [each for each in outcomes if isinstance(each, Exception)]
        assert [each for each in strange if not isinstance(each, TransitionNotAllowed | NotFound)] == []

    for number in range(1, await desk.count("tickets") + 1):
        await tells_itself(desk, str(number))
    for chat in chats:
        read = await desk.reads(chat)
        assert [message.seq for message in read.messages] == list(range(1, read.message_count + 1))


async def test_conversations_are_found_by_who_wrote_and_by_what_was_written(desk: Desk) -> None:
    kim = await desk.chat(name="Kim Älvsjö", email="kim@example.com")
    lee = await desk.chat(name="Lee", email="lee@example.org")
    await desk.says(kim, "The Parcel never came, 100% sure.")
    await desk.says(kim, "Hello?")
    await desk.says(lee, "Another parcel.")

    async def found(q: str, **filters: Any) -> set[Any]:
        return {each.id for each in (await listed(desk, q=q, **filters)).items}

    assert await found("PARCEL") == {kim, lee}
    assert await found("parcel älv") == await found("parcel KIM@example") == {kim}
    assert await found("0% s") == {kim}
    assert await found("0_ s") == await found("nobody") == await found("lee never") == set()
    assert await found("parcel", awaits_reply=True) == {kim, lee}
    first = await listed(desk, q="parcel", limit=1)
    assert first.next_cursor
    with pytest.raises(Malformed):
        await listed(desk, q="other", limit=1, cursor=first.next_cursor)
    with pytest.raises(NotAllowed):
        await listed(desk, role=Role.GUEST, q="parcel")
