"""Nothing acknowledged is lost or doubled, whatever process is killed while it is being worked on."""

import asyncio
import itertools
import json
import os
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.support.eventually import eventually
from tests.support.infra import PostgresServer
from tests.support.stack import Desk, Stack, fresh_stack, healed, publish

COMMANDS = int(os.environ.get("COUNTERFOIL_FAULTS", "150"))
pytestmark = pytest.mark.timeout(max(300, COMMANDS))  # the first test waits for all the killing
VICTIMS = ("tickets", "activity", "nats", "notifications", "gateway", "postgres")
ROUNDS = max(1, COMMANDS // 1000)
PEOPLE = 12
"""So many at once that commands share their commits."""


@dataclass(slots=True)
class History:
    """What was acknowledged, as a client knows it."""

    created: dict[str, str] = field(default_factory=dict)
    """Ticket id by subject."""
    patched: Counter[str] = field(default_factory=Counter)
    """Acknowledged changes by ticket id."""
    asked: set[str] = field(default_factory=set)
    """External ids that the broker acknowledged."""
    bob: str = ""
    """Who gets every ticket that a person opens."""

    @property
    def commands(self) -> int:
        return len(self.created) + self.patched.total() + len(self.asked)


async def person(desk: Desk, history: History, names: "itertools.count[int]") -> None:
    """Open tickets and change each of them, one command after the other."""
    while history.commands < COMMANDS:
        subject = f"Printer {next(names)} is on fire"
        ticket = await desk.insist("POST", "tickets", {"subject": subject, "assignee_id": history.bob})
        history.created[subject] = ticket["id"]
        for change in ({"priority": "high"}, {"status": "open"}):
            await desk.insist("PATCH", f"tickets/{ticket['id']}", change)
            history.patched[ticket["id"]] += 1


async def other_system(stack: Stack, history: History, names: "itertools.count[int]") -> None:
    """Ask for tickets over NATS until each is acknowledged, some twice: a third of all that is done, at most."""
    access = stack.env("integration")
    subject = f"tickets.intake.v1.ticket_requested.{access['WORKSPACE_ID']}.{access['INTEGRATION']}"
    async with stack.nats("integration") as client:
        while len(history.asked) < COMMANDS // 3:
            number = next(names)
            for _ in range(1 + number % 2):
                await publish(client, subject, {"external_id": f"alarm-{number}", "subject": f"Alarm {number}"})
            history.asked.add(f"alarm-{number}")


async def nemesis(stack: Stack, history: History) -> None:
    """Kill one process after the other, at even steps of the work."""
    for nth, victim in enumerate(VICTIMS * ROUNDS, 1):
        due = nth * COMMANDS // (len(VICTIMS) * ROUNDS + 2)

        def reached(due: int = due) -> bool:
            return history.commands >= due

        await eventually(reached, within=60)
        await stack.kill(victim)


@pytest.fixture(scope="module")
async def survivor() -> AsyncIterator[tuple[Stack, History]]:
    """A system that was killed piece by piece during its work, and what its clients were told."""
    async with fresh_stack() as stack:
        desk, history, names = await stack.sign_in(), History(), itertools.count(1)
        history.bob = (await bobs(desk, stack)).user_id
        async with asyncio.TaskGroup() as work:
            for _ in range(PEOPLE):
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


async def bobs(desk: Desk, stack: Stack) -> Desk:
    """Invite Bob once, and return his desk."""
    email, password = "bob@example.com", "bob's own long pass phrase"
    members = (await desk.get("members"))["items"]
    if not any(member["email"] == email for member in members):
        invited = await desk.send("POST", "invitations", {"email": email, "name": "Bob", "role": "member"})
        accept = f"/api/v1/invitations/{invited.json()['token']}/accept"
        assert (await desk.send("POST", accept, {"password": password})).is_success
    return await stack.sign_in(email, password)


async def read(url: str, stack: Stack, query: str) -> list[asyncpg.Record]:
    """Return what a service's own role sees in the workspace."""
    store = await asyncpg.connect(url)
    try:
        async with store.transaction():
            await store.execute("select set_config('app.ws', $1, true)", stack.env("integration")["WORKSPACE_ID"])
            return await store.fetch(query)
    finally:
        await store.close()


async def event_log(stack: Stack) -> list[tuple[int, str, str, int]]:
    """Return (position, id, ticket, version) of each fact, as the store has them."""
    rows = await read(
        stack.secret("tickets.database-url"),
        stack,
        "select position, id, about_id, version from event_log order by position",
    )
    return [(row["position"], str(row["id"]), row["about_id"], row["version"]) for row in rows]


async def ledger(desk: Desk) -> list[tuple[int, str, str, int]]:
    """Return the same of each entry in the ledger, as it is told over HTTP."""
    found: list[tuple[int, str, str, int]] = []
    while True:
        page = await desk.get(f"feed?limit=100&after={len(found)}")
        found += [(entry["seq"], entry["id"], entry["ticket_id"], entry["version"]) for entry in page["items"]]
        if not page["more"]:
            return found


async def inbox(desk: Desk, of: str = "") -> list[dict[str, Any]]:
    """Return everything in a person's inbox, what a digest holds in its place."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = await desk.get(f"notifications?limit=100{of}{cursor}")
        for item in page["items"]:
            found += [item] if of or item["count"] == 1 else await inbox(desk, f"&digest={item['id']}")
        if not page["next_cursor"]:
            return found
        cursor = f"&cursor={page['next_cursor']}"


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

    tickets = await eventually(all_there, within=60)
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

    log = await eventually(all_told, within=60)
    assert [position for position, *_ in log] == list(range(1, len(log) + 1))
    assert await stream(stack) == log
    versions = defaultdict(list)
    for _, _, ticket, version in log:
        versions[ticket].append(version)
    assert all(seen == list(range(1, len(seen) + 1)) for seen in versions.values())


async def test_the_ledger_has_every_fact_once_and_in_order_and_verifies(survivor: tuple[Stack, History]) -> None:
    stack, _ = survivor
    desk = await stack.sign_in()
    log = await event_log(stack)

    async def recorded() -> bool:
        return len(await ledger(desk)) >= len(log)

    await eventually(recorded, within=60)
    assert await ledger(desk) == log
    verdict = await desk.get("audit/verify")
    assert (verdict["ok"], verdict["tickets"]["entries"]) == (True, len(log))


async def test_everybody_is_told_of_each_cause_exactly_once(survivor: tuple[Stack, History]) -> None:
    stack, history = survivor
    bob = await bobs(await stack.sign_in(), stack)
    wanted = Counter({(id, kind): 1 for id in history.created.values() for kind in ("assigned", "status")})

    async def told() -> bool:
        return len(await inbox(bob)) >= wanted.total()

    await eventually(told, within=60)
    items = await inbox(bob)
    assert Counter((item["ticket_id"], item["kind"]) for item in items) == wanted
    assert len({item["cause"] for item in items}) == len(items)


async def test_the_ledger_rebuilt_from_the_owners_logs_is_the_same_to_the_byte(
    survivor: tuple[Stack, History], postgres_server: PostgresServer
) -> None:
    stack, _ = survivor
    empty = await postgres_server.migrated_database("activity")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.activity", "rebuild"),
        env=os.environ
        | {"COUNTERFOIL_DATABASE_URL": empty.app, "COUNTERFOIL_NATS_URL": stack.secret("activity.nats-url")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, said.decode()
    query = "select book, seq, entry::text, prev_hash, hash from entries order by book, seq"
    live = await read(stack.secret("activity.database-url"), stack, query)
    assert live
    assert await read(empty.app, stack, query) == live


def test_every_kind_of_process_was_killed(survivor: tuple[Stack, History]) -> None:
    stack, history = survivor
    assert history.commands >= COMMANDS
    launcher = Path(stack.data.parent / "launcher.log").read_text(encoding="utf-8")
    for victim in VICTIMS:
        assert launcher.count(f'"child": "{victim}"') >= 1
