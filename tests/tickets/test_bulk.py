"""One change for many tickets: settled at once, done by batches, each ticket once whatever breaks meanwhile."""

import asyncio
import datetime as dt
from collections import Counter
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from chassis.database import Transaction
from contracts.base import Role, now, uuid7
from contracts.refusals import Invalid, Malformed, NotAllowed, NotFound
from contracts.tickets import BulkOutcome, BulkSnapshot, BulkState, GetBulk, Status, TicketFilter, TicketSnapshot
from services.tickets import timers, usecases
from tests.tickets.builders import person
from tests.tickets.desk import Desk, types_of


async def read(desk: Desk, bulk: BulkSnapshot, **fields: Any) -> BulkSnapshot:
    return await desk.ask(GetBulk.model_validate({"caller": desk.who(), "bulk_id": bulk.id, **fields}))


async def some(desk: Desk, many: int, **fields: Any) -> list[TicketSnapshot]:
    return [await desk.create(f"T{nth}", **fields) for nth in range(1, many + 1)]


async def done(desk: Desk, bulk: BulkSnapshot) -> BulkSnapshot:
    await timers.go_on_with_bulks(desk.database)
    found = await read(desk, bulk)
    assert found.state is BulkState.DONE
    return found


def ids(tickets: list[TicketSnapshot]) -> tuple[UUID, ...]:
    return tuple(ticket.id for ticket in tickets)


async def nothing_was_done(desk: Desk, tickets: list[TicketSnapshot]) -> None:
    assert await desk.count("bulks") == await desk.count("bulk_items") == 0
    await timers.go_on_with_bulks(desk.database)
    assert await desk.count("event_log") == len(tickets)


async def crowd(desk: Desk, many: int) -> None:
    async with desk.database.transaction(desk.workspace) as tx:
        await tx.execute(
            text(
                "insert into tickets (workspace_id, id, number, version, subject, description, status, priority, tags,"
                "  created_at, updated_at)"
                " select :ws, gen_random_uuid(), n, 1, 'T', '', 'new', 'normal', '{}', now(), now()"
                " from generate_series(1, cast(:many as int)) as n"
            ),
            {"ws": desk.workspace, "many": many},
        )


# Settling


async def test_a_bulk_change_is_settled_at_once_and_done_beside(desk: Desk) -> None:
    tickets = await some(desk, 4, tags=["a"])
    bulk = await desk.bulk(ids=ids(tickets[:3]), change={"priority": "high", "status": "open"})

    assert (bulk.state, bulk.total, bulk.changed, bulk.finished_at) == (BulkState.RUNNING, 3, 0, None)
    assert [(item.number, item.outcome) for item in bulk.items] == [(nth, BulkOutcome.PENDING) for nth in (1, 2, 3)]
    assert (await desk.get("1")).version == 1

    found = await done(desk, bulk)
    assert (found.total, found.changed, found.unchanged, found.refused) == (3, 3, 0, 0)
    assert [(item.ticket_id, item.version) for item in found.items] == [(ticket.id, 3) for ticket in tickets[:3]]
    facts = await desk.told(tickets[0])
    assert types_of(facts) == ["ticket_created", "priority_changed", "status_changed"]
    assert {fact["cause"] for fact in facts[1:]} == {str(bulk.id)}
    assert facts[1]["actor"]["id"] == desk.who().id
    assert (await desk.get("4")).version == 1


async def test_which_tickets_a_filter_finds_is_settled_when_it_is_asked(desk: Desk) -> None:
    await some(desk, 3)
    bulk = await desk.bulk(filter=TicketFilter(statuses=(Status.NEW,)), change={"status": "open"})
    await desk.create("Late")
    await desk.change("1", status="resolved")

    assert (await done(desk, bulk)).total == 3
    assert [(await desk.get(str(nth))).status for nth in (1, 2, 3, 4)] == ["open", "open", "open", "new"]


async def test_a_filter_hides_what_a_list_hides(desk: Desk) -> None:
    await some(desk, 3)
    await desk.change("1", status="closed")
    await desk.delete("2")

    assert [item.number for item in (await desk.bulk(filter=TicketFilter(), change={"tags": ["x"]})).items] == [3]
    deleted = await desk.bulk(filter=TicketFilter(deleted=True), change={"tags": ["x"]})
    assert [item.code for item in (await done(desk, deleted)).items] == ["ticket_deleted"]


async def test_a_filter_that_finds_nothing_is_done_at_once(desk: Desk) -> None:
    bulk = await desk.bulk(filter=TicketFilter(), change={"tags": ["x"]})

    assert (bulk.state, bulk.total, bulk.finished_at) == (BulkState.DONE, 0, bulk.created_at)


async def test_the_same_id_twice_is_one_ticket(desk: Desk) -> None:
    tickets = await some(desk, 1)

    assert (await desk.bulk(ids=ids(tickets * 3), change={"tags": ["x"]})).total == 1


@pytest.mark.parametrize("foreign", [True, False])
async def test_h3_one_id_that_is_not_there_and_nothing_is_done(desk: Desk, *, foreign: bool) -> None:
    tickets = await some(desk, 5)
    other = (await Desk(desk.database).create()).id if foreign else uuid7()

    with pytest.raises(NotFound):
        await desk.bulk(ids=(*ids(tickets), other), change={"status": "open"})
    await nothing_was_done(desk, tickets)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"change": {"status": "open"}}, "ids"),
        ({"ids": (uuid7(),), "filter": TicketFilter(), "change": {"status": "open"}}, "ids"),
        ({"filter": TicketFilter(), "change": {}}, "change"),
        ({"filter": TicketFilter(), "change": {"status": "open"}, "delete": True}, "change"),
        (
            {"filter": TicketFilter(created_from=now(), created_to=now() - dt.timedelta(1)), "delete": True},
            "created_to",
        ),
    ],
    ids=["nothing chosen", "chosen twice", "nothing to do", "two things to do", "an empty range"],
)
async def test_a_bulk_change_says_which_tickets_and_what(desk: Desk, fields: dict[str, Any], field: str) -> None:
    tickets = await some(desk, 1)

    with pytest.raises(Invalid) as refused:
        await desk.bulk(**fields)
    assert [error["field"] for error in refused.value.facts["errors"]] == [field]
    await nothing_was_done(desk, tickets)


async def test_a_filter_that_finds_more_than_ten_thousand_is_refused(desk: Desk) -> None:
    await crowd(desk, 10_001)

    with pytest.raises(Invalid) as refused:
        await desk.bulk(filter=TicketFilter(), change={"tags": ["x"]})
    assert refused.value.facts["errors"][0]["code"] == "too_many"
    assert await desk.count("bulk_items") == 0


# Rights


async def test_a_member_changes_many_where_every_one_is_theirs(desk: Desk) -> None:
    member = desk.who("Max", Role.MEMBER)
    mine = await some(desk, 2, assignee=person("Max"))
    theirs = [await desk.create(assignee=person("Ann"))]
    nobodys = [await desk.create()]

    for others in (theirs, nobodys):
        with pytest.raises(NotAllowed):
            await desk.bulk(who=member, ids=ids([*mine, *others]), change={"status": "open"})
    with pytest.raises(NotAllowed):
        await desk.bulk(who=member, filter=TicketFilter(), change={"status": "open"})
    await nothing_was_done(desk, [*mine, *theirs, *nobodys])
    bulk = await desk.bulk(who=member, ids=ids(mine), change={"status": "closed", "tags": ["x"]})
    refused = (await done(desk, bulk)).items
    assert [(item.outcome, item.code) for item in refused] == [("refused", "not_allowed")] * 2
    bulk = await desk.bulk(who=member, filter=TicketFilter(assignee=person("Max").id), change={"status": "open"})
    assert (await done(desk, bulk)).changed == 2


async def test_guests_and_strangers_change_nothing_in_bulk(desk: Desk) -> None:
    tickets = await some(desk, 1)

    for fields in ({"ids": ids(tickets)}, {"filter": TicketFilter()}):
        with pytest.raises(NotAllowed):
            await desk.bulk(who=desk.who("Gus", Role.GUEST), **fields, change={"status": "open"})
    with pytest.raises(NotFound):
        await Desk(desk.database).bulk(ids=ids(tickets), change={"status": "open"})
    await nothing_was_done(desk, tickets)


async def test_a_deleted_ticket_is_not_there_for_a_member(desk: Desk) -> None:
    tickets = await some(desk, 1, assignee=person("Max"))
    await desk.delete("1")

    with pytest.raises(NotFound):
        await desk.bulk(who=desk.who("Max", Role.MEMBER), ids=ids(tickets), change={"status": "open"})
    bulk = await desk.bulk(ids=ids(tickets), change={"status": "open"})
    assert [item.code for item in (await done(desk, bulk)).items] == ["ticket_deleted"]


async def test_a_bulk_change_is_read_by_its_maker_and_those_who_run_the_desk(desk: Desk) -> None:
    member = desk.who("Max", Role.MEMBER)
    bulk = await desk.bulk(who=member, ids=ids(await some(desk, 1, assignee=person("Max"))), change={"status": "open"})

    for who in (member, desk.who(), desk.who("Ann", Role.ADMIN)):
        assert (await read(desk, bulk, caller=who)).id == bulk.id
    for who in (desk.who("Mia", Role.MEMBER), desk.who("Gus", Role.GUEST), Desk(desk.database).who()):
        with pytest.raises(NotFound):
            await read(desk, bulk, caller=who)
    with pytest.raises(NotFound):
        await read(desk, bulk, bulk_id=uuid7())


# Doing


async def test_each_ticket_has_its_own_outcome(desk: Desk) -> None:
    tickets = await some(desk, 3)
    await desk.change("1", status="resolved")
    await desk.change("2", status="closed")

    found = await done(desk, await desk.bulk(ids=ids(tickets), change={"status": "resolved"}))
    assert [(item.outcome, item.code) for item in found.items] == [
        ("unchanged", None),
        ("refused", "transition_not_allowed"),
        ("changed", None),
    ]
    assert (found.changed, found.unchanged, found.refused) == (1, 1, 1)
    assert (await desk.get("2")).status is Status.CLOSED


async def test_a_contact_that_is_not_there_is_refused_and_nothing_is_begun(desk: Desk) -> None:
    with pytest.raises(Invalid) as refused:
        await desk.bulk(ids=ids(await some(desk, 2)), change={"contact_id": uuid7()})

    assert [error["field"] for error in refused.value.facts["errors"]] == ["change.contact_id"]
    assert await desk.count("bulks") == 0


async def test_many_are_deleted_at_once(desk: Desk) -> None:
    found = await done(desk, await desk.bulk(ids=ids(await some(desk, 3)), delete=True))

    assert found.changed == 3
    assert (await desk.find()).items == ()
    assert len((await desk.find(deleted=True)).items) == 3


async def test_what_was_to_be_done_is_forgotten_when_it_is_done(desk: Desk) -> None:
    bulk = await desk.bulk(ids=ids(await some(desk, 1)), change={"subject": "A secret"})
    await done(desk, bulk)

    async with desk.database.transaction(desk.workspace) as tx:
        assert await tx.scalar(text("select command from bulks")) is None


async def test_outcomes_come_in_pages(desk: Desk) -> None:
    await crowd(desk, 250)
    bulk = await done(desk, await desk.bulk(filter=TicketFilter(), change={"tags": ["x"]}))

    assert (bulk.total, bulk.changed, len(bulk.items)) == (250, 250, 100)
    numbers = []
    page = await read(desk, bulk, limit=60)
    while True:
        numbers += [item.number for item in page.items]
        if page.next_cursor is None:
            break
        page = await read(desk, bulk, limit=60, cursor=page.next_cursor)
    assert numbers == list(range(1, 251))
    other = await desk.bulk(filter=TicketFilter(), change={"tags": ["y"]})
    cursor = (await read(desk, bulk, limit=1)).next_cursor
    with pytest.raises(Malformed):
        await read(desk, other, cursor=cursor)


# Breaking


async def versions(desk: Desk) -> Counter[int]:
    async with desk.database.transaction(desk.workspace) as tx:
        rows = await tx.all(text("select version from tickets"))
    return Counter(row["version"] for row in rows)


async def test_a_bulk_change_that_is_killed_goes_on_where_it_stood_and_does_nothing_twice(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await crowd(desk, 350)
    bulk = await desk.bulk(filter=TicketFilter(), change={"tags": ["x"]})
    go_on, turns = usecases.go_on, []

    async def dying(tx: Transaction, id: UUID, at: Any) -> None:
        """Do a batch, and die: at the second before the commit, at the third between commit and the next batch."""
        await go_on(tx, id, at)
        if id != bulk.id:
            return
        turns.append(id)
        if len(turns) == 2:
            raise RuntimeError("killed before the commit")
        if len(turns) == 4:
            await tx.execute(text("select pg_terminate_backend(pg_backend_pid())"))

    monkeypatch.setattr(usecases, "go_on", dying)
    await timers.go_on_with_bulks(desk.database)
    assert (await read(desk, bulk)).changed == 100
    assert await versions(desk) == {1: 250, 2: 100}
    with pytest.raises(Exception, match=r"connection|terminat"):
        await timers.go_on_with_bulks(desk.database)
    assert await versions(desk) == {1: 150, 2: 200}
    found = await done(desk, bulk)

    assert (found.changed, found.unchanged) == (350, 0)
    assert await versions(desk) == {2: 350}
    async with desk.database.transaction(desk.workspace) as tx:
        assert await tx.scalar(text("select count(*) from event_log where type like '%tags_changed'")) == 350


async def test_two_leaders_at_once_do_nothing_twice(desk: Desk) -> None:
    await crowd(desk, 220)
    bulk = await desk.bulk(filter=TicketFilter(), change={"tags": ["x"]})
    await asyncio.gather(*(timers.go_on_with_bulks(desk.database) for _ in range(3)))

    assert (await read(desk, bulk)).changed == 220
    assert await versions(desk) == {2: 220}


async def test_one_that_fails_stops_no_other(desk: Desk) -> None:
    broken = await desk.bulk(ids=ids(await some(desk, 1)), change={"tags": ["x"]})
    async with desk.database.transaction(desk.workspace) as tx:
        await tx.execute(text("update bulks set command = '{}'"))
    whole = await desk.bulk(ids=ids(await some(desk, 1)), change={"tags": ["x"]})

    assert (await done(desk, whole)).changed == 1
    assert (await read(desk, broken)).state is BulkState.RUNNING
    async with desk.database.transaction(desk.workspace) as tx:
        assert await tx.scalar(text("select 1 from bulks where id = :id for update"), {"id": broken.id}) == 1
        await tx.execute(
            text("update bulks set command = null, finished_at = :at where id = :id"),
            {"id": broken.id, "at": now()},
        )
