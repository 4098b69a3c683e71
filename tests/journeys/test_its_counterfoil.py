"""Every step of a ticket is in its record, provably; who should know knows; pages follow live."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from tests.support.eventually import eventually
from tests.support.stack import WORKSPACE, Desk, Stack


@pytest.fixture(scope="module")
async def bob(stack: Stack, desk: Desk) -> Desk:
    return await joined(stack, desk, "bob@counterfoil.example", "member")


@pytest.fixture(scope="module")
async def gus(stack: Stack, desk: Desk) -> Desk:
    return await joined(stack, desk, "gus@counterfoil.example", "guest")


async def joined(stack: Stack, desk: Desk, email: str, role: str) -> Desk:
    invited = await desk.send("POST", "invitations", {"email": email, "name": email.title(), "role": role})
    accept = f"/api/v1/invitations/{invited.json()['token']}/accept"
    assert (await Desk(stack, "").send("POST", accept, {"password": "one more long pass phrase"})).is_success
    return await stack.sign_in(email, "one more long pass phrase")


@asynccontextmanager
async def stream(desk: Desk, after: int | None = None) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """Follow the workspace as a page does: `id` and `data` of each event."""
    headers = {"Authorization": f"Bearer {desk.token}"} | ({} if after is None else {"Last-Event-ID": str(after)})
    url = f"{desk.stack.url}/api/v1/workspaces/{WORKSPACE}/events"
    async with httpx.AsyncClient(timeout=20) as http, http.stream("GET", url, headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.aiter_lines()
        async for line in lines:  # the greeting: from here on nothing is missed
            if not line:
                break
        yield _events(lines)


async def _events(lines: AsyncIterator[str]) -> AsyncIterator[dict[str, Any]]:
    event: dict[str, Any] = {}
    async for line in lines:
        name, _, value = line.partition(": ")
        if not line and "data" in event:
            yield {"id": int(event["id"]), "type": event["event"], "data": json.loads(event["data"])}
            event = {}
        elif name:
            event[name] = value


async def test_each_step_stands_in_the_history_with_who_what_and_why(desk: Desk, bob: Desk) -> None:
    ticket = (await desk.send("POST", "tickets", {"subject": "Leaking roof"})).json()
    path = f"tickets/{ticket['id']}"
    await desk.send("PATCH", path, {"assignee_id": bob.user_id})
    await bob.send("PATCH", path, {"status": "in_progress", "priority": "high"})
    await bob.send("POST", f"{path}/notes", {"body": "Called the roofer."})
    history = await eventually(lambda: desk.get(f"{path}/activity?min_version=5"))
    steps = [(entry["version"], entry["type"]) for entry in history["items"]]
    assert steps[:2] == [(1, "ticket_created"), (2, "assigned")]
    assert {type for _, type in steps[2:4]} == {"status_changed", "priority_changed"}
    assert [version for version, _ in steps] == [1, 2, 3, 4, 5]
    assert steps[4] == (5, "note_added")
    moved = next(entry for entry in history["items"] if entry["type"] == "status_changed")
    assert (moved["old"], moved["new"], moved["actor"]["id"], moved["via"]) == (
        "new",
        "in_progress",
        bob.user_id,
        "api",
    )
    assert all(entry["cause"] and entry["at"] for entry in history["items"])
    assert (await desk.get("audit/verify"))["ok"]
    people = await desk.get("audit/people")
    assert {"workspace_created", "member_joined"} <= {entry["type"] for entry in people["items"]}


async def test_a_page_sees_each_change_once_over_twenty_reconnects_and_a_guest_no_note(desk: Desk, gus: Desk) -> None:
    ticket = (await desk.send("POST", "tickets", {"subject": "Watched"})).json()
    path = f"tickets/{ticket['id']}"
    await eventually(lambda: desk.get(f"{path}/activity?min_version=1"))
    heads = (await desk.get("audit/head"))["items"]
    (last,) = (head["seq"] for head in heads if head["book"] == "tickets")
    seen: list[int] = []
    async with stream(gus) as guests:
        for nth in range(20):
            note = nth % 2
            async with asyncio.timeout(20):
                async with stream(desk, last) as events:
                    if note:
                        await desk.send("POST", f"{path}/notes", {"body": f"Note {nth}"})
                    else:
                        await desk.send("PATCH", path, {"priority": "high" if nth % 4 else "low"})
                    event = await anext(events)
            seen.append(event["data"]["version"])
            assert event["id"] == event["data"]["seq"] == last + 1
            last = event["id"]
        versions = []
        async with asyncio.timeout(20):
            async for event in guests:
                assert event["type"] not in ("note_added", "comment_added")
                versions.append(event["data"]["version"])
                if event["data"]["version"] >= seen[-2]:
                    break
    assert seen == list(range(2, 22))
    assert versions == [version for version in seen if version % 2 == 0]


async def test_the_assignee_is_told_once_and_nobody_of_their_own_act(desk: Desk, bob: Desk) -> None:
    ticket = (await desk.send("POST", "tickets", {"subject": "For Bob", "assignee_id": bob.user_id})).json()
    await desk.send("PATCH", f"tickets/{ticket['id']}", {"status": "open"})
    await bob.send("PATCH", f"tickets/{ticket['id']}", {"status": "in_progress"})

    async def of_this_ticket(who: Desk) -> list[str]:
        items = (await who.get("notifications"))["items"]
        return sorted(item["kind"] for item in items if item["ticket_id"] == ticket["id"])

    async def told() -> bool:
        return await of_this_ticket(bob) == ["assigned", "status"] and await of_this_ticket(desk) == ["status"]

    await eventually(told)
    before = (await bob.get("notifications/unread"))["unread"]
    (newest, *_) = (await bob.get("notifications?limit=1"))["items"]
    assert (await bob.send("POST", "notifications/read", {"ids": [newest["id"]]})).json()["unread"] == before - 1


async def test_a_stream_ends_soon_after_its_reader_has_left(stack: Stack, desk: Desk) -> None:
    leaver = await joined(stack, desk, "leaver@counterfoil.example", "member")
    async with stream(leaver) as events:
        assert (await leaver.send("DELETE", "/api/v1/sessions/current")).status_code == 204
        async with asyncio.timeout(15):
            async for _ in events:
                continue
