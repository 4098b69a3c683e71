"""Activity without a bus, and with one: the real services of both owners' kind on a NATS server of their own."""

from collections.abc import AsyncIterator

import pytest

from chassis.database import Database
from chassis.provision import PROVISIONER, provision
from chassis.service import Service
from services.activity import app as activity
from services.activity.settings import Settings
from services.tickets import app as tickets
from services.tickets.settings import Settings as TicketsSettings
from tests.activity.ledger import Ledger, a_database
from tests.support import infra
from tests.support.infra import NatsServer, PostgresServer, Urls


@pytest.fixture(scope="session")
async def activity_urls(postgres_server: PostgresServer) -> Urls:
    """One database for all that need no bus: every test works in a workspace that nobody else knows."""
    return await a_database(postgres_server)


@pytest.fixture
async def ledger(activity_urls: Urls) -> AsyncIterator[Ledger]:
    """The books, as the service signs in to them."""
    database = Database(activity_urls.app, "activity", pool=5)
    yield Ledger(database)
    await database.close()


@pytest.fixture
async def owners(activity_urls: Urls) -> AsyncIterator[Database]:
    """The same database, as the role that owns its tables signs in."""
    database = Database(activity_urls.owner, "activity", pool=2)
    yield database
    await database.close()


@pytest.fixture(scope="module")
async def broker() -> AsyncIterator[NatsServer]:
    """A NATS server for one module: on the common one other tests' services take what is meant for these."""
    async with infra.embedded_nats(()) as server:
        await provision(server.url_for(PROVISIONER), apply=True)
        yield server


@pytest.fixture(scope="module")
async def live_urls(postgres_server: PostgresServer) -> Urls:
    """The database that the running service writes."""
    return await a_database(postgres_server)


@pytest.fixture(scope="module")
async def tickets_urls(postgres_server: PostgresServer) -> Urls:
    """The tickets' database, in which they keep their log."""
    return await postgres_server.migrated_database("tickets")


@pytest.fixture(scope="module")
async def tickets_service(broker: NatsServer, tickets_urls: Urls) -> AsyncIterator[Service]:
    """The tickets service itself."""
    service = tickets.build(TicketsSettings(nats_url=broker.url_for("tickets"), database_url=tickets_urls.app))
    await service.start()
    yield service
    await service.stop()


@pytest.fixture(scope="module")
async def service(broker: NatsServer, live_urls: Urls) -> AsyncIterator[Service]:
    """Activity itself."""
    service = activity.build(Settings(nats_url=broker.url_for("activity"), database_url=live_urls.app))
    await service.start()
    yield service
    await service.stop()


@pytest.fixture
async def live(live_urls: Urls) -> AsyncIterator[Ledger]:
    """What the running service wrote."""
    database = Database(live_urls.app, "activity", pool=2)
    yield Ledger(database)
    await database.close()
