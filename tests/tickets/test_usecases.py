"""What is asked of tickets, from the command to the answer and the facts, on a real PostgreSQL."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import TextClause, text

from chassis.bus import NotYet
from chassis.database import Database, Transaction
from chassis.inbox import bury
from contracts.base import Command, DeadLetter, IdempotencyKey, Intake, Message, ReadLog, Request, Role, uuid7
from contracts.erasing import ListErasures
from contracts.refusals import (
    Conflict,
    Invalid,
    KeyReused,
    Malformed,
    NotAllowed,
    NotFound,
    Refusal,
    StaleVersion,
    TransitionNotAllowed,
)
from contracts.tickets import (
    AddNote,
    ChangeSettings,
    ChangeTicket,
    ChangeTickets,
    ConversationRef,
    CountTickets,
    CreateTicket,
    DeleteTicket,
    GetDeadLetter,
    GetSettings,
    GetTicket,
    ListDeadLetters,
    ListNotes,
    ListTickets,
    MarkNotSpam,
    NewContact,
    NoteKind,
    NoteSnapshot,
    PinNote,
    Priority,
    RestoreTicket,
    SettingsChange,
    Status,
    TicketChange,
    TicketFilter,
    TicketRequested,
    TicketSnapshot,
)
from services.tickets import store, usecases
from services.tickets.handlers import listen
from services.tickets.usecases.tickets import create_ticket
from tests.contracts.test_samples import SAMPLES
from tests.tickets.builders import id_of, person
from tests.tickets.desk import USECASES, Desk, types_of


async def note_on(desk: Desk, ticket: TicketSnapshot, body: str = "Call back", **fields: Any) -> NoteSnapshot:
    given: dict[str, Any] = {"caller": desk.who(), "ticket": str(ticket.id), "note_id": uuid7(), "body": body}
    return await desk.ask(AddNote(**given | fields))


# Assembly


class Ears:
    """Notes what is registered."""

    def __init__(self) -> None:
        self.known: list[type[Message]] = []

    def answers(self, message: type[Message], **_: bool) -> Any:
        self.known.append(message)
        return lambda handler: handler

    hears = answers


def test_everything_that_is_meant_for_tickets_has_an_ear() -> None:
    ears = Ears()
    listen(ears)  # type: ignore[arg-type]

    # The chassis itself tells the log again, and who was erased.
    meant = [kind for kind in Message.registry.values() if kind.OWNER == "tickets" and issubclass(kind, Request)]
    meant = [kind for kind in meant if not issubclass(kind, ReadLog | ListErasures)]
    heard = [kind for kind in Message.registry.values() if "tickets" in kind.HEARD_BY]
    assert sorted(kind.SUBJECT for kind in ears.known) == sorted(kind.SUBJECT for kind in [*meant, *heard])


# Creating


async def test_a_created_ticket_is_answered_read_and_told_alike(desk: Desk) -> None:
    created = await desk.create(
        description="It smokes.",
        priority="high",
        assignee=person("Ann"),
        contact={"name": "Kim", "email": "kim@example.com"},
        tags=["vip", "vip", "paper"],
        via="web",
    )

    assert created == await desk.get("1") == await desk.get(created)
    assert (created.number, created.version, created.status, created.tags) == (1, 1, Status.NEW, ("vip", "paper"))
    assert created.contact is not None
    assert (created.contact.name, created.contact.email) == ("Kim", "kim@example.com")
    (fact,) = await desk.told(created)
    assert (fact["type"], fact["version"], fact["via"], fact["audience"]) == ("ticket_created", 1, "web", "everyone")
    assert fact["actor"]["id"] == str(id_of("Olivia"))


@pytest.mark.parametrize("email", ["kim@example.com", "KIM@Example.COM"])
async def test_who_is_known_by_address_is_not_made_again(desk: Desk, email: str) -> None:
    first = await desk.create(contact={"name": "Kim", "email": "kim@example.com"})
    second = await desk.create(contact={"name": "Kimberly", "email": email})

    assert second.contact == first.contact
    assert await desk.count("contacts") == 1


async def test_who_has_no_address_is_somebody_new(desk: Desk) -> None:
    first, second = await desk.create(contact={"name": "Kim"}), await desk.create(contact={"name": "Kim"})

    assert first.contact is not None
    assert second.contact is not None
    assert first.contact.id != second.contact.id


async def test_a_known_contact_may_be_named(desk: Desk) -> None:
    first = await desk.create(contact={"name": "Kim"})
    assert first.contact is not None

    assert (await desk.create(contact_id=first.contact.id)).contact == first.contact


async def test_many_at_once_meet_one_contact_without_waiting_in_a_circle(desk: Desk) -> None:
    made = await asyncio.gather(
        *(desk.create(contact={"name": "Kim", "email": f"kim{nth % 2}@example.com"}) for nth in range(16))
    )

    assert len({ticket.contact.id for ticket in made if ticket.contact}) == 2
    assert sorted(ticket.number for ticket in made) == list(range(1, 17))


async def test_a_contact_of_another_workspace_is_not_there(desk: Desk) -> None:
    other = Desk(desk.database)
    theirs = (await other.create(contact={"name": "Kim"})).contact
    mine = await desk.create()
    assert theirs is not None

    for attempt in (desk.create(contact_id=theirs.id), desk.change(mine, contact_id=str(theirs.id))):
        with pytest.raises(Invalid) as refused:
            await attempt
        assert [(error["field"], error["code"]) for error in refused.value.facts["errors"]] == [
            ("contact_id", "not_found")
        ]
    assert await desk.count("tickets") == 1
    assert (await desk.get(mine)) == mine


async def test_a_contact_is_named_one_way(desk: Desk) -> None:
    with pytest.raises(Invalid) as refused:
        await desk.create(contact_id=uuid7(), contact={"name": "Kim"})
    assert refused.value.facts["errors"][0]["field"] == "contact"


async def test_who_may_not_create_leaves_nothing_behind(desk: Desk) -> None:
    guest, member = desk.who("Gus", Role.GUEST), desk.who("Max", Role.MEMBER)

    for who, fields in (
        (guest, {"contact": {"name": "Kim"}}),
        (guest, {"contact_id": uuid7()}),
        (member, {"assignee": person("Ann")}),
    ):
        with pytest.raises(NotAllowed):
            await desk.create(who=who, **fields)
    assert await desk.count("tickets") == await desk.count("contacts") == await desk.count("event_log") == 0
    assert (await desk.create(who=member, assignee=person("Max"))).number == 1


async def test_an_id_is_taken_once_per_workspace(desk: Desk) -> None:
    created = await desk.create()

    with pytest.raises(Conflict):
        await desk.create(ticket_id=created.id)
    assert (await Desk(desk.database).create(ticket_id=created.id)).number == 1
    assert (await desk.create()).number == 2


# Idempotency


def key(name: str = "k", fingerprint: str = "f") -> IdempotencyKey:
    return IdempotencyKey(key=name, route="POST /tickets", fingerprint=fingerprint)


async def test_the_same_key_creates_once_and_is_answered_alike(desk: Desk) -> None:
    first = await desk.create("Fire", idempotency=key())
    await desk.change(first, subject="Smoke")

    assert await desk.create("Fire", idempotency=key()) == first
    assert await desk.count("tickets") == 1
    assert len(await desk.told(first)) == 2


async def test_a_key_for_another_body_is_refused(desk: Desk) -> None:
    await desk.create("Fire", idempotency=key())

    with pytest.raises(KeyReused):
        await desk.create("Flood", idempotency=key(fingerprint="g"))


async def test_a_key_is_its_callers_own(desk: Desk) -> None:
    await desk.create("Fire", idempotency=key())
    await desk.create("Fire", idempotency=key(), who=desk.who("Ann", Role.ADMIN))
    await desk.create("Fire", idempotency=key("other"))
    await Desk(desk.database).create("Fire", idempotency=key())

    assert await desk.count("tickets") == 3


async def test_a_command_that_is_sent_twice_is_one(desk: Desk) -> None:
    command = CreateTicket(caller=desk.who(), ticket_id=uuid7(), subject="Fire")
    note = AddNote(caller=desk.who(), ticket="1", note_id=uuid7(), body="x")

    assert await desk.ask(command) == await desk.ask(command)
    assert await desk.ask(note) == await desk.ask(note)
    assert await desk.count("tickets") == await desk.count("notes") == 1


async def test_a_refused_command_may_be_sent_again(desk: Desk) -> None:
    contact = uuid7()
    command = CreateTicket(caller=desk.who(), ticket_id=uuid7(), subject="Fire", contact_id=contact)
    with pytest.raises(Invalid):
        await desk.ask(command)

    assert isinstance(command, Command)
    assert (await desk.ask(command.model_copy(update={"contact_id": None}))).number == 1


# Changing


async def test_a_change_is_answered_read_and_told_alike(desk: Desk) -> None:
    created = await desk.create(contact={"name": "Kim", "email": "kim@example.com"})
    changed = await desk.change(
        created, subject="Smoke", status="in_progress", assignee=person("Ann"), contact_id=None, tags=["x"]
    )

    assert changed == await desk.get(created)
    assert (changed.version, changed.status, changed.contact, changed.assignee) == (
        6,
        Status.IN_PROGRESS,
        None,
        person("Ann"),
    )
    told = await desk.told(created)
    assert types_of(told) == [
        "ticket_created",
        "subject_changed",
        "tags_changed",
        "contact_unlinked",
        "assigned",
        "status_changed",
    ]
    assert len({fact["cause"] for fact in told[1:]}) == 1


async def test_a_linked_contact_is_shown_with_its_address_at_once(desk: Desk) -> None:
    kim = (await desk.create(contact={"name": "Kim", "email": "kim@example.com"})).contact
    other = await desk.create()
    assert kim is not None

    assert (await desk.change(other, contact_id=str(kim.id))).contact == kim


async def test_nothing_new_is_no_version(desk: Desk) -> None:
    created = await desk.create(tags=["a"])

    assert await desk.change(created, subject=created.subject, tags=["a", "a"], status="new") == created
    assert await desk.change(created) == created
    assert len(await desk.told(created)) == 1


async def test_a_refused_change_changes_nothing(desk: Desk) -> None:
    created = await desk.create(assignee=person("Max"))
    member = desk.who("Max", Role.MEMBER)

    with pytest.raises(NotAllowed):
        await desk.change(created, who=member, subject="Smoke", status="closed")
    with pytest.raises(TransitionNotAllowed) as refused:
        await desk.change(await desk.change(created, status="closed"), subject="Smoke", status="resolved")
    assert refused.value.facts == {"allowed": ["open", "spam"]}
    assert (await desk.get(created)).subject == created.subject
    assert types_of(await desk.told(created)) == ["ticket_created", "status_changed"]


async def test_a_ticket_of_another_workspace_is_not_there(desk: Desk) -> None:
    created = await desk.create()
    other = Desk(desk.database)

    for attempt in (other.get(created), other.get("1"), other.change(created, subject="x"), note_on(other, created)):
        with pytest.raises(NotFound):
            await attempt


# Versions


async def test_who_knows_the_newest_version_may_write(desk: Desk) -> None:
    created = await desk.create()

    assert (await desk.change(created, expected=1, subject="Smoke")).version == 2


async def test_who_knows_an_old_version_is_told_what_they_missed(desk: Desk) -> None:
    created = await desk.create()
    await desk.change(created, subject="Smoke", priority="high")
    await note_on(desk, created, "Psst")

    with pytest.raises(StaleVersion) as refused:
        await desk.change(created, expected=1, subject="Steam")
    missed = refused.value.facts["missed"]
    assert refused.value.facts["version"] == 4
    assert types_of(missed) == ["subject_changed", "priority_changed", "note_added"]
    assert [fact["version"] for fact in missed] == [2, 3, 4]
    assert (missed[0]["old"], missed[0]["new"], missed[2]["body"]) == ("Printer on fire", "Smoke", "Psst")
    assert not any("salts" in fact for fact in missed)
    assert (await desk.get(created)).subject == "Smoke"


async def test_who_may_not_change_a_ticket_is_told_that_and_nothing_of_what_was_missed(desk: Desk) -> None:
    created = await desk.create()
    await note_on(desk, created, "Psst")
    await desk.change(created, priority="high")

    for role in (Role.GUEST, Role.MEMBER):
        with pytest.raises(NotAllowed) as refused:
            await desk.change(created, who=desk.who("Gus", role), expected=1, subject="Steam")
        assert refused.value.facts == {}


async def test_a_version_that_is_yet_to_come_is_no_version(desk: Desk) -> None:
    created = await desk.create()

    with pytest.raises(StaleVersion) as refused:
        await desk.change(created, expected=2, subject="Steam")
    assert refused.value.facts == {"version": 1, "missed": []}


async def test_of_ten_with_the_same_version_one_writes(desk: Desk) -> None:
    created = await desk.create()
    outcomes = await asyncio.gather(
        *(desk.change(created, expected=1, subject=f"Fire {nth}") for nth in range(10)), return_exceptions=True
    )

    assert sum(isinstance(outcome, TicketSnapshot) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, StaleVersion) for outcome in outcomes) == 9


# What guests see


async def test_a_guest_sees_a_contact_by_name_only(desk: Desk) -> None:
    created = await desk.create(contact={"name": "Kim", "email": "kim@example.com"})
    guest = desk.who("Gus", Role.GUEST)

    for seen in (await desk.get(created, who=guest), (await desk.find(who=guest)).items[0]):
        assert seen.contact is not None
        assert (seen.contact.name, seen.contact.email) == ("Kim", None)
        assert [action.value for action in seen.allowed.actions] == ["watch"]
        assert seen.allowed.statuses == ()


async def test_a_list_says_of_each_ticket_what_the_caller_may_do(desk: Desk) -> None:
    member = desk.who("Max", Role.MEMBER)
    await desk.create("Mine", assignee=person("Max"))
    await desk.create("Theirs", assignee=person("Ann"))

    mine, theirs = (await desk.find(who=member, sort="number")).items
    assert "edit" in mine.allowed.actions
    assert "edit" not in theirs.allowed.actions
    assert mine.allowed == (await desk.get("1", who=member)).allowed


# Notes


async def test_notes_are_listed_as_they_were_answered_oldest_first(desk: Desk) -> None:
    created = await desk.create()
    first = await note_on(desk, created, pinned=True)
    second = await note_on(desk, created, "Done", kind=NoteKind.COMMENT, in_reply_to=first.id)
    await note_on(desk, await desk.create(), "Elsewhere")

    page = await desk.ask(ListNotes(caller=desk.who("Max", Role.MEMBER), ticket="1"))
    assert page.items == (first, second)
    assert (first.ticket_version, second.ticket_version) == (2, 3)
    assert types_of(await desk.told(created)) == ["ticket_created", "note_added", "comment_added"]
    assert {fact["audience"] for fact in (await desk.told(created))[1:]} == {"team"}
    assert (await desk.get(created)).version == 3


async def test_notes_come_in_pages_that_fit_into_a_message(desk: Desk) -> None:
    created = await desk.create()
    notes = [await note_on(desk, created, "x" * size) for size in (1, 60_000, 60_000, 60_000, 60_000, 60_000, 1, 1)]

    seen: list[NoteSnapshot] = []
    cursor = None
    while True:
        page = await desk.ask(ListNotes(caller=desk.who(), ticket="1", limit=7, cursor=cursor))
        assert 0 < len(page.items) <= 7
        assert len(page.model_dump_json()) < 250 * 1024
        seen += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == notes


async def test_a_cursor_of_another_tickets_notes_is_refused(desk: Desk) -> None:
    for _ in range(2):
        ticket = await desk.create()
        for _ in range(2):
            await note_on(desk, ticket)
    cursor = (await desk.ask(ListNotes(caller=desk.who(), ticket="1", limit=1))).next_cursor

    with pytest.raises(Malformed):
        await desk.ask(ListNotes(caller=desk.who(), ticket="2", limit=1, cursor=cursor))


async def test_guests_read_and_write_no_notes(desk: Desk) -> None:
    created = await desk.create()
    guest = desk.who("Gus", Role.GUEST)

    with pytest.raises(NotAllowed):
        await desk.ask(ListNotes(caller=guest, ticket="1"))
    with pytest.raises(NotAllowed):
        await note_on(desk, created, caller=guest)
    with pytest.raises(NotAllowed):
        await note_on(desk, created, caller=desk.who("Max", Role.MEMBER))
    assert await desk.count("notes") == 0


async def test_an_answer_stays_on_its_ticket(desk: Desk) -> None:
    elsewhere = await note_on(desk, await desk.create())
    created = await desk.create()

    for wrong in (elsewhere.id, uuid7()):
        with pytest.raises(Invalid) as refused:
            await note_on(desk, created, kind=NoteKind.COMMENT, in_reply_to=wrong)
        assert refused.value.facts["errors"][0]["field"] == "in_reply_to"
    assert (await desk.get(created)).version == 1


async def test_a_notes_id_is_taken_once(desk: Desk) -> None:
    created = await desk.create()
    note = await note_on(desk, created)

    with pytest.raises(Conflict):
        await note_on(desk, created, note_id=note.id)
    assert (await desk.get(created)).version == 2


# Intake


REQUESTED = TicketRequested.model_validate_json(
    next(path for path in SAMPLES if path.stem == TicketRequested.SUBJECT).read_bytes()
)


def requested(**fields: Any) -> TicketRequested:
    message = TicketRequested.model_validate(REQUESTED.model_dump() | {"workspace_id": None} | fields)
    assert isinstance(message, Intake)
    return message


async def test_another_system_opens_a_ticket(desk: Desk) -> None:
    await desk.opens()
    await desk.hears(requested(), "status-page", "ce-1")

    ticket = await desk.get("1")
    assert (ticket.subject, ticket.status, ticket.priority, ticket.tags) == (
        REQUESTED.subject,
        Status.NEW,
        REQUESTED.priority,
        REQUESTED.tags,
    )
    assert ticket.contact is not None
    assert (ticket.contact.name, ticket.contact.email) == ("Kim Sørensen", "kim@northwind.example")
    assert [(link.external_id, link.url) for link in ticket.conversations] == [
        ("chat-881", "https://chat.northwind.example/c/881")
    ]
    created, linked = await desk.told(ticket)
    assert types_of([created, linked]) == ["ticket_created", "conversation_linked"]
    assert created["external_id"] == "INC-2041"
    for fact in (created, linked):
        assert (fact["actor"]["kind"], fact["actor"]["id"]) == ("integration", "integration:status-page")
        assert (fact["via"], fact["cause"]) == ("intake", "ce-1")


async def test_without_an_envelope_the_cause_is_the_other_systems_own_name(desk: Desk) -> None:
    await desk.opens()
    await desk.hears(requested(contact=None, conversation=None))

    (created,) = await desk.told(await desk.get("1"))
    assert created["cause"] == "INC-2041"


async def test_what_was_asked_for_once_is_done_once_for_ever(desk: Desk) -> None:
    await desk.opens()
    await desk.hears(requested(), "status-page", "ce-1")
    await desk.change("1", status="closed")
    for id in ("ce-1", "ce-2", ""):
        await desk.hears(requested(subject="Again", contact={"name": "New"}), "status-page", id)

    assert await desk.count("tickets") == await desk.count("contacts") == await desk.count("intake_sources") == 1
    assert (await desk.get("1")).subject == REQUESTED.subject
    assert (await desk.create()).number == 2


async def test_two_systems_and_two_workspaces_may_use_the_same_name(desk: Desk) -> None:
    other = Desk(desk.database)
    for each in (desk, other):
        await each.opens()
        await each.hears(requested(), "status-page")
    await desk.hears(requested(), "monitoring")

    assert await desk.count("tickets") == 2
    assert await other.count("tickets") == 1
    assert await desk.count("conversations") == 2


async def test_a_contact_is_known_by_the_other_systems_name_then_by_address(desk: Desk) -> None:
    await desk.opens()
    kim = (await desk.create(contact={"name": "Kim", "email": "kim@example.com"})).contact
    asked = [
        {"name": "K.", "email": "KIM@example.com", "external_id": "7"},
        {"name": "Kim S.", "external_id": "7"},
        {"name": "Somebody", "email": "some@example.com", "external_id": "7"},
        {"name": "K.", "email": "kim@example.com"},
        {"name": "K.", "email": "kim@example.com", "external_id": "8"},
    ]
    for nth, contact in enumerate(asked):
        await desk.hears(requested(external_id=f"E{nth}", contact=contact))
    await desk.hears(requested(external_id="other", contact={"name": "Lee", "external_id": "7"}), "monitoring")

    assert [(await desk.get(str(number))).contact for number in range(2, 7)] == [kim] * 5
    lee = (await desk.get("7")).contact
    assert lee is not None
    assert lee.name == "Lee"
    assert await desk.count("contacts") == 2


async def test_a_conversation_is_kept_once_and_its_newest_address(desk: Desk) -> None:
    await desk.opens()
    chat = {"external_id": "C-1", "url": "https://chat.example/old"}
    await desk.hears(requested(external_id="E1", conversation=chat))
    await desk.hears(requested(external_id="E2", conversation=chat | {"url": "https://chat.example/new"}))
    await desk.hears(requested(external_id="E3", conversation={"external_id": "C-1"}))

    links: list[tuple[ConversationRef, ...]] = [(await desk.get(str(number))).conversations for number in (1, 2, 3)]
    assert len({link for (link,) in links}) == 1
    assert links[0][0].url == "https://chat.example/new"


async def test_an_unknown_workspace_is_waited_for_a_minute(desk: Desk) -> None:
    with pytest.raises(NotYet) as wait:
        await desk.hears(requested())
    assert wait.value.give_up_after == 60
    assert await desk.count("tickets") == 0

    await desk.opens()
    await desk.hears(requested())
    assert await desk.count("tickets") == 1


async def test_a_workspace_that_is_told_twice_is_known_once(desk: Desk) -> None:
    await desk.opens()
    await desk.opens()

    assert await desk.count("workspaces") == 1


async def test_a_workspace_that_ended_takes_nothing_in_and_what_happened_in_it_stays(desk: Desk) -> None:
    await desk.opens()
    await desk.hears(requested(external_id="E1"))

    await desk.ends()
    await desk.ends()

    with pytest.raises(NotYet) as wait:
        await desk.hears(requested(external_id="E2"))
    assert wait.value.give_up_after == 60
    assert await desk.count("tickets") == 1


# Dead letters


async def letters(desk: Desk, many: int) -> None:
    for nth in range(many):
        async with desk.database.transaction(desk.workspace) as tx:
            await bury(
                tx,
                stream=f"INTAKE-{desk.workspace}",
                sequence=nth + 1,
                subject=TicketRequested.subject_for(desk.workspace, "status-page"),
                reason="invalid",
                detail="subject: is required",
                headers={"ce-id": f"a{nth}"},
                body=b'{"subject": null}',
            )


async def test_dead_letters_are_listed_newest_first_and_read_whole(desk: Desk) -> None:
    await letters(desk, 5)
    await letters(Desk(desk.database), 2)

    seen: list[DeadLetter] = []
    cursor = None
    while True:
        page = await desk.ask(ListDeadLetters(caller=desk.who(), limit=2, cursor=cursor))
        seen += page.items
        cursor = page.next_cursor
        if cursor is None:
            break
    assert [letter.sequence for letter in seen] == [5, 4, 3, 2, 1]
    assert {letter.body for letter in seen} == {""}
    letter = await desk.ask(GetDeadLetter(caller=desk.who("Ann", Role.ADMIN), id=seen[0].id))
    assert letter.body == "eyJzdWJqZWN0IjogbnVsbH0="
    assert (letter.service, letter.reason, letter.headers) == ("tickets", "invalid", {"ce-id": "a4"})


async def test_dead_letters_are_for_those_who_run_the_desk(desk: Desk) -> None:
    await letters(desk, 1)
    (letter,) = (await desk.ask(ListDeadLetters(caller=desk.who()))).items

    for role in (Role.MEMBER, Role.GUEST):
        with pytest.raises(NotAllowed):
            await desk.ask(ListDeadLetters(caller=desk.who("Max", role)))
        with pytest.raises(NotAllowed):
            await desk.ask(GetDeadLetter(caller=desk.who("Max", role), id=letter.id))


async def test_a_dead_letter_of_another_workspace_is_not_there(desk: Desk) -> None:
    other = Desk(desk.database)
    await letters(other, 1)
    (letter,) = (await other.ask(ListDeadLetters(caller=other.who()))).items

    for id in (letter.id, uuid7(), UUID(int=0)):
        with pytest.raises(NotFound):
            await desk.ask(GetDeadLetter(caller=desk.who(), id=id))


@pytest.mark.parametrize("cursor", ["", "x", "eyJ4Ijp9"])
async def test_a_broken_cursor_of_dead_letters_is_refused(desk: Desk, cursor: str) -> None:
    with pytest.raises(Malformed):
        await desk.ask(ListDeadLetters(caller=desk.who(), cursor=cursor))


async def test_numbers_of_one_commit_follow_each_other_and_know_what_was_settled_between(desk: Desk) -> None:
    olivia, opened = desk.who(), list[int]()
    settle = ChangeSettings(caller=olivia, change=SettingsChange(members_may_claim=True))
    before = await desk.create()
    async with desk.database.transaction(desk.workspace) as tx:
        for nth in range(5):
            create = CreateTicket(caller=olivia, ticket_id=uuid7(), subject="Fire")
            opened.append((await create_ticket(create, tx)).number)
            if nth == 2:
                assert not (await store.next_number(tx))[1].members_may_claim
                await USECASES[ChangeSettings](settle, tx)
                assert (await store.next_number(tx))[1].members_may_claim
    assert opened == [before.number + nth for nth in (1, 2, 3, 6, 7)]
    async with desk.database.transaction(desk.workspace) as tx:
        assert await tx.scalar(text("select array_agg(number order by number) from tickets")) == [
            before.number,
            *opened,
        ]
    assert (await desk.create()).number == before.number + 8
    with pytest.raises(Conflict):
        async with desk.database.transaction(desk.workspace) as tx:
            await create_ticket(CreateTicket(caller=olivia, ticket_id=before.id, subject="Of the same name"), tx)


# Cost


class Counting(Transaction):
    """A transaction that counts its statements."""

    def __init__(self, tx: Transaction) -> None:
        super().__init__(tx._connection, tx.workspace_id)
        self.statements = 0

    async def _run(self, run: Callable[..., Awaitable[Any]], statement: TextClause, *values: Any) -> Any:
        self.statements += 1
        return await super()._run(run, statement, *values)


@pytest.mark.parametrize("seed", range(4))
async def test_commands_that_are_taken_up_together_do_what_each_does_by_itself(
    desk: Desk, database: Database, seed: int
) -> None:
    chance = random.Random(seed)
    apart, together = desk, Desk(database)
    ids = {each.workspace: [(await each.create(f"Fire {n}")).id for n in range(3)] for each in (apart, together)}
    makers: list[Callable[[dict[str, Any]], Command[Any]]] = [
        lambda asked: ChangeTicket(**asked, change=TicketChange(subject="Smoke", description="Much.", add_tags=("x",))),
        lambda asked: ChangeTicket(**asked, change=TicketChange(priority=Priority.CRITICAL)),
        lambda asked: ChangeTicket(**asked, change=TicketChange(status=Status.NEW)),
        lambda asked: ChangeTicket(**asked, expected_version=2, change=TicketChange(priority=Priority.LOW)),
        lambda asked: AddNote(**asked, note_id=uuid7(), body="Look."),
        lambda asked: PinNote(**asked, note_id=uuid7(), pinned=True),
        lambda asked: DeleteTicket(**asked),
        lambda asked: RestoreTicket(**asked),
        lambda asked: MarkNotSpam(**asked),
    ]
    plan = [(chance.randrange(3), chance.random() < 0.5, chance.choice(makers)) for _ in range(12)]

    async def outcome(command: Command[Any], tx: Transaction) -> str:
        try:
            return (await USECASES[type(command)](command, tx)).model_dump_json(include={"status", "version", "tags"})
        except Refusal as refusal:
            return refusal.code

    def commands(of: Desk) -> list[Any]:
        return [
            make({"caller": of.who(), "ticket": str(ids[of.workspace][nth]) if by_id else str(nth + 1)})
            for nth, by_id, make in plan
        ]

    told = []
    for command in commands(apart):
        async with database.transaction(apart.workspace) as tx:
            told.append(await outcome(command, tx))
    sent = commands(together)
    async with database.transaction(together.workspace) as tx:
        nobody = [sent[0].model_copy(update={"ticket": ref}) for ref in ("99", str(uuid7()), "#")]
        await usecases.take_up([*sent, *nobody], tx)
        assert [await outcome(command, tx) for command in sent] == told
        assert [await outcome(command, tx) for command in nobody] == ["not_found"] * 3
    look = {"subject", "description", "status", "priority", "tags", "version", "deleted_at"}
    for n in range(3):
        mine, theirs = [(await each.get(str(n + 1))).model_dump(include=look) for each in (apart, together)]
        assert (mine.pop("deleted_at") is None) == (theirs.pop("deleted_at") is None)
        assert mine == theirs


async def test_changes_that_share_a_commit_are_held_read_and_written_by_three_statements(desk: Desk) -> None:
    for _ in range(5):
        await desk.create()
    change = TicketChange(priority=Priority.LOW)
    commands = [ChangeTicket(caller=desk.who(), ticket=str(nth + 1), change=change) for nth in range(5)]
    async with desk.database.transaction(desk.workspace) as tx:
        counting = Counting(tx)
        await usecases.take_up(commands, counting)
        for command in commands:
            await usecases.change_ticket(command, counting)
        await counting._flush()
    assert counting.statements == 3
    assert [(await desk.get(str(nth + 1))).priority for nth in range(5)] == [Priority.LOW] * 5


async def test_a_request_costs_few_statements(desk: Desk) -> None:
    """Beside what the chassis does for each: begin, idempotency, log, commit."""
    for nth in range(5):
        await desk.create(contact={"name": "Kim", "email": f"kim{nth}@example.com"})
    olivia = desk.who()
    change = TicketChange(subject="Smoke", status=Status.OPEN, priority=Priority.LOW)
    costs: list[int] = []
    requests: list[Request[Any]] = [
        GetTicket(caller=olivia, ticket="1"),
        ListTickets(caller=olivia, q="fire", limit=3),
        ChangeTicket(caller=olivia, ticket="1", change=TicketChange(status=Status.OPEN)),
        ChangeTicket(caller=olivia, ticket="2", change=change),
        CreateTicket(caller=olivia, ticket_id=uuid7(), subject="Fire"),
        CreateTicket(
            caller=olivia, ticket_id=uuid7(), subject="F", contact=NewContact(name="K", email="k@example.com")
        ),
        AddNote(caller=olivia, ticket="1", note_id=uuid7(), body="x"),
        ListNotes(caller=olivia, ticket="1"),
        CountTickets(caller=olivia, q="fire"),
        DeleteTicket(caller=olivia, ticket="1"),
        RestoreTicket(caller=olivia, ticket="1"),
        GetTicket(caller=olivia, ticket="1", as_of_version=1),
        GetSettings(caller=olivia),
        ChangeSettings(caller=olivia, change=SettingsChange(members_may_claim=True)),
        ChangeTickets(caller=olivia, bulk_id=uuid7(), filter=TicketFilter(), change=TicketChange(tags=("x",))),
    ]
    for request in requests:
        async with desk.database.transaction(desk.workspace) as tx:
            counting = Counting(tx)
            await USECASES[type(request)](request, counting)
            await counting._flush()
        costs.append(counting.statements)

    assert costs == [1, 2, 3, 4, 2, 4, 4, 2, 1, 3, 3, 2, 1, 3, 4]
