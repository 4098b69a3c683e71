"""Every session with the database is cut again and again, and services say all they can: nothing is lost or told."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from functools import partial

import asyncpg
import pytest

from contracts.base import SERVICES
from tests.erasure import places
from tests.erasure.doors import DOORS, Planter
from tests.support.eventually import eventually
from tests.support.replicas import paced
from tests.support.stack import Desk, Stack, fresh_stack

pytestmark = pytest.mark.rehearsal

COMMANDS = int(os.environ.get("COUNTERFOIL_FAULTS", "300")) // 32 * 4
_CUT = "select pg_terminate_backend(pid) from pg_stat_activity where usename = current_user and pid <> pg_backend_pid()"


@pytest.fixture(scope="module")
async def stack() -> AsyncIterator[Stack]:
    """A system that logs as much as it can."""
    async with fresh_stack(COUNTERFOIL_LOG_LEVEL="debug") as stack:
        yield stack


@pytest.fixture(scope="module")
async def desk(stack: Stack) -> Desk:
    return await stack.sign_in()


async def cut(stack: Stack) -> None:
    """End every session of every service, for as long as it takes."""
    async for _ in paced(1_000_000, 0.5):
        for service in SERVICES:
            with contextlib.suppress(OSError, asyncpg.PostgresError):
                connection = await asyncpg.connect(stack.secret(f"{service}.database-url"))
                try:
                    await connection.execute(_CUT)
                finally:
                    connection.terminate()


async def test_d10_sessions_that_are_cut_all_the_time_lose_and_double_nothing(stack: Stack, desk: Desk) -> None:
    cutting = asyncio.create_task(cut(stack))

    async def work(worker: int) -> list[str]:
        made = []
        async for n in paced(COMMANDS // 4, 0.1):
            ticket = await desk.insist("POST", "tickets", {"subject": f"Cut {worker} {n}"})
            await desk.insist("PATCH", f"tickets/{ticket['id']}", {"priority": "high"})
            made.append(ticket["id"])
        return made

    try:
        made = [id for ids in await asyncio.gather(*map(work, range(4))) for id in ids]
    finally:
        cutting.cancel()
        await asyncio.gather(cutting, return_exceptions=True)
    # Who asks at this moment may still be told to come again.
    there = (await eventually(lambda: desk.get("tickets/counts?q=Cut"), within=20))["counts"]
    assert (len(set(made)), sum(there.values())) == (COMMANDS, COMMANDS)
    for id in made:
        history = await eventually(partial(desk.get, f"tickets/{id}/activity?min_version=2"), within=20)
        assert [entry["type"] for entry in history["items"]] == ["ticket_created", "priority_changed"]
    assert (await eventually(lambda: desk.get("audit/verify"), within=20))["ok"]


async def test_d12_who_says_all_that_there_is_to_say_still_repeats_nobodys_words(stack: Stack, desk: Desk) -> None:
    planter = Planter(stack, desk)
    for plant in DOORS.values():
        await plant(planter)
    said = [line for name in SERVICES for line in places.lines(stack.data / "log" / f"{name}.log")]
    assert any(line["level"] == "debug" for line in said)
    assert places.logs(stack, planter.words | planter.codes | planter.secrets) == {}
