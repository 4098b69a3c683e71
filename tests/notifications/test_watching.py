"""Who watches, on a real database: because of a fact, because they chose to, or no more because they chose not to."""

import pytest

from contracts.base import ActorKind, Caller, Role
from contracts.notifications import GetWatchers, MarkRead, UnwatchTicket, WatchTicket
from contracts.refusals import Malformed, NotAllowed
from tests.notifications.builders import (
    assigned,
    commented,
    created,
    deleted,
    followed_up,
    id_of,
    joined,
    moved,
    noted,
    removed,
    restored,
    unassigned,
    wrote,
)
from tests.notifications.office import Office


async def staffed(office: Office) -> None:
    await office.hears(joined("Olivia", Role.OWNER), joined("Ada"), joined("Ben"), joined("Gus", Role.GUEST))


async def test_creator_assignee_mentioned_and_whoever_chooses_watch(office: Office) -> None:
    await staffed(office)
    await office.hears(created("Olivia", assignee="Ada"), noted("Ada", "Ben", "Olivia"))
    await office.watch("Gus", Role.GUEST)
    await office.watch("Ada")

    assert await office.watchers() == {
        id_of("Olivia"): ["creator", "mentioned"],
        id_of("Ada"): ["assignee", "chosen"],
        id_of("Ben"): ["mentioned"],
        id_of("Gus"): ["chosen"],
    }
    await office.hears(moved("Olivia"))
    assert [await office.told(name) for name in ("Ada", "Ben")] == [["assigned", "status"], ["mention", "status"]]
    assert await office.told("Gus", Role.GUEST) == ["status"]


async def test_a_mentioned_guest_who_may_not_read_where_does_not_watch(office: Office) -> None:
    await staffed(office)
    called = noted("Olivia", "Gus")
    guest = called.mentions[0].model_copy(update={"role": Role.GUEST})
    await office.hears(created("Olivia"), called.model_copy(update={"mentions": (guest,)}))

    assert id_of("Gus") not in await office.watchers()


async def test_watching_and_unwatching_once_more_changes_nothing(office: Office) -> None:
    await staffed(office)
    await office.hears(created("Olivia"))
    await office.watch("Ada")
    before = await office.everything()
    await office.watch("Ada")
    assert await office.everything() == before

    await office.unwatch("Ada")
    before = await office.everything()
    await office.unwatch("Ada")
    assert await office.everything() == before
    assert await office.watchers() == {id_of("Olivia"): ["creator"]}


async def test_somebody_may_watch_before_the_ticket_has_been_heard_of(office: Office) -> None:
    await office.watch("Ada")
    await staffed(office)
    await office.hears(created("Olivia"), moved("Olivia"))

    assert await office.told("Ada") == ["status"]


async def test_who_unwatched_stays_unwatched_until_assigned_again(office: Office) -> None:
    await staffed(office)
    await office.hears(created("Ada", assignee="Ada", version=1))
    await office.unwatch("Ada", seen=1)
    await office.hears(moved("Olivia", version=2), noted("Ben", version=3), wrote(version=4))
    assert (await office.told("Ada"), await office.watchers()) == ([], {})

    await office.hears(noted("Ben", "Ada", version=5), moved("Olivia", version=6))
    assert await office.told("Ada") == ["mention"], "what is meant for them alone is told"
    await office.hears(assigned("Ben", old="Ada", version=7), assigned("Ada", old="Ben", version=8))
    await office.hears(moved("Olivia", version=9))
    assert await office.told("Ada") == ["mention", "unassigned", "assigned", "status"]
    await office.unwatch("Ada", seen=9)
    await office.watch("Ada")
    await office.hears(moved("Olivia", version=10))
    assert (await office.told("Ada"))[-1] == "status"


async def test_an_assignment_that_was_seen_before_unwatching_does_not_undo_it(office: Office) -> None:
    """The fact is heard later than the wish: it is older all the same."""
    await staffed(office)
    await office.unwatch("Ada", seen=2)
    await office.hears(created("Olivia", version=1), assigned("Ada", version=2), moved("Olivia", version=3))

    assert await office.told("Ada") == ["assigned"]


async def test_who_lost_the_ticket_watches_on_if_they_chose_to(office: Office) -> None:
    await staffed(office)
    await office.hears(created("Olivia", assignee="Ada"))
    await office.watch("Ada")
    await office.hears(unassigned("Ada"), moved("Olivia"))

    assert await office.watchers() == {id_of("Olivia"): ["creator"], id_of("Ada"): ["chosen"]}
    assert await office.told("Ada") == ["assigned", "unassigned", "status"]


async def test_a_removed_member_watches_nothing(office: Office) -> None:
    await staffed(office)
    await office.hears(created("Ada", assignee="Ada"))
    await office.watch("Ada")
    await office.hears(removed("Ada"))
    await office.hears(moved("Olivia"), wrote())

    assert await office.watchers() == {}
    await office.hears(joined("Ada"))
    assert await office.told("Ada") == []


async def test_watchers_come_in_pages(office: Office) -> None:
    names = [f"Ada {nth}" for nth in range(7)]
    for name in names:
        await office.watch(name)
    caller, seen, cursor = office.who("Olivia"), list[str](), None
    while True:
        page = await office.ask(GetWatchers(caller=caller, ticket_id=id_of("ticket"), cursor=cursor, limit=3))
        seen += [str(each.id) for each in page.items]
        if (cursor := page.next_cursor) is None:
            break

    assert seen == sorted(str(id_of(name)) for name in names)
    for broken in ("", "x", "T2ZmIGJ5IG9uZQ"):
        with pytest.raises(Malformed):
            await office.ask(GetWatchers(caller=caller, ticket_id=id_of("ticket"), cursor=broken))


async def test_only_people_watch(office: Office) -> None:
    program = Caller(
        workspace_id=office.workspace, kind=ActorKind.INTEGRATION, id="integration:x", name="x", role=Role.MEMBER
    )
    for request in (
        WatchTicket(caller=program, ticket_id=id_of("ticket")),
        UnwatchTicket(caller=program, ticket_id=id_of("ticket"), ticket_version=1),
    ):
        with pytest.raises(NotAllowed):
            await office.ask(request)


# The customer, and tickets that are gone


async def test_watchers_hear_of_the_customers_words_and_of_the_ticket_that_follows(office: Office) -> None:
    await staffed(office)
    await office.hears(created("Olivia", assignee="Ada"), wrote(), followed_up(43))

    newest, before, _ = (await office.inbox("Ada")).items
    assert [item.kind.value for item in (before, newest)] == ["message", "follow_up"]
    assert (before.actor.name, before.old, before.new) == ("Maria", None, None)
    assert (newest.old, newest.new) == (None, "43")
    assert await office.told("Olivia") == ["message", "follow_up"]


async def test_what_inboxes_hold_of_a_deleted_ticket_is_hidden_until_it_is_restored(office: Office) -> None:
    await staffed(office)
    another = {"ticket_id": id_of("another"), "number": 2}
    await office.hears(created("Olivia", assignee="Ada"), created("Olivia", assignee="Ada", **another))
    (hidden,) = [item for item in (await office.inbox("Ada")).items if item.ticket_number == 1]
    await office.hears(deleted(), commented("Ben", "Ada"))

    inbox = await office.inbox("Ada")
    assert [item.ticket_number for item in inbox.items] == [2]
    assert inbox.unread == await office.unread("Ada") == 1
    left = await office.ask(MarkRead(caller=office.who("Ada"), ids=(hidden.id,)))
    assert left.unread == 1, "it is theirs and was read before it was hidden"

    await office.hears(restored())
    assert await office.told("Ada") == ["assigned", "assigned", "mention"]
    assert await office.unread("Ada") == 2
