"""Tickets that go and come back, and tickets as they were, on a real PostgreSQL."""

import asyncio
import datetime as dt
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import text

from contracts.base import Role, uuid7
from contracts.refusals import Conflict, Deleted, Invalid, NotAllowed, NotFound, Refusal, StaleVersion
from contracts.tickets import AddNote, ListNotes, MarkNotSpam, Priority, Status, TicketChange, TicketSnapshot
from services.tickets import store
from tests.tickets.builders import by, person
from tests.tickets.desk import Desk, a_kim, types_of
from tests.tickets.desk import a_chat as another_systems_chat


async def a_chat(desk: Desk, *, contact: str | None = None) -> Any:
    """A conversation of another system, whose writer may be known."""
    async with desk.database.transaction(desk.workspace) as tx:
        chat = await another_systems_chat(tx, "chat", f"C-{uuid7()}", "https://chat.example/1")
        if contact:
            await store.name_contact(tx, chat.id, await a_kim(tx, contact, f"{contact}@example.com".lower()))
    return chat


# Creating


async def test_a_ticket_may_begin_with_a_conversation_whose_contact_is_then_its_own(desk: Desk) -> None:
    chat = await a_chat(desk, contact="Kim")
    member = desk.who("Max", Role.MEMBER)
    created = await desk.create(conversation_id=chat.id, who=member)

    assert created.conversations == (chat,)
    assert created.contact is not None
    assert (created.contact.name, created.contact.email) == ("Kim", "kim@example.com")
    told = await desk.told(created)
    assert types_of(told) == ["ticket_created", "conversation_linked"]
    assert told[0]["contact"]["id"] == str(created.contact.id)
    assert {fact["cause"] for fact in told} == {told[0]["cause"]}
    assert created == await desk.get(created, who=member)


async def test_a_contact_that_is_given_comes_before_the_conversations(desk: Desk) -> None:
    chat = await a_chat(desk, contact="Kim")
    created = await desk.create(conversation_id=chat.id, contact={"name": "Lee"})

    assert created.contact is not None
    assert created.contact.name == "Lee"


async def test_h2_a_conversation_of_another_workspace_is_not_there(desk: Desk) -> None:
    theirs = await a_chat(Desk(desk.database))

    for id in (theirs.id, uuid7()):
        with pytest.raises(Invalid) as refused:
            await desk.create(conversation_id=id, contact={"name": "Kim"})
        assert [(each["field"], each["code"]) for each in refused.value.facts["errors"]] == [
            ("conversation_id", "not_found")
        ]
    for table in ("tickets", "contacts", "event_log"):
        assert await desk.count(table) == 0
    assert (await desk.create()).number == 1


# Deleting


async def test_a_deleted_ticket_is_there_for_those_who_run_the_desk_alone(desk: Desk) -> None:
    created = await desk.create(assignee=person("Max"))
    await desk.ask(AddNote(caller=desk.who(), ticket=str(created.id), note_id=uuid7(), body="x"))
    deleted = await desk.delete(created)

    for role in (Role.OWNER, Role.ADMIN):
        seen = await desk.get(created, who=desk.who("Ann", role))
        assert seen == deleted.model_copy(update={"allowed": seen.allowed})
        assert (seen.deleted_at == seen.updated_at, seen.allowed.actions, seen.allowed.statuses) == (
            True,
            ("restore",),
            (),
        )
        notes = await desk.ask(ListNotes(caller=desk.who("Ann", role), ticket="1"))
        assert [note.body for note in notes.items] == ["x"]
    for name, role in (("Max", Role.MEMBER), ("Gus", Role.GUEST)):
        who = desk.who(name, role)
        for attempt in (
            desk.get("1", who=who),
            desk.get("1", who=who, as_of_version=1),
            desk.change("1", who=who, subject="x"),
            desk.delete("1", who=who),
            desk.restore("1", who=who),
            desk.ask(ListNotes(caller=who, ticket="1")),
            desk.ask(AddNote(caller=who, ticket="1", note_id=uuid7(), body="y")),
            desk.ask(MarkNotSpam(caller=who, ticket="1")),
        ):
            with pytest.raises(NotFound):
                await attempt
    assert types_of(await desk.told(created)) == ["ticket_created", "note_added", "ticket_deleted"]


async def test_a_write_on_a_deleted_ticket_says_that_it_is_deleted_to_those_who_see_it(desk: Desk) -> None:
    created = await desk.create()
    deleted = await desk.delete(created)

    for attempt in (
        desk.change("1", subject="x"),
        desk.change("1", expected=1, subject="x"),
        desk.delete("1"),
        desk.ask(AddNote(caller=desk.who(), ticket="1", note_id=uuid7(), body="y")),
        desk.ask(MarkNotSpam(caller=desk.who(), ticket="1")),
    ):
        with pytest.raises(Deleted):
            await attempt
    assert await desk.get("1") == deleted


async def test_a_restored_ticket_is_as_it_was(desk: Desk) -> None:
    created = await desk.create(assignee=person("Max"), tags=["a"], contact={"name": "Kim"})
    await desk.delete(created)
    restored = await desk.restore(created)

    assert restored == await desk.get(created)
    later = {"version": 3, "updated_at": restored.updated_at}
    assert restored == created.model_copy(update=later)
    assert await desk.restore(created) == restored
    assert types_of(await desk.told(created)) == ["ticket_created", "ticket_deleted", "ticket_restored"]
    with pytest.raises(NotAllowed):
        await desk.restore(created, who=desk.who("Max", Role.MEMBER))


async def test_who_deletes_may_insist_on_a_version(desk: Desk) -> None:
    created = await desk.create()
    await desk.change(created, subject="Smoke")

    with pytest.raises(StaleVersion) as refused:
        await desk.delete(created, expected=1)
    assert types_of(refused.value.facts["missed"]) == ["subject_changed"]
    assert (await desk.delete(created, expected=2)).version == 3


async def test_of_ten_who_delete_at_once_one_does(desk: Desk) -> None:
    created = await desk.create()
    outcomes = await asyncio.gather(*(desk.delete(created) for _ in range(10)), return_exceptions=True)

    assert sum(isinstance(outcome, TicketSnapshot) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Deleted) for outcome in outcomes) == 9


@pytest.mark.parametrize("before", ["new", "waiting_on_customer", "closed"])
async def test_what_is_no_spam_has_its_status_back(desk: Desk, before: str) -> None:
    created = await desk.create()
    if before != "new":
        await desk.change(created, status=before)
    await desk.change(created, status="spam")
    back = await desk.ask(MarkNotSpam(caller=desk.who(), ticket="1"))

    assert back == await desk.get("1")
    assert back.status == before
    fact = (await desk.told(created))[-1]
    assert (fact["type"], fact["old"], fact["new"]) == ("status_changed", "spam", before)
    with pytest.raises(Conflict) as refused:
        await desk.ask(MarkNotSpam(caller=desk.who(), ticket="1"))
    assert refused.value.code == "conflict"


async def test_a_stranger_finds_nothing_to_delete(desk: Desk) -> None:
    created = await desk.create()
    other = Desk(desk.database)

    for attempt in (other.delete(created), other.restore(created), other.get(created, as_of_version=1)):
        with pytest.raises(NotFound):
            await attempt


# The past


async def lived(desk: Desk) -> list[TicketSnapshot]:
    """A ticket with a life; what it was at each version."""
    created = await desk.create(description="It smokes.", contact={"name": "Kim", "email": "kim@example.com"})
    changes: tuple[dict[str, Any], ...] = (
        {"subject": "Smoke"},
        {"status": "in_progress"},
        {"assignee": person("Ann")},
        {"priority": "low"},
        {"tags": ["a", "b"]},
        {"fields": {"room": "3.14", "floor": "3"}},
        {"fields": {"floor": None}},
        {"contact_id": None},
        {"status": "resolved"},
        {"description": ""},
        {"status": "closed"},
    )
    return [created, *[await desk.change("1", **change) for change in changes]]


def past(snapshot: TicketSnapshot) -> dict[str, Any]:
    """What the past tells: the address is no part of the ticket, and nothing is allowed any more."""
    said = snapshot.model_dump(exclude={"allowed"})
    if said["contact"]:
        said["contact"]["email"] = None
    return said


async def test_a_ticket_is_told_as_it_was_at_each_version_and_at_each_moment(desk: Desk) -> None:
    was = await lived(desk)

    for snapshot in was:
        by_version = await desk.get("1", as_of_version=snapshot.version)
        by_time = await desk.get("1", as_of_time=snapshot.updated_at)
        assert past(by_version) == past(by_time) == past(snapshot)
        assert by_version.allowed.model_dump() == {"actions": (), "statuses": ()}
    assert past(await desk.get("1", as_of_time="9999-12-31T23:59:59Z")) == past(was[-1])


async def test_before_its_creation_and_beyond_its_last_version_there_was_nothing(desk: Desk) -> None:
    created = await desk.create()

    for as_of in (
        {"as_of_version": 2},
        {"as_of_version": 2**31 - 1},
        {"as_of_time": created.created_at - dt.timedelta(microseconds=1)},
        {"as_of_time": "0001-01-01T00:00:00Z"},
    ):
        with pytest.raises(NotFound):
            await desk.get("1", **as_of)


async def test_a_life_of_hundreds_of_steps_is_told_to_its_end(desk: Desk) -> None:
    created = await desk.create()
    for begun in range(0, 250, 25):
        async with desk.database.transaction(desk.workspace) as tx:
            ticket = await store.load(tx, str(created.id), for_update=True)
            for nth in range(begun, begun + 25):
                facts = ticket.change(TicketChange(tags=(f"t{nth}",)), desk.who(), by(desk.who(), nth))
                await store.save(tx, ticket, facts)
                tx.announce(*facts)

    assert (await desk.get("1", as_of_version=251)).tags == ("t249",)
    assert (await desk.get("1", as_of_version=150)).tags == ("t148",)


async def test_when_a_ticket_was_deleted_it_was_not_there_for_others(desk: Desk) -> None:
    created = await desk.create()
    await desk.delete(created)
    await desk.restore(created)
    member = desk.who("Max", Role.MEMBER)

    assert (await desk.get("1", as_of_version=2)).deleted_at is not None
    assert (await desk.get("1", who=member, as_of_version=1)).version == 1
    assert (await desk.get("1", who=member, as_of_version=3)).deleted_at is None
    with pytest.raises(NotFound):
        await desk.get("1", who=member, as_of_version=2)


async def test_a_guest_reads_the_past_as_a_guest(desk: Desk) -> None:
    await lived(desk)
    seen = await desk.get("1", who=desk.who("Gus", Role.GUEST), as_of_version=3)

    assert seen.contact is not None
    assert (seen.contact.name, seen.contact.email) == ("Kim", None)


async def test_what_was_erased_stays_a_digest_in_the_past(desk: Desk) -> None:
    created = await desk.create("A secret")
    async with desk.database.transaction(desk.workspace) as tx:
        await tx.execute(text("delete from event_texts where pointer = '/subject'"))

    assert (await desk.get(created, as_of_version=1)).subject.startswith("sha256:")


# Storms


async def test_h19_a_storm_of_closing_and_reopening_leaves_a_whole_life(desk: Desk) -> None:
    created = await desk.create()

    async def step(nth: int) -> None:
        try:
            await desk.change(created, status=("closed", "open")[nth % 2])
        except Refusal:
            return

    for batch in range(5):
        await asyncio.gather(*(step(nth) for nth in range(batch, batch + 20)))
    told = await desk.told(created)
    assert [fact["version"] for fact in told] == list(range(1, (await desk.get(created)).version + 1))
    moves = [(fact["old"], fact["new"]) for fact in told[1:]]
    assert len(moves) >= 2
    assert all(new == after for (_, new), (after, _) in pairwise(moves))
    assert past(await desk.get(created)) == past(await desk.get(created, as_of_version=told[-1]["version"]))


async def test_h16_of_two_changes_of_one_version_one_is_stale(desk: Desk) -> None:
    created = await desk.create()
    outcomes = await asyncio.gather(
        *(desk.change(created, expected=1, priority=priority) for priority in (Priority.LOW, Priority.HIGH)),
        return_exceptions=True,
    )

    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["StaleVersion", "TicketSnapshot"]
    assert (await desk.get(created)).version == 2
    assert (await desk.get(created)).status is Status.NEW
