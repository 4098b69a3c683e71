"""The tickets service without a bus: its use cases on a real database."""

from collections.abc import AsyncIterator

import pytest

from chassis.database import Database
from tests.support.infra import PostgresServer, Urls
from tests.tickets.desk import Desk


@pytest.fixture(scope="session")
async def tickets_urls(postgres_server: PostgresServer) -> Urls:
    """One database for all: every test works in a workspace that nobody else knows."""
    return await postgres_server.migrated_database("tickets")


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
