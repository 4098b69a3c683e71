"""Facts heard in parts: every part has one leader, and each workspace's record is as dense and as ordered as ever."""

import asyncio
import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.support.eventually import eventually
from tests.support.stack import Desk, running_stack

pytestmark = pytest.mark.rehearsal

PARTS, WORKSPACES, TICKETS = 4, 6, 8


async def heard_parts(port: int) -> int:
    """How many parts the process on this port hears, as its metrics say; a process that is away hears none."""
    try:
        async with httpx.AsyncClient(timeout=15) as http:
            lines = (await http.get(f"http://127.0.0.1:{port}/metrics")).text.split("\n")
    except httpx.HTTPError:
        return 0
    return sum(int(float(line.split()[1])) for line in lines if line.startswith("counterfoil_parts "))


async def is_whole(desk: Desk) -> bool:
    """Tell whether the ledger has every step of every ticket, in order, dense and proven."""
    entries = (await desk.get("feed?limit=100"))["items"]
    steps = [(entry["type"], entry["version"]) for entry in entries]
    by_type = {type: [version for each, version in steps if each == type] for type, _ in steps}
    dense = [entry["seq"] for entry in entries] == list(range(1, 2 * TICKETS + 1))
    wanted = {"ticket_created": [1] * TICKETS, "status_changed": [2] * TICKETS}
    return dense and by_type == wanted and bool((await desk.get("audit/verify"))["ok"])


@pytest.mark.timeout(240)
async def test_replicas_share_the_parts_and_a_kill_leaves_every_record_whole(tmp_path: Path) -> None:
    told = {"COUNTERFOIL_PARTITIONS": str(PARTS)}
    async with running_stack(tmp_path / "var", **told) as stack, stack.replica("activity", **told) as another:
        owner = await stack.sign_in()
        desks = [replace(owner, workspace=f"shop{nth}") for nth in range(WORKSPACES)]
        for desk in desks:
            made = await desk.send("POST", "/api/v1/workspaces", {"name": "Shop", "slug": desk.workspace})
            assert made.is_success, made.text

        async def shared() -> bool:
            ports = [stack.running["activity"]["port"], another.port]
            return [await heard_parts(port) for port in ports] == [PARTS // 2] * 2

        async def works(desk: Desk) -> None:
            for nth in range(TICKETS):
                ticket = await desk.insist("POST", "tickets", {"subject": f"Ticket {nth}"})
                await desk.insist("PATCH", f"tickets/{ticket['id']}", {"status": "open"})

        await eventually(shared, within=30)
        working = asyncio.gather(*map(works, desks))
        await stack.kill("activity")
        await eventually(lambda: has_all(another.port), within=15)
        await working
        await eventually(shared, within=30)

        for desk in desks:
            await eventually(partial(is_whole, desk), within=30)
        async with stack.nats("operator") as client:

            async def forgotten() -> bool:
                copy = await client.request(f"$JS.API.STREAM.INFO.TICKETS_BY_{PARTS}", b"")
                return bool(json.loads(copy.data)["state"]["messages"] == 0)

            await eventually(forgotten)


async def has_all(port: int) -> bool:
    """Tell whether the process on this port hears every part."""
    return await heard_parts(port) == PARTS
