"""While a ticket is deleted its history is for admins; the others are told that it is gone."""

from collections.abc import Sequence
from uuid import uuid4

import pytest

from chassis.database import Database
from contracts.activity import Book, Entry
from contracts.base import LoggedFact, Role
from contracts.refusals import NotFound, NotReached
from services.activity import usecases
from tests.activity.ledger import Fact, Ledger, Owner, a_database
from tests.support.infra import PostgresServer

OTHERS = [Role.MEMBER, Role.GUEST]
DESK = [Role.OWNER, Role.ADMIN]


def seqs(items: Sequence[Entry]) -> list[int]:
    return [entry.seq for entry in items]


@pytest.mark.parametrize("role", OTHERS)
async def test_others_read_of_a_deleted_ticket_that_it_is_gone_and_no_more(ledger: Ledger, role: Role) -> None:
    owner, other = Owner(), uuid4()
    await ledger.record(owner.moved(), owner.moved(ticket=other), owner.noted("Nobody's business"), owner.deleted())
    await ledger.record(owner.moved(), owner.moved(ticket=other))

    feed = await ledger.feed(owner, role)

    assert seqs(feed.items) == [2, 4, 6]
    assert (feed.items[1].type, feed.items[1].data) == ("ticket_deleted", {})
    assert (feed.last, feed.more) == (6, False)
    assert "Nobody" not in feed.model_dump_json()


@pytest.mark.parametrize("role", DESK)
async def test_who_runs_the_desk_reads_all_of_it_and_who_else_may(ledger: Ledger, role: Role) -> None:
    owner = Owner()
    await ledger.record(owner.moved(), owner.moved(ticket=uuid4()), owner.noted(), owner.deleted())

    feed, history = await ledger.feed(owner, role), await ledger.history(owner, role)

    assert seqs(feed.items) == [1, 2, 3, 4]
    assert [entry.audience.includes(Role.MEMBER) for entry in feed.items] == [False, True, False, True]
    assert [entry.version for entry in history.items] == [1, 2, 3]


@pytest.mark.parametrize("role", OTHERS)
async def test_a_reader_goes_on_past_pages_of_which_nothing_is_for_them(ledger: Ledger, role: Role) -> None:
    owner = Owner()
    await ledger.record(*[owner.moved() for _ in range(5)], owner.moved(ticket=uuid4()), owner.deleted())
    seen: list[tuple[list[int], int, bool]] = []

    more, after = True, 0
    while more:
        page = await ledger.feed(owner, role, after=after, limit=2)
        seen.append((seqs(page.items), page.last, page.more))
        more, after = page.more, page.last

    assert seen == [([], 2, True), ([], 4, True), ([6], 6, True), ([7], 7, False)]


@pytest.mark.parametrize("role", OTHERS)
async def test_the_history_of_a_deleted_ticket_is_as_if_nothing_were_known_of_it(ledger: Ledger, role: Role) -> None:
    owner = Owner()
    await ledger.record(owner.moved(), owner.deleted())

    for ticket in (owner.ticket, uuid4()):
        with pytest.raises(NotFound):
            await ledger.history(owner, role, ticket_id=ticket)
        for version in (1, 2, 3):
            with pytest.raises(NotReached):
                await ledger.history(owner, role, ticket_id=ticket, min_version=version)


@pytest.mark.parametrize("role", OTHERS)
async def test_what_was_restored_is_read_again_at_its_place_and_hidden_as_often_as_it_is_deleted(
    ledger: Ledger, role: Role
) -> None:
    owner = Owner()
    await ledger.record(owner.moved(), owner.deleted(), owner.restored())
    assert seqs((await ledger.feed(owner, role)).items) == [1, 2, 3]
    assert [entry.version for entry in (await ledger.history(owner, role)).items] == [1, 2, 3]
    assert seqs((await ledger.feed(owner, role, after=2)).items) == [3]

    await ledger.record(owner.deleted())
    assert seqs((await ledger.feed(owner, role)).items) == [2, 4]
    with pytest.raises(NotFound):
        await ledger.history(owner, role)


async def test_a_deletion_hides_nothing_of_another_desk(ledger: Ledger) -> None:
    here = Owner()
    there = Owner(ticket=here.ticket)
    await ledger.record(here.moved(), here.deleted())
    await ledger.record(there.moved())

    assert seqs((await ledger.feed(there, Role.GUEST)).items) == [1]
    assert len((await ledger.history(there, Role.GUEST)).items) == 1


async def test_a_deletion_changes_nothing_that_was_written(ledger: Ledger) -> None:
    owner = Owner()
    await ledger.record(*owner.story(3))
    before, saved = await ledger.rows(owner.workspace), await ledger.head(owner)

    await ledger.record(owner.deleted())

    assert (await ledger.rows(owner.workspace))[:3] == before
    assert (await ledger.verify(owner, saved)).ok


def logged(fact: Fact) -> LoggedFact:
    """The fact as its owner's log has it."""
    return LoggedFact.model_validate(
        {
            "workspace_id": fact.body["workspace_id"],
            "position": fact.position,
            "id": fact.body["id"],
            "type": fact.type,
            "body": fact.body,
        }
    )


async def test_a_book_made_again_is_the_same_and_hides_the_same(
    ledger: Ledger, postgres_server: PostgresServer
) -> None:
    owner, back = Owner(), uuid4()
    facts = [owner.noted(), owner.moved(ticket=back), owner.deleted(), owner.deleted(ticket=back)]
    facts += [owner.restored(ticket=back), owner.moved(ticket=uuid4())]
    await ledger.record(*facts)
    database = Database((await a_database(postgres_server)).app, "activity", pool=2)
    try:
        again = Ledger(database)
        for part in (facts[:3], facts):
            async with database.transaction(owner.workspace) as tx:
                await usecases.rebuild(tx, Book.TICKETS, [logged(fact) for fact in part])

        assert await again.rows() == await ledger.rows(owner.workspace)
        assert (await again.verify(owner)).ok
        for role in Role:
            assert await again.feed(owner, role) == await ledger.feed(owner, role)
        assert seqs((await again.feed(owner, Role.MEMBER)).items) == [2, 3, 4, 5, 6]
        with pytest.raises(NotFound):
            await again.history(owner, Role.MEMBER)
    finally:
        await database.close()
