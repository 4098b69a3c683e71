"""The gateway's fixtures."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from chassis.database import Database
from chassis.provision import PROVISIONER, provision
from chassis.service import Service
from services.activity import app as activity
from services.activity.settings import Settings as ActivitySettings
from services.gateway import app as gateway
from services.gateway.settings import Settings as GatewaySettings
from services.tickets import app as tickets
from services.tickets.settings import Settings as TicketsSettings
from tests.gateway.house import House
from tests.gateway.newsroom import Desk, Newsroom
from tests.gateway.site import Site
from tests.support.infra import NatsServer, PostgresServer, Urls, embedded_nats


@pytest.fixture(scope="session")
async def gateway_urls(postgres_server: PostgresServer) -> Urls:
    """One database for all: every test makes people and workspaces that nobody else knows."""
    return await postgres_server.migrated_database("gateway")


@pytest.fixture
async def house(gateway_urls: Urls) -> AsyncIterator[House]:
    """The gateway's people, without a door, and with a clock of their own."""
    database = Database(gateway_urls.app, "gateway", pool=5)
    yield House(database)
    await database.close()


@pytest.fixture
async def empty_house(postgres_server: PostgresServer) -> AsyncIterator[House]:
    """A house that nobody has entered yet."""
    urls = await postgres_server.migrated_database("gateway")
    database = Database(urls.app, "gateway", pool=5)
    yield House(database)
    await database.close()


@pytest.fixture(scope="session")
async def tickets_urls(postgres_server: PostgresServer) -> Urls:
    """The store of the tickets service."""
    return await postgres_server.migrated_database("tickets")


@pytest.fixture(scope="session")
async def tickets_service(nats_server: NatsServer, tickets_urls: Urls) -> AsyncIterator[None]:
    """The tickets service itself: what the gateway asks is decided nowhere else."""
    await provision(nats_server.url_for(PROVISIONER), apply=True)
    service = tickets.build(TicketsSettings(nats_url=nats_server.url_for("tickets"), database_url=tickets_urls.app))
    await service.start()
    yield
    await service.stop()


@pytest.fixture(scope="session")
async def gateway_service(nats_server: NatsServer, gateway_urls: Urls, tickets_service: None) -> AsyncIterator[Service]:
    """The gateway itself, with a port, beside a tickets service to ask."""
    settings = GatewaySettings(
        nats_url=nats_server.url_for("gateway"), database_url=gateway_urls.app, **nats_server.outside
    )
    service = gateway.build(settings)
    await service.start()
    yield service
    await service.stop()


@pytest.fixture(scope="session")
async def newsroom(postgres_server: PostgresServer) -> AsyncIterator[Newsroom]:
    """Gateway, tickets and activity on a broker of their own: nobody else reads the ledger's durable."""
    async with embedded_nats(()) as nats, AsyncExitStack() as running:
        await provision(nats.url_for(PROVISIONER), apply=True)
        urls = {name: await postgres_server.migrated_database(name) for name in ("tickets", "activity", "gateway")}
        access: dict[str, dict[str, Any]] = {
            name: {"nats_url": nats.url_for(name), "database_url": urls[name].app} for name in urls
        }
        access["gateway"] |= nats.outside
        # Each test comes from an address of its own, so that no limit of one is another's.
        access["gateway"]["trusted_proxies"] = "127.0.0.0/8"
        door = gateway.build(GatewaySettings(**access["gateway"]))
        services = (
            tickets.build(TicketsSettings(**access["tickets"])),
            activity.build(ActivitySettings(**access["activity"])),
            door,
        )
        for service in services:
            await service.start()
            running.push_async_callback(service.stop)
        database = Database(urls["gateway"].app, "gateway", pool=5)
        running.push_async_callback(database.close)
        yield Newsroom(House(database), door, access["gateway"])


@pytest.fixture
async def site(newsroom: Newsroom) -> AsyncIterator[Site]:
    """A site whose visitors may use an assistant of a desk."""
    async with Site.opens(newsroom) as site:
        yield site


@pytest.fixture
async def ledger(newsroom: Newsroom) -> AsyncIterator[Desk]:
    """A desk whose steps are recorded."""
    owner = await newsroom.house.somebody()
    async with httpx.AsyncClient(base_url=newsroom.url, timeout=20) as client:
        yield Desk(newsroom, client, await newsroom.house.workspace(owner), owner)
