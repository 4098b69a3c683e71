"""A desk that is filled in bulk is no other than one that was worked on for years."""

import datetime as dt
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID

from sqlalchemy import text

from chassis.database import Database, Transaction
from chassis.outbox import read_log
from contracts.activity import Book
from contracts.base import ActorKind, Caller, Person, Role
from contracts.tickets import CountTickets, ListTickets, ReadTicketsLog, Status
from services.activity import usecases as record
from services.tickets import store
from services.tickets.domain import Ticket
from tests.full.__main__ import report
from tests.full.explaining import cost
from tests.full.lives import Desk, World
from tests.full.loading import Stores, load
from tests.full.questions import known, of_activity, of_notifications, of_tickets
from tests.support.infra import PostgresServer

OWNER = Person(id=UUID("0192f3c8-1111-7aaa-8bbb-0123456789ab"), name="Olivia Owner", role=Role.OWNER)
WORLD = World("town", OWNER, 240, 7, dt.datetime(2026, 11, 1, tzinfo=dt.UTC))
CALLER = Caller(workspace_id=WORLD.workspace_id, kind=ActorKind.USER, id=str(OWNER.id), name="Olivia", role=OWNER.role)
REPORTED = ("report_tickets", "report_steps")
_FOUND_RIGHTLY = text("""
    select count(*) from ticket_search s join tickets t on t.id = s.ticket_id
    where s.week = week_of(t.updated_at) and s.opened_week = week_of(t.created_at)
        and s.shown = is_shown(t.status, t.deleted_at)
""")


def test_a_seed_tells_the_same_lives_again_and_another_seed_others() -> None:
    def told(seed: int) -> list[str]:
        return [
            fact.step.body.with_(fact.values)
            for life in Desk(World("town", OWNER, 50, seed, WORLD.until)).lives()
            for fact in life.facts
        ]

    assert told(1) == told(1)
    assert not set(told(1)) & set(told(2))


async def test_a_full_desk_holds_what_its_facts_tell_in_every_store(postgres_server: PostgresServer) -> None:
    async with AsyncExitStack() as stack:
        names = ("tickets", "activity", "notifications")
        urls = Stores(*[(await postgres_server.migrated_database(name)).app for name in names])
        await load(WORLD, urls)
        tickets = await stack.enter_async_context(opened(urls.tickets, "tickets"))
        loaded = await stack.enter_async_context(opened(urls.activity, "activity"))
        fresh = (await postgres_server.migrated_database("activity")).app
        rebuilt = await stack.enter_async_context(opened(fresh, "activity"))

        lives = list(Desk(WORLD).lives())
        async with tickets.transaction(WORLD.workspace_id) as tx:
            for life in lives:
                ticket = await store.load(tx, str(life.row["number"]))
                assert Ticket.replay([fact async for fact in store.life(tx, ticket)]).state == ticket.state
            asked = CountTickets(caller=CALLER)
            kept = Counter(life.row["status"] for life in lives if life.row["deleted_at"] is None)
            assert (await store.count(tx, asked)).counts == {status: kept[status.value] for status in Status}
            assert await store.next_number(tx) == (241, ticket.rules)
            assert await tx.scalar(_FOUND_RIGHTLY) == len(lives)
            after = 0
            while (page := await read_log(ReadTicketsLog(workspace_id=WORLD.workspace_id, after=after), tx)).items:
                after = page.items[-1].position
                async with rebuilt.transaction(WORLD.workspace_id) as book:
                    await record.rebuild(book, Book.TICKETS, page.items)

        assert after == sum(len(life.facts) for life in lives)
        async with loaded.transaction(WORLD.workspace_id) as one, rebuilt.transaction(WORLD.workspace_id) as other:
            assert (await record.examine(one, ())).ok
            for table in ("entries", "entry_texts", *REPORTED, "consumed"):
                assert await everything(one, table) == await everything(other, table), table


async def test_every_question_is_explained_as_the_role_that_asks_it(postgres_server: PostgresServer) -> None:
    asked = {"tickets": of_tickets, "activity": of_activity, "notifications": of_notifications}
    urls = Stores(*[(await postgres_server.migrated_database(name)).app for name in asked])
    await load(WORLD, urls)
    async with opened(urls.tickets, "tickets") as database, database.transaction(WORLD.workspace_id) as tx:
        _, shown = await store.page(tx, ListTickets(caller=CALLER, limit=5))
        _, every = await store.page(tx, ListTickets(caller=CALLER, limit=50, sort="created", statuses=tuple(Status)))
        ticket = (await store.load(tx, "120")).state
    assert ticket.contact
    middle = {"id": str(ticket.id), "contact": {"id": str(ticket.contact.id)}, "subject": ticket.subject}
    agent = WORLD.agents()[1].id
    knows = known(WORLD.workspace_id, OWNER.id, agent, middle, {"shown": shown or "", "every": every or ""})

    found = {}
    for service, questions in asked.items():
        async with opened(getattr(urls, service), service) as database:
            for name, ask in questions(knows).items():
                found[name] = await cost(database, WORLD.workspace_id, ask)

    assert all(each.plans and "Execution Time" in each.plans[-1] for each in found.values())
    of_a_tag = "\n".join(found["counts, a tag's"].plans)
    assert ("Nested Loop" in of_a_tag, "Seq Scan on tickets" in of_a_tag, "Join" in of_a_tag) == (True, False, False)
    said = "\n".join(report({WORLD.many: {"role": found}}, "18"))
    assert all(f"\n| {name} | {each.pages:,} | {each.rows:,} | " in said for name, each in found.items())
    assert "\n### Counts\n\nAs `role`:\n\n```text\n" in said


@asynccontextmanager
async def opened(url: str, service: str) -> AsyncIterator[Database]:
    database = Database(url, service, pool=2)
    yield database
    await database.close()


async def everything(tx: Transaction, table: str) -> list[str]:
    rows = await tx.all(text(f"select cast(t as text) as said from {table} t order by 1"))
    return [row["said"] for row in rows]
