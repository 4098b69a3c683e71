"""Each thing that is counted moves when its cause happens, and only its cause."""

import asyncio
from typing import Any

import pytest

from chassis import lanes
from chassis.bus import Transaction
from chassis.looking import look
from chassis.service import Service
from tests.support.eventually import eventually
from tests.support.infra import Urls
from tests.support.replicas import Desk, a_broker, a_fact, a_gateway, a_note, a_workspace, running
from tests.support.replicas import settings_for as settings

FILL = ("counterfoil_stream_fill_ratio", {"stream": "GATEWAY"})


def said(of: Service, name: str, **labels: str) -> float:
    return of.metrics.registry.get_sample_value(f"counterfoil_{name}", labels) or 0.0


async def test_what_is_told_and_heard_is_counted_on_both_ends(desk: Desk) -> None:
    before = {
        "relayed": said(desk.gateway, "relayed_total", stream="GATEWAY"),
        "rounds": said(desk.gateway, "published_together_count"),
        "receipts": said(desk.gateway, "receipt_seconds_count"),
        "applied": desk.counted("heard_total", stream="GATEWAY", outcome="applied"),
        "together": desk.counted("applied_together_sum", stream="GATEWAY"),
        "answered": desk.counted("request_seconds_count", type="add_note", outcome="ok"),
    }
    ws = a_workspace()

    await desk.announce(a_fact(ws, "one"), a_fact(ws, "two"), a_fact(ws, "three"))
    await desk.hears(ws, "one", "two", "three")
    await desk.gateway.bus.ask(a_note(ws))

    await eventually(lambda: said(desk.gateway, "relayed_total", stream="GATEWAY") == before["relayed"] + 3)
    assert said(desk.gateway, "published_together_count") > before["rounds"]
    assert said(desk.gateway, "receipt_seconds_count") > before["receipts"]
    assert desk.counted("heard_total", stream="GATEWAY", outcome="applied") == before["applied"] + 3
    assert desk.counted("applied_together_sum", stream="GATEWAY") == before["together"] + 3
    assert desk.counted("request_seconds_count", type="add_note", outcome="ok") == before["answered"] + 1
    assert (said(desk.gateway, "nats_connected"), said(desk.gateway, "leading")) == (1, 1)


async def test_a_consumer_that_is_stuck_lags_retries_and_is_brought_things_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "_FIRST_DELAY", 0.01)
    ws, free = a_workspace(), asyncio.Event()
    retries = desk.counted("retries_total", stream="GATEWAY")
    again = desk.counted("redelivered_total", stream="GATEWAY")

    async def stuck(_: Any, tx: Transaction) -> None:
        if not free.is_set():
            raise ConnectionError("rain")

    async def lag() -> float:
        await look(desk.tickets.bus.nats, desk.tickets.database, desk.tickets.metrics)
        return desk.counted("consumer_lag", stream="GATEWAY")

    async def lags() -> bool:
        return await lag() >= 2

    async def has_caught_up() -> bool:
        return await lag() == 0

    desk.script.hears[ws] = stuck
    await desk.announce(a_fact(ws, "one"), a_fact(ws, "two"))

    await eventually(lags)
    await eventually(lambda: desk.counted("retries_total", stream="GATEWAY") > retries)
    await eventually(lambda: desk.counted("held", stream="GATEWAY") == 2)
    monkeypatch.setattr(lanes, "_MOST_HELD", 0)
    monkeypatch.setattr(lanes, "_HEARTBEAT", 0.05)
    await desk.announce(a_fact(ws, "three"))
    await eventually(lambda: desk.counted("redelivered_total", stream="GATEWAY") > again)
    free.set()
    await desk.hears(ws, "one", "two", "three")
    await eventually(has_caught_up)


async def test_what_is_buried_is_counted_and_found_where_it_lies(desk: Desk) -> None:
    ws = a_workspace()
    buried = desk.counted("heard_total", stream="INTAKE", outcome="buried")

    await desk.publish_intake(ws, "shop", b"{rubbish")
    await desk.buries(ws, "invalid")

    await look(desk.tickets.bus.nats, desk.tickets.database, desk.tickets.metrics)
    assert desk.counted("heard_total", stream="INTAKE", outcome="buried") == buried + 1
    assert desk.counted("dead_letters") >= 1
    assert 0 < desk.counted("stream_fill_ratio", stream="INTAKE") < 1
    assert desk.counted("stream_bytes", stream="INTAKE") > 0
    assert desk.counted("store_bytes") > 1 << 20
    assert 0 < desk.counted("disk_free_bytes") < desk.counted("disk_bytes")


async def test_an_outbox_ages_while_the_broker_is_away_and_who_leads_no_longer_says_nothing(
    gateway_urls: Urls,
) -> None:
    async with a_broker() as broker:
        gateway = a_gateway(settings(broker, "gateway", gateway_urls))

        @gateway.every(0.05, "broken")
        async def broken() -> None:
            raise KeyError

        async with running(gateway):
            await eventually(lambda: gateway.metrics.registry.get_sample_value(*FILL) is not None)
            await broker.kill()
            ws = a_workspace()
            async with gateway.database.transaction(ws) as tx:
                assert said(gateway, "database_sessions") >= 1
                tx.announce(a_fact(ws, "late"))
            await eventually(lambda: said(gateway, "outbox_age_seconds") > 1)
            await eventually(lambda: said(gateway, "nats_connected") == 0)
            assert said(gateway, "outbox_unsent") >= 1
            assert said(gateway, "timer_failures_total", timer="broken") >= 1
            await broker.start()
            await eventually(lambda: said(gateway, "outbox_unsent") == 0)
        assert said(gateway, "leading") == 0
        assert gateway.metrics.registry.get_sample_value(*FILL) is None
