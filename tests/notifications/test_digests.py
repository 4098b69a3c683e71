"""What is told together: one cause is one item whatever it did, and a burst is one digest that loses nothing."""

import datetime as dt
from typing import Any
from uuid import UUID

import pytest

from contracts.base import Event, Role, Via
from contracts.notifications import Kind, MarkRead, Notice, ReadNotices
from services.notifications.domain import BURST, Place, Window, because, place
from tests.notifications.builders import (
    MONITORING,
    NOON,
    assigned,
    became,
    commented,
    created,
    deleted,
    id_of,
    joined,
    moved,
    noted,
    prioritised,
    wrote,
)
from tests.notifications.office import Office
from tests.notifications.post import Post
from tests.notifications.test_rebuilding import rebuild

SECOND = dt.timedelta(seconds=1)


async def read(office: Office, name: str = "Ada", role: Role = Role.MEMBER, **more: Any) -> tuple[Notice, ...]:
    return (await office.ask(ReadNotices(caller=office.who(name, role), **more))).items


async def opens(office: Office, tickets: int = 1) -> None:
    """Olivia owns the desk; Ada and Gus opened all of its tickets, and watch them."""
    await office.hears(joined("Olivia", Role.OWNER), joined("Ada"), joined("Gus", Role.GUEST))
    for nth in range(tickets):
        about: dict[str, Any] = {"ticket_id": id_of(f"ticket {nth}"), "number": nth + 1, "subject": f"Question {nth}"}
        await office.hears(created("Ada", assignee="Gus", at=NOON - 60 * SECOND, **about))
    await office.ask(MarkRead(caller=office.who("Gus", Role.GUEST)))


def test_a_window_lasts_a_minute_and_folds_when_it_is_a_burst() -> None:
    window, told = None, []
    for nth in range(1, BURST + 4):
        found = place(nth, NOON + nth * SECOND, window, None)
        window = found.window
        told.append((found.first, found.opened, found.folds))
    assert told[:BURST] == [(nth, 1, False) for nth in range(1, BURST + 1)]
    assert told[BURST:] == [(1, 1, True), (1, 1, False), (1, 1, False)]

    early = place(50, NOON - SECOND, window, None)
    assert (early.first, early.opened) == (1, 1), "a fact that is heard late belongs to what is there"
    last = place(50, NOON + 61 * SECOND, window, None)
    assert last == Place(50, 50, 50, Window(50, NOON + 61 * SECOND, 1), folds=False)
    assert place(51, NOON + 500 * SECOND, last.window, (3, 1)) == Place(51, 3, 1, last.window, folds=False)


def test_a_cause_is_a_command_and_another_systems_names_are_its_own() -> None:
    command = str(id_of("command"))
    assert because(moved(cause=command)) == because(noted(cause=command)) == id_of("command")
    assert because(moved(cause="auto_close:1")) == because(moved(cause="auto_close:1", at=NOON + SECOND))
    taken = {"cause": "alarm-1", "via": Via.INTAKE}
    assert because(moved(MONITORING, **taken)) == because(prioritised(MONITORING, **taken))
    later, other = moved(MONITORING, at=NOON + SECOND, **taken), MONITORING.model_copy(update={"id": "another"})
    assert len({because(each) for each in (moved(MONITORING, **taken), later, moved(other, **taken))}) == 3


async def test_what_one_command_does_is_told_once_for_the_strongest_reason(office: Office) -> None:
    await opens(office)
    about: dict[str, Any] = {"ticket_id": id_of("ticket 0"), "cause": str(id_of("command"))}
    facts = (moved(**about), prioritised(**about), assigned("Ada", **about), noted("Olivia", "Ada", **about))
    for fact in facts:
        await office.hears(fact)

    (item,) = await read(office)
    assert (item.kind, item.cause, item.count) == (Kind.MENTION, facts[3].id, 1)
    assert [(part.kind, part.old, part.new) for part in item.parts] == [
        (Kind.MENTION, None, None),
        (Kind.ASSIGNED, None, None),
        (Kind.STATUS, "new", "open"),
    ]
    assert [(each.number, each.kind, each.count) for each in item.tickets] == [(1, Kind.MENTION, 1)]
    assert await office.unread("Ada") == 1
    (guests,) = await read(office, "Gus", Role.GUEST, unread_only=True)
    assert [part.kind for part in guests.parts] == [Kind.STATUS], "what they may not see is no part of it"
    await office.hears(became("Ada", Role.GUEST))
    (item,) = await read(office, "Ada", Role.GUEST)
    assert (item.kind, [part.kind for part in item.parts]) == (Kind.ASSIGNED, [Kind.ASSIGNED, Kind.STATUS])
    assert {fact["item_id"] for fact in await office.announced() if fact["recipient_id"] == str(id_of("Ada"))} == {
        str(item.id)
    }


async def test_a_message_on_three_tickets_is_told_once(office: Office) -> None:
    await opens(office, 4)
    said = [wrote(ticket_id=id_of(f"ticket {nth}"), cause=str(id_of("said"))) for nth in (2, 0, 3)]
    await office.hears(*said, *said)

    (item,) = await read(office)
    assert (item.kind, item.count, [each.number for each in item.tickets]) == (Kind.MESSAGE, 1, [4, 1, 3])
    assert [part.kind for part in item.parts] == [Kind.MESSAGE]
    each = await read(office, digest=item.id)
    assert [(one.ticket_number, one.kind) for one in each] == [(4, Kind.MESSAGE), (1, Kind.MESSAGE), (3, Kind.MESSAGE)]
    within = ReadNotices(caller=office.who("Ada"), digest=item.id, unread_only=True)
    assert (await office.ask(within)).total == 3, "one cause on three tickets"
    await office.hears(deleted(ticket_id=id_of("ticket 2")))
    assert (await office.ask(within)).total == 2
    (item,) = await read(office)
    assert [each.number for each in item.tickets] == [4, 1]
    await office.ask(MarkRead(caller=office.who("Ada"), ids=(item.id,)))
    assert await read(office, unread_only=True) == ()
    assert (await office.ask(within)).total == 0


async def test_hundreds_within_a_minute_are_one_that_grows_and_names_every_ticket(office: Office) -> None:
    await opens(office, 40)
    burst: list[Event] = [
        noted(
            "Olivia",
            *(["Ada"] if nth == 200 else []),
            ticket_id=id_of(f"ticket {nth % 30}"),
            at=NOON + nth * SECOND / 10,
        )
        for nth in range(300)
    ]
    await office.hears(*burst[:BURST])
    alone = await read(office)
    assert [each.count for each in alone] == [1] * BURST
    assert await office.unread("Ada") == BURST
    await office.hears(*burst[BURST : BURST + 1])
    (item,) = await read(office)
    assert (item.id, item.count, await office.unread("Ada")) == (alone[-1].id, BURST + 1, 1)
    await office.ask(MarkRead(caller=office.who("Ada"), ids=(item.id,)))
    await office.hears(*burst[BURST + 1 :], *burst[:50])

    (item,) = await read(office)
    assert (item.id, item.count, item.at, item.read_at) == (alone[-1].id, 300, burst[-1].at, None)
    assert (item.kind, item.ticket_number, item.parts) == (Kind.MENTION, 21, ())
    assert (len(item.tickets), item.more_tickets) == (20, 10)
    assert [(item.tickets[0].number, item.tickets[0].kind), item.tickets[1].number] == [(21, Kind.MENTION), 30]
    assert sum(each.count for each in item.tickets) == 20 * 10
    found: list[Notice] = []
    cursor: str | None = None
    while True:
        page = await office.ask(ReadNotices(caller=office.who("Ada"), digest=item.id, limit=100, cursor=cursor))
        found += page.items
        assert page.total == 300
        if not (cursor := page.next_cursor):
            break
    assert [one.cause for one in found] == [each.id for each in reversed(burst)], "nothing is lost"
    (old,) = (await office.inbox("Ada")).items
    assert (old.id, old.kind) == (item.id, Kind.MENTION)

    # What comes after the minute begins anew, and reading it leaves the other as it is.
    await office.hears(commented("Olivia", ticket_id=id_of("ticket 0"), at=NOON + 60 * SECOND))
    newest, digest = await read(office)
    assert (newest.count, newest.kind, digest.id) == (1, Kind.NOTE, item.id)
    assert await office.ask(MarkRead(caller=office.who("Ada"), ids=(digest.id,))) is not None
    assert [each.id for each in await read(office, unread_only=True)] == [newest.id]
    assert await read(office, digest=id_of("nothing")) == ()
    assert await read(office, "Olivia", Role.OWNER, digest=item.id) == (), "it is nobody else's"


async def test_a_ticket_that_was_read_leaves_the_rest_of_a_digest_unread(office: Office) -> None:
    await opens(office, 2)
    for nth in range(BURST + 2):
        await office.hears(moved(ticket_id=id_of(f"ticket {nth % 2}"), at=NOON + nth * SECOND))
    who = office.who("Ada")
    await office.ask(MarkRead(caller=who, ticket_id=id_of("ticket 0")))
    (item,) = await read(office, unread_only=True)
    assert (item.count, item.read_at) == (BURST + 2, None)
    assert {one.ticket_number for one in await read(office, unread_only=True, digest=item.id)} == {2}
    await office.ask(MarkRead(caller=who, ticket_id=id_of("ticket 1")))
    assert (await office.unread("Ada"), (await read(office))[0].read_at is not None) == (0, True)


@pytest.mark.parametrize("known_first", [True, False])
async def test_digests_made_anew_are_the_same_to_the_row(office: Office, *, known_first: bool) -> None:
    post = Post(office)
    people: list[Event] = [joined("Olivia", Role.OWNER, at=NOON), joined("Ada", at=NOON)]
    told: list[Event] = [created("Ada", at=NOON + SECOND)]
    told += [noted("Olivia", at=NOON + nth * SECOND, cause=str(id_of(f"command {nth // 3}"))) for nth in range(2, 150)]
    for fact in (*people, *told):
        await post.happens(fact)
    first, then = (people, told) if known_first else (told, people)
    await office.hears(*first)
    await office.hears(*then)
    items = await read(office)
    assert [each.count for each in items] == [1] * 9 + [20, 21], "three facts of each cause, over three windows"
    await office.ask(MarkRead(caller=office.who("Ada"), ids=(items[9].id, items[2].id)))
    before, shown = await office.everything(), await read(office)

    assert await rebuild(office, post) == [(office.workspace, 148)]
    assert await office.everything() == before
    assert await read(office) == shown
    assert isinstance(shown[0].id, UUID)
