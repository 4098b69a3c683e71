"""Nothing acknowledged is lost or doubled, whatever process is killed while it is being worked on."""

import asyncio
import itertools
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.support.eventually import eventually
from tests.support.stack import Desk, Stack, fresh_stack, healed, publish

COMMANDS = 300
VICTIMS = ("tickets", "gateway", "nats", "postgres")


@dataclass(slots=True)
class History:
    """What was acknowledged, as a client knows it."""

    created: dict[str, str] = field(default_factory=dict)
    """Ticket id by subject."""
    patched: Counter[str] = field(default_factory=Counter)
    """Acknowledged changes by ticket id."""
    asked: set[str] = field(default_factory=set)
    """External ids that the broker acknowledged."""

    @property
    def commands(self) -> int:
        return len(self.created) + self.patched.total() + len(self.asked)


async def person(desk: Desk, history: History, names: "itertools.count[int]") -> None:
    """Open tickets and change each of them, one command after the other."""
    while history.commands < COMMANDS:
        subject = f"Printer {next(names)} is on fire"
        ticket = await desk.insist("POST", "tickets", {"subject": subject, "description": "It burns."})
        history.created[subject] = ticket["id"]
        for priority in ("high", "low"):
            await desk.insist("PATCH", f"tickets/{ticket['id']}", {"priority": priority})
            history.patched[ticket["id"]] += 1


async def other_system(stack: Stack, history: History, names: "itertools.count[int]") -> None:
    """Ask for tickets over NATS until each is acknowledged; some are asked for twice."""
    access = stack.env("integration")
    subject = f"tickets.intake.v1.ticket_requested.{access['WORKSPACE_ID']}.{access['INTEGRATION']}"
    async with stack.nats("integration") as client:
        while history.commands < COMMANDS:
            number = next(names)
            for _ in range(1 + number % 2):
                await publish(client, subject, {"external_id": f"alarm-{number}", "subject": f"Alarm {number}"})
            history.asked.add(f"alarm-{number}")


async def nemesis(stack: Stack, history: History) -> None:
    """Kill one process after the other, at even steps of the work."""
    for nth, victim in enumerate(VICTIMS * 2, 1):
        due = nth * COMMANDS // 10

        def reached(due: int = due) -> bool:
            return history.commands >= due

        await eventually(reached, within=60)
        await stack.kill(victim)


@pytest.fixture(scope="module")
async def survivor() -> AsyncIterator[tuple[Stack, History]]:
    """A system that was killed piece by piece during 300 commands, and what its clients were told."""
    async with fresh_stack() as stack:
        desk, history, names = await stack.sign_in(), History(), itertools.count(1)
        async with asyncio.TaskGroup() as work:
            for _ in range(4):
                work.create_task(person(desk, history, names))
            work.create_task(other_system(stack, history, names))
            work.create_task(nemesis(stack, history))
        await healed(stack)
        yield stack, history


async def every_ticket(desk: Desk) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = await desk.get(f"tickets?status=all&limit=100&sort=number{cursor}")
        found += page["items"]
        if not page["next_cursor"]:
            return found
        cursor = f"&cursor={page['next_cursor']}"


async def event_log(stack: Stack) -> list[tuple[int, str, str, int]]:
    """Return (position, id, ticket, version) of each fact, as the store has them."""
    url = (stack.data / "secrets" / "tickets.database-url").read_text(encoding="utf-8").strip()
    store = await asyncpg.connect(url)
    try:
        async with store.transaction():
            await store.execute("select set_config('app.ws', $1, true)", stack.env("integration")["WORKSPACE_ID"])
            rows = await store.fetch("select position, id, about_id, version from event_log order by position")
    finally:
        await store.close()
    return [(row["position"], str(row["id"]), row["about_id"], row["version"]) for row in rows]


async def stream(stack: Stack) -> list[tuple[int, str, str, int]]:
    """Return the same of each message in the stream, in its order."""
    async with stack.nats("operator") as client:
        jetstream = client.jetstream()
        state = (await jetstream.stream_info("TICKETS")).state
        found = []
        for sequence in range(state.first_seq, state.last_seq + 1):
            message = await jetstream.get_msg("TICKETS", sequence)
            headers, body = message.headers or {}, json.loads(message.data or b"")
            found.append((int(headers["ce-position"]), headers["ce-id"], body["ticket_id"], body["version"]))
    return found


async def test_every_acknowledged_command_took_effect_exactly_once(survivor: tuple[Stack, History]) -> None:
    stack, history = survivor
    desk = await stack.sign_in()

    async def all_there() -> list[dict[str, Any]] | None:
        tickets = await every_ticket(desk)
        return tickets if len(tickets) >= len(history.created) + len(history.asked) else None

    tickets = await eventually(all_there, within=30)
    subjects = Counter(ticket["subject"] for ticket in tickets)
    wanted = set(history.created) | {f"Alarm {name.removeprefix('alarm-')}" for name in history.asked}
    assert set(subjects) == wanted
    assert max(subjects.values()) == 1
    assert {ticket["id"] for ticket in tickets} >= set(history.created.values())
    versions = {ticket["id"]: ticket["version"] for ticket in tickets}
    assert {id: versions[id] - 1 for id in history.patched} == dict(history.patched)
    assert [ticket["number"] for ticket in tickets] == list(range(1, len(tickets) + 1))


async def test_the_record_of_every_ticket_is_without_hole_and_the_stream_tells_it_all(
    survivor: tuple[Stack, History],
) -> None:
    stack, _ = survivor

    async def all_told() -> list[tuple[int, str, str, int]] | None:
        log = await event_log(stack)
        told = await stream(stack)
        return log if {row[1] for row in told} == {row[1] for row in log} else None

    log = await eventually(all_told, within=30)
    assert [position for position, *_ in log] == list(range(1, len(log) + 1))
    assert await stream(stack) == log
    versions = defaultdict(list)
    for _, _, ticket, version in log:
        versions[ticket].append(version)
    assert all(seen == list(range(1, len(seen) + 1)) for seen in versions.values())


def test_every_kind_of_process_was_killed(survivor: tuple[Stack, History]) -> None:
    stack, history = survivor
    assert history.commands >= COMMANDS
    launcher = Path(stack.data.parent / "launcher.log").read_text(encoding="utf-8")
    for victim in VICTIMS:
        assert launcher.count(f'"child": "{victim}"') >= 1
