"""A service says how it is, keeps its timers in one replica, and ends in order."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
from pydantic import BaseModel
from sqlalchemy import text

from chassis.database import Transaction
from chassis.health import Health
from chassis.service import Service
from contracts.tickets import AddNote
from tests.support.eventually import eventually
from tests.support.infra import NatsServer, PostgresServer, Urls
from tests.support.replicas import (
    Script,
    a_broker,
    a_fact,
    a_gateway,
    a_note,
    a_tickets,
    a_workspace,
    completed,
    running,
    settings_for,
)


@pytest.fixture(scope="module")
async def broker() -> AsyncIterator[NatsServer]:
    async with a_broker() as broker:
        yield broker


@pytest.fixture(scope="module")
def urls(gateway_urls: Urls) -> Urls:
    return gateway_urls


@pytest.fixture
async def gateway(broker: NatsServer, urls: Urls) -> AsyncIterator[Service]:
    gateway = a_gateway(settings_for(broker, "gateway", urls))
    async with running(gateway):
        yield gateway


@asynccontextmanager
async def closed(postgres: PostgresServer, urls: Urls) -> AsyncIterator[None]:
    """Let nobody into a database, and put out who is in it."""
    name = urlsplit(urls.owner).path.removeprefix("/")
    superuser = await asyncpg.connect(postgres.superuser_url)
    try:
        await superuser.execute(f'alter database "{name}" allow_connections false')
        await superuser.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name)
        yield
    finally:
        await superuser.execute(f'alter database "{name}" allow_connections true')
        await superuser.close()


async def get(service: Service, path: str) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.get(f"http://127.0.0.1:{service.port}{path}")


async def test_a_healthy_service_is_live_and_ready(gateway: Service) -> None:
    live, ready = await get(gateway, "/health/live"), await get(gateway, "/health/ready")
    assert (live.status_code, live.json()["status"]) == (200, "ok")
    assert ready.status_code == 200
    assert ready.json() == {"status": "ok", "service": "gateway", "database": "ok", "nats": "ok", "drift": "ok"}
    assert ready.headers["cache-control"] == "no-store"


async def test_a_service_without_its_store_is_live_but_not_ready_and_recovers_by_itself(
    postgres_server: PostgresServer, gateway: Service, urls: Urls
) -> None:
    await eventually(lambda: gateway.leader.leading)
    async with closed(postgres_server, urls):
        ready = await get(gateway, "/health/ready")
        assert (ready.status_code, ready.json()["database"]) == (503, "the database does not answer")
        assert (await get(gateway, "/health/live")).status_code == 200
        await eventually(lambda: not gateway.leader.leading)

    async def well() -> bool:
        return (await get(gateway, "/health/ready")).status_code == 200

    await eventually(well)
    await eventually(lambda: gateway.leader.leading)
    ws = a_workspace()
    async with gateway.database.transaction(ws) as tx:
        tx.announce(a_fact(ws, "told"))

    async def sent() -> bool:
        async with gateway.database.transaction(ws) as tx:
            return bool(await tx.scalar(text("select count(*) from event_log where sent_at is not null")))

    await eventually(sent)


async def test_a_timer_that_takes_being_called_off_for_a_failure_holds_up_nobody(
    postgres_server: PostgresServer, broker: NatsServer, urls: Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.leader._AGAIN", 0.1)
    gateway, deaf = a_gateway(settings_for(broker, "gateway", urls)), list[str]()

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            deaf.append("said")
            if len(deaf) % 2:
                raise OSError("it took that for a failure") from None
            raise

    gateway.every(0, "deaf")(wait)
    async with running(gateway):
        await eventually(lambda: gateway.leader.leading)
        async with closed(postgres_server, urls):
            await eventually(lambda: not gateway.leader.leading)
        assert len(deaf) == 2
        await eventually(lambda: gateway.leader.leading)
    assert len(deaf) == 4


async def test_a_service_without_its_broker_is_live_but_not_ready(urls: Urls) -> None:
    async with a_broker() as broker:
        gateway = a_gateway(settings_for(broker, "gateway", urls))
        async with running(gateway):
            await broker.kill()
            await eventually(lambda: not gateway.bus.connected)
            ready = await get(gateway, "/health/ready")
            assert (ready.status_code, ready.json()["nats"]) == (503, "NATS does not answer")
            assert (await get(gateway, "/health/live")).status_code == 200


async def test_a_service_whose_heart_stands_still_is_not_live(gateway: Service) -> None:
    beat = gateway.health.beat
    await eventually(lambda: gateway.health.beat > beat)
    health = Health("gateway", gateway.metrics.registry, {})
    assert (await health.live())[0]
    health.beat -= 11
    assert not (await health.live())[0]


async def test_metrics_that_are_somebodys_are_nobody_elses(broker: NatsServer, urls: Urls) -> None:
    gateway = a_gateway(settings_for(broker, "gateway", urls, metrics_token="a-metrics-token"))
    async with running(gateway), httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway.port}") as http:
        asked = {"": 401, "Bearer wrong": 401, "Bearer \u00e4": 401, "Bearer a-metrics-token": 200}
        for access, status in asked.items():
            answer = await http.get("/metrics", headers={b"authorization": access.encode()} if access else {})
            assert (answer.status_code, "counterfoil_" in answer.text) == (status, status == 200)
        assert (await http.get("/health/live")).status_code == 200
        assert "a-metrics-token" not in repr(gateway.settings)


async def test_metrics_are_served_in_prometheus_words_without_ids(gateway: Service) -> None:
    ws = a_workspace()
    await eventually(lambda: gateway.leader.leading)
    async with gateway.database.transaction(ws) as tx:
        tx.announce(a_fact(ws, "told"))

    async def relayed() -> str | None:
        said = (await get(gateway, "/metrics")).text
        return said if 'counterfoil_relayed_total{stream="GATEWAY"}' in said else None

    said = await eventually(relayed)
    assert "counterfoil_leading 1.0" in said
    assert ws not in said


async def test_other_addresses_are_nobodys_unless_the_service_has_a_web(gateway: Service) -> None:
    nobody = await get(gateway, "/anything")
    assert (nobody.status_code, nobody.headers["content-type"]) == (404, "application/problem+json")
    assert (await get(gateway, "/health")).status_code == 404


async def test_a_service_that_stops_first_finishes_the_answers_it_has_begun(broker: NatsServer, urls: Urls) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def web(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        await go_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"whole"})

    service = completed(Service("gateway", settings_for(broker, "gateway", urls), web=lambda _: web))
    async with running(service):
        asking = asyncio.create_task(get(service, "/slow"))
        await begun.wait()
        stopping = asyncio.create_task(service.stop())
        await eventually(lambda: service._server is not None and service._server.should_exit)
        go_on.set()
        assert (await asking).text == "whole"
        await stopping


async def test_a_service_whose_drain_is_cut_short_keeps_nothing_open(
    broker: NatsServer, gateway: Service, tickets_urls: Urls
) -> None:
    ws, begun, cut = a_workspace(), asyncio.Event(), asyncio.Event()

    async def hang(command: Any, tx: Transaction) -> BaseModel:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cut.set()
        raise AssertionError("nobody woke it")

    settings = settings_for(broker, "tickets", tickets_urls, drain_seconds=0.2)
    tickets = a_tickets(settings, Script(answers={ws: hang}))
    async with running(tickets):
        await eventually(lambda: tickets.leader.leading)
        await gateway.bus.nats.publish(AddNote.SUBJECT, a_note(ws).model_dump_json().encode())
        await begun.wait()
        assert tickets.database.at_work()
    await cut.wait()

    assert tickets.database.at_work() == 0
    assert not tickets.leader.leading
    assert not tickets.bus.connected


async def test_a_port_that_is_taken_is_told_by_who_starts(broker: NatsServer, urls: Urls) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        service = a_gateway(settings_for(broker, "gateway", urls, http_port=port))
        try:
            with pytest.raises(OSError, match=f"port {port} can't be opened"):
                await service.start()
        finally:
            await service.stop()


# Timers


async def test_a_timer_runs_in_one_replica_and_a_failure_does_not_end_it(broker: NatsServer, urls: Urls) -> None:
    turns = list[str]()
    replicas = []
    for name in ("one", "two"):
        replica = a_gateway(settings_for(broker, "gateway", urls))

        @replica.every(0.02, "tick")
        async def tick(name: str = name) -> None:
            turns.append(name)
            if len(turns) == 2:
                raise RuntimeError("a bug")

        replicas.append(replica)
    async with running(*replicas):
        await eventually(lambda: len(turns) > 5)
        assert len(set(turns)) == 1
        assert [replica.leader.leading for replica in replicas].count(True) == 1


async def test_answers_are_kept_for_two_days_and_dead_letters_for_thirty(gateway: Service) -> None:
    workspace = a_workspace()
    async with gateway.database.transaction(workspace) as tx:
        await tx.execute(
            text(
                "insert into idempotency (workspace_id, actor, route, key, fingerprint, answer, at)"
                " select :ws, 'a', 'r', hours || ' hours', '', '{}', now() - make_interval(hours => hours)"
                " from unnest(array[47, 49]) as hours"
            ),
            {"ws": workspace},
        )
        await tx.execute(
            text(
                "insert into dead_letters"
                " (id, workspace_id, at, stream, sequence, stored_at, subject, reason, detail, headers, body)"
                " select gen_random_uuid(), :ws, now() - make_interval(days => days), 'GATEWAY', days, now(),"
                " days || ' days', 'malformed', '', '{}', '' from unnest(array[29, 31]) as days"
            ),
            {"ws": workspace},
        )
    await gateway._forget()
    async with gateway.database.transaction(workspace) as tx:
        assert [row["key"] for row in await tx.all(text("select key from idempotency"))] == ["47 hours"]
        assert [row["subject"] for row in await tx.all(text("select subject from dead_letters"))] == ["29 days"]
