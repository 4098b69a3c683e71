"""How every client of ours holds on to NATS: it reconnects for ever, and says aloud what the server refuses."""

import os
from collections.abc import Callable
from typing import Any

import nats
from nats.aio.client import Client

from chassis.logs import get_logger

log = get_logger()

LOST = 70
"""Exit status of a process whose connection or durable consumer is gone; a supervisor restarts it."""


def inbox_prefix(user: str) -> str:
    """Return the prefix of the only inboxes that this user may read."""
    return f"_INBOX_{user}"


def die(reason: str) -> None:
    """End this process at once; everything that was acknowledged is stored."""
    log.critical("process.lost", reason=reason)
    os._exit(LOST)


def options(service: str, *, closing: Callable[[], bool]) -> dict[str, Any]:
    """Return the arguments of a connection that survives any outage; `closing` tells that its end is meant."""

    async def refused(error: Exception) -> None:
        # A forbidden subject shows nowhere else: to whoever asked it looks like a timeout.
        log.warning("nats.error", error=repr(error))

    async def reconnected() -> None:
        log.info("nats.reconnected")

    async def disconnected() -> None:
        if not closing():
            log.warning("nats.disconnected")

    async def closed() -> None:
        if not closing():
            die("the NATS connection was closed for good")

    return {
        "name": service,
        "inbox_prefix": inbox_prefix(service),
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": 0.2,
        "connect_timeout": 2,
        "ping_interval": 10,
        "max_outstanding_pings": 2,
        "error_cb": refused,
        "reconnected_cb": reconnected,
        "disconnected_cb": disconnected,
        "closed_cb": closed,
    }


async def connect(url: str, service: str, *, closing: Callable[[], bool]) -> Client:
    """Connect; waits for a server that is not there yet."""
    return await nats.connect(url, **options(service, closing=closing))
