"""The dashboard's fixtures: a whole desk, browsers without scripts, and a real one."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from chassis.database import Database
from chassis.inbox import bury
from chassis.provision import PROVISIONER, provision
from services.activity import app as activity
from services.activity.settings import Settings as ActivitySettings
from services.gateway import app as gateway
from services.gateway.settings import Settings as GatewaySettings
from services.notifications import app as notifications
from services.notifications.settings import Settings as NotificationsSettings
from services.tickets import app as tickets
from services.tickets.settings import Settings as TicketsSettings
from tests.gateway.house import House
from tests.gateway.newsroom import Desk, Newsroom
from tests.support.infra import PostgresServer, Urls, embedded_nats
from tests.web.reader import Browser

_SERVICES = ("tickets", "activity", "notifications", "gateway")


@pytest.fixture(scope="session", autouse=True)
def patience() -> Iterator[None]:
    """Have a page wait for all of its parts: one may be late on a busy machine, and what is late is left out."""
    with pytest.MonkeyPatch.context() as patch:
        for room in ("shell", "tickets", "ticket_page"):
            patch.setattr(f"services.gateway.web.{room}.PATIENCE", 10.0)
        yield


@pytest.fixture(scope="session")
async def urls(postgres_server: PostgresServer) -> dict[str, Urls]:
    """A database for each service."""
    return {name: await postgres_server.migrated_database(name) for name in _SERVICES}


@pytest.fixture(scope="session")
async def premises(urls: dict[str, Urls]) -> AsyncIterator[Newsroom]:
    """The services behind the pages, on a broker of their own."""
    async with embedded_nats(()) as nats, AsyncExitStack() as running:
        await provision(nats.url_for(PROVISIONER), apply=True)
        access: dict[str, dict[str, Any]] = {
            name: {"nats_url": nats.url_for(name), "database_url": urls[name].app} for name in urls
        }
        access["gateway"] |= nats.outside
        door = gateway.build(GatewaySettings(**access["gateway"]))
        services = (
            tickets.build(TicketsSettings(**access["tickets"])),
            activity.build(ActivitySettings(**access["activity"])),
            notifications.build(NotificationsSettings(**access["notifications"], webhook_allow="127.0.0.0/8")),
            door,
        )
        for service in services:
            await service.start()
            running.push_async_callback(service.stop)
        database = Database(urls["gateway"].app, "gateway", pool=5)
        running.push_async_callback(database.close)
        yield Newsroom(House(database), door, access["gateway"])


@pytest.fixture
async def desk(premises: Newsroom) -> AsyncIterator[Desk]:
    """A workspace of its own, and the API beside its pages."""
    owner = await premises.house.somebody()
    async with httpx.AsyncClient(base_url=premises.url, timeout=20) as client:
        yield Desk(premises, client, await premises.house.workspace(owner), owner)


@pytest.fixture
async def a_browser(premises: Newsroom) -> AsyncIterator[Callable[[], Browser]]:
    """Call it for a browser in which nobody is signed in."""
    async with AsyncExitStack() as clients:
        opened: list[httpx.AsyncClient] = []

        def open_one() -> Browser:
            client = httpx.AsyncClient(base_url=premises.url, timeout=20)
            opened.append(client)
            clients.push_async_callback(client.aclose)
            return Browser(client)

        yield open_one


@pytest.fixture
def browser(desk: Desk, a_browser: Callable[[], Browser]) -> Browser:
    """The browser of the workspace's owner."""
    opened = a_browser()
    opened.be(desk.owner)
    return opened


type Bury = Callable[..., Awaitable[str]]


@pytest.fixture
def bury_one(desk: Desk, urls: dict[str, Urls]) -> Bury:
    """Call it to bury a message of another system, and be told the letter's id."""

    async def bury_it(body: bytes, *, detail: str = "subject: can't be blank", **headers: str) -> str:
        return await bury_in(urls["tickets"], desk.workspace.id, body, detail=detail, **headers)

    return bury_it


async def bury_in(
    urls: Urls,
    workspace: str,
    body: bytes,
    *,
    service: str = "tickets",
    subject: str = "tickets.intake.v1.ticket_requested.{}.monitor",
    detail: str = "subject: can't be blank",
    reason: str = "invalid",
    **headers: str,
) -> str:
    """Bury a message in a workspace, one of another system unless told otherwise, and return the letter's id."""
    database = Database(urls.app, service, pool=1)
    sequence = secrets.randbelow(1 << 60)
    async with database.transaction(workspace) as tx:
        await bury(
            tx,
            stream="INTAKE",
            sequence=sequence,
            subject=subject.format(workspace),
            reason=reason,
            detail=detail,
            headers=headers,
            body=body,
        )
        letter = str(await tx.scalar(text("select id from dead_letters where sequence = :at"), {"at": sequence}))
    await database.close()
    return letter
