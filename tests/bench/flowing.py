"""How long what happens takes to be told to whom it concerns, and how fast other systems are heard."""

import asyncio
import statistics
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx

from tests.bench.table import Figure
from tests.support.eventually import eventually
from tests.support.stack import PASSWORD, WORKSPACE, Desk, Stack, publish

ROUNDS: Final = {"short": 20, "long": 60}
BURST: Final = {"short": 200, "long": 2_000}


@asynccontextmanager
async def _followed(desk: Desk) -> AsyncIterator[asyncio.Queue[tuple[float, str]]]:
    """Follow a desk live: when something came, and what."""
    came: asyncio.Queue[tuple[float, str]] = asyncio.Queue()
    begun = asyncio.Event()
    path = f"/api/v1/workspaces/{WORKSPACE}/events?inbox=true"

    async def follow() -> None:
        access = {"Authorization": f"Bearer {desk.token}"}
        async with (
            httpx.AsyncClient(base_url=desk.stack.url, headers=access, timeout=60) as http,
            http.stream("GET", path) as answer,
        ):
            begun.set()
            async for line in answer.aiter_lines():
                came.put_nowait((time.perf_counter(), line))

    following = asyncio.create_task(follow())
    await begun.wait()
    try:
        yield came
    finally:
        following.cancel()


async def _until(came: asyncio.Queue[tuple[float, str]], *words: str) -> float:
    async with asyncio.timeout(60):
        while True:
            at, line = await came.get()
            if all(word in line for word in words):
                return at


@dataclass(frozen=True, slots=True)
class Flow:
    """What was found; times in milliseconds, counted from the answer to the command, which comes after its commit."""

    told: list[float]
    """Until the ledger's entry was on the screen of somebody who follows."""
    notified: list[float]
    """Until the assignee, who follows too, was told of an item in their inbox."""
    intake: float
    """Messages of another system that became tickets, per second."""

    def figures(self) -> Iterator[Figure]:
        """Yield what was found."""
        for name, took in (
            ("commit → ledger → live page", self.told),
            ("commit → inbox of the assignee", self.notified),
        ):
            yield Figure(name, "ms, p50", [statistics.median(took)])
            yield Figure(name, "ms, p95", [statistics.quantiles(took, n=20)[-1]])
        yield Figure("tickets by intake, sent all at once", "per s", [self.intake])


async def flow(desk: Desk, profile: str) -> Flow:
    """Measure it on a running desk."""
    other = await _a_member(desk)
    told, notified = [], []
    for nth in range(ROUNDS[profile]):
        # Each time anew: somebody who follows is told once a second at most that something came.
        async with _followed(desk) as mine, _followed(other) as theirs:
            answer = await desk.send("POST", "tickets", {"subject": f"Fire {nth}", "assignee_id": other.user_id})
            began = time.perf_counter()
            assert answer.status_code == httpx.codes.CREATED, answer.text
            told.append((await _until(mine, answer.json()["id"], "ticket_created") - began) * 1_000)
            notified.append((await _until(theirs, "notified") - began) * 1_000)
    return Flow(told, notified, await _intake(desk.stack, desk, BURST[profile]))


async def _a_member(desk: Desk) -> Desk:
    name = f"ben{uuid.uuid4().hex[:8]}"
    asked = {"email": f"{name}@example.com", "name": name, "role": "member"}
    invited = await desk.send("POST", "invitations", asked)
    assert invited.status_code == httpx.codes.CREATED, invited.text
    path = f"/api/v1/invitations/{invited.json()['token']}/accept"
    joined = await desk.send("POST", path, {"password": PASSWORD})
    assert joined.is_success, joined.text
    return Desk(desk.stack, joined.json()["token"], joined.json()["user"]["id"])


async def _intake(stack: Stack, desk: Desk, many: int) -> float:
    async def tickets() -> int:
        counts: dict[str, int] = (await desk.get("tickets/counts"))["counts"]
        return sum(counts.values())

    access = stack.env("integration")
    subject = f"tickets.intake.v1.ticket_requested.{access['WORKSPACE_ID']}.{access['INTEGRATION']}"
    wanted = await tickets() + many
    run = uuid.uuid4().hex

    def asked(nth: int) -> dict[str, Any]:
        return {"external_id": f"{run}-{nth}", "subject": f"Alert {nth}", "description": "It is too hot."}

    async with stack.nats("integration") as client:
        began = time.perf_counter()
        for first in range(0, many, 50):
            part = range(first, min(first + 50, many))
            await asyncio.gather(*(publish(client, subject, asked(nth)) for nth in part))

        async def all_there() -> bool:
            return await tickets() >= wanted

        await eventually(all_there, within=300)
        return many / (time.perf_counter() - began)
