"""Whatever is sent: nothing crashes, nothing is stuck, each message is applied or kept with its reason."""

import asyncio
import json
import os
import random
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import nats
import pytest
from nats.aio.client import Client
from nats.js.errors import APIError

from chassis.connection import inbox_prefix
from contracts.base import SERVICES, uuid7
from tests.fuzz.mutations import Sent, mutants
from tests.support.eventually import eventually
from tests.support.infra import PROJECT
from tests.support.stack import Stack, fresh_stack

MANY = int(os.environ.get("COUNTERFOIL_FUZZ", "20000"))
SEED = int(os.environ.get("COUNTERFOIL_SEED", "20260302"))
_SAMPLES = {
    path.stem: json.loads(path.read_bytes()) for path in sorted((PROJECT / "contracts" / "samples").glob("*.json"))
}
_AT_ONCE = 200


@pytest.fixture(scope="module")
async def stack() -> AsyncIterator[Stack]:
    async with fresh_stack() as stack:
        yield stack


def requests(stack: Stack) -> Callable[[random.Random], Sent]:
    """Return what makes a good message of another system."""
    access = stack.env("integration")
    seeds = {subject: body for subject, body in _SAMPLES.items() if ".intake." in subject}

    def good(chance: random.Random) -> Sent:
        subject, body = chance.choice(list(seeds.items()))
        fresh = json.loads(json.dumps(body).replace("northwind", access["WORKSPACE_ID"]))
        for name in ("external_id", "conversation_external_id", "message_external_id"):
            if name in fresh:
                fresh[name] = f"{name}-{chance.getrandbits(64):x}"
        where = f"{access['WORKSPACE_ID']}.{access['INTEGRATION']}"
        return Sent(
            f"{subject}.{where}", json.dumps(fresh).encode(), {"ce-id": f"{chance.getrandbits(64):x}"}, good=True
        )

    return good


def facts(owner: str, workspaces: int) -> Callable[[random.Random], Sent]:
    """Return what makes the next fact of some workspace's book."""
    seeds = {subject: body for subject, body in _SAMPLES.items() if subject.startswith(f"{owner}.events.")}
    books = {f"fuzz-{uuid.uuid4().hex[:12]}": 0 for _ in range(workspaces)}

    def good(chance: random.Random) -> Sent:
        workspace = chance.choice(list(books))
        books[workspace] += 1
        subject, body = chance.choice(list(seeds.items()))
        fresh = json.loads(json.dumps(body).replace("northwind", workspace)) | {"id": str(uuid7())}
        headers = {
            "ce-specversion": "1.0",
            "ce-id": fresh["id"],
            "ce-type": subject,
            "ce-source": f"/counterfoil/{owner}",
            "ce-position": str(books[workspace]),
            "content-type": "application/json",
        }
        return Sent(f"{subject}.{workspace}", json.dumps(fresh).encode(), headers, good=True)

    return good


async def published(client: Client, messages: Iterator[Sent]) -> Counter[str]:
    """Send all, many at once; return how many the broker took, how many it would not, and how many of them are good."""
    js, counted = client.jetstream(timeout=30), Counter[str]()

    async def publish(message: Sent) -> None:
        try:
            await js.publish(message.subject, message.body, headers=message.headers or None)
        except (APIError, ValueError) as refused:
            counted[type(refused).__name__] += 1
        else:
            counted["stored"] += 1
            counted["good"] += message.good

    while batch := tuple(islice(messages, _AT_ONCE)):
        await asyncio.gather(*map(publish, batch))
    return counted


async def test_twenty_thousand_messages_are_each_applied_or_kept_with_their_reason(stack: Stack) -> None:
    chance = random.Random(SEED)
    before = {name: child["pid"] for name, child in stack.running.items()}
    async with stack.nats("integration") as outside:
        await published(outside, mutants(chance, requests(stack), MANY // 2))
    told = Counter[str]()
    for owner in ("tickets", "gateway"):
        client = await nats.connect(stack.secret(f"{owner}.nats-url"), inbox_prefix=inbox_prefix(owner).encode())
        told[owner] = (await published(client, mutants(chance, facts(owner, 20), MANY // 4)))["stored"]
        await client.close()
    async with stack.nats("operator") as operator:

        async def heard() -> bool:
            return await lag(operator) == {}

        await eventually(heard, within=110)
    assert {name: child["pid"] for name, child in stack.running.items()} == before
    assert list(errors(stack)) == []


async def lag(operator: Client) -> dict[str, tuple[int, int]]:
    """Return the durables that have something left to do."""
    js = operator.jetstream()
    found = {}
    for stream in ("INTAKE", "TICKETS", "GATEWAY"):
        for info in await js.consumers_info(stream):
            if info.name in SERVICES and (info.num_pending or info.num_ack_pending):
                found[f"{stream}.{info.name}"] = (info.num_pending or 0, info.num_ack_pending or 0)
    return found


async def outcomes(stack: Stack) -> dict[str, Any]:
    """Return what became of the messages, as each service counts them."""
    found = {}
    async with httpx.AsyncClient(timeout=10) as http:
        for name in SERVICES:
            answer = await http.get(stack.running[name]["health"].replace("/health/ready", "/metrics"))
            for line in answer.text.splitlines():
                if line.startswith(f"counterfoil_{name}_heard_total"):
                    found[line.rpartition(" ")[0]] = float(line.rpartition(" ")[2])
    return found


def errors(stack: Stack) -> Iterator[str]:
    for log in (stack.data / "log").glob("*.log"):
        yield from (line for line in _lines(log) if '"level": "error"' in line or '"level": "critical"' in line)


def _lines(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8").splitlines()
