"""Whatever is sent: nothing crashes, nothing is stuck, each message is applied or kept with its reason.

`COUNTERFOIL_FUZZ` is how many messages, `COUNTERFOIL_SEED` which; `make faults` sends twenty thousand.
"""

import asyncio
import json
import os
import random
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import asyncpg
import httpx
import nats
import pytest
from nats.aio.client import Client
from nats.js.errors import APIError

from chassis.connection import inbox_prefix
from contracts.base import SERVICES, uuid7
from contracts.envelope import STRUCTURED
from contracts.refusals import Invalid, Malformed, NotAllowed, NotFound, TransitionNotAllowed, UnknownMessage
from tests.erasure.places import owner_url
from tests.fuzz.mutations import Sent, mutants
from tests.support.eventually import eventually
from tests.support.infra import PROJECT
from tests.support.stack import Stack, fresh_stack

MANY = int(os.environ.get("COUNTERFOIL_FUZZ", "800"))
SEED = int(os.environ.get("COUNTERFOIL_SEED", "20260302"))
PATIENCE = 60 + MANY / 10
pytestmark = [pytest.mark.rehearsal, pytest.mark.timeout(60 + 2 * PATIENCE)]
SAMPLES = {path.stem: json.loads(path.read_bytes()) for path in (PROJECT / "contracts" / "samples").glob("*.json")}
_AT_ONCE = 200
REASONS = {kind.code for kind in (Invalid, Malformed, UnknownMessage, NotAllowed, NotFound, TransitionNotAllowed)}
"""Why a message of another system may be refused; a bug of ours is none of them."""
_HALF_DONE = """
    select 'tickets and their numbers' as what,
        (select count(*) from tickets where workspace_id = $1) as one,
        (select coalesce(max(number), 0) from tickets where workspace_id = $1) as other
    union all select 'tickets and what asked for them',
        (select count(*) from tickets where workspace_id = $1),
        (select count(*) from intake_sources where workspace_id = $1)
    union all select 'tickets and their facts',
        (select coalesce(sum(version), 0) from tickets where workspace_id = $1),
        (select count(*) from event_log where workspace_id = $1 and about_kind = 'ticket')
    union all select 'messages and conversations',
        (select coalesce(sum(message_count), 0) from conversations where workspace_id = $1),
        (select count(*) from messages where workspace_id = $1)
    union all select 'facts and positions',
        (select count(*) from event_log where workspace_id = $1 and position is not null),
        (select coalesce(max(last), 0) from positions where workspace_id = $1)
"""


@pytest.fixture(scope="module")
async def stack() -> AsyncIterator[Stack]:
    """A system of its own: what it is told here would be in nobody's way elsewhere."""
    async with fresh_stack() as stack:
        yield stack


@dataclass(slots=True)
class Outsider:
    """Another system: it opens tickets, and then speaks of those that it has opened."""

    workspace: str
    integration: str
    opened: list[str] = field(default_factory=list)

    def says(self, chance: random.Random) -> Sent:
        """Return a good message."""
        subjects = sorted(subject for subject in SAMPLES if ".intake." in subject)
        subject = chance.choice([each for each in subjects if self.opened or "updated" not in each])
        body = json.loads(json.dumps(SAMPLES[subject]).replace("northwind", self.workspace))
        for name in ("conversation_external_id", "message_external_id"):
            if name in body:
                body[name] = f"{chance.getrandbits(64):x}"
        if "updated" in subject:
            note = f"{chance.getrandbits(64):x}"
            body |= {"external_id": chance.choice(self.opened), "status": "in_progress", "note": note}
        elif "external_id" in body:
            body["external_id"] = f"{chance.getrandbits(64):x}"
        if "conversation" in body:
            body["conversation"]["external_id"] = f"{chance.getrandbits(64):x}"
        where, id = f"{subject}.{self.workspace}.{self.integration}", f"{chance.getrandbits(64):x}"
        match chance.choice(("binary", "structured", "bare")):
            case "binary":
                headers = {"ce-id": id, "ce-specversion": "1.0", "ce-type": subject}
            case "structured":
                body = {"specversion": "1.0", "id": id, "source": "/elsewhere", "type": subject, "data": body}
                headers = {"content-type": STRUCTURED}
            case _:
                id, headers = "", {}
        return Sent(where, json.dumps(body).encode(), headers, good=True, id=id)

    def said(self, message: Sent) -> None:
        """Remember what it may speak of."""
        if message.good and "requested" in message.subject:
            body = json.loads(message.body)
            self.opened.append(body.get("data", body)["external_id"])


@dataclass(slots=True)
class Owner:
    """A service of ours that tells facts of several workspaces, each workspace's in order."""

    name: str
    books: dict[str, int] = field(default_factory=dict)

    def tells(self, chance: random.Random) -> Sent:
        """Return the next fact of some workspace."""
        workspace = chance.choice(list(self.books))
        self.books[workspace] += 1
        # Of `person_erased` dead letters go, and other books tell of it: nothing would add up.
        told = (each for each in SAMPLES if each.startswith(f"{self.name}.events.") and "erased" not in each)
        subject = chance.choice(sorted(told))
        body = json.loads(json.dumps(SAMPLES[subject]).replace("northwind", workspace)) | {"id": str(uuid7())}
        headers = {
            "ce-specversion": "1.0",
            "ce-id": body["id"],
            "ce-type": subject,
            "ce-source": f"/counterfoil/{self.name}",
            "ce-position": str(self.books[workspace]),
            "content-type": "application/json",
        }
        return Sent(f"{subject}.{workspace}", json.dumps(body).encode(), headers, good=True)


def a_workspace() -> str:
    return f"fuzz-{uuid.uuid4().hex[:12]}"


async def published(client: Client, messages: Iterator[Sent]) -> list[Sent]:
    """Send all, many at once; return what the broker took."""
    js, taken = client.jetstream(timeout=30), list[Sent]()

    async def publish(message: Sent) -> None:
        try:
            await js.publish(message.subject, message.body, headers=message.headers or None)
        except (APIError, ValueError):  # it is no message, or none that the stream takes
            if place := message.headers.get("ce-position"):  # a hole in a book would be waited for
                await js.publish(message.subject, b"{}", headers={"ce-position": place})
            return
        taken.append(message)

    while batch := tuple(islice(messages, _AT_ONCE)):
        await asyncio.gather(*map(publish, batch))
    return taken


async def test_whatever_another_system_sends_is_applied_or_kept_with_its_reason(stack: Stack) -> None:
    access = stack.env("integration")
    outsider = Outsider(access["WORKSPACE_ID"], access["INTEGRATION"])
    before = {name: child["pid"] for name, child in stack.running.items()}
    async with stack.nats("integration") as client:
        chance = random.Random(SEED)
        taken = await published(client, mutants(chance, outsider.says, MANY, outsider.said))
    await nothing_waits(stack, "INTAKE", "tickets")
    became = await settled(stack, "tickets", "INTAKE")
    # What was settled and came once more, for its receipt was late, is counted again.
    again = await counted(stack, "tickets", "redelivered", "INTAKE")
    assert 0 <= sum(became.values()) - len(taken) <= again, SEED
    letters = await rows(stack, "tickets", "select * from dead_letters where stream = 'INTAKE'")
    assert 0 <= became["buried"] - len(letters) <= again, SEED
    assert len({letter["sequence"] for letter in letters}) == len(letters) > MANY // 4, SEED
    assert {letter["reason"] for letter in letters} <= REASONS, SEED
    good = [message for message in taken if message.good]
    bodies = {message.body for message in good}
    assert [(each["detail"], each["body"]) for each in letters if bytes(each["body"]) in bodies] == [], SEED
    ids = [message.id for message in good if message.id]
    effects = await rows(stack, "tickets", "select message_id from inbox where message_id = any($1)", ids)
    assert len(good) > len(ids) == len(effects) > MANY // 100, SEED
    assert await half_done(stack, outsider.workspace) == [], SEED
    assert {name: child["pid"] for name, child in stack.running.items()} == before
    assert errors(stack) == [], SEED


@pytest.mark.parametrize("owner", ["tickets", "gateway"])
async def test_whatever_an_owner_tells_is_applied_or_kept_with_its_reason(stack: Stack, owner: str) -> None:
    bad = Owner(owner, {a_workspace(): 0 for _ in range(20)})
    clean = Owner(owner, {a_workspace(): 0 for _ in range(5)})
    before = {name: child["pid"] for name, child in stack.running.items()}
    seed = f"{SEED} {owner}"
    client = await nats.connect(stack.secret(f"{owner}.nats-url"), inbox_prefix=inbox_prefix(owner).encode())
    chance = random.Random(seed)
    await published(client, mutants(chance, bad.tells, MANY // 4))
    await published(client, (clean.tells(chance) for _ in range(100)))
    await client.close()
    for service in ("activity", "notifications") if owner == "tickets" else ("activity", "tickets", "notifications"):
        await nothing_waits(stack, owner.upper(), service)
    books = bad.books | clean.books
    count = "select workspace_id, count(*) from {} where workspace_id = any($1) group by 1"
    recorded = dict(await rows(stack, "activity", count.format("entries"), list(books)))
    buried = dict(await rows(stack, "activity", count.format("dead_letters"), list(books)))
    assert {book: recorded.get(book, 0) + buried.get(book, 0) for book in books} == books, seed
    assert {book: recorded[book] for book in clean.books} == clean.books, seed
    assert {name: child["pid"] for name, child in stack.running.items()} == before
    assert errors(stack) == [], seed


async def half_done(stack: Stack, workspace: str) -> list[str]:
    """Return what stands in one table and not in those that the same effect writes."""
    found = await rows(stack, "tickets", _HALF_DONE, workspace)
    return [f"{row['what']}: {row['one']} and {row['other']}" for row in found if row["one"] != row["other"]]


async def nothing_waits(stack: Stack, stream: str, service: str) -> None:
    """Wait until a service has settled all of a stream."""
    async with stack.nats("operator") as operator:

        async def settled() -> bool:
            info = await operator.jetstream().consumer_info(stream, service)
            return not info.num_pending and not info.num_ack_pending

        await eventually(settled, within=PATIENCE)


async def settled(stack: Stack, service: str, stream: str) -> Counter[str]:
    """Return what became of the messages of a stream, as the service counts them."""
    found = Counter[str]()
    for labels, many in await metric(stack, service, "heard", stream):
        found[labels.partition('outcome="')[2].partition('"')[0]] += many
    return found


async def counted(stack: Stack, service: str, name: str, stream: str) -> int:
    """Return what a service has counted of a stream."""
    return sum([many for _, many in await metric(stack, service, name, stream)])


async def metric(stack: Stack, service: str, name: str, stream: str) -> list[tuple[str, int]]:
    """Return a counter of a stream, by its labels."""
    async with httpx.AsyncClient(timeout=10) as http:
        answer = await http.get(stack.running[service]["health"].replace("/health/ready", "/metrics"))
    lines = [line for line in answer.text.splitlines() if line.startswith(f"counterfoil_{name}_total{{")]
    return [(line, int(float(line.rpartition(" ")[2]))) for line in lines if f'stream="{stream}"' in line]


async def rows(stack: Stack, service: str, query: str, *given: Any) -> list[Any]:
    connection = await asyncpg.connect(owner_url(stack, service))
    try:
        await connection.execute("select set_config('app.ws', '*', false)")
        return list(await connection.fetch(query, *given))
    finally:
        await connection.close()


def errors(stack: Stack) -> list[str]:
    """Return the first lines of the logs that tell of a bug."""
    logs = [(stack.data / "log" / f"{name}.log").read_text(encoding="utf-8") for name in SERVICES]
    lines = [line for log in logs for line in log.splitlines()]
    return [line for line in lines if '"level": "error"' in line or '"level": "critical"' in line][:3]
