"""Three NATS servers keep every stream together: one may die, and of two that are gone nothing is lost that was acked.

The services are real and stay in one process all the while: none of them is started again.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field

import httpx
import nats.errors
import nats.js.errors
import pytest
from nats.aio.client import Client

from chassis.connection import connect
from chassis.service import Service
from chassis.settings import ServiceSettings
from contracts.refusals import Unavailable
from contracts.streams import STREAMS
from contracts.tickets import TicketRequested
from tests.support.cluster import Cluster, a_cluster
from tests.support.eventually import eventually
from tests.support.infra import PostgresServer
from tests.support.plumbing import plumbed
from tests.support.replicas import (
    CHAOS,
    HEARD,
    a_fact,
    a_gateway,
    a_note,
    a_tickets,
    a_workspace,
    api,
    heard,
    paced,
    running,
)

pytestmark = pytest.mark.rehearsal

ROUNDS = max(1, int(os.environ.get("COUNTERFOIL_FAULTS", "300")) // 300)
_TURN = 0.05


@dataclass(slots=True)
class Town:
    """Both services on the cluster, and all that was acknowledged in one workspace of each kind."""

    cluster: Cluster
    gateway: Service
    tickets: Service
    chaos: Client
    told: str = field(default_factory=a_workspace)
    sent: str = field(default_factory=a_workspace)
    asked: str = field(default_factory=a_workspace)
    facts: list[str] = field(default_factory=list)
    intake: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    async def tell(self) -> None:
        """Commit a fact every so often."""
        async for n in paced(1_000_000, _TURN):
            async with self.gateway.database.transaction(self.told) as tx:
                tx.announce(a_fact(self.told, f"fact-{n}"))
            self.facts.append(f"fact-{n}")

    async def send(self) -> None:
        """Publish as another system does: again under the same id until it is stored."""
        subject = TicketRequested.subject_for(self.sent, "shop")
        async for n in paced(1_000_000, _TURN):
            body = b'{"external_id": "%d", "subject": "Help"}' % n
            async for _ in paced(1_000_000, _TURN):
                with suppress(nats.errors.Error, nats.js.errors.Error, TimeoutError):
                    await self.chaos.jetstream(timeout=1).publish(subject, body, headers={"ce-id": f"shop-{n}"})
                    break
            self.intake.append(f"{n} of shop")

    async def ask(self) -> None:
        """Ask for a note every so often; one that isn't answered may have been written or not."""
        async for n in paced(1_000_000, _TURN):
            with suppress(Unavailable):
                await self.gateway.bus.ask(a_note(self.asked, f"note-{n}"), within=2)
                self.commands.append(f"note-{n}")

    async def leader(self, stream: str) -> str:
        """Return which server leads a stream."""

        async def found() -> str:
            with suppress(nats.errors.Error, TimeoutError):
                info = await api(self.chaos, f"STREAM.INFO.{stream}")
                return str(info["cluster"].get("leader") or "")
            return ""

        return await eventually(found, within=30)

    async def copies_agree(self) -> bool:
        """Tell whether every stream is on three servers that are all there, with all that there is."""
        with suppress(nats.errors.Error, TimeoutError, AssertionError):
            for stream in STREAMS:
                found = (await api(self.chaos, f"STREAM.INFO.{stream.name}"))["cluster"]
                if len(found["replicas"]) != 2 or not all(each["current"] for each in found["replicas"]):
                    return False
            return True
        return False

    async def goes_on(self) -> None:
        """Wait until what is said from now on arrives, by every way."""
        last = [len(self.facts), len(self.intake), len(self.commands)]

        async def arrived() -> bool:
            said = [len(self.facts), len(self.intake), len(self.commands)]
            there = [len(each) for each in await self.heard()]
            return all(now > before for now, before in zip(said + there, last * 2, strict=True))

        await eventually(arrived, within=40)

    async def are_ready(self) -> bool:
        """Tell whether both services say that they can work."""
        async with httpx.AsyncClient(timeout=15) as http:
            said = [
                (await http.get(f"http://127.0.0.1:{service.port}/health/ready")).is_success
                for service in (self.gateway, self.tickets)
            ]
        return all(said)

    async def heard(self) -> list[list[str]]:
        """Return what tickets has noted of each way."""
        return [await heard(self.tickets.database, each) for each in (self.told, self.sent, self.asked)]


@asynccontextmanager
async def a_town(postgres: PostgresServer) -> AsyncIterator[Town]:
    urls = {
        "gateway": await plumbed(postgres, "gateway"),
        "tickets": await plumbed(postgres, "tickets", HEARD, tenants=["heard"]),
    }
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(a_cluster(replicas=3))
        told = {name: ServiceSettings(nats_url=cluster.url(name), database_url=urls[name].app) for name in urls}
        gateway, tickets = a_gateway(told["gateway"]), a_tickets(told["tickets"])
        chaos = await connect(cluster.url(CHAOS), CHAOS, closing=lambda: True)
        stack.push_async_callback(chaos.close)
        await stack.enter_async_context(running(gateway, tickets))
        yield Town(cluster, gateway, tickets, chaos)


@pytest.mark.timeout(120 * ROUNDS)
async def test_a_dead_leader_and_a_lost_quorum_lose_and_double_nothing_that_was_acknowledged(
    postgres_server: PostgresServer,
) -> None:
    async with a_town(postgres_server) as town:
        at_work = [asyncio.create_task(each) for each in (town.tell(), town.send(), town.ask())]
        try:
            await town.goes_on()
            for turn in range(ROUNDS):
                await the_leader_dies(town, ("GATEWAY", "INTAKE")[turn % 2])
                await two_of_three_die(town)
            assert not any(task.done() for task in at_work)
        finally:
            for task in at_work:
                task.cancel()
            await asyncio.gather(*at_work, return_exceptions=True)

        async def all_arrived() -> bool:
            facts, intake, notes = await town.heard()
            # Who was told to end may have just been acknowledged.
            assert (facts[: len(town.facts)], intake[: len(town.intake)]) == (town.facts, town.intake)
            assert set(town.commands) <= set(notes)
            assert all(len(each) == len(set(each)) for each in (facts, intake, notes)), "something came twice"
            return True

        await eventually(all_arrived, within=30)
        await eventually(town.are_ready)


async def the_leader_dies(town: Town, stream: str) -> None:
    dead = await town.leader(stream)
    await town.cluster.members[dead].kill()
    await town.goes_on()
    assert await town.leader(stream) != dead
    await town.cluster.members[dead].start()
    await eventually(town.copies_agree, within=30)


async def two_of_three_die(town: Town) -> None:
    members = town.cluster.members
    stays = await town.leader("INTAKE")
    gone = [member for name, member in members.items() if name != stays]
    await asyncio.gather(*(member.kill() for member in gone))
    stored, answered = len(town.intake), len(town.commands)
    # What people ask goes on: it takes one server alone, and what follows from it waits in the database.
    await eventually(lambda: len(town.commands) > answered + 40, within=30)
    assert len(town.intake) <= stored + 1, "what no quorum has stored was acknowledged"
    await asyncio.gather(*(member.start() for member in gone))
    await town.goes_on()
    await eventually(town.copies_agree, within=30)
