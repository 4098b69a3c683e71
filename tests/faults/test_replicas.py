"""Any number of each service: requests are shared, one of them leads, and they come and go without a trace."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest

from contracts.base import SERVICES
from tests.support.eventually import eventually
from tests.support.stack import Desk, Replica, Stack, fresh_stack, leads


@dataclass(slots=True)
class Fleet:
    """A running system with one more of every service, so far."""

    stack: Stack
    desk: Desk
    replicas: list[Replica]
    opened: list[str]

    async def open_tickets(self, many: int) -> None:
        """Open tickets through every gateway in turn, eight at a time."""
        gateways = [self.stack.url, *(f"http://127.0.0.1:{r.port}" for r in self.replicas if r.name == "gateway")]
        slots = asyncio.Semaphore(8)

        async def one(nth: int) -> None:
            async with slots:
                desk = replace(self.desk, url=gateways[nth % len(gateways)])
                ticket = await desk.insist("POST", "tickets", {"subject": f"Ticket {nth}"})
                self.opened.append(ticket["id"])

        await asyncio.gather(*(one(nth) for nth in range(many)))

    async def add(self, running: AsyncExitStack, many: int) -> None:
        """Start so many more of each service."""
        started = [
            await running.enter_async_context(self.stack.replica(name)) for name in SERVICES for _ in range(many)
        ]

        async def all_ready() -> bool:
            return all([await replica.ready() for replica in started])

        await eventually(all_ready, within=90)
        self.replicas += started

    async def answered(self, name: str) -> dict[str, int]:
        """Return how many requests each replica of a service has answered, as `$SRV.STATS` tells."""
        found: dict[str, int] = {}
        async with self.stack.nats("operator") as client:
            inbox = client.new_inbox()
            subscription = await client.subscribe(inbox)
            await client.publish(f"$SRV.STATS.{name}", reply=inbox)
            try:
                while True:
                    stats = json.loads((await subscription.next_msg(1)).data)
                    found[stats["id"]] = sum(each["num_requests"] for each in stats["endpoints"])
            except TimeoutError:
                return found

    async def whole(self) -> bool:
        """Tell whether the ledger has every ticket once, dense and proven."""
        entries: list[dict[str, Any]] = []
        while True:
            page = await self.desk.get(f"feed?limit=100&after={len(entries)}")
            entries += page["items"]
            if not page["more"]:
                break
        created = [entry["ticket_id"] for entry in entries if entry["type"] == "ticket_created"]
        dense = [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
        return dense and sorted(created) == sorted(self.opened) and (await self.desk.get("audit/verify"))["ok"]


@pytest.fixture(scope="module")
async def fleet() -> AsyncIterator[tuple[Fleet, AsyncExitStack]]:
    async with fresh_stack() as stack, AsyncExitStack() as running:
        yield Fleet(stack, await stack.sign_in(), [], []), running


@pytest.mark.timeout(300)
@pytest.mark.parametrize("each", [2, 4])
async def test_replicas_share_requests_and_the_record_stays_whole(
    fleet: tuple[Fleet, AsyncExitStack], each: int
) -> None:
    all_of_them, running = fleet
    await all_of_them.add(running, each - 1 - len(all_of_them.replicas) // len(SERVICES))
    await all_of_them.open_tickets(30 * each)
    answered = await all_of_them.answered("tickets")
    assert len(answered) == each
    assert all(answered.values()), answered
    await eventually(all_of_them.whole, within=30)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", SERVICES)
async def test_another_replica_leads_within_five_seconds_of_a_kill(
    fleet: tuple[Fleet, AsyncExitStack], name: str
) -> None:
    all_of_them, _ = fleet
    stack = all_of_them.stack
    standing_by = [replica for replica in all_of_them.replicas if replica.name == name]
    # Whoever led first is the launcher's own; it comes back, but the lead has moved by then or moves back.
    if await leads(name, stack.running[name]["port"]):
        await stack.kill(name)
    else:
        leader = [replica for replica in standing_by if await replica.leads()][0]  # noqa: RUF015 - next() can't await
        leader.process.kill()
        standing_by.remove(leader)
        all_of_them.replicas.remove(leader)

    async def somebody_leads() -> bool:
        return any([await replica.leads() for replica in standing_by])

    await eventually(somebody_leads, within=5)
    await all_of_them.open_tickets(8)
    await eventually(all_of_them.whole, within=30)
