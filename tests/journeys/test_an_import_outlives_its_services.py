"""A workspace is taken in while gateway and tickets are killed: sent again, it is whole, and nothing is double."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import httpx
import pytest

from tests.support.eventually import eventually
from tests.support.stack import Desk, Stack, healed

pytestmark = pytest.mark.rehearsal

TICKETS = 25
COME_ALONG = ("contact", "contact_name", "message", "ticket", "link", "note")


async def exported(desk: Desk) -> list[str]:
    return (await desk.send("GET", "export")).text.splitlines(keepends=True)


async def sent(
    stack: Stack, desk: Desk, lines: list[str], at: int = 0, strike: Callable[[], Awaitable[None]] | None = None
) -> dict[str, Any]:
    """Send a file, and strike while the line of this place is put in; return what became of it, if that is told."""

    async def file() -> AsyncIterator[bytes]:
        for nth, line in enumerate(lines):
            yield line.encode()
            if strike and nth == at:
                await eventually(begun)
                yield "".join(lines[nth + 1 :]).encode()
                await strike()
                return

    async def begun() -> bool:
        found = (await desk.get("imports"))["items"]
        return bool(found) and found[0]["lines"] > 0

    path = f"/api/v1/workspaces/{desk.workspace}/import"
    headers = {"Authorization": f"Bearer {desk.token}", "Content-Type": "application/jsonl"}
    with suppress(httpx.HTTPError):
        async with httpx.AsyncClient(base_url=stack.url, timeout=3 if strike else 90) as http:
            answer = await http.post(path, content=file(), headers=headers)
            told: dict[str, Any] = answer.json()
            return told
    return {}


@pytest.mark.timeout(300)
async def test_an_import_goes_on_after_the_services_that_take_it_in_were_killed(stack: Stack, desk: Desk) -> None:
    async def one(nth: int) -> None:
        contact = {"name": "Ida", "email": f"ida-{nth}@example.com"}
        ticket = await desk.insist("POST", "tickets", {"subject": f"Moving {nth}", "contact": contact})
        await desk.insist("POST", f"tickets/{ticket['id']}/notes", {"body": f"Box {nth}"})

    await asyncio.gather(*map(one, range(TICKETS)))
    lines = await exported(desk)
    copy = replace(desk, workspace="moved-by-force")
    assert (await desk.send("POST", "/api/v1/workspaces", {"name": "Moved", "slug": copy.workspace})).status_code == 201
    entries = [nth for nth, line in enumerate(lines) if line.startswith('{"kind": "entry"')]

    for victim, at in (("gateway", entries[0]), ("tickets", entries[len(entries) // 2])):
        await sent(stack, copy, lines, at, lambda victim=victim: stack.kill(victim))  # type: ignore[misc]
        await healed(stack)

    async def finished() -> bool:
        return bool((await sent(stack, copy, lines)).get("finished")) or bool(
            (await copy.get("imports"))["items"][0]["finished_at"]
        )

    await eventually(finished, within=60)

    def held(lines: list[str]) -> Counter[str]:
        kinds = Counter(json.loads(line)["kind"] for line in lines)
        books = Counter(
            f"entry of {json.loads(line)['row']['book']}" for line in lines if '"kind": "entry"' in line[:20]
        )
        return Counter({kind: kinds[kind] for kind in COME_ALONG}) + Counter({"steps": books["entry of tickets"]})

    async def recorded() -> list[str]:
        there = await exported(copy)
        assert held(there) == held(lines)
        return there

    there = await eventually(recorded)
    for kind in ("ticket", "note"):
        ids = [json.loads(line)["row"]["id"] for line in there if line.startswith(f'{{"kind": "{kind}"')]
        assert len({*ids}) == len(ids) >= TICKETS
    assert (await copy.get("audit/verify"))["ok"]
