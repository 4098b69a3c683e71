"""Any number of each service: requests are shared, one of them leads, and they come and go without a trace."""

import asyncio
import json
import os
import signal
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any, Self

import httpx
import pytest

from contracts.base import SERVICES
from tests.support.eventually import eventually
from tests.support.replicas import paced
from tests.support.stack import Desk, Replica, Stack, healed, leads

pytestmark = pytest.mark.rehearsal

_ROLLED = SERVICES if "COUNTERFOIL_FAULTS" in os.environ else ("tickets", "gateway")
"""Who is started anew under load: in a short run those that a command passes through."""


@dataclass(slots=True)
class Fleet:
    """A running system with one more of every service, so far."""

    stack: Stack
    desk: Desk
    replicas: list[Replica]
    opened: list[str]

    async def open_tickets(self, many: int) -> None:
        """Open tickets through every gateway in turn, eight at a time."""
        gateways = self.gateways()
        slots = asyncio.Semaphore(8)

        async def one(nth: int) -> None:
            async with slots:
                desk = replace(self.desk, url=gateways[nth % len(gateways)])
                ticket = await desk.insist("POST", "tickets", {"subject": f"Ticket {nth}"})
                self.opened.append(ticket["id"])

        await asyncio.gather(*(one(nth) for nth in range(many)))

    async def grow(self, running: AsyncExitStack, each: int) -> None:
        """Let there be so many of each service, the launcher's own among them."""
        missing = range(each - 1 - len(self.replicas) // len(SERVICES))
        started = [await running.enter_async_context(self.stack.replica(name)) for name in SERVICES for _ in missing]

        async def all_ready() -> bool:
            return all([await replica.ready() for replica in started])

        await eventually(all_ready, within=90)
        self.replicas += started

    async def roll(self, running: AsyncExitStack, name: str) -> None:
        """Start each process of a service anew, one after another: the launcher's in place, ours beside the old."""
        for old in [replica for replica in self.replicas if replica.name == name]:
            new = await running.enter_async_context(self.stack.replica(name))
            await eventually(new.ready, within=60)
            self.replicas.append(new)
            self.replicas.remove(old)
            old.process.terminate()
            assert await asyncio.wait_for(old.process.wait(), 30) == 0
        before = self.stack.running[name]["pid"]
        os.kill(before, signal.SIGTERM)

        async def again() -> bool:
            return self.stack.running[name]["pid"] not in (None, before) and await self.stack.ready(name)

        await eventually(again, within=60)

    def gateways(self) -> list[str]:
        """Return where commands may go, as a proxy knows it."""
        return [self.stack.url, *(f"http://127.0.0.1:{each.port}" for each in self.replicas if each.name == "gateway")]

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


class Crowd:
    """Fifty commands a second through every gateway in turn; one that fails is sent once more, to the next."""

    def __init__(self, fleet: Fleet) -> None:
        self.failed: list[str] = []
        self.refused: list[str] = []
        self._fleet = fleet
        self._sending: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._http = httpx.AsyncClient(timeout=30, limits=httpx.Limits(max_connections=None))
        self._arriving = asyncio.create_task(self._arrive())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._arriving.cancel()
        await asyncio.gather(self._arriving, return_exceptions=True)
        await asyncio.gather(*self._sending)
        await self._http.aclose()

    async def is_served(self, many: int) -> None:
        """Wait until so many more commands were answered."""
        enough = len(self._fleet.opened) + many
        await eventually(lambda: len(self._fleet.opened) >= enough, within=60)

    async def _arrive(self) -> None:
        async for n in paced(1_000_000, 1 / 50):
            task = asyncio.create_task(self._send(n))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _send(self, n: int) -> None:
        key = str(uuid.uuid4())
        gateways = self._fleet.gateways()
        if await self._try(gateways[n % len(gateways)], n, key):
            why = await self._try(gateways[(n + 1) % len(gateways)], n, key)
            self.failed += [why] if why else []

    async def _try(self, url: str, n: int, key: str) -> str:
        """Open a ticket; return why it was not."""
        desk = self._fleet.desk
        headers = {"Authorization": f"Bearer {desk.token}", "Idempotency-Key": key}
        path = f"{url}/api/v1/workspaces/{desk.workspace}/tickets"
        try:
            answer = await self._http.post(path, json={"subject": f"Rolling {n}"}, headers=headers)
        except httpx.HTTPError as error:
            return repr(error)
        if not answer.is_success:
            self.refused.append(answer.text)
            return answer.text
        self._fleet.opened.append(answer.json()["id"])
        return ""


@pytest.fixture(scope="module")
async def fleet(stack: Stack, desk: Desk) -> AsyncIterator[tuple[Fleet, AsyncExitStack]]:
    made = await desk.send("POST", "/api/v1/workspaces", {"name": "Fleet", "slug": "fleet"})
    assert made.is_success, made.text
    async with AsyncExitStack() as running:
        yield Fleet(stack, replace(desk, workspace="fleet"), [], []), running
    await healed(stack)


@pytest.mark.timeout(300)
async def test_two_of_each_share_requests_and_the_record_stays_whole(fleet: tuple[Fleet, AsyncExitStack]) -> None:
    await share(*fleet, each=2)


@pytest.mark.timeout(600)
async def test_a_rolling_restart_under_fifty_commands_a_second_fails_nobody_who_tries_once_more(
    fleet: tuple[Fleet, AsyncExitStack],
) -> None:
    all_of_them, running = fleet
    await all_of_them.grow(running, 2)
    async with Crowd(all_of_them) as crowd:
        await crowd.is_served(100)
        for name in _ROLLED:
            await all_of_them.roll(running, name)
            await crowd.is_served(50)
    assert crowd.failed == []
    assert crowd.refused == [], "who was away was not there to refuse, and who was there can work"
    await eventually(all_of_them.whole, within=60)


@pytest.mark.timeout(300)
async def test_four_of_each_share_requests_and_the_record_stays_whole(fleet: tuple[Fleet, AsyncExitStack]) -> None:
    await share(*fleet, each=4)


async def share(all_of_them: Fleet, running: AsyncExitStack, *, each: int) -> None:
    await all_of_them.grow(running, each)
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
