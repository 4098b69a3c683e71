"""The notifications' fixtures: the service without a bus, and a whole helpdesk in this process."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest

from chassis.database import Database
from chassis.provision import PROVISIONER, provision
from chassis.service import Service
from services.gateway import app as gateway
from services.gateway.settings import Settings as GatewaySettings
from services.notifications import app as notifications
from services.notifications.settings import Settings as NotificationsSettings
from services.tickets import app as tickets
from services.tickets.settings import Settings as TicketsSettings
from tests.gateway.house import House
from tests.notifications.helpdesk import Helpdesk
from tests.notifications.office import Office
from tests.support.infra import PostgresServer, Urls, embedded_nats


@pytest.fixture(scope="session")
async def notifications_urls(postgres_server: PostgresServer) -> Urls:
    """One database for all: every test works in a workspace that nobody else knows."""
    return await postgres_server.migrated_database("notifications")


@pytest.fixture
async def office(notifications_urls: Urls) -> AsyncIterator[Office]:
    """The service's handlers on a real database, in a workspace of their own."""
    database = Database(notifications_urls.app, "notifications", pool=5)
    yield Office(database)
    await database.close()


@pytest.fixture(scope="session")
async def helpdesk(postgres_server: PostgresServer) -> AsyncIterator[Helpdesk]:
    """The services that the tests of a session share."""
    async with a_helpdesk(postgres_server) as running:
        yield running


@asynccontextmanager
async def a_helpdesk(postgres_server: PostgresServer, **settings: str) -> AsyncIterator[Helpdesk]:
    """Tickets, notifications and gateway with a broker of their own: others' services must not answer for them."""
    async with AsyncExitStack() as stack:
        nats = await stack.enter_async_context(embedded_nats(()))
        await provision(nats.url_for(PROVISIONER), apply=True)
        urls: dict[str, Urls] = {}
        for name in ("tickets", "notifications", "gateway"):
            urls[name] = await postgres_server.migrated_database(name)

        def another() -> Service:
            return notifications.build(
                NotificationsSettings(
                    nats_url=nats.url_for("notifications"),
                    database_url=urls["notifications"].app,
                    webhook_allow="127.0.0.0/8",
                    **settings,  # type: ignore[arg-type]
                )
            )

        services: dict[str, Service] = {
            "tickets": tickets.build(
                TicketsSettings(nats_url=nats.url_for("tickets"), database_url=urls["tickets"].app)
            ),
            "notifications": another(),
            "gateway": gateway.build(
                GatewaySettings(nats_url=nats.url_for("gateway"), database_url=urls["gateway"].app)
            ),
        }
        for service in services.values():
            await service.start()
            stack.push_async_callback(service.stop)
        house = House(Database(urls["gateway"].app, "gateway", pool=5))
        stack.push_async_callback(house.database.close)
        store = Database(urls["notifications"].app, "notifications", pool=2)
        stack.push_async_callback(store.close)
        client = await stack.enter_async_context(
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{services['gateway'].port}", timeout=20)
        )
        # What the house writes past the gateway is relayed at once all the same.
        house.database.wake = services["gateway"].database.wake
        yield Helpdesk(house, client, store, nats, services["notifications"], another)
