"""Lists and counts under every filter, held against a plain reading of all tickets; and what is deleted is in none."""

import datetime as dt
import itertools
import re
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from contracts.base import Caller, Role, uuid7
from contracts.refusals import Invalid, Malformed, NotAllowed
from contracts.tickets import (
    ACTIVE,
    CountTickets,
    ListTags,
    ListTickets,
    Priority,
    Status,
    TicketCounts,
    TicketFilter,
    TicketRow,
)
from services.tickets import store
from services.tickets.store import lists, search
from services.tickets.store.counts import MOST_COUNTED
from services.tickets.store.tickets import folded
from services.tickets.store.transfer import put_beside
from tests.support.infra import Urls
from tests.tickets.builders import person
from tests.tickets.desk import Desk
from tests.tickets.test_store import SORTS, Explaining, as_owner, cursor_of

SUBJECTS = ["Printer on fire", "printer 42 jams", "Ärger im Büro", "100% sure", "a_b", "Straße 7", "back\\slash", "42"]
TAGS = ["a", "b", "a b"]
WORKERS = [None, person("Ann"), person("Bob")]
START = dt.datetime(2026, 3, 4, 12, tzinfo=dt.UTC)
"""Twelve hours before a week of the index ends."""


async def counted(desk: Desk, **filters: Any) -> dict[Status, int]:
    who = filters.pop("who", desk.who())
    return (await desk.ask(CountTickets(caller=who, **filters))).counts


# Against a plain reading


class Town:
    """Forty tickets of every sort, some of them deleted, and their rows as admins see them."""

    def __init__(self, desk: Desk, rows: list[TicketRow]) -> None:
        self.desk = desk
        self.rows = rows


@pytest.fixture
async def town(desk: Desk) -> Town:
    met = [(await desk.create(contact={"name": name})).contact for name in ("Kim", "Lee")]
    contacts = [contact.id for contact in met if contact]
    for nth in range(40):
        made = await desk.create(
            SUBJECTS[nth % len(SUBJECTS)] + (f" {nth}" if nth % 3 else ""),
            priority=list(Priority)[nth % 4],
            tags=[tag for at, tag in enumerate(TAGS) if (nth >> at) & 1],
            assignee=WORKERS[nth % 3],
            contact_id=contacts[nth % 2] if nth % 5 else None,
        )
        status = list(Status)[nth % 7]
        if status is not Status.NEW:
            await desk.change(made, status=status)
        if nth % 6 == 0:
            await desk.delete(made)
    async with desk.database.transaction(desk.workspace) as tx:  # as if they had come one an hour
        await tx.execute(text("update tickets set number = 100 where number = 2"))
        await tx.execute(
            text(
                "update tickets set created_at = cast(:start as timestamptz) + make_interval(hours => number),"
                " updated_at = cast(:start as timestamptz) + make_interval(hours => 3 * number % 37)"
            ),
            {"start": START},
        )
    everything = [
        item
        for deleted in (False, True)
        for item in (await desk.find(statuses=tuple(Status), deleted=deleted, limit=100)).items
    ]
    assert len(everything) == 42
    return Town(desk, everything)


MOMENTS = st.none() | st.integers(-1, 40).map(lambda hour: START + dt.timedelta(hours=hour))
WORDS = st.sampled_from(
    ["", "print", "PRINT fire", "42", "#42", "7", "ä", "ärger", "%", "_", "\\", "im bü", "xyz", "#0"]
)
FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "statuses": st.lists(st.sampled_from(Status), max_size=4).map(tuple),
        "priorities": st.lists(st.sampled_from(Priority), max_size=3).map(tuple),
        "assignee": st.sampled_from(["none", person("Ann").id, person("Bob").id, uuid7()]),
        "contact": st.integers(0, 2),
        "tag": st.sampled_from([*TAGS, "c"]),
        "q": WORDS,
        "created_from": MOMENTS,
        "created_to": MOMENTS,
        "updated_from": MOMENTS,
        "updated_to": MOMENTS,
        "deleted": st.booleans(),
    },
)


def is_in(row: TicketRow, wanted: TicketFilter) -> bool:
    """Read a filter as plainly as it is written; `statuses` apart."""
    words = folded(wanted.q).split()
    number = re.fullmatch(r"#?([1-9][0-9]*)", wanted.q.strip())
    found = all(word in folded(row.subject) for word in words) or bool(number and int(number[1]) == row.number)
    return (
        (row.deleted_at is not None) is wanted.deleted
        and (not wanted.priorities or row.priority in wanted.priorities)
        and (wanted.assignee is None or (row.assignee.id if row.assignee else "none") == wanted.assignee)
        and (wanted.contact is None or (row.contact is not None and row.contact.id == wanted.contact))
        and (wanted.tag is None or wanted.tag in row.tags)
        and found
        and (wanted.created_from is None or row.created_at >= wanted.created_from)
        and (wanted.created_to is None or row.created_at < wanted.created_to)
        and (wanted.updated_from is None or row.updated_at >= wanted.updated_from)
        and (wanted.updated_to is None or row.updated_at < wanted.updated_to)
    )


def in_order(rows: Iterable[TicketRow], sort: str) -> list[int]:
    name = {"updated": "updated_at", "created": "created_at"}.get(sort.removeprefix("-"), sort.removeprefix("-"))

    def key(row: TicketRow) -> Any:
        return (row.priority.rank if name == "priority" else getattr(row, name), row.id)

    return [row.number for row in sorted(rows, key=key, reverse=sort.startswith("-"))]


def sensible(wanted: TicketFilter) -> bool:
    return all(
        since is None or until is None or since < until
        for since, until in (
            (wanted.created_from, wanted.created_to),
            (wanted.updated_from, wanted.updated_to),
        )
    )


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(filters=FILTERS, sort=st.sampled_from(SORTS), limit=st.integers(1, 50))
async def test_a_list_and_its_counts_are_what_a_plain_reading_finds(
    town: Town, filters: dict[str, Any], sort: str, limit: int
) -> None:
    contacts = [*dict.fromkeys(row.contact.id for row in town.rows if row.contact), uuid7()]
    if "contact" in filters:
        filters["contact"] = contacts[filters["contact"]]
    wanted = TicketFilter(**filters)
    if not sensible(wanted):
        with pytest.raises(Invalid) as refused:
            await town.desk.find(**filters)
        assert refused.value.facts["errors"][0]["field"] in ("created_to", "updated_to")
        with pytest.raises(Invalid):
            await counted(town.desk, **filters)
        return
    found = [row for row in town.rows if is_in(row, wanted)]
    shown = wanted.statuses or (tuple(Status) if wanted.deleted else ACTIVE)

    numbers, cursor = [], None
    while True:
        page = await town.desk.find(**filters, sort=sort, limit=limit, cursor=cursor)
        numbers += [item.number for item in page.items]
        if (cursor := page.next_cursor) is None:
            break
    assert numbers == in_order((row for row in found if row.status in shown), sort)
    counts = await counted(town.desk, **filters)
    assert counts == {status: sum(row.status is status for row in found) for status in Status}


async def test_a_search_finds_the_same_whichever_way_it_takes(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    async def found(sort: str, **filters: Any) -> list[int]:
        numbers, cursor = [], None
        while True:
            page = await town.desk.find(**filters, sort=sort, limit=2, cursor=cursor)
            numbers += [item.number for item in page.items]
            if (cursor := page.next_cursor) is None:
                return numbers

    for glance, often, few, look, sure, near in (
        (1, 2, 100, 2, 10_000, 120_000),
        (1, 2, 100, 2, 10_000, 5),
        (1, 2, 100, 2, 7, 120_000),
        (1, 2, 100, 2, 0.01, 120_000),
        (1, 2, 0, 2, 0.01, 120_000),
        (1, 2, 0, 2, 10_000, 5),
        (1, 2, 0, 100, 7, 120_000),
        (3, 1, 100, 5, 0.01, 120_000),
        (100, 10, 0, 100, 7, 120_000),
    ):
        monkeypatch.setattr(lists, "GLANCE", glance)
        monkeypatch.setattr(lists, "OFTEN", often)
        monkeypatch.setattr(search, "OFTEN", often)
        monkeypatch.setattr(lists, "LOOK", look)
        monkeypatch.setattr(lists, "FEW", few)
        monkeypatch.setattr(lists, "SURE", sure)
        monkeypatch.setattr(lists, "NEXT", near)
        for q in ("printer", "42", "100", "fire printer", "jams 42 printer", "e", "xyz", "#3"):
            expected = [row for row in town.rows if is_in(row, TicketFilter(q=q))]
            for sort, statuses in itertools.product(SORTS, ((), tuple(Status))):
                wanted = [row for row in expected if row.status in (statuses or ACTIVE)]
                way = (glance, few, look, sure, near, q, sort, statuses)
                assert await found(sort, q=q, statuses=statuses) == in_order(wanted, sort), way


async def test_what_is_searched_knows_the_weeks_of_its_ticket_and_whether_it_is_shown(desk: Desk) -> None:
    for subject in ("At rest", "Spam of long ago", "Gone", "Gone and back"):
        await desk.create(subject)
    await desk.delete("3")
    await desk.delete("4")
    await desk.restore("4")
    async with desk.database.transaction(desk.workspace) as tx:
        await tx.execute(
            text(
                "update tickets set updated_at = updated_at - interval '15 days', status = 'spam',"
                " status_before_spam = 'new' where number = 2"
            )
        )
        await tx.execute(
            text(
                "insert into tickets (workspace_id, id, number, version, subject, description, status, priority, tags,"
                "  created_at, updated_at, closed_at) values (:ws, :id, 5, 1, 'Imported', '', 'closed', 'normal', '{}',"
                "  '2024-02-29 10:00Z', '2024-03-06 23:59:59Z', '2024-03-06 23:59:59Z')"
            ),
            {"ws": desk.workspace, "id": (imported := uuid7())},
        )
        await put_beside(tx, [{"id": str(imported), "subject": "Imported", "number": 5}])
        rows = await tx.all(
            text(
                "select s.week, s.opened_week, s.shown,"
                " cast(extract(epoch from date_bin('7 days', t.updated_at, '1970-01-01Z')) as int) / 604800 as is,"
                " cast(extract(epoch from date_bin('7 days', t.created_at, '1970-01-01Z')) as int) / 604800 as was"
                " from ticket_search s join tickets t on t.id = s.ticket_id order by t.number"
            )
        )

    assert [row["week"] for row in rows] == [row["is"] for row in rows]
    assert [row["opened_week"] for row in rows] == [row["was"] for row in rows]
    assert rows[0]["week"] - rows[1]["week"] in (2, 3)
    assert (rows[4]["opened_week"], rows[4]["week"]) == (2826, 2826)
    assert [row["shown"] for row in rows] == [True, False, False, True, False]


def asked_for(words: str, glance: list[str]) -> list[str]:
    """What the index is asked for, in this order; in brackets what is read in what it finds."""
    wanted = search.search(words)
    assert wanted
    found = wanted.rarest_first(glance)
    said = re.findall(r"and s\.words( \|\| '')? like :(\w+)", found.likes)
    return [f"({found.values[name]})" if read else found.values[name] for read, name in said]


def test_the_index_is_asked_for_rare_words_first_and_not_for_what_many_have_beside_those() -> None:
    glance = ["delivery slow", "delivery slow", *["delivery"] * 20]

    assert asked_for("delivery slow kettle", glance) == ["%kettle%", "%slo%", "(%slow%)", "(%delivery%)"]
    assert asked_for("delivery slow kettle", [*glance, "slow kettle"]) == [
        *("%ket%", "(%kettle%)"),
        *("%slo%", "(%slow%)"),
        *("%del%", "(%delivery%)"),
    ], "the rare words together may be no rarer"
    assert asked_for("zz delivery", glance) == ["%del%", "(%delivery%)", "%zz%"], "no trigram has it"


def test_a_word_is_asked_for_by_the_first_three_letters_that_are_as_rare() -> None:
    glance = ["a tent", "sent", "fee", "boots"]

    assert asked_for("tent", glance) == ["%ten%", "(%tent%)"]
    assert asked_for("sent", glance) == ["%sen%", "(%sent%)"]
    assert asked_for("tent", [*glance, "often", "went"]) == ["%tent%"]
    assert asked_for("boots", [*glance, "book"]) == ["%oot%", "(%boots%)"]
    assert asked_for("fee", glance) == ["%fee%"], "there is no shorter part"
    assert asked_for("kettle", glance) == ["%kettle%"], "nothing tells how rare its parts are"
    assert asked_for("o_tent", ["o_tent", "tent"]) == ["%o\\_tent%"], "no trigram of it is as rare"


async def test_a_ticket_that_says_its_own_number_is_found_once(desk: Desk) -> None:
    own = await desk.create("Number 1")
    await desk.create("Another")
    assert [item.number for item in (await desk.find(q=str(own.number))).items] == [own.number] == [1]


# Deletion


async def test_what_is_deleted_is_in_no_list_count_or_search_but_that_of_the_deleted(desk: Desk) -> None:
    kept, gone = await desk.create("Fire one"), await desk.create("Fire two", assignee=person("Ann"))
    await desk.delete(gone)

    for filters in ({}, {"q": "fire"}, {"q": "two"}, {"q": f"#{gone.number}"}, {"assignee": person("Ann").id}):
        assert gone.number not in [item.number for item in (await desk.find(**filters)).items]
        assert sum((await counted(desk, **filters)).values()) <= 1
    (row,) = (await desk.find(deleted=True)).items
    assert (row.id, row.deleted_at is not None, row.allowed.actions) == (gone.id, True, ("restore",))
    assert await counted(desk, deleted=True) == dict.fromkeys(Status, 0) | {Status.NEW: 1}
    await desk.restore(gone)
    assert {item.id for item in (await desk.find(q="fire")).items} == {kept.id, gone.id}


@pytest.mark.parametrize("role", [Role.MEMBER, Role.GUEST])
async def test_the_deleted_are_listed_and_counted_for_those_who_run_the_desk(desk: Desk, role: Role) -> None:
    who = desk.who("Max", role)

    with pytest.raises(NotAllowed):
        await desk.find(who=who, deleted=True)
    with pytest.raises(NotAllowed):
        await counted(desk, who=who, deleted=True)


async def test_what_is_deleted_is_listed_in_every_status(desk: Desk) -> None:
    closed = await desk.change(await desk.create("T1"), status="closed")
    await desk.delete(closed)

    assert [item.subject for item in (await desk.find(deleted=True)).items] == ["T1"]
    assert (await desk.find(deleted=True, statuses=("open",))).items == ()


async def test_counts_have_every_status(desk: Desk) -> None:
    assert await counted(desk) == dict.fromkeys(Status, 0)
    for status in ("closed", "spam", "closed"):
        await desk.change(await desk.create(), status=status)
    assert await counted(desk, statuses=("open",)) == dict.fromkeys(Status, 0) | {Status.CLOSED: 2, Status.SPAM: 1}
    assert TicketCounts(counts=await counted(desk)).model_dump(mode="json")["counts"]["waiting_on_customer"] == 0
    assert await counted(Desk(desk.database)) == dict.fromkeys(Status, 0)


@pytest.mark.parametrize("extreme", ["0001-01-01T00:00:00+12:00", "9999-12-31T23:59:59-12:00"])
@pytest.mark.parametrize("name", ["created_from", "created_to", "updated_from", "updated_to"])
async def test_a_time_that_no_calendar_has_is_a_field_at_fault(desk: Desk, name: str, extreme: str) -> None:
    with pytest.raises(Invalid) as refused:
        await desk.find(**between(name, extreme))
    assert [error["field"] for error in refused.value.facts["errors"]] == [name]


@pytest.mark.parametrize("end", ["2026-03-01T00:00:00Z", "2026-02-28T23:59:59Z", "2026-03-01T01:00:00+01:00"])
async def test_a_range_without_a_moment_in_it_is_refused(desk: Desk, end: str) -> None:
    for name in ("created", "updated"):
        with pytest.raises(Invalid):
            await desk.find(**between(f"{name}_from", "2026-03-01T00:00:00Z"), **between(f"{name}_to", end))


# Attacks


@pytest.mark.parametrize(
    "q",
    [
        '") OR 1=1--',
        "') or 1=1--",
        "'; drop table tickets; --",
        "%" * 200,
        "_" * 200,
        "\\" * 200,
        "%_\\" * 66,
        "$1 $2 :ws %s {0}",
        "a" * 200,
        " ".join("ab" * 50),
    ],
    ids=lambda q: ascii(q[:12]),
)
async def test_h20_a_search_is_words_and_nothing_else(desk: Desk, q: str) -> None:
    await desk.create("Printer on fire")

    assert await desk.found(q=q) == []
    assert await desk.found(tag=q[:50]) == []
    assert await desk.found() == ["Printer on fire"]


@pytest.mark.parametrize("sort", ["id;drop", "updated_at", "--updated", "", "UPDATED"])
def test_h20_a_sort_is_one_of_those_that_there_are(sort: str) -> None:
    who = Caller.model_validate({"workspace_id": "acme", "kind": "user", "id": "x", "name": "x", "role": "owner"})

    with pytest.raises(ValueError, match="sort"):
        ListTickets.model_validate({"caller": who, "sort": sort})


@pytest.mark.parametrize(
    "other",
    [
        {"deleted": True},
        {"contact": UUID("0192f3c8-1111-7aaa-8bbb-0123456789ab")},
        {"created_from": START},
        {"created_to": START + dt.timedelta(days=4000)},
        {"updated_from": START},
        {"updated_to": START + dt.timedelta(days=4000)},
    ],
    ids=str,
)
async def test_h21_a_cursor_is_good_for_its_own_filter_only(desk: Desk, other: dict[str, Any]) -> None:
    for nth in range(3):
        await desk.create(f"T{nth}")

    with pytest.raises(Malformed):
        await desk.find(cursor=await cursor_of(desk), **other)


async def test_h21_a_cursor_of_another_workspace_is_refused(desk: Desk) -> None:
    other = Desk(desk.database)
    for each in (desk, other):
        await each.create("One")
        await each.create("Two")

    with pytest.raises(Malformed):
        await other.find(cursor=await cursor_of(desk))


# Plans


@pytest.fixture
async def crowd(desk: Desk, tickets_urls: Urls) -> Desk:
    """A workspace with 20,000 tickets, of which few are open, resolved or deleted."""
    async with desk.database.transaction(desk.workspace) as tx:
        await tx.execute(
            text(
                "insert into tickets (workspace_id, id, number, version, subject, description, status, priority, tags,"
                "  created_at, updated_at, resolved_at, closed_at, deleted_at)"
                " select :ws, gen_random_uuid(), n, 1, 'Ticket ' || md5(cast(n as text)), '',"
                "  case when n % 200 = 0 then 'open' when n % 200 = 1 then 'resolved' else 'closed' end,"
                "  'normal', case when n % 400 = 0 then array['hot'] else '{}' end,"
                "  now() - n * interval '1 minute', now() - n * interval '1 minute', now() - n * interval '1 minute',"
                "  now(), case when n % 500 = 7 then now() end"
                " from generate_series(1, 20000) as n"
            ),
            {"ws": desk.workspace},
        )
        await tx.execute(
            text(
                "insert into ticket_search select t.workspace_id, t.id, lower(t.subject) from tickets t"
                " where t.workspace_id = :ws"
            ),
            {"ws": desk.workspace},
        )
    await desk.settle(auto_close_days=13)
    for table in ("tickets", "ticket_search", "ticket_tags", "ticket_settings"):
        await as_owner(tickets_urls, f"vacuum analyze {table}")
    return desk


async def test_what_is_asked_often_is_answered_by_an_index_as_the_app_role(crowd: Desk) -> None:
    everything = tuple(Status)

    async def plans(**filters: Any) -> str:
        async with crowd.database.transaction(crowd.workspace) as tx:
            spy = Explaining(tx)
            await store.page(spy, ListTickets(caller=crowd.who(), **filters))
            await store.count(spy, CountTickets(caller=crowd.who(), **without(filters, "sort")))
        *listed, counts = spy.plans
        return "\n---\n".join(["\n".join(listed), counts])

    assert (await crowd_role(crowd)).endswith("_app")
    for q in ("c4ca4238a0b923820dcc509a6f75849b", "a0b9238 #1", "4238", "c81"):
        listed, counts = (await plans(q=q, statuses=everything)).split("---")
        assert "ticket_search_words" in listed
        assert "ticket_search_words" in counts
        assert "Seq Scan on ticket_search" not in listed + counts
    assert "tickets_deleted" in await plans(deleted=True)
    assert "tickets_contact" in await plans(contact=uuid7())
    hour = dt.datetime.now(dt.UTC) - dt.timedelta(hours=3)
    recent = await plans(statuses=everything, created_from=hour, created_to=hour + dt.timedelta(minutes=5))
    assert "Seq Scan on tickets" not in recent
    assert "tickets_created" in recent
    assert "tickets_updated" in await plans(statuses=everything, updated_from=hour, sort="updated")


async def test_what_is_shown_is_found_and_counted_without_reading_years_of_closed_tickets(crowd: Desk) -> None:
    async def plan(**filters: Any) -> str:
        async with crowd.database.transaction(crowd.workspace) as tx:
            spy = Explaining(tx)
            await store.page(spy, ListTickets(caller=crowd.who(), **filters))
            return spy.plans[0]

    # Which of them is the planner's affair where two hundred of twenty thousand tickets are shown.
    asked: list[dict[str, Any]] = [{"sort": sort} for sort in SORTS]
    for filters in (*asked, {"assignee": uuid7()}, {"priorities": (Priority.CRITICAL,)}):
        assert "tickets_shown_" in await plan(**filters), filters
    assert "ticket_tags" in await plan(tag="hot")
    assert len((await crowd.find(tag="hot", limit=100)).items) == 50

    everything = await crowd.ask(CountTickets(caller=crowd.who()))
    assert not everything.more
    assert sum(everything.counts.values()) == 20_000 - 40
    found = await crowd.ask(CountTickets(caller=crowd.who(), q="ticket"))
    assert found.more
    assert sum(found.counts.values()) == MOST_COUNTED + 1
    assert not (await crowd.ask(CountTickets(caller=crowd.who(), q="c4ca4238a0b923820dcc509a6f75849b"))).more


async def test_counts_hold_while_they_are_summed_up_and_nobody_waits_for_another(town: Town) -> None:
    desk, here = town.desk, {"ws": town.desk.workspace}
    before = await counted(desk)
    change = text(
        "update tickets set priority = 'low', assignee_id = null, assignee_name = null, assignee_role = null"
        " where number = :number"
    )
    async with desk.database.transaction(desk.workspace) as first, desk.database.transaction(desk.workspace) as second:
        await first.execute(change, {"number": 1})
        await second.execute(change, {"number": 2})

    async with desk.database.every_workspace("sum up counts of tickets") as tx:
        while await store.fold_counts(tx):
            pass
    async with desk.database.transaction(desk.workspace) as tx:
        assert await tx.scalar(text("select count(*) from ticket_count_steps where workspace_id = :ws"), here) == 0
        assert await tx.scalar(text("select sum(many) from ticket_counts where workspace_id = :ws"), here) == len(
            town.rows
        )

    assert await counted(desk) == before
    assert sum((await counted(desk, priorities=(Priority.LOW,))).values()) >= 2


async def test_short_words_are_answered_too(crowd: Desk) -> None:
    page = await crowd.find(q="c4", statuses=tuple(Status), limit=1)

    assert page.items
    assert "c4" in page.items[0].subject


async def test_the_clock_finds_what_is_due_by_an_index(crowd: Desk) -> None:
    async with crowd.database.transaction(crowd.workspace) as tx:
        spy = Explaining(tx)
        await store.untouched(spy, dt.datetime.now(dt.UTC), 100)
    (plan,) = spy.plans
    assert "tickets_resolved" in plan


async def crowd_role(desk: Desk) -> str:
    async with desk.database.transaction(desk.workspace) as tx:
        return str(await tx.scalar(text("select current_user")))


def between(name: str, moment: str) -> dict[str, Any]:
    return {name: moment}


def without(fields: dict[str, Any], name: str) -> dict[str, Any]:
    return {each: value for each, value in fields.items() if each != name}


async def test_tickets_are_found_by_their_contacts_words_and_their_tags_are_told(desk: Desk) -> None:
    for name, tags in (("Mira Anand", ["old", "rare"]), ("Mirko", ["old"])):
        await desk.create(subject=f"Of {name}", contact={"name": name, "email": f"{name[:4]}@example.com"}, tags=tags)
    gone = await desk.create(tags=["gone"])
    await desk.delete(gone)

    assert set(await desk.found(contact_q="mir")) == {"Of Mira Anand", "Of Mirko"}
    assert await desk.found(contact_q="MIRA@ anand") == ["Of Mira Anand"]
    assert await desk.found(contact_q="m_ra") == []
    assert sum((await counted(desk, contact_q="mirk")).values()) == 1
    with pytest.raises(NotAllowed):
        await desk.found(who=desk.who(role=Role.GUEST), contact_q="mira@")
    assert (await desk.ask(ListTags(caller=desk.who(role=Role.GUEST)))).tags == ("old", "rare")
