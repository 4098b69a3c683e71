"""What is heard is applied in order and once, whatever happens; nothing is dropped, and nobody waits for another."""

import asyncio
import itertools
import json
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from statistics import median
from typing import Any

import pytest
from nats.aio.msg import Msg
from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError
from sqlalchemy import text

from chassis import lanes, outbox
from chassis.bus import NotYet, Transaction
from chassis.database import Database
from chassis.lanes import Lanes
from chassis.provision import OPERATOR, PROVISIONER, provision
from chassis.service import Service
from chassis.telemetry import Metrics
from contracts.gateway import WorkspaceCreated
from contracts.refusals import Invalid
from contracts.tickets import TicketRequested, TicketsDeadLetter
from tests.support.eventually import eventually
from tests.support.infra import PostgresServer, Urls
from tests.support.plumbing import plumbed
from tests.support.replicas import (
    CHAOS,
    HEARD,
    Desk,
    Reaction,
    Script,
    a_broker,
    a_fact,
    a_gateway,
    a_tickets,
    a_workspace,
    an_unheard_fact,
    api,
    as_user,
    heard,
    paced,
    running,
    settings_for,
)


def failing(times: int, error: Callable[[], Exception], calls: list[float]) -> Reaction:
    """A handler that fails so many times, and notes when it was called."""

    async def react(_: Any, tx: Transaction) -> None:
        calls.append(time.monotonic())
        if len(calls) <= times:
            raise error()

    return react


async def test_an_exception_loses_nothing_and_is_tried_again_after_a_growing_delay(desk: Desk) -> None:
    ws, calls = a_workspace(), list[float]()
    desk.script.hears[ws] = failing(2, lambda: RuntimeError("a bug"), calls)

    await desk.announce(a_fact(ws, "shy"))

    await desk.hears(ws, "shy")
    first, second = (later - earlier for earlier, later in itertools.pairwise(calls))
    assert first > 0.35
    assert second > 0.7
    assert await desk.buried(ws) == []


async def test_a_bug_that_stays_is_buried_without_its_words_and_those_behind_it_pass(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "_FIRST_DELAY", 0.001)
    monkeypatch.setattr(lanes, "_TICK", 0.01)
    ws, calls = a_workspace(), list[float]()
    desk.script.hears[ws] = failing(8, lambda: KeyError("somebody's words"), calls)

    await desk.announce(a_fact(ws, "cursed"))
    (letter,) = await desk.buries(ws, "internal")
    await desk.announce(a_fact(ws, "behind"))

    await desk.hears(ws, "behind")
    assert letter["detail"] == "KeyError after 8 tries"


async def test_weather_is_never_buried_however_long_it_lasts_and_does_not_count_against_a_bug(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "_FIRST_DELAY", 0.001)
    monkeypatch.setattr(lanes, "_LAST_DELAY_OF_WEATHER", 0.001)
    monkeypatch.setattr(lanes, "_TICK", 0.01)
    ws, calls = a_workspace(), list[float]()
    desk.script.hears[ws] = failing(
        21, lambda: RuntimeError("a bug") if len(calls) == 21 else ConnectionError("rain"), calls
    )

    await desk.announce(a_fact(ws, "patient"))

    await desk.hears(ws, "patient")
    assert len(calls) == 22
    assert await desk.buried(ws) == []


async def test_a_body_that_cannot_be_read_is_buried_with_its_reason_and_those_behind_it_pass(desk: Desk) -> None:
    ws = a_workspace()
    await desk.publish(a_fact(ws, "one"), 1)
    sequence = await desk.publish(a_fact(ws, "two"), 2, b"{rubbish")
    await desk.publish(a_fact(ws, "three"), 3)

    await desk.hears(ws, "one", "three")

    (letter,) = await desk.buried(ws)
    assert (letter["reason"], letter["stream"], letter["sequence"]) == ("invalid", "GATEWAY", sequence)
    assert letter["subject"] == WorkspaceCreated.subject_for(ws)
    assert letter["body"] == b"{rubbish"
    assert "must be JSON" in letter["detail"]


async def test_order_is_kept_and_one_handler_runs_at_a_time_in_batches_of_a_hundred(desk: Desk) -> None:
    running_now, most, seen = 0, 0, dict[str, list[str]]()
    workspaces = [a_workspace() for _ in range(3)]

    async def react(fact: WorkspaceCreated, tx: Transaction) -> None:
        nonlocal running_now, most
        running_now += 1
        most = max(most, running_now)
        await tx.execute(text("select 1"))
        seen.setdefault(tx.workspace_id, []).append(fact.slug)
        running_now -= 1

    labels = [f"s{n}" for n in range(150)]
    for ws in workspaces:
        desk.script.hears[ws] = react
    await asyncio.gather(*(desk.announce(*(a_fact(ws, slug) for slug in labels)) for ws in workspaces))

    for ws in workspaces:
        await desk.hears(ws, *labels)
        assert seen[ws] == labels, "a batch was begun twice, although nothing failed"
    assert most == 1


async def test_nothing_is_held_back_by_a_request_of_before(desk: Desk) -> None:
    """Where two requests wait at once, what comes second is the end of neither, and lies until one of them is over."""
    asks: asyncio.Queue[Msg] = asyncio.Queue()
    async with as_user(desk.broker, CHAOS) as chaos:
        await chaos.subscribe("$JS.API.CONSUMER.MSG.NEXT.GATEWAY.tickets", cb=asks.put)
        for _ in range(5):
            await asyncio.wait_for(asks.get(), 30)
            waiting = (await chaos.jetstream().consumer_info("GATEWAY", "tickets")).num_waiting
            assert waiting <= 1


async def test_poison_in_a_batch_is_buried_and_told_and_the_others_are_applied_once(desk: Desk) -> None:
    ws = a_workspace()

    async def react(fact: WorkspaceCreated, tx: Transaction) -> None:
        if fact.slug == "s13":
            raise Invalid.field("slug", "taken", "somebody has it")

    desk.script.hears[ws] = react
    await desk.announce(*(a_fact(ws, f"s{n}") for n in range(30)))

    await desk.hears(ws, *(f"s{n}" for n in range(30) if n != 13))
    (row,) = await desk.buried(ws)
    assert row["detail"] == "Some fields need another value. slug: somebody has it"

    async with as_user(desk.broker, OPERATOR) as operator:

        async def told() -> RawStreamMsg | None:
            with suppress(NotFoundError):
                return await operator.jetstream().get_last_msg("DEADLETTERS", f"{TicketsDeadLetter.SUBJECT}.{ws}")
            return None

        answer = await eventually(told)
    assert (answer.headers or {})["dead-letter-reason"] == "invalid"
    letter = TicketsDeadLetter.model_validate_json(answer.data or b"")
    assert (letter.id, letter.reason, letter.service, letter.workspace_id) == (row["id"], "invalid", "tickets", ws)
    assert letter.size == len(row["body"])


async def test_a_dead_letter_is_told_at_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    ws = a_workspace()
    monkeypatch.setattr(outbox, "_POLL", 60.0)
    desk.tickets.database.wake()

    await desk.publish(a_fact(ws, "rubbish"), 1, b"rubbish")
    await desk.buries(ws, "invalid")

    async def told() -> bool:
        return (await desk.buried(ws))[0]["sent_at"] is not None

    await eventually(told)


async def test_redelivery_of_everything_changes_nothing(desk: Desk, shop: Any) -> None:
    ws = a_workspace()
    await desk.announce(*(a_fact(ws, f"s{n}") for n in range(20)))
    for n in range(5):
        await desk.publish_intake(ws, "crm", {"external_id": f"x{n}", "subject": "Help"}, id=f"id-{n}")
        await desk.publish_intake(ws, "crm", {"external_id": f"y{n}", "subject": "Help"})
    await desk.publish_intake(ws, "crm", b"rubbish")
    await eventually(lambda: _long(desk, ws, 30))
    await desk.buries(ws, "invalid")
    before = await _dump(desk, ws)

    async with as_user(desk.broker, "tickets") as tickets:
        for stream in ("GATEWAY", "INTAKE"):
            await desk.settled(stream)
            known = desk.counted("heard_total", stream=stream, outcome="known")
            await api(tickets, f"CONSUMER.RESET.{stream}.tickets", {"seq": 1})
            await desk.settled(stream)
            assert desk.counted("heard_total", stream=stream, outcome="known") > known

    assert await _dump(desk, ws) == before


async def _long(desk: Desk, ws: str, length: int) -> bool:
    return len(await desk.heard(ws)) == length


async def _dump(desk: Desk, ws: str) -> list[list[tuple[Any, ...]]]:
    async with desk.tickets.database.transaction(ws) as tx:
        return [
            [tuple(row.values()) for row in await tx.all(text(f"select {columns} order by 1, 2, 3"))]
            for columns in (
                "* from heard",
                "* from consumed",
                "* from inbox",
                "id, at, sequence, reason, body from dead_letters",
            )
        ]


async def test_what_was_committed_but_not_acked_comes_to_the_next_leader_at_once_and_is_not_applied_again(
    postgres_server: PostgresServer,
) -> None:
    ws, facts = a_workspace(), [f"s{n}" for n in range(10)]
    gateway_urls = await plumbed(postgres_server, "gateway")
    tickets_urls = await plumbed(postgres_server, "tickets", HEARD, tenants=["heard"])
    async with AsyncExitStack() as stack:
        broker = await stack.enter_async_context(a_broker())
        operator = await stack.enter_async_context(as_user(broker, OPERATOR))
        gateway = a_gateway(settings_for(broker, "gateway", gateway_urls))
        tickets = a_tickets(settings_for(broker, "tickets", tickets_urls))
        before = Database(tickets_urls.app, "tickets")
        stack.push_async_callback(before.close)

        async def unacked() -> int:
            told = await api(operator, "CONSUMER.INFO.GATEWAY.tickets")
            return int(told["num_ack_pending"] + told["num_pending"])

        async with running(gateway):
            async with gateway.database.transaction(ws) as tx:
                tx.announce(*(a_fact(ws, slug) for slug in facts))
            # One fetch brings what is there, and does not wait for more.
            await eventually(lambda: _is(unacked, len(facts)))
            async with as_user(broker, "tickets") as dying:
                durable = await dying.jetstream().pull_subscribe_bind(
                    "tickets", "GATEWAY", inbox_prefix=b"_INBOX_tickets.pull."
                )
                fetched = await durable.fetch(len(facts), timeout=5)
            # Its connection is gone: whatever it acks from now on reaches nobody.
            await Lanes("GATEWAY", "tickets", before, Metrics("tickets"), tickets.bus._ears).take(
                fetched, time.monotonic()
            )

        assert await heard(before, ws) == facts
        assert await unacked() == len(facts)
        async with running(tickets):
            await eventually(lambda: _is(unacked, 0))
            assert await heard(before, ws) == facts


async def _is(probe: Callable[[], Any], wanted: object) -> bool:
    return bool(await probe() == wanted)


async def test_what_was_fetched_and_could_not_be_applied_comes_to_the_next_leader(
    gateway_urls: Urls, tickets_urls: Urls
) -> None:
    ws, calls = a_workspace(), list[float]()
    async with a_broker() as broker:
        gateway = a_gateway(settings_for(broker, "gateway", gateway_urls))
        stormy = a_tickets(
            settings_for(broker, "tickets", tickets_urls), Script({ws: failing(1000, lambda: OSError("rain"), calls)})
        )
        async with running(gateway):
            async with running(stormy):
                async with gateway.database.transaction(ws) as tx:
                    tx.announce(*(a_fact(ws, f"s{n}") for n in range(3)))
                await eventually(lambda: calls)
            calm = a_tickets(settings_for(broker, "tickets", tickets_urls))
            async with running(calm):

                async def said() -> bool:
                    return await heard(calm.database, ws) == ["s0", "s1", "s2"]

                await eventually(said)


def test_nobody_waits_longer_than_five_seconds_once_bad_weather_has_passed() -> None:
    waits = [lanes._delay(tries, lanes._LAST_DELAY_OF_WEATHER) for tries in range(1, 200)]
    assert max(waits) <= 5
    assert min(waits) > 0.3


async def test_a_workspace_in_bad_weather_delays_only_itself_and_is_not_late_once_it_has_passed(desk: Desk) -> None:
    stormy, calm = a_workspace(), a_workspace()
    storm = False
    told, late = dict[str, float](), dict[str, float]()
    spoken = itertools.count()

    async def react(fact: WorkspaceCreated, tx: Transaction) -> None:
        if storm and tx.workspace_id == stormy:
            raise ConnectionError("rain")
        late[fact.slug] = time.monotonic() - told[fact.slug]

    async def speak(ws: str, slug: str) -> None:
        told[slug] = time.monotonic()
        await desk.announce(a_fact(ws, slug))

    async def both_speak(many: int) -> list[int]:
        numbers = [next(spoken) for _ in range(many)]
        async for n in paced(many, 0.05):
            await asyncio.gather(speak(stormy, f"stormy {numbers[n]}"), speak(calm, f"calm {numbers[n]}"))
        return numbers

    def lateness(name: str, numbers: list[int]) -> float:
        return median(late[f"{name} {n}"] for n in numbers)

    async def calm_hears(numbers: list[int]) -> None:
        await desk.hears(calm, *(f"calm {n}" for n in range(numbers[-1] + 1)))

    desk.script.hears |= {stormy: react, calm: react}
    before = await both_speak(15)
    await calm_hears(before)
    storm = True
    during = await both_speak(20)
    await calm_hears(during)
    assert not any(f"stormy {n}" in late for n in during)
    storm = False
    passed = time.monotonic()
    while f"stormy {during[-1]}" not in late and time.monotonic() - passed < 20:
        await both_speak(4)
    after = await both_speak(15)
    await calm_hears(after)
    await desk.hears(stormy, *(f"stormy {n}" for n in range(after[-1] + 1)))

    # How late anything is depends on the machine; whom the storm delays waits its delays besides.
    assert lateness("calm", during) < lateness("calm", before) + lanes._FIRST_DELAY
    assert lateness("stormy", after) < lateness("calm", after) + lanes._FIRST_DELAY
    assert await desk.buried(stormy) == []


async def test_a_workspace_that_fills_the_memory_delays_only_itself(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "_MOST_HELD", 20)
    monkeypatch.setattr(lanes, "_HEARTBEAT", 0.2)
    stormy, calm = a_workspace(), a_workspace()
    storm = True
    turned_away: set[str] = set()

    async def react(fact: WorkspaceCreated, tx: Transaction) -> None:
        if storm:
            raise ConnectionError("rain")

    async def nak(msg: Msg, delay: float | None = None) -> None:
        turned_away.add(msg.subject.rpartition(".")[2])
        await plain_nak(msg, delay)

    plain_nak = Msg.nak
    monkeypatch.setattr(Msg, "nak", nak)
    desk.script.hears[stormy] = react
    await desk.announce(a_fact(stormy, "s0"))
    await eventually(lambda: desk.counted("held", stream="GATEWAY") == 1)
    await desk.announce(*(a_fact(stormy, f"s{n}") for n in range(1, 60)))
    await eventually(lambda: desk.counted("held", stream="GATEWAY") >= 20)
    await desk.announce(*(a_fact(calm, f"c{n}") for n in range(30)))
    await desk.hears(calm, *(f"c{n}" for n in range(30)))
    assert desk.counted("held", stream="GATEWAY") <= 21
    assert turned_away == {stormy}

    storm = False
    await desk.hears(stormy, *(f"s{n}" for n in range(60)))


async def test_a_gap_in_the_positions_is_waited_for_alone_and_never_skipped(desk: Desk) -> None:
    gappy, whole = a_workspace(), a_workspace()
    for position in (1, 4, 3):
        await desk.publish(a_fact(gappy, f"g{position}"), position)
    await desk.announce(a_fact(whole, "w1"), a_fact(whole, "w2"))

    await desk.hears(whole, "w1", "w2")
    await eventually(lambda: desk.counted("gap_seconds", stream="GATEWAY") > 1)
    assert await desk.heard(gappy) == ["g1"]
    assert await desk.buried(gappy) == []

    await desk.publish(a_fact(gappy, "g2"), 2)
    await desk.hears(gappy, "g1", "g2", "g3", "g4")
    await eventually(lambda: desk.counted("gap_seconds", stream="GATEWAY") == 0)


async def test_a_fact_stored_twice_is_applied_once(desk: Desk) -> None:
    ws = a_workspace()
    for position in (1, 2, 1, 2, 3):
        await desk.publish(a_fact(ws, f"s{position}"), position)

    await desk.hears(ws, "s1", "s2", "s3")
    await desk.settled("GATEWAY")
    assert await desk.heard(ws) == ["s1", "s2", "s3"]


async def test_a_fact_that_nobody_asked_for_takes_its_place_in_the_order(desk: Desk) -> None:
    ws = a_workspace()
    await desk.announce(a_fact(ws, "one"), an_unheard_fact(ws), a_fact(ws, "three"))

    await desk.hears(ws, "one", "three")
    assert await desk.buried(ws) == []


async def test_what_is_not_yet_possible_waits_until_it_is(desk: Desk) -> None:
    ws, calls = a_workspace(), list[float]()
    desk.script.hears[ws] = failing(1, lambda: NotYet("nobody knows them", give_up_after=30), calls)

    await desk.announce(a_fact(ws, "early"), a_fact(ws, "behind"))

    await desk.hears(ws, "early", "behind")
    assert await desk.buried(ws) == []


async def test_what_never_becomes_possible_is_buried_when_it_is_too_old(desk: Desk) -> None:
    ws, calls = a_workspace(), list[float]()
    desk.script.hears[ws] = failing(1000, lambda: NotYet("nobody knows them", give_up_after=0.8), calls)

    await desk.announce(a_fact(ws, "hopeless"))

    (letter,) = await desk.buries(ws, "invalid")
    assert letter["detail"] == "nobody knows them"
    assert calls[-1] - calls[0] > 0.8
    desk.script.hears.pop(ws)
    await desk.announce(a_fact(ws, "behind"))
    await desk.hears(ws, "behind")


async def test_a_stream_that_was_made_anew_begins_its_numbers_again_and_nothing_in_it_is_taken_for_known(
    tickets_urls: Urls,
) -> None:
    ws = a_workspace()
    subject = TicketRequested.subject_for(ws, "crm")
    async with a_broker() as broker, as_user(broker, CHAOS) as chaos:
        for age in ("old", "new"):
            tickets = a_tickets(settings_for(broker, "tickets", tickets_urls))
            async with running(tickets):
                good = json.dumps({"external_id": age, "subject": "Help"}).encode()
                assert (await chaos.jetstream().publish(subject, good)).seq == 1
                assert (await chaos.jetstream().publish(subject, f"{age} rubbish".encode())).seq == 2

                async def told(age: str = age, tickets: Service = tickets) -> bool:
                    async with tickets.database.transaction(ws) as tx:
                        bodies = [row["body"] for row in await tx.all(text("select body from dead_letters"))]
                        return f"{age} rubbish".encode() in bodies

                await eventually(told)
            await api(chaos, "STREAM.DELETE.INTAKE")
            await provision(broker.url_for(PROVISIONER))
        async with running(tickets := a_tickets(settings_for(broker, "tickets", tickets_urls))):
            assert await heard(tickets.database, ws) == ["old of crm", "new of crm"]
