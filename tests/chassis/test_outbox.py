"""What is committed is told: once, in order, in the stream meant for it, whatever happens on the way."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from nats.aio.client import Client
from nats.js.api import RawStreamMsg
from sqlalchemy import text

from chassis import outbox as relaying
from chassis.connection import connect
from chassis.database import Database
from chassis.leader import Leader
from chassis.outbox import Relay, events_since
from chassis.provision import PROVISIONER, provision, stream_config
from chassis.telemetry import Metrics, traced
from contracts.base import Event
from contracts.gateway import GATEWAY, WorkspaceCreated
from contracts.refusals import TooLarge
from contracts.texts import digest
from tests.support.eventually import eventually
from tests.support.infra import NatsServer, PostgresServer, Urls
from tests.support.plumbing import plumbed
from tests.support.replicas import CHAOS, a_broker, a_fact, a_workspace, api, as_user, stored

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@dataclass(slots=True)
class Outbox:
    """gateway's log and the broker it is told to; relays come and go."""

    broker: NatsServer
    database: Database
    chaos: Client

    async def announce(self, *facts: Event) -> None:
        async with self.database.transaction(facts[0].workspace_id) as tx:
            tx.announce(*facts)

    @asynccontextmanager
    async def relaying(self, count: int = 1) -> AsyncIterator[Sequence[Relay]]:
        """Let so many relays run, each sure that it leads and begun again if it fails, and wake them by commits."""
        async with AsyncExitStack() as stack:
            relays = [await stack.enter_async_context(self.relay()) for _ in range(count)]
            tasks = [
                asyncio.create_task(Leader(self.database.url, f"relay {n}", Metrics("gateway")).run(relay.run))
                for n, relay in enumerate(relays)
            ]

            def wake() -> None:
                for relay in relays:
                    relay.wake()

            self.database.wake = wake
            try:
                yield relays
                await eventually(self.all_marked)
            finally:
                self.database.wake = lambda: None
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    @asynccontextmanager
    async def relay(self) -> AsyncIterator[Relay]:
        """A relay that does nothing by itself."""
        client = await connect(self.broker.url_for("gateway"), "gateway", closing=lambda: True)
        try:
            yield Relay(self.database, client, "gateway", Metrics("gateway"))
        finally:
            await client.close()

    async def told(self, ws: str, stream: str = "GATEWAY") -> list[RawStreamMsg]:
        """What the stream holds of this workspace, in order."""
        return await stored(self.chaos, stream, WorkspaceCreated.subject_for(ws))

    async def tells(self, ws: str, *slugs: str) -> list[RawStreamMsg]:
        """Wait until the stream holds exactly these, numbered without a hole."""

        async def said() -> list[RawStreamMsg]:
            found = await self.told(ws)
            assert [json.loads(msg.data or b"")["slug"] for msg in found] == list(slugs)
            return found

        found = await eventually(said)
        assert [int((msg.headers or {})["ce-position"]) for msg in found] == list(range(1, len(slugs) + 1))
        return found

    @staticmethod
    def age(relay: Relay) -> float:
        """How long the oldest fact has waited that this relay could not tell."""
        return relay._metrics.registry.get_sample_value("counterfoil_outbox_age_seconds") or 0.0

    async def all_marked(self) -> bool:
        """Tell whether nothing is left to tell, so that what is announced next is told next."""
        async with self.database.every_workspace("test") as tx:
            return not await tx.scalar(text("select count(*) from event_log where sent_at is null"))

    async def unsent(self, ws: str) -> int:
        async with self.database.transaction(ws) as tx:
            return int(await tx.scalar(text("select count(*) from event_log where sent_at is null")))


@asynccontextmanager
async def an_outbox(urls: Urls, *, provisioned: bool = True) -> AsyncIterator[Outbox]:
    async with a_broker(provisioned=provisioned) as broker, as_user(broker, CHAOS, allow_reconnect=True) as chaos:
        database = Database(urls.app, "gateway", pool=40)
        try:
            yield Outbox(broker, database, chaos)
        finally:
            await database.close()


@pytest.fixture(scope="module")
async def outbox(postgres_server: PostgresServer) -> AsyncIterator[Outbox]:
    async with an_outbox(await plumbed(postgres_server, "gateway")) as outbox:
        yield outbox


async def test_a_fact_is_told_as_a_cloudevent_in_the_stream_of_its_owner(outbox: Outbox) -> None:
    ws = a_workspace()
    fact = a_fact(ws, "desk", name="Ada's desk")
    async with outbox.relaying():
        with traced(TRACE) as trace:
            await outbox.announce(fact)
        (msg,) = await outbox.tells(ws, "desk")

    headers = dict(msg.headers or {})
    assert headers.pop("traceparent")[:36] == f"00-{trace}-"
    assert headers.pop("Nats-Expected-Stream") == "GATEWAY"
    assert headers == {
        "Nats-Msg-Id": str(fact.id),
        "ce-specversion": "1.0",
        "ce-id": str(fact.id),
        "ce-source": "/counterfoil/gateway",
        "ce-type": WorkspaceCreated.SUBJECT,
        "ce-subject": fact.subject.id,
        "ce-time": fact.at.isoformat(),
        "ce-position": "1",
        "content-type": "application/json",
    }
    assert msg.subject == f"gateway.events.v1.workspace_created.{ws}"
    read = WorkspaceCreated.model_validate_json(msg.data or b"")
    assert read.model_copy(update={"salts": {}}) == fact


async def test_a_late_committer_is_not_missed_and_each_workspace_is_numbered_without_holes(outbox: Outbox) -> None:
    chance = random.Random(4711)
    workspaces = [a_workspace() for _ in range(4)]
    turns = asyncio.Semaphore(30)  # the pool has more: nobody waits there until patience ends

    async def commit(ws: str, slug: str, hold: float) -> None:
        async with turns, outbox.database.transaction(ws) as tx:
            tx.announce(a_fact(ws, slug))
            await tx.write_facts()
            tx._facts.clear()
            tx.wake()
            # It has its place in the log, and others that came later commit before it.
            await tx.execute(text("select pg_sleep(:hold)"), {"hold": hold})

    async with outbox.relaying():
        await asyncio.gather(*(commit(ws, f"s{n}", chance.uniform(0, 0.05)) for n in range(50) for ws in workspaces))

    for ws in workspaces:
        found = await outbox.told(ws)
        assert [int((msg.headers or {})["ce-position"]) for msg in found] == list(range(1, 51))
        assert {json.loads(msg.data or b"")["slug"] for msg in found} == {f"s{n}" for n in range(50)}


async def test_two_relays_at_once_tell_each_fact_once_and_in_order(outbox: Outbox) -> None:
    workspaces = [a_workspace() for _ in range(3)]
    async with outbox.relaying(2):
        for n in range(40):
            await asyncio.gather(*(outbox.announce(a_fact(ws, f"s{n}")) for ws in workspaces))
        for ws in workspaces:
            await outbox.tells(ws, *(f"s{n}" for n in range(40)))

    for ws in workspaces:
        await outbox.tells(ws, *(f"s{n}" for n in range(40)))


@pytest.mark.parametrize("count", [3, 20], ids=["one-by-one", "as-a-batch"])
async def test_a_relay_killed_between_the_brokers_receipt_and_its_own_mark_tells_nothing_twice(
    outbox: Outbox, count: int
) -> None:
    ws = a_workspace()
    await outbox.announce(*(a_fact(ws, f"s{n}") for n in range(count)))
    async with outbox.relay() as dying:
        await dying._publish(await dying._next(()))
    assert await outbox.unsent(ws) == count
    found = await outbox.tells(ws, *(f"s{n}" for n in range(count)))
    assert ["Nats-Batch-Id" in (msg.headers or {}) for msg in found] == [count == 20] * count

    async with outbox.relaying():
        await outbox.announce(a_fact(ws, "after"))
        await outbox.tells(ws, *(f"s{n}" for n in range(count)), "after")


async def test_what_is_announced_after_a_batch_is_gathered_for_the_next(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    gathered = asyncio.Event()

    async def gather(seconds: float) -> None:
        assert seconds == relaying._GATHER
        await gathered.wait()

    monkeypatch.setattr(relaying, "asyncio", SimpleNamespace(**vars(asyncio) | {"sleep": gather}))
    ws, slugs = a_workspace(), [f"s{n}" for n in range(28)]
    async with outbox.relaying():
        await outbox.announce(*(a_fact(ws, slug) for slug in slugs[:20]))
        await outbox.tells(ws, *slugs[:20])
        for slug in slugs[20:]:
            await outbox.announce(a_fact(ws, slug))
        gathered.set()
        found = await outbox.tells(ws, *slugs)
    batches = [(msg.headers or {})["Nats-Batch-Id"] for msg in found]
    assert (len(set(batches[:20])), len(set(batches[20:])), len(set(batches))) == (1, 1, 2)


async def test_a_batch_of_which_one_fact_is_stored_already_is_told_one_by_one(outbox: Outbox) -> None:
    ws = a_workspace()
    await outbox.announce(*(a_fact(ws, f"s{n}") for n in range(20)))
    async with outbox.relay() as dying:
        batch = await dying._next(())
        await dying._publish(batch[:5])

    async with outbox.relaying():
        await outbox.tells(ws, *(f"s{n}" for n in range(20)))
    await outbox.tells(ws, *(f"s{n}" for n in range(20)))


async def test_while_the_broker_is_away_facts_wait_and_then_all_arrive_in_order(gateway_urls: Urls) -> None:
    ws = a_workspace()
    async with an_outbox(gateway_urls) as outbox, outbox.relaying() as (relay,):
        await outbox.announce(a_fact(ws, "before"))
        await outbox.tells(ws, "before")
        await outbox.broker.kill()
        for n in range(12):
            await outbox.announce(a_fact(ws, f"s{n}"))
        await eventually(lambda: outbox.age(relay) > 0.1)
        assert await outbox.unsent(ws) >= 12

        await outbox.broker.start()
        await eventually(lambda: outbox.chaos.is_connected)
        await outbox.tells(ws, "before", *(f"s{n}" for n in range(12)))


async def test_when_the_stream_is_full_facts_wait_until_there_is_room(gateway_urls: Urls) -> None:
    ws = a_workspace()
    async with an_outbox(gateway_urls, provisioned=False) as outbox, outbox.relaying() as (relay,):
        async with as_user(outbox.broker, PROVISIONER) as provisioner:
            tiny = stream_config(GATEWAY) | {"max_bytes": 8 * 1024}
            await api(provisioner, "STREAM.CREATE.GATEWAY", tiny)
        for n in range(30):
            await outbox.announce(a_fact(ws, f"s{n}"))
        await eventually(lambda: outbox.age(relay) > 0.2)
        waiting = await outbox.unsent(ws)
        assert 0 < waiting <= 30
        assert len(await outbox.told(ws)) < 30

        await provision(outbox.broker.url_for(PROVISIONER), apply=True)
        await outbox.tells(ws, *(f"s{n}" for n in range(30)))


@pytest.mark.parametrize("count", [1, 20], ids=["one-by-one", "as-a-batch"])
async def test_a_fact_goes_to_its_own_stream_or_waits(gateway_urls: Urls, count: int) -> None:
    ws = a_workspace()
    async with an_outbox(gateway_urls, provisioned=False) as outbox, outbox.relaying() as (relay,):
        impostor = stream_config(GATEWAY) | {"name": "IMPOSTOR"}
        await api(outbox.chaos, "STREAM.CREATE.IMPOSTOR", impostor)
        await outbox.announce(*(a_fact(ws, f"s{n}") for n in range(count)))
        await eventually(lambda: outbox.age(relay) > 0.2)
        assert await outbox.told(ws, "IMPOSTOR") == []
        assert await outbox.unsent(ws) == count

        await api(outbox.chaos, "STREAM.DELETE.IMPOSTOR")
        await eventually(lambda: outbox.age(relay) > 0.6)
        assert await outbox.unsent(ws) == count
        await provision(outbox.broker.url_for(PROVISIONER))
        await outbox.tells(ws, *(f"s{n}" for n in range(count)))


@pytest.mark.parametrize("letter", ["x", "я", '"'], ids=["plain", "two-bytes", "escaped"])
async def test_a_fact_that_enters_the_log_fits_into_its_stream(outbox: Outbox, letter: str) -> None:
    ws = a_workspace()
    fits, too_large = 1, GATEWAY.max_msg_size + 1
    while too_large - fits > 1:
        middle = (fits + too_large) // 2
        if await taken(outbox, a_fact(ws, "try", name=letter * middle)):
            fits = middle
        else:
            too_large = middle

    largest = [a_fact(ws, f"s{n}", name=letter * fits) for n in range(10)]
    async with outbox.relaying():
        await outbox.announce(largest[0])
        await outbox.tells(ws, "s0")
        await outbox.announce(*largest[1:])
        await outbox.tells(ws, *(f"s{n}" for n in range(10)))


async def taken(outbox: Outbox, fact: Event) -> bool:
    """Tell whether the log would take a fact, without leaving it there."""
    with suppress(TooLarge):
        async with outbox.database.rehearsal(fact.workspace_id) as tx:
            tx.announce(fact)
        return True
    return False


async def test_words_are_sealed_in_the_log_and_plain_in_the_message_with_the_salts_that_prove_them(
    outbox: Outbox,
) -> None:
    ws = a_workspace()
    fact = a_fact(ws, "desk", name="Words that somebody wrote")
    await outbox.announce(fact)

    async with outbox.database.transaction(ws) as tx:
        row = await tx.one(text("select body, body::text as written from event_log"))
        words = {
            each["pointer"]: (each["salt"], each["text"])
            for each in await tx.all(text("select pointer, salt, text from event_texts"))
        }
    assert row
    assert "somebody" not in row["written"]
    assert "Ada" not in row["written"]
    assert {pointer: word for pointer, (_, word) in words.items()} == {
        "/name": "Words that somebody wrote",
        "/actor/name": "Ada",
    }
    assert row["body"]["name"] == digest(*words["/name"])
    assert row["body"]["actor"]["name"] == digest(*words["/actor/name"])
    assert len({salt for salt, _ in words.values()}) == 2

    async with outbox.relaying():
        outbox.database.wake()
        (msg,) = await outbox.tells(ws, "desk")
    read = WorkspaceCreated.model_validate_json(msg.data or b"")
    assert (read.name, read.actor.name) == ("Words that somebody wrote", "Ada")
    assert read.salts == {pointer: salt for pointer, (salt, _) in words.items()}


async def test_words_that_were_erased_are_told_as_their_digest(outbox: Outbox) -> None:
    ws = a_workspace()
    await outbox.announce(a_fact(ws, "desk", name="Words to be forgotten"))
    async with outbox.database.transaction(ws) as tx:
        sealed = await tx.scalar(text("select body ->> 'name' from event_log"))
        await tx.execute(text("delete from event_texts where pointer = '/name'"))

    async with outbox.relaying():
        outbox.database.wake()
        (msg,) = await outbox.tells(ws, "desk")
    read = WorkspaceCreated.model_validate_json(msg.data or b"")
    assert (read.name, read.actor.name) == (sealed, "Ada")
    assert list(read.salts) == ["/actor/name"]


async def test_what_happened_to_a_record_since_a_version_can_be_read_from_the_log(outbox: Outbox) -> None:
    ws = a_workspace()
    first = a_fact(ws, "v1")
    facts = [
        first.model_copy(
            update={
                "id": a_fact(ws, "").id,
                "slug": f"v{n}",
                "subject": first.subject.model_copy(update={"version": n}),
            }
        )
        for n in range(1, 5)
    ]
    await outbox.announce(*facts, a_fact(ws, "of another record"))

    async with outbox.database.transaction(ws) as tx:
        missed = await events_since(tx, "workspace", first.subject.id, 2)
        fifth = {"id": a_fact(ws, "").id, "slug": "v5", "subject": first.subject.model_copy(update={"version": 5})}
        tx.announce(first.model_copy(update=fifth), a_fact(ws, "of another record"))
        unwritten = await events_since(tx, "workspace", first.subject.id, 3)
        assert [event["slug"] for event in unwritten] == ["v4", "v5"]
        assert [{*event} for event in unwritten] == [{*missed[1]}] * 2
        assert [event["slug"] for event in await events_since(tx, "workspace", first.subject.id, 3, limit=1)] == ["v4"]
    assert [(event["type"], event["slug"], event["name"]) for event in missed] == [
        ("workspace_created", "v3", "A desk"),
        ("workspace_created", "v4", "A desk"),
    ]


async def test_a_relay_that_outlives_its_lead_numbers_nothing_while_another_does(outbox: Outbox) -> None:
    ws = a_workspace()
    await outbox.announce(a_fact(ws, "one"))
    async with outbox.relay() as relay, outbox.database.every_workspace("relay") as tx:
        await tx.execute(text("select pg_advisory_xact_lock(hashtextextended('relay', 0))"))
        assert await relay._next(()) == []
        assert await tx.scalar(text("select position from event_log where workspace_id = :ws"), {"ws": ws}) is None
    async with outbox.relaying():
        outbox.database.wake()
        await outbox.tells(ws, "one")
