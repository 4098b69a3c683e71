"""Inboxes on a real database: what is told, to whom, in which order, and what becomes of it."""

import asyncio
import datetime as dt
from uuid import UUID

import pytest

from contracts.base import ActorKind, Caller, Event, Role, uuid7
from contracts.notifications import MarkRead, ReadInbox
from contracts.refusals import Malformed, NotAllowed, NotFound
from services.notifications.handlers import listen
from tests.notifications.builders import (
    MONITORING,
    NOON,
    assigned,
    became,
    commented,
    created,
    ended,
    id_of,
    joined,
    moved,
    noted,
    prioritised,
    removed,
    renamed,
    unassigned,
)
from tests.notifications.office import Office


async def staffed(office: Office, *more: Event) -> None:
    """Olivia owns the desk, Ada and Ben are members, Gus is a guest."""
    await office.hears(joined("Olivia", Role.OWNER), joined("Ada"), joined("Ben"), joined("Gus", Role.GUEST), *more)


async def test_the_assignee_is_told_of_the_assignment(office: Office) -> None:
    await staffed(office)
    given = assigned("Ben", old="Ada")
    await office.hears(created(assignee="Ada"), given)

    assert await office.told("Ada") == ["assigned", "unassigned"]
    (item,) = (await office.inbox("Ben")).items
    assert (item.cause, item.at, item.actor.name) == (given.id, given.at, "Olivia")
    assert (item.ticket_id, item.ticket_number, item.ticket_subject) == (given.ticket_id, 1, "Printer on fire")
    assert (item.old, item.new, item.read_at) == (None, None, None)
    assert await office.told("Olivia", Role.OWNER) == []


async def test_who_watches_is_told_of_moves_notes_and_comments(office: Office) -> None:
    await staffed(office)
    await office.hears(created("Olivia", assignee="Ada"), moved("Ben"), noted("Ben"), commented("Ben"))

    assert await office.told("Olivia", Role.OWNER) == ["status", "note", "note"]
    assert await office.told("Ada") == ["assigned", "status", "note", "note"]
    assert await office.told("Ben") == []
    status = (await office.inbox("Olivia")).items[-1]
    assert (status.old, status.new) == ("new", "open")


async def test_nobody_is_told_of_what_they_did_themselves(office: Office) -> None:
    await staffed(office)
    await office.hears(
        created("Ada", assignee="Ada"), assigned("Ada", "Ada"), moved("Ada"), noted("Ada", "Ada"), commented("Ada")
    )

    assert await office.told("Ada") == []


async def test_who_had_the_ticket_before_watches_no_longer_unless_they_opened_it(office: Office) -> None:
    await staffed(office)
    await office.hears(
        created("Ben", assignee="Ada"),
        assigned("Ben", old="Ada"),
        moved("Olivia"),
        unassigned("Ben"),
        moved("Olivia"),
    )

    assert await office.told("Ada") == ["assigned", "unassigned"]
    assert await office.told("Ben") == ["assigned", "status", "unassigned", "status"]


async def test_a_mention_is_stronger_than_watching_and_reaches_who_does_not_watch(office: Office) -> None:
    await staffed(office)
    await office.hears(created("Olivia", assignee="Ada"), noted("Olivia", "Ada", "Ben"), commented("Ada", "Ben"))

    assert await office.told("Ada") == ["assigned", "mention"]
    assert await office.told("Ben") == ["mention", "mention"]
    assert await office.told("Olivia", Role.OWNER) == ["note"]


async def test_a_guest_is_told_of_moves_and_never_of_notes(office: Office) -> None:
    await staffed(office)
    await office.hears(created("Gus"), moved("Ada"), noted("Ada", "Gus"), commented("Ada"))

    assert await office.told("Gus", Role.GUEST) == ["status"]
    assert await office.told("Gus", Role.MEMBER) == ["status"], "nothing was kept for a better day"


async def test_who_became_a_guest_sees_no_notes_that_they_were_told_of(office: Office) -> None:
    await staffed(office)
    await office.hears(created("Ada"), moved("Ben"), noted("Ben"))
    note = (await office.inbox("Ada")).items[0]
    await office.hears(became("Ada", Role.GUEST))
    await office.hears(noted("Ben"))

    inbox = await office.inbox("Ada", Role.GUEST)
    assert ([item.kind.value for item in inbox.items], inbox.unread) == (["status"], 1)
    with pytest.raises(NotFound):
        await office.ask(MarkRead(caller=office.who("Ada", Role.GUEST), ids=(note.id,)))
    await office.hears(became("Ada", Role.ADMIN))
    assert await office.told("Ada", Role.ADMIN) == ["status", "note"]


async def test_who_was_removed_is_told_nothing_until_they_are_back(office: Office) -> None:
    await staffed(office)
    await office.hears(created("Ada", assignee="Ben"), moved("Olivia"))
    await office.hears(removed("Ada"))
    await office.hears(moved("Olivia"), noted("Olivia", "Ada"), assigned("Ada"))
    await office.hears(joined("Ada"))
    await office.hears(moved("Olivia"))

    assert await office.told("Ada") == ["status", "status"]
    assert await office.told("Ben") == ["assigned", "status", "status", "note"]


async def test_when_a_workspace_ends_nobody_in_it_is_told_anything_more(office: Office) -> None:
    await staffed(office)
    await office.hears(created("Ada", assignee="Ben"), moved("Olivia"))
    await office.hears(ended(), moved("Olivia"), noted("Olivia", "Ada"), assigned("Ada"))

    assert await office.told("Ada") == ["status"]
    assert await office.told("Ben") == ["assigned", "status"]


async def test_facts_that_concern_nobody_leave_inboxes_alone(office: Office) -> None:
    await staffed(office)
    await office.hears(created(MONITORING), prioritised("Ada"), moved("Ada"), noted("Ada"))

    assert [await office.told(name) for name in ("Olivia", "Ada", "Ben", "Gus")] == [[], [], [], []]
    assert await office.announced() == []


async def test_an_item_shows_what_the_ticket_is_called_now(office: Office) -> None:
    await staffed(office)
    await office.hears(created("Olivia", assignee="Ada"), renamed("Printer is out again"))

    assert [item.ticket_subject for item in (await office.inbox("Ada")).items] == ["Printer is out again"]


# Two streams without an order between them


async def test_what_is_for_somebody_not_known_yet_waits_for_them(office: Office) -> None:
    await office.hears(joined("Olivia", Role.OWNER))
    await office.hears(created("Olivia", assignee="Ada"), moved("Olivia"), noted("Olivia", "Ben", "Gus"))
    assert await office.inbox("Ada") == await office.inbox("Ben")
    assert await office.unread("Ada") == 0
    assert await office.announced() == []

    await office.hears(joined("Ada"), joined("Gus", Role.GUEST))
    assert await office.told("Ada") == ["assigned", "status", "note"]
    assert await office.told("Gus", Role.OWNER) == []
    assert await office.told("Ben") == []
    await office.hears(joined("Ben"), removed("Ben"), joined("Ben"))
    await office.hears(moved("Olivia"))
    assert await office.told("Ben") == ["mention", "status"]
    assert await office.told("Ada") == ["assigned", "status", "note", "status"]
    assert sorted(fact["subject"]["version"] for fact in await office.announced()) == [1, 1, 1, 2, 2, 3, 4]


async def test_in_whichever_order_the_streams_come_the_inboxes_are_the_same(office: Office) -> None:
    people = [joined("Olivia", Role.OWNER), joined("Ada"), joined("Gus", Role.GUEST), joined("Ben")]
    tickets = [created("Gus", assignee="Ada"), moved("Olivia"), noted("Ada", "Ben", "Gus"), commented("Gus", "Olivia")]
    told = []
    for first, then in ((people, tickets), (tickets, people)):
        each = Office(office.database)
        await each.hears(*first)
        await each.hears(*then)
        told.append([await each.told(name, Role.OWNER) for name in ("Olivia", "Ada", "Gus", "Ben")])

    assert told[0] == told[1] == [["mention"], ["assigned", "status", "note"], ["status"], ["mention", "note"]]


async def test_somebody_who_becomes_known_at_the_same_moment_is_told_once(office: Office) -> None:
    await office.hears(joined("Olivia", Role.OWNER))
    await office.hears(created("Olivia"))
    names = [f"Ada {nth}" for nth in range(20)]
    for nth, name in enumerate(names):
        said = noted("Olivia", name, at=NOON + nth * dt.timedelta(minutes=1))
        await asyncio.gather(office.hears(said), office.hears(joined(name)))

    told = [await office.told(name) for name in names]
    assert [kinds.count("mention") for kinds in told] == [1] * 20
    assert [kinds.count("note") for kinds in told] == list(reversed(range(20))), "who is mentioned watches from then on"


# Once


async def test_facts_that_are_heard_again_change_nothing(office: Office) -> None:
    people = [joined("Olivia", Role.OWNER), joined("Ada"), joined("Gus", Role.GUEST)]
    facts = [created("Gus", assignee="Ada"), moved("Olivia"), renamed("Fire"), noted("Olivia", "Ada"), assigned("Ada")]
    await office.hears(*facts[:2])
    await office.hears(*people)
    await office.hears(*facts[2:])
    await office.read("Ada", (await office.inbox("Ada")).items[1])
    before = await office.everything()

    await office.hears(*facts)
    await office.hears(*people)
    for fact in (*people, *facts):
        await office.hears(fact, fact)
    assert await office.everything() == before
    assert len(before["items"]) == 5


async def test_each_item_is_announced_with_its_place(office: Office) -> None:
    await staffed(office)
    given = created("Olivia", assignee="Ada")
    await office.hears(given, moved("Olivia"), noted("Olivia", "Ben"))

    facts = await office.announced()
    ada, ben = str(id_of("Ada")), str(id_of("Ben"))
    places = {
        who: [(each["item_kind"], each["subject"]["version"]) for each in facts if each["recipient_id"] == who]
        for who in (ada, ben)
    }
    assert places == {ada: [("assigned", 1), ("status", 2), ("note", 3)], ben: [("mention", 1)]}
    (item,) = (await office.inbox("Ben")).items
    assert str(item.id) in {fact["item_id"] for fact in facts}
    assert facts[0] | {"cause": str(given.id), "audience": "admins", "ticket_id_of": str(given.ticket_id)} == facts[0]
    assert facts[0]["actor"]["id"] == "notifications"


# Reading


async def busy(office: Office, many: int) -> None:
    await staffed(office)
    await office.hears(created("Ada"), created("Ben", ticket_id=id_of("Ben's")), *(moved("Ben") for _ in range(many)))


async def test_an_inbox_is_read_in_pages_that_stay_put(office: Office) -> None:
    await busy(office, 7)
    first = await office.inbox("Ada", limit=3)
    await office.hears(noted("Ben"))
    second = await office.inbox("Ada", limit=3, cursor=first.next_cursor)
    third = await office.inbox("Ada", limit=3, cursor=second.next_cursor)

    whole = (await office.inbox("Ada")).items
    assert (whole[0].kind.value, len(whole)) == ("note", 8)
    assert [*first.items, *second.items, *third.items] == list(whole[1:])
    assert [len(page.items) for page in (first, second, third)] == [3, 3, 1]
    assert third.next_cursor is None
    assert {page.unread for page in (first, second, third)} == {7, 8}


async def test_a_page_that_is_just_full_is_the_last(office: Office) -> None:
    await busy(office, 3)

    assert (await office.inbox("Ada", limit=3)).next_cursor is None
    assert (await office.inbox("Ben")).next_cursor is None


async def test_a_cursor_is_good_for_its_own_list_only(office: Office) -> None:
    await busy(office, 3)
    cursor = (await office.inbox("Ada", limit=1)).next_cursor

    for name, unread_only, given in (("Ben", False, cursor), ("Ada", True, cursor), ("Ada", False, "AAAA")):
        with pytest.raises(Malformed):
            await office.inbox(name, unread_only=unread_only, cursor=given)


async def test_what_was_read_is_counted_no_longer_and_keeps_its_time(office: Office) -> None:
    await busy(office, 4)
    items = (await office.inbox("Ada")).items

    assert await office.unread("Ada") == 4
    assert await office.read("Ada", items[1], items[2], items[1]) == 2
    inbox = await office.inbox("Ada", unread_only=True)
    assert ([item.id for item in inbox.items], inbox.unread) == ([items[0].id, items[3].id], 2)
    first = (await office.inbox("Ada")).items[1].read_at
    assert first is not None
    assert await office.read("Ada", items[1]) == 2
    assert await office.read("Ada") == 0
    assert (await office.inbox("Ada")).items[1].read_at == first
    assert (await office.inbox("Ada", unread_only=True)).items == ()


async def test_other_peoples_items_are_neither_read_nor_marked(office: Office) -> None:
    await busy(office, 2)
    await office.hears(moved("Ada", ticket_id=id_of("Ben's")))
    (bens,) = (await office.inbox("Ben")).items
    adas = (await office.inbox("Ada")).items
    other = Office(office.database)

    for who, items in (("Ada", (bens,)), ("Ada", (adas[0], bens)), ("Ben", (bens, adas[1])), ("Gus", adas)):
        with pytest.raises(NotFound):
            await office.read(who, *items)
    with pytest.raises(NotFound):
        await office.ask(MarkRead(caller=office.who("Ada"), ids=(adas[0].id, uuid7())))
    with pytest.raises(NotFound):
        await other.read("Ada", adas[0])
    assert (await other.inbox("Ada")).items == ()
    assert await other.read("Ada") == 0
    assert await office.read("Gus") == 0
    assert (await office.unread("Ada"), await office.unread("Ben")) == (2, 1)
    await office.read("Ben")
    assert await office.unread("Ada") == 2


async def test_what_is_no_person_has_no_inbox(office: Office) -> None:
    caller = Caller(
        workspace_id=office.workspace, kind=ActorKind.INTEGRATION, id=MONITORING.id, name="m", role=Role.ADMIN
    )

    with pytest.raises(NotAllowed):
        await office.ask(ReadInbox(caller=caller))
    with pytest.raises(NotAllowed):
        await office.ask(MarkRead(caller=caller, ids=(UUID(int=1),)))


async def test_every_fact_that_is_meant_for_notifications_is_heard(office: Office) -> None:
    office.bus.consumers()
    with pytest.raises(TypeError):
        listen(office.bus)
