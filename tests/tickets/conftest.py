"""The tickets service without a bus: its use cases on a real database."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from chassis.database import Database
from chassis.migrations import migrate
from tests.support.infra import PostgresServer, Urls
from tests.tickets.desk import Desk


@pytest.fixture(scope="session")
async def tickets_urls(postgres_server: PostgresServer) -> Urls:
    """One database for all: every test works in a workspace that nobody else knows."""
    urls = await postgres_server.fresh_database("tickets")
    await asyncio.to_thread(migrate, "tickets", urls.owner)
    return urls


@pytest.fixture
async def database(tickets_urls: Urls) -> AsyncIterator[Database]:
    """The database as the service signs in to it."""
    database = Database(tickets_urls.app, "tickets", pool=10)
    yield database
    await database.close()


@pytest.fixture
def desk(database: Database) -> Desk:
    """A desk in a workspace of its own."""
    return Desk(database)
