"""Any number of each service: requests are shared, one of them leads, and they come and go without a trace."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

import httpx
import pytest

from contracts.base import SERVICES
from tests.support.eventually import eventually
from tests.support.stack import Desk, Replica, Stack, healed, leads


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

    async def answered(self, name: str, replicas: int) -> dict[str, int]:
        """Return how many requests each of so many replicas of a service has answered, as `$SRV.STATS` tells."""
        found: dict[str, int] = {}
        async with self.stack.nats("operator") as client:
            inbox = client.new_inbox()
            subscription = await client.subscribe(inbox)
            await client.publish(f"$SRV.STATS.{name}", reply=inbox)
            for _ in range(replicas):
                stats = json.loads((await subscription.next_msg(15)).data)
                found[stats["id"]] = sum(each["num_requests"] for each in stats["endpoints"])
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
async def fleet(stack: Stack, desk: Desk) -> AsyncIterator[tuple[Fleet, AsyncExitStack]]:
    made = await desk.send("POST", "/api/v1/workspaces", {"name": "Fleet", "slug": "fleet"})
    assert made.is_success, made.text
    async with AsyncExitStack() as running:
        yield Fleet(stack, replace(desk, workspace="fleet"), [], []), running
    await healed(stack)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("each", [2, 3])
async def test_replicas_share_requests_and_the_record_stays_whole(
    fleet: tuple[Fleet, AsyncExitStack], each: int
) -> None:
    all_of_them, running = fleet
    await all_of_them.add(running, each - 1 - len(all_of_them.replicas) // len(SERVICES))
    await all_of_them.open_tickets(30 * each)
    answered = await all_of_them.answered("tickets", each)
    assert len(answered) == each
    assert all(answered.values()), answered
    await eventually(all_of_them.whole, within=60)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", SERVICES)
async def test_another_replica_leads_within_five_seconds_of_a_kill(
    fleet: tuple[Fleet, AsyncExitStack], name: str
) -> None:
    all_of_them, _ = fleet
    stack = all_of_them.stack
    replicas = [replica for replica in all_of_them.replicas if replica.name == name]

    async def the_launchers_own_leads() -> bool:
        with suppress(httpx.HTTPError):  # it is being started again
            return await leads(stack.running[name]["port"])
        return False

    async def those_that_lead() -> list[Replica]:
        return [replica for replica in replicas if await replica.leads()]

    async def somebody_leads() -> bool:
        return bool(await those_that_lead()) or await the_launchers_own_leads()

    await eventually(somebody_leads)
    if found := await those_that_lead():
        (leader,) = found
        leader.process.kill()
        replicas.remove(leader)
        all_of_them.replicas.remove(leader)
    else:
        await stack.kill(name)
    killed = monotonic()

    # The launcher's own may be the next, also where it was the one before: it comes back.
    await eventually(somebody_leads)
    # Five seconds, and as much again for a machine on which all of them run at once.
    assert monotonic() - killed < 10
    await all_of_them.open_tickets(8)
    await eventually(all_of_them.whole, within=60)
