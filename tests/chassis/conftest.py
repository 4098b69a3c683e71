"""The chassis' fixtures."""

import logging
from collections.abc import AsyncIterator

import pytest
import structlog

from chassis.provision import Outsider
from tests.support.infra import PostgresServer, Urls
from tests.support.plumbing import plumbed
from tests.support.replicas import HEARD, Desk, a_desk, let_in

SHOP = Outsider("acme", "shop", "the-shop-s-own")
MART = Outsider("acme", "mart", "the-mart-s-own")


@pytest.fixture(scope="session", autouse=True)
def plain_logs() -> None:
    """Log as a terminal would show it, but for structlog's own tracebacks, whose drawing costs more than the tests."""
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper("%H:%M:%S.%f", utc=True),
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )


@pytest.fixture(scope="module")
async def desk(postgres_server: PostgresServer) -> AsyncIterator[Desk]:
    """A gateway that announces and tickets that hears, for a module: every test takes a workspace of its own."""
    async with a_desk(postgres_server, SHOP) as desk, let_in(desk.broker, MART):
        yield desk


@pytest.fixture(scope="session")
async def gateway_urls(postgres_server: PostgresServer) -> Urls:
    """A gateway's database for all whose workspaces nobody else knows; they may lead in it by turns."""
    return await plumbed(postgres_server, "gateway")


@pytest.fixture(scope="session")
async def tickets_urls(postgres_server: PostgresServer) -> Urls:
    """The same for tickets."""
    return await plumbed(postgres_server, "tickets", HEARD, tenants=["heard"])


@pytest.fixture
def shop() -> Outsider:
    """Another system that every desk knows."""
    return SHOP
