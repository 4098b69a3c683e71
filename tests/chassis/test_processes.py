"""Services as processes: frozen, robbed of their broker or durable, told to stop. None is lost, none spins."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from chassis.connection import LOST
from chassis.provision import PROVISIONER, provision
from chassis.service import Service
from chassis.telemetry import traced
from tests.support.eventually import eventually
from tests.support.infra import NatsServer, Urls
from tests.support.replicas import (
    CHAOS,
    Process,
    a_broker,
    a_fact,
    a_gateway,
    a_note,
    a_process,
    a_tickets,
    a_workspace,
    api,
    as_user,
    heard,
    running,
    settings_for,
)


@dataclass(slots=True)
class Processes:
    """What the tests of this module have started, and the last of it."""

    stack: AsyncExitStack
    last: Process | None = None


@dataclass(slots=True)
class House:
    """A broker to be crashed, both databases, and a gateway at work."""

    broker: NatsServer
    gateway: Service
    tickets: Urls

    async def announce(self, ws: str, *slugs: str) -> None:
        async with self.gateway.database.transaction(ws) as tx:
            tx.announce(*(a_fact(ws, slug) for slug in slugs))

    async def hears(self, ws: str, *slugs: str) -> None:
        observer = a_tickets(settings_for(self.broker, "tickets", self.tickets)).database

        async def said() -> bool:
            found = await heard(observer, ws)
            assert found == list(slugs)
            return True

        try:
            await eventually(said)
        finally:
            await observer.close()


@pytest.fixture(scope="module")
async def house(gateway_urls: Urls, tickets_urls: Urls) -> AsyncIterator[House]:
    async with a_broker() as broker:
        gateway = a_gateway(settings_for(broker, "gateway", gateway_urls))
        async with running(gateway):
            yield House(broker, gateway, tickets_urls)


@pytest.fixture(scope="module")
async def processes() -> AsyncIterator[Processes]:
    async with AsyncExitStack() as stack:
        yield Processes(stack)


@pytest.fixture
async def tickets(house: House, processes: Processes) -> Process:
    """A process that leads; tests share it for as long as it lives, since it takes its time to start."""
    if processes.last is None or processes.last.process.returncode is not None:
        processes.last = await processes.stack.enter_async_context(a_process("tickets", house.broker, house.tickets))
    await processes.last.says("consumer.started", stream="GATEWAY")
    return processes.last


async def test_what_a_process_logs_is_one_json_object_a_line_with_the_trace_it_belongs_to(
    house: House, tickets: Process
) -> None:
    ws, trace = a_workspace(), "0af7651916cd43dd8448eb211c80319c"
    with traced(f"00-{trace}-b7ad6b7169203331-01"):
        await house.announce(ws, "told")
        await house.gateway.bus.ask(a_note(ws, "a planted secret"))

    heard_line = await tickets.says("message.heard", workspace=ws)
    asked_line = await tickets.says("request.answered", type="add_note", trace_id=trace)

    assert [line["trace_id"] for line in tickets.lines("message.heard", workspace=ws)] == [trace]
    assert len(tickets.lines("request.answered", type="add_note", trace_id=trace)) == 1
    assert (heard_line["outcome"], asked_line["outcome"]) == ("applied", "ok")
    assert {"timestamp", "level"} <= heard_line.keys() & asked_line.keys()
    assert (heard_line["service"], asked_line["service"]) == ("tickets", "tickets")
    whole = tickets.log.read_text(encoding="utf-8")
    assert len(tickets.lines()) == len(whole.splitlines()), whole
    assert "planted" not in whole


async def test_through_a_broker_crash_nothing_is_lost_nobody_spins_and_all_connect_again(
    house: House, tickets: Process
) -> None:
    ws = a_workspace()
    await house.announce(ws, "before")
    await house.hears(ws, "before")

    await house.broker.kill()
    await tickets.says("nats.disconnected")
    away, worked = time.monotonic(), tickets.cpu_seconds()
    await house.announce(ws, "meanwhile")
    await eventually(lambda: time.monotonic() - away > 2)
    assert (tickets.cpu_seconds() - worked) / (time.monotonic() - away) < 0.2
    await house.broker.start()
    await house.announce(ws, "after")

    await house.hears(ws, "before", "meanwhile", "after")
    assert (await house.gateway.bus.ask(a_note(ws, "Answered again."))).body == "Answered again."
    assert tickets.process.returncode is None


async def test_a_leader_frozen_in_the_middle_of_its_work_keeps_neither_the_lead_nor_the_rows(
    house: House, tickets: Process
) -> None:
    ws, second = a_workspace(), a_tickets(settings_for(house.broker, "tickets", house.tickets))
    async with running(second):
        await house.announce(ws, "hang", "behind")
        await tickets.says("test.hangs")
        frozen = time.monotonic()
        tickets.process.send_signal(signal.SIGSTOP)

        await eventually(lambda: second.leader.leading)
        # Five seconds, and as much again for a busy machine; without its deadline a frozen session stays for hours.
        assert time.monotonic() - frozen < 10
        await house.hears(ws, "hang", "behind")
        tickets.process.send_signal(signal.SIGCONT)
        await tickets.says("leader.stepped_down")
        await house.announce(ws, "afterwards")
        await house.hears(ws, "hang", "behind", "afterwards")
        assert second.leader.leading
    await eventually(lambda: len(tickets.lines("leader.elected")) == 2)


async def test_a_service_without_its_durable_ends_so_that_a_supervisor_notices(house: House, tickets: Process) -> None:
    async with as_user(house.broker, CHAOS) as chaos:
        await api(chaos, "CONSUMER.DELETE.GATEWAY.tickets")
        assert await tickets.ends() == LOST == 70
        assert "run the provisioner" in tickets.lines("process.lost")[0]["reason"]
        names = await api(chaos, "CONSUMER.NAMES.GATEWAY")
        assert "tickets" not in names["consumers"], "only the provisioner makes consumers"
    await provision(house.broker.url_for(PROVISIONER))


async def test_a_service_waits_for_a_broker_that_is_away_and_hears_sigterm_all_the_while(house: House) -> None:
    await house.broker.kill()
    async with (
        a_process("tickets", house.broker, house.tickets) as patient,
        a_process("tickets", house.broker, house.tickets) as stopped,
    ):
        await asyncio.gather(patient.says("nats.error"), stopped.says("nats.error"))
        stopped.process.send_signal(signal.SIGTERM)
        assert await stopped.ends() == 0
        await house.broker.start()
        await patient.says("consumer.started")

        await house.broker.kill()
        await patient.says("nats.disconnected")
        patient.process.send_signal(signal.SIGTERM)
        assert await patient.ends() == 0, patient.lines("process.crashed")
        assert patient.lines("service.stopped")
        assert not patient.lines("service.drain_cut_short")
    await house.broker.start()
