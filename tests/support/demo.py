"""A fresh desk with everything in it that a first workspace has to look at."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from services.gateway.usecases.examples import TICKETS
from tests.support.eventually import eventually
from tests.support.stack import Desk, fresh_stack

_OWNER = "sam.reed@example.com"


@asynccontextmanager
async def a_demo() -> AsyncIterator[Desk]:
    """Start a desk of its own, and wait until its examples are told and in the ledger; it is gone afterwards."""
    async with fresh_stack(COUNTERFOIL_DEMO="1", COUNTERFOIL_OWNER_EMAIL=_OWNER) as stack:
        desk = await stack.sign_in(_OWNER)

        async def told() -> bool:
            log = (stack.data / "log" / "gateway.log").read_text(encoding="utf-8")
            return "gateway.examples_written" in log

        async def recorded() -> bool:
            counts: dict[str, Any] = await desk.get("reports")
            created: int = sum(day["created"] for day in counts["days"])
            return created == sum(ticket.customer != "winner" for ticket in TICKETS)

        await eventually(told, within=120)
        await eventually(recorded, within=60)
        yield desk
