"""The running service: every step of a ticket becomes one entry, in order, whatever happens on the way."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import pytest
from nats.aio.client import Client
from sqlalchemy import text

from chassis.connection import connect, flushed
from chassis.database import Database
from chassis.requests import ask
from chassis.service import Service
from contracts.activity import (
    DropActivityLetter,
    EntryRecorded,
    Feed,
    History,
    ListActivityLetters,
    ReadHeads,
    RetryActivityLetter,
    Verify,
)
from contracts.base import Caller, Person, Role, uuid7
from contracts.refusals import Conflict, NotAllowed, NotFound, NotReached
from contracts.tickets import AddNote, ChangeTicket, CreateTicket, Status, TicketChange
from services.activity import app as activity
from services.activity.settings import Settings
from tests.activity.ledger import Fact, Ledger, Owner, a_caller, a_workspace, publish
from tests.support.eventually import eventually
from tests.support.infra import PROJECT, NatsServer, Urls
from tests.tickets.desk import Desk


@pytest.fixture(scope="module")
async def gateway(broker: NatsServer) -> AsyncIterator[Client]:
    """The one who may ask."""
    nats = await connect(broker.url_for("gateway"), "gateway", closing=lambda: True)
    yield nats
    await nats.close()


async def entries(live: Ledger, owner: Owner, many: int, within: float = 15) -> list[int]:
    """The seqs of a book, once there are as many."""

    async def there() -> list[int] | None:
        seqs = [row["seq"] for row in await live.rows(owner.workspace)]
        return seqs if len(seqs) >= many else None

    return await eventually(there, within=within)


async def a_ticket(gateway: Client, caller: Caller) -> UUID:
    """A ticket that was moved, assigned and annotated."""
    ticket = uuid7()
    await ask(
        gateway, CreateTicket(caller=caller, ticket_id=ticket, subject="Printer on fire", description="It smokes.")
    )
    ben = Person(id=uuid7(), name="Ben Okafor", role=Role.MEMBER)
    for change in (TicketChange(status=Status.IN_PROGRESS), TicketChange(assignee=ben)):
        await ask(gateway, ChangeTicket(caller=caller, ticket=str(ticket), change=change))
    await ask(gateway, AddNote(caller=caller, ticket=str(ticket), note_id=uuid7(), body="The fuse is blown."))
    return ticket


async def test_each_step_of_a_ticket_is_told_with_old_and_new_actor_and_cause(
    gateway: Client, service: Service, tickets_service: Service
) -> None:
    caller = a_caller(a_workspace())
    ticket = await a_ticket(gateway, caller)

    async def reached() -> bool:
        try:
            return bool(await ask(gateway, History(caller=caller, ticket_id=ticket, min_version=4)))
        except NotReached:
            return False

    await eventually(reached)
    created, moved, assigned, noted = (await ask(gateway, History(caller=caller, ticket_id=ticket))).items

    assert [entry.seq for entry in (created, moved, assigned, noted)] == [1, 2, 3, 4]
    assert (created.type, created.data["subject"], created.data["description"]) == (
        "ticket_created",
        "Printer on fire",
        "It smokes.",
    )
    assert (moved.type, moved.old, moved.new) == ("status_changed", "new", "in_progress")
    assert (assigned.type, assigned.old, assigned.new["name"]) == ("assigned", None, "Ben Okafor")
    assert (noted.type, noted.data["body"]) == ("note_added", "The fuse is blown.")
    for entry in (created, moved, assigned, noted):
        assert (entry.actor.name, entry.actor.id) == (caller.name, caller.id)
        assert UUID(entry.cause).version == 7
        assert entry.at.tzinfo
    assert len({entry.cause for entry in (created, moved, assigned, noted)}) == 4

    heads = (await ask(gateway, ReadHeads(caller=caller))).items
    assert (await ask(gateway, Verify(caller=caller, heads=heads))).ok
    guest = caller.model_copy(update={"role": Role.GUEST})
    feed = await ask(gateway, Feed(caller=guest))
    assert ([entry.seq for entry in feed.items], feed.last) == ([1, 2, 3], 4)
    with pytest.raises(NotFound):
        await ask(gateway, History(caller=a_caller(a_workspace()), ticket_id=ticket))


async def test_the_gateway_can_follow_what_is_recorded(
    gateway: Client, service: Service, broker: NatsServer, live: Ledger
) -> None:
    owner = Owner()
    follower = await gateway.subscribe(EntryRecorded.subject_for(owner.workspace))
    await flushed(gateway)

    await publish(broker.url_for("tickets"), owner.story(2))

    seen = [EntryRecorded.model_validate_json((await follower.next_msg(timeout=15)).data) for _ in range(2)]
    assert [(event.seq, event.entry_audience.value) for event in seen] == [(1, "team"), (2, "everyone")]
    await follower.unsubscribe()


async def test_both_owners_fill_a_book_each(service: Service, broker: NatsServer, live: Ledger) -> None:
    owner = Owner()
    await publish(broker.url_for("tickets"), owner.story(2))
    await publish(broker.url_for("gateway"), [owner.promoted(), owner.promoted()])

    await entries(live, owner, 4)

    assert [(row["book"], row["seq"]) for row in await live.rows(owner.workspace)] == [
        ("people", 1),
        ("people", 2),
        ("tickets", 1),
        ("tickets", 2),
    ]


async def test_facts_that_come_late_twice_and_in_any_order_are_written_once_and_in_order(
    service: Service, broker: NatsServer, live: Ledger
) -> None:
    owner = Owner()
    story = owner.story(30)
    shuffled = [*story[20:], *story, *story[:10]]
    random.Random(7).shuffle(shuffled)

    await publish(broker.url_for("tickets"), shuffled)

    assert await entries(live, owner, 30) == [*range(1, 31)]
    plain = Ledger(live.database)
    assert (await plain.verify(owner)).ok
    assert await publish_again(broker, live, owner, story) == [*range(1, 31)]


async def publish_again(broker: NatsServer, live: Ledger, owner: Owner, story: list[Fact]) -> list[int]:
    """Tell a whole story again, and something after it, so that it is known when all of it was heard."""
    await publish(broker.url_for("tickets"), [*story, *story[::-1]])
    await publish(broker.url_for("tickets"), [owner.moved()])
    return (await entries(live, owner, len(story) + 1))[:-1]


async def test_an_unknown_type_is_recorded_in_its_place(service: Service, broker: NatsServer, live: Ledger) -> None:
    owner = Owner()
    facts = [owner.moved(), owner.moved(type="tickets.events.v2.teleported"), owner.noted()]

    await publish(broker.url_for("tickets"), facts)

    assert await entries(live, owner, 3) == [1, 2, 3]
    assert [entry.type for entry in (await live.history(owner)).items] == ["status_changed", "teleported", "note_added"]
    assert (await live.verify(owner)).ok


async def told_in_vain(tickets_urls: Urls, owner: Owner) -> None:
    """Let tickets write three facts, as if its relay had numbered and sent them, and nobody had got them."""
    database = Database(tickets_urls.app, "tickets", pool=2)
    try:
        lost = Desk(database, owner.workspace)
        # As if the relay had numbered and sent them, and the stream had been lost since: all in one commit.
        async with database.every_workspace("test") as tx:
            await tx.execute(text("select pg_advisory_xact_lock(hashtextextended('relay', 0))"))
            for _ in range(3):
                await lost.create()
            await tx.execute(
                text(
                    "update event_log as e set position = n, sent_at = now() from"
                    " (select id, row_number() over (order by seq) as n from event_log where workspace_id = :ws) as nth"
                    " where e.id = nth.id and e.workspace_id = :ws"
                ),
                {"ws": owner.workspace},
            )
            await tx.execute(
                text("insert into positions (workspace_id, last) values (:ws, 3)"), {"ws": owner.workspace}
            )
    finally:
        await database.close()


async def test_what_the_broker_lost_is_asked_again_of_its_owner(
    gateway: Client, service: Service, tickets_service: Service, tickets_urls: Urls, live: Ledger
) -> None:
    owner = Owner()
    await told_in_vain(tickets_urls, owner)

    await ask(gateway, CreateTicket(caller=a_caller(owner.workspace), ticket_id=uuid7(), subject="After the loss"))

    assert await entries(live, owner, 4) == [1, 2, 3, 4]
    assert (await live.feed(owner)).items[-1].data["subject"] == "After the loss"
    assert (await live.verify(owner)).ok


async def letters(live: Ledger, owner: Owner) -> list[str]:
    """Return why messages of this workspace were buried."""
    async with live.database.transaction(owner.workspace) as tx:
        rows = await tx.all(text("select reason from dead_letters order by sequence"))
    return [row["reason"] for row in rows]


def broken(fact: Fact) -> Fact:
    """Return a fact that can't be recorded."""
    return replace(fact, body=fact.body | {"salts": {"/nowhere": "00"}})


async def test_what_came_broken_is_recorded_as_its_owner_has_it(
    gateway: Client, service: Service, broker: NatsServer, tickets_service: Service, *, tickets_urls: Urls, live: Ledger
) -> None:
    owner = Owner()
    await told_in_vain(tickets_urls, owner)

    await publish(broker.url_for("tickets"), [broken(fact) for fact in owner.story(3)])

    assert await entries(live, owner, 3) == [1, 2, 3]
    assert {entry.type for entry in (await live.feed(owner)).items} == {"ticket_created"}
    assert (await live.verify(owner)).ok
    assert await letters(live, owner) == ["invalid"] * 3
    caller = a_caller(owner.workspace)
    for letter in (await ask(gateway, ListActivityLetters(caller=caller, oldest_first=True))).items:
        await ask(gateway, RetryActivityLetter(caller=caller, id=letter.id))
    assert await letters(live, owner) == []
    assert await entries(live, owner, 3) == [1, 2, 3]
    assert (await live.verify(owner)).ok


async def test_what_no_owner_has_told_is_buried_and_takes_no_place_in_the_book(
    gateway: Client, service: Service, broker: NatsServer, tickets_service: Service, live: Ledger
) -> None:
    owner = Owner()
    first, *behind = owner.story(4)
    await publish(broker.url_for("tickets"), [broken(first), *behind])

    async def buried() -> bool:
        return len(await letters(live, owner)) == 4

    await eventually(buried)
    assert await live.rows(owner.workspace) == []
    caller = a_caller(owner.workspace)
    (*_, letter) = (await ask(gateway, ListActivityLetters(caller=caller))).items
    with pytest.raises(Conflict):
        await ask(gateway, RetryActivityLetter(caller=caller, id=letter.id))
    with pytest.raises(NotAllowed):
        await ask(gateway, DropActivityLetter(caller=a_caller(owner.workspace, Role.MEMBER), id=letter.id))
    await ask(gateway, DropActivityLetter(caller=caller, id=letter.id))
    assert len(await letters(live, owner)) == 3
    assert await live.rows(owner.workspace) == []

    await ask(gateway, CreateTicket(caller=a_caller(owner.workspace), ticket_id=uuid7(), subject="A true one"))
    assert await entries(live, owner, 1) == [1]
    assert (await live.verify(owner)).ok


async def test_a_process_that_is_killed_while_it_writes_leaves_no_hole_and_no_double(
    service: Service, broker: NatsServer, live_urls: Urls, live: Ledger
) -> None:
    owner = Owner()
    story = owner.story(400)
    await service.stop()
    try:
        await publish(broker.url_for("tickets"), story)
        for enough in (1, 150):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "services.activity"),
                cwd=PROJECT,
                env=os.environ
                | {"COUNTERFOIL_NATS_URL": broker.url_for("activity"), "COUNTERFOIL_DATABASE_URL": live_urls.app},
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
            )
            await entries(live, owner, enough, within=30)
            process.send_signal(signal.SIGKILL)
            await process.wait()
    finally:
        again = activity.build(Settings(nats_url=broker.url_for("activity"), database_url=live_urls.app))
        await again.start()
    try:
        assert await entries(live, owner, 400, within=30) == [*range(1, 401)]
        assert (await live.verify(owner)).ok
    finally:
        await again.stop()
