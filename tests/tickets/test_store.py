"""What is remembered of tickets on a real PostgreSQL: rows, pages, search, numbers, and the wall between workspaces."""

import asyncio
import json
import random
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import TextClause, text

from chassis import cursors
from chassis.database import Database, Row, Transaction
from contracts.base import Message, Role, TicketEvent, uuid7
from contracts.refusals import Conflict, Malformed, NotFound, Refusal
from contracts.tickets import ConversationRef, ListTickets, NoteKind, Priority, Status, TicketChange
from services.tickets import store
from services.tickets.domain import Ticket
from tests.support.infra import Urls
from tests.tickets.builders import by, person
from tests.tickets.desk import Desk, a_chat, a_kim

SORTS = ("updated", "-updated", "created", "-created", "priority", "-priority", "number", "-number")


class Explaining(Transaction):
    """A transaction that keeps the plan of what it reads."""

    def __init__(self, tx: Transaction) -> None:
        super().__init__(tx._connection, tx.workspace_id)
        self.plans: list[str] = []

    async def all(self, statement: TextClause, parameters: Any = None) -> Sequence[Row]:
        plan = await super().all(text(f"explain (analyze, costs off, timing off) {statement}"), parameters)
        self.plans.append("\n".join(row["QUERY PLAN"] for row in plan))
        return await super().all(statement, parameters)


async def as_owner(urls: Urls, statement: str) -> None:
    owner = await asyncpg.connect(urls.owner)
    try:
        await owner.execute(statement)
    finally:
        await owner.close()


# Rows


def some_change(chance: random.Random, contact: Any) -> TicketChange:
    fields = {
        "subject": chance.choice(["Fire", "Smoke \\ % _ 'quoted'", "Größe 火"]),
        "description": chance.choice(["", "It smokes.", "x" * 60_000]),
        "status": chance.choice(list(Status)),
        "priority": chance.choice(list(Priority)),
        "assignee": chance.choice([None, person("Ann"), person("Bob", Role.ADMIN)]),
        "contact_id": chance.choice([None, contact.id]),
        "tags": chance.choice([(), ("a",), ("b", "a"), ("it's", '"q"', "{x,y}")]),
        "fields": {
            name: chance.choice([None, "it's", '{"q": \\ 火}']) for name in chance.choice(["", "b", "ab", "ca"])
        },
    }
    return TicketChange(**{name: fields[name] for name in chance.sample(sorted(fields), chance.randint(1, 3))})


@pytest.mark.parametrize("seed", range(3))
async def test_a_ticket_is_remembered_as_it_is_and_its_log_tells_the_same(desk: Desk, seed: int) -> None:
    chance = random.Random(seed)
    olivia = desk.who()
    async with desk.database.transaction(desk.workspace) as tx:
        contact = await a_kim(tx)
        chat = await a_chat(tx, "chat", "C-1", "https://chat.example/1")
        made, facts = Ticket.open(
            id=uuid7(),
            number=(await store.next_number(tx))[0],
            subject="Fire",
            description="It smokes.",
            priority=Priority.HIGH,
            assignee=person("Ann"),
            contact=contact,
            tags=("vip", "paper"),
            fields={"b": "1", "a": "2"},
            conversation=chat,
            caller=olivia,
            by=by(olivia),
        )
        await store.insert(tx, made, facts)
        tx.announce(*facts)
    for minute in range(12):
        async with desk.database.transaction(desk.workspace) as tx:
            ticket = await store.load(tx, str(made.id), for_update=True)
            assert ticket.state == made.state
            assert (ticket.state.contact and ticket.state.contact.email) in (None, "kim@example.com")
            try:
                told = ticket.change(some_change(chance, contact), olivia, by(olivia, minute), contact)
            except Refusal:
                continue
            if minute % 4 == 0:
                told += ticket.add_note(
                    id=uuid7(), body="x", kind=chance.choice(list(NoteKind)), caller=olivia, by=by(olivia, minute)
                )
                mail = await a_chat(tx, "mail", f"M-{minute}", None)
                told += ticket.link_conversation(mail, olivia, by(olivia, minute))
            await store.save(tx, ticket, told)
            tx.announce(*told)
            made = ticket

    async with desk.database.transaction(desk.workspace) as tx:
        ticket = await store.load(tx, "1")
        log = await store.missed(tx, ticket, 0)
    assert ticket.state == made.state
    assert Ticket.replay(as_told(fact) for fact in log).state == ticket.state


def as_told(fact: dict[str, Any]) -> TicketEvent:
    kind = next(kind for kind in TicketEvent.of_kind() if fact["type"] == kind.TYPE)
    read = Message.registry[kind.SUBJECT].model_validate_json(json.dumps(fact))
    assert isinstance(read, TicketEvent)
    return read


async def test_what_came_between_is_not_overwritten(desk: Desk) -> None:
    created = await desk.create()
    async with desk.database.transaction(desk.workspace) as tx:
        stale = await store.load(tx, str(created.id))
    await desk.change(created, subject="Theirs")

    facts = stale.change(TicketChange(subject="Mine"), desk.who(), by())
    with pytest.raises(Conflict):
        async with desk.database.transaction(desk.workspace) as tx:
            await store.save(tx, stale, facts)
    assert (await desk.get(created)).subject == "Theirs"


@pytest.mark.parametrize(
    "ref",
    ["0", "2", "01", "-1", "#1", " 1", "1 ", "1.0", "٣", "2147483648", "9" * 30, "", "x", "'", "%", "\x00", "1\n"],
    ids=ascii,
)
async def test_what_names_no_ticket_finds_none(desk: Desk, ref: str) -> None:
    await desk.create()

    with pytest.raises(NotFound):
        await desk.get(ref)


async def test_a_ticket_is_found_by_its_id_however_written_and_by_its_number(desk: Desk) -> None:
    created = await desk.create()

    for ref in (str(created.id), str(created.id).upper(), "1"):
        assert (await desk.get(ref)).id == created.id
    for ref in (created.id.hex, f"{{{created.id}}}", created.id.urn):
        with pytest.raises(NotFound):
            await desk.get(ref)


# Numbers


async def test_numbers_are_dense_when_twenty_create_at_once(desk: Desk) -> None:
    other = Desk(desk.database)

    async def create(nth: int) -> int:
        try:
            return (await desk.create(contact_id=uuid7() if nth % 3 == 0 else None)).number
        except Refusal:
            return 0

    created, numbers = await asyncio.gather(other.create(), asyncio.gather(*(create(nth) for nth in range(30))))
    assert sorted(number for number in numbers if number) == list(range(1, 21))
    assert created.number == 1


async def test_versions_have_no_hole_when_many_change_at_once(desk: Desk) -> None:
    created = await desk.create()

    async def change(nth: int) -> None:
        if nth % 2:
            await desk.change(created, subject=f"Fire {nth}")
        else:
            await desk.change(created, tags=[f"t{nth}"], description=f"It smokes {nth}")

    await asyncio.gather(*(change(nth) for nth in range(10)))
    told = await desk.told(created)
    assert [fact["version"] for fact in told] == list(range(1, (await desk.get(created)).version + 1))
    assert len(told) == 1 + 5 + 10


async def test_who_waited_for_a_ticket_sees_what_was_laid_beside_it_meanwhile(desk: Desk) -> None:
    created = await desk.create()
    olivia = desk.who()

    async def link(release: asyncio.Event) -> None:
        async with desk.database.transaction(desk.workspace) as tx:
            ticket = await store.load(tx, str(created.id), for_update=True)
            contact = await a_kim(tx)
            chat = await a_chat(tx, "chat", "C-1", None)
            facts = ticket.change(TicketChange(contact_id=contact.id), olivia, by(), contact)
            facts += ticket.link_conversation(chat, olivia, by())
            await store.save(tx, ticket, facts)
            locked.set()
            await release.wait()

    locked, release = asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(link(release))
    await locked.wait()
    async with desk.database.transaction(desk.workspace) as tx:
        second = asyncio.create_task(store.load(tx, str(created.id), for_update=True))
        await asyncio.wait({second}, timeout=0.2)
        assert not second.done()
        release.set()
        ticket = await second
    await first
    assert ticket.version == 3
    assert ticket.state.contact is not None
    assert ticket.state.contact.name == "Kim"
    assert [link.external_id for link in ticket.state.conversations] == ["C-1"]


# Lists


async def six_tickets(desk: Desk) -> None:
    for nth, (priority, status, tags, assignee) in enumerate(
        [
            ("low", "new", ["a"], None),
            ("critical", "open", ["a", "b"], "Ann"),
            ("normal", "closed", ["b"], "Ann"),
            ("high", "spam", [], None),
            ("normal", "resolved", ["A"], "Bob"),
            ("critical", "waiting_on_customer", ["a b"], None),
        ],
        1,
    ):
        made = await desk.create(f"T{nth}", priority=priority, tags=tags, assignee=assignee and person(assignee))
        if status != "new":
            await desk.change(made, status=status)


@pytest.mark.parametrize(
    ("filters", "subjects"),
    [
        ({"statuses": ()}, "T1 T2 T5 T6"),
        ({}, "T1 T2 T3 T4 T5 T6"),
        ({"statuses": ("closed", "spam")}, "T3 T4"),
        ({"statuses": ("open", "open")}, "T2"),
        ({"priorities": ("critical",)}, "T2 T6"),
        ({"priorities": ("critical", "low"), "statuses": ()}, "T1 T2 T6"),
        ({"assignee": "none"}, "T1 T4 T6"),
        ({"assignee": person("Ann").id}, "T2 T3"),
        ({"assignee": UUID("0192f3c8-1111-7aaa-8bbb-0123456789ab")}, ""),
        ({"tag": "a"}, "T1 T2"),
        ({"tag": "A"}, "T5"),
        ({"tag": "a b"}, "T6"),
        ({"tag": "b", "assignee": person("Ann").id, "statuses": ()}, "T2"),
        ({"sort": "-number"}, "T6 T5 T4 T3 T2 T1"),
        ({"sort": "created"}, "T1 T2 T3 T4 T5 T6"),
        ({"sort": "-created"}, "T6 T5 T4 T3 T2 T1"),
        ({"sort": "priority"}, "T2 T6 T4 T3 T5 T1"),
        ({"sort": "-priority"}, "T1 T5 T3 T4 T6 T2"),
        ({"sort": "-updated"}, "T6 T5 T4 T3 T2 T1"),
    ],
    ids=str,
)
async def test_a_list_shows_what_is_asked_for_in_the_order_asked_for(
    desk: Desk, filters: dict[str, Any], subjects: str
) -> None:
    await six_tickets(desk)

    assert await desk.found(**filters) == subjects.split()
    assert await desk.found(**filters, limit=1) == subjects.split()


async def test_the_last_changed_comes_first(desk: Desk) -> None:
    await six_tickets(desk)
    await desk.change("2", subject="T2")
    await desk.change("1", subject="T1!")

    assert await desk.found(sort="-updated") == ["T1!", "T6", "T5", "T4", "T3", "T2"]
    assert (await desk.found(sort="updated"))[-1] == "T1!"


async def test_a_row_of_a_list_shows_contact_and_conversations(desk: Desk) -> None:
    created = await desk.create(contact={"name": "Kim", "email": "kim@example.com"})
    async with desk.database.transaction(desk.workspace) as tx:
        ticket = await store.load(tx, str(created.id), for_update=True)
        links = [await a_chat(tx, "chat", f"C-{nth}", f"https://chat.example/{nth}") for nth in (2, 1)]
        facts = [fact for link in links for fact in ticket.link_conversation(link, desk.who(), by())]
        await store.save(tx, ticket, facts)

    (row,) = (await desk.find()).items
    assert row.contact is not None
    assert (row.contact.name, row.contact.email) == ("Kim", "kim@example.com")
    assert row.conversations == tuple(links) == (await desk.get(created)).conversations
    assert isinstance(row.conversations[0], ConversationRef)


async def test_a_page_is_cut_before_it_no_longer_fits_into_a_message(desk: Desk) -> None:
    tags = tuple("火" * 47 + f"{nth:03}" for nth in range(20))
    for nth in range(70):
        await desk.create(f"T{nth}", tags=tags, fields={f"f{field}": "火" * 500 for field in range(nth % 2 * 20)})

    page = await desk.find(sort="number", limit=100)
    assert 0 < len(page.items) < 70
    assert len(page.model_dump_json().encode()) < 250 * 1024
    assert await desk.found(limit=100) == [f"T{nth}" for nth in range(70)]


# Cursors


@pytest.mark.parametrize("sort", SORTS)
async def test_pages_stay_put_while_others_write(desk: Desk, sort: str) -> None:
    priorities = [Priority.NORMAL, Priority.CRITICAL, Priority.NORMAL, Priority.LOW, Priority.NORMAL]
    before = [await desk.create(f"T{nth}", priority=priority) for nth, priority in enumerate(priorities)]
    whole = await desk.found(sort=sort, limit=100)

    seen = []
    page = await desk.find(sort=sort, limit=2)
    while True:
        seen += [item.id for item in page.items]
        await desk.create("Late", priority=Priority.HIGH)
        if page.next_cursor is None:
            break
        page = await desk.find(sort=sort, limit=2, cursor=page.next_cursor)

    ours = {ticket.id: ticket.subject for ticket in before}
    assert [ours[id] for id in seen if id in ours] == whole
    assert len(seen) == len(set(seen))


async def cursor_of(desk: Desk, **filters: Any) -> str:
    cursor = (await desk.find(**{"limit": 1, **filters})).next_cursor
    assert cursor is not None
    return cursor


@pytest.mark.parametrize(
    "other",
    [
        {"sort": "created"},
        {"statuses": ("new",)},
        {"priorities": ("normal",)},
        {"assignee": "none"},
        {"assignee": person("Ann").id},
        {"tag": "a"},
        {"q": "fire"},
    ],
    ids=str,
)
async def test_a_cursor_is_good_for_its_own_list_only(desk: Desk, other: dict[str, Any]) -> None:
    for nth in range(3):
        await desk.create(f"Fire {nth}", tags=["a"])
    cursor = await cursor_of(desk)

    with pytest.raises(Malformed):
        await desk.find(cursor=cursor, **other)


async def test_a_cursor_of_another_workspace_is_refused(desk: Desk) -> None:
    other = Desk(desk.database)
    for each in (desk, other):
        await each.create("One")
        await each.create("Two")

    with pytest.raises(Malformed):
        await other.find(cursor=await cursor_of(desk))


async def test_a_cursor_that_was_changed_is_refused(desk: Desk) -> None:
    await desk.create("One")
    await desk.create("Two")
    cursor = await cursor_of(desk)

    for at in range(len(cursor)):
        changed = cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :]
        with pytest.raises(Malformed):
            await desk.find(cursor=changed)
    for nonsense in ("", "=", "A", "é", "....", "A" * 4000, cursor + "A", cursor[:-1]):
        with pytest.raises(Malformed):
            await desk.find(cursor=nonsense)


@pytest.mark.parametrize("sort", ["updated", "-priority", "number"])
@pytest.mark.parametrize(
    "values",
    [
        [],
        [1],
        [None, None],
        ["x", str(UUID(int=1))],
        [1, "x"],
        [-1, str(UUID(int=1))],
        [2**40, str(UUID(int=1))],
        [1.5, str(UUID(int=1))],
        ["2026-01-01", str(UUID(int=1))],
        ["2026-01-01T00:00:00+00:00", 7],
        [{}, []],
        [1, str(UUID(int=1)), 3],
    ],
    ids=str,
)
async def test_a_cursor_made_by_hand_is_refused(
    desk: Desk, sort: str, values: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seal has no secret, so somebody can make one that fits."""
    scopes: list[str] = []
    encode = cursors.encode

    def overheard(scope: str, given: Sequence[str | int | None]) -> str:
        scopes.append(scope)
        return encode(scope, given)

    monkeypatch.setattr(cursors, "encode", overheard)
    await desk.create("One")
    await desk.create("Two")
    await cursor_of(desk, sort=sort)

    with pytest.raises(Malformed):
        await desk.find(sort=sort, cursor=encode(scopes[-1], values))


# Search


SUBJECTS = ["Printer on fire", "100% sure", "under_score", "back\\slash", "ÄRGER im Büro", "Straße 42", "o'neil; --"]


@pytest.mark.parametrize(
    ("q", "subjects"),
    [
        ("fire", ["Printer on fire"]),
        ("FIRE print", ["Printer on fire"]),
        ("fire smoke", []),
        ("rint", ["Printer on fire"]),
        ("on", ["Printer on fire"]),
        ("f", ["Printer on fire"]),
        ("%", ["100% sure"]),
        ("_", ["under_score"]),
        ("under_", ["under_score"]),
        ("%%%", []),
        ("r_s", ["under_score"]),
        ("p_inter", []),
        ("\\", ["back\\slash"]),
        ("k\\s", ["back\\slash"]),
        ("\\\\", []),
        ("\\%", []),
        ("ärger", ["ÄRGER im Büro"]),
        ("a\u0308rger", ["ÄRGER im Büro"]),
        ("STRASSE", ["Straße 42"]),
        ("'", ["o'neil; --"]),
        ("') or 1=1--", []),
        (":ws", []),
        ("42", ["Straße 42"]),
        ("2", ["100% sure", "Straße 42"]),
        ("#2", ["100% sure"]),
        (" #3 ", ["under_score"]),
        ("2 sure", []),
        ("99999999999999999999", []),
        ("0", ["100% sure"]),
        ("", SUBJECTS),
        ("   ", SUBJECTS),
    ],
    ids=ascii,
)
async def test_a_search_finds_words_and_numbers_and_nothing_is_a_wildcard(
    desk: Desk, q: str, subjects: list[str]
) -> None:
    for subject in SUBJECTS:
        await desk.create(subject)

    assert await desk.found(q=q) == subjects


async def test_a_new_subject_is_found_and_the_old_one_is_not(desk: Desk) -> None:
    created = await desk.create("Printer on fire")
    await desk.change(created, subject="Flood in the cellar")

    assert await desk.found(q="cellar") == ["Flood in the cellar"]
    assert await desk.found(q="printer") == []


async def test_a_search_with_a_hundred_words_is_still_one_search(desk: Desk) -> None:
    await desk.create("a b c")

    assert await desk.found(q="a b c " * 33) == ["a b c"]
    assert await desk.found(q=" ".join(chr(0x4E00 + nth) for nth in range(100))) == []


@pytest.fixture
async def crowd(desk: Desk, tickets_urls: Urls) -> Desk:
    """A workspace with 20,000 tickets among others."""
    async with desk.database.transaction(desk.workspace) as tx:
        await tx.execute(text("set local statement_timeout = 0"))
        await tx.execute(
            text(
                "insert into tickets (workspace_id, id, number, version, subject, description, status, priority, tags,"
                "  created_at, updated_at, closed_at)"
                " select :ws, gen_random_uuid(), n, 1, 'Ticket ' || md5(cast(n as text)), '',"
                "  case when n % 100 = 0 then 'open' else 'closed' end, 'normal', '{}',"
                "  now() - n * interval '1 minute', now() - n * interval '1 minute', now()"
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
    await as_owner(tickets_urls, "vacuum analyze tickets")
    await as_owner(tickets_urls, "vacuum analyze ticket_search")
    return desk


async def plan_of(desk: Desk, **filters: Any) -> str:
    async with desk.database.transaction(desk.workspace) as tx:
        spy = Explaining(tx)
        await store.page(spy, ListTickets(caller=desk.who(), **filters))
    return "\n".join(spy.plans)


async def test_what_is_asked_often_is_answered_by_an_index(crowd: Desk) -> None:
    everything = tuple(Status)

    for q in ("c4ca4238a0b923820dcc509a6f75849b", "a0b9238 #1", "4238"):
        assert "ticket_search_words" in await plan_of(crowd, q=q, statuses=everything)
    newest = await plan_of(crowd, statuses=everything)
    assert "tickets_updated" in newest
    assert "Sort Key: t.updated_at" not in newest
    assert "tickets_priority" in await plan_of(crowd, statuses=everything, sort="-priority")
    assert "tickets_status" in await plan_of(crowd, statuses=("spam",))
    assert "tickets_assignee" in await plan_of(crowd, statuses=everything, assignee=UUID(int=1))
    assert "Seq Scan on tickets" not in await plan_of(crowd)
    cursor = await cursor_of(crowd, statuses=everything)
    assert "Index Cond" in await plan_of(crowd, statuses=everything, limit=1, cursor=cursor)


# The wall


TENANT_TABLES = """
    select c.relname, c.relrowsecurity and c.relforcerowsecurity as walled,
        exists (select 1 from pg_attribute a
                where a.attrelid = c.oid and a.attname = 'workspace_id' and not a.attisdropped) as tenant,
        pg_get_userbyid(c.relowner) as owner
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and n.nspname = 'public' and c.relname <> 'alembic_version'
"""


async def test_every_table_is_walled_but_the_one_that_says_why(desk: Desk) -> None:
    async with desk.database.transaction(desk.workspace) as tx:
        tables = await tx.all(text(TENANT_TABLES))
        me = await tx.scalar(text("select current_user"))
        powers = await tx.one(text("select rolsuper, rolbypassrls from pg_roles where rolname = current_user"))

    assert {table["relname"] for table in tables if not table["walled"]} == {"ticket_search"}
    assert all(table["tenant"] for table in tables)
    assert me not in {table["owner"] for table in tables}
    assert dict(powers or {}) == {"rolsuper": False, "rolbypassrls": False}


async def test_every_key_names_the_workspace(desk: Desk) -> None:
    async with desk.database.transaction(desk.workspace) as tx:
        keys = await tx.all(
            text(
                "select cast(i.indrelid as regclass) as tablename, pg_get_indexdef(i.indexrelid) as definition"
                " from pg_index i join pg_class c on c.oid = i.indrelid"
                " join pg_namespace n on n.oid = c.relnamespace"
                " where i.indisunique and n.nspname = 'public'"
                " and c.relname not in ('alembic_version', 'dead_letters')"
            )
        )

    assert keys
    # A visitor knows an assistant by its id alone, so that no two workspaces may have the same.
    without = [key["definition"] for key in keys if "(workspace_id" not in key["definition"]]
    assert without == ["CREATE UNIQUE INDEX assistants_id_key ON public.assistants USING btree (id)"]


async def test_without_any_where_a_workspace_still_sees_its_own_rows_only(desk: Desk) -> None:
    mine, theirs = desk, Desk(desk.database)
    for each in (mine, theirs):
        await each.opens()
        created = await each.create(contact={"name": "Kim", "email": "kim@example.com"})
        await fill_every_table(each, created.id)

    async with theirs.database.transaction(theirs.workspace) as tx:
        for table in await tx.all(text(TENANT_TABLES)):
            name = table["relname"]
            rows = await tx.all(text(f"select workspace_id from {name}"))
            if name in FILLED:
                assert rows, name
            if table["walled"]:
                assert {row["workspace_id"] for row in rows} <= {theirs.workspace}, name


FILLED = {
    "tickets",
    "ticket_numbers",
    "contacts",
    "conversations",
    "ticket_conversations",
    "notes",
    "intake_sources",
    "workspaces",
    "event_log",
    "event_texts",
    "ticket_settings",
    "bulks",
    "bulk_items",
}


async def fill_every_table(desk: Desk, id: UUID) -> None:
    async with desk.database.transaction(desk.workspace) as tx:
        ticket = await store.load(tx, str(id), for_update=True)
        facts = ticket.link_conversation(await a_chat(tx, "chat", "C", None), desk.who(), by())
        facts += ticket.add_note(id=uuid7(), body="x", kind=NoteKind.NOTE, caller=desk.who(), by=by())
        await store.save(tx, ticket, facts)
        await store.asked(tx, "chat", "ticket_requested", "E", id)
    await desk.settle(members_may_claim=True)
    await desk.bulk(ids=(id,), change={"tags": ["x"]})


@pytest.mark.parametrize("table", sorted(FILLED - {"event_log", "event_texts"}))
async def test_no_row_is_written_into_another_workspace(desk: Desk, table: str) -> None:
    mine, theirs = desk, Desk(desk.database)
    await mine.opens()
    await fill_every_table(mine, (await mine.create(contact={"name": "Kim"})).id)

    async with mine.database.transaction(mine.workspace) as tx:
        columns = await tx.all(
            text(
                "select attname as name from pg_attribute where attrelid = cast(cast(:table as text) as regclass)"
                " and attnum > 0 and attgenerated = '' and not attisdropped and attname <> 'workspace_id'"
            ),
            {"table": table},
        )
    names = ", ".join(column["name"] for column in columns)
    picked = f"select cast(:theirs as text), {names} from {table} limit 1"
    with pytest.raises(asyncpg.PostgresError, match="row-level security"):
        async with mine.database.transaction(mine.workspace) as tx:
            await tx.execute(
                text(f"insert into {table} (workspace_id, {names}) {picked}"), {"theirs": theirs.workspace}
            )


async def test_a_search_reaches_no_other_workspace(desk: Desk) -> None:
    other = Desk(desk.database)
    await desk.create("A secret fire")

    found = "select ticket_id from ticket_search where words like '%secret%'"
    async with other.database.transaction(other.workspace) as tx:
        ids = await tx.all(text(found))
        seen = await tx.all(text(f"select t.id from tickets t where t.id in ({found})"))
    assert ids
    assert not seen
    assert await other.found(q="secret") == []


@pytest.mark.parametrize(
    "statement",
    [
        "delete from tickets",
        "delete from notes",
        "update notes set ticket_id = gen_random_uuid()",
        "delete from intake_sources",
        "update intake_sources set external_id = 'x'",
        "delete from ticket_search",
        "update ticket_search set workspace_id = 'x'",
        "delete from event_log",
        "delete from ticket_settings",
        "delete from bulks",
        "update bulks set actor_id = 'x'",
        "delete from bulk_items",
        "update bulk_items set ticket_id = gen_random_uuid()",
        "truncate tickets",
        "alter table tickets disable row level security",
        "drop table tickets",
    ],
)
async def test_the_service_may_not_do_what_it_never_does(database: Database, statement: str) -> None:
    with pytest.raises(asyncpg.PostgresError, match=r"permission denied|must be owner"):
        async with database.transaction("acme") as tx:
            await tx.execute(text(statement))
