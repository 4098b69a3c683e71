"""What other systems send: whatever it is, it is taken in once or buried with its reason, and it blocks nobody."""

import asyncio
import base64
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from nats.aio.client import Client
from sqlalchemy import text

from chassis.connection import flushed
from chassis.database import Transaction
from contracts.envelope import STRUCTURED
from contracts.tickets import TicketRequested
from tests.support.eventually import eventually
from tests.support.replicas import Desk, a_fact, a_workspace, as_user

GOOD = {"external_id": "9", "subject": "Help"}
SUBJECT = TicketRequested.SUBJECT


def cloud(data: Any = GOOD, **attributes: Any) -> bytes:
    """A message in structured mode, which carries its envelope in its body."""
    event = {"specversion": "1.0", "id": str(uuid4()), "source": "/shop", "type": SUBJECT, "data": data} | attributes
    return json.dumps({name: value for name, value in event.items() if value is not None}).encode()


CLOUD = {"content-type": STRUCTURED}

BAD = [
    pytest.param(b"not json", {}, "invalid", "body: must be JSON", id="N9-not-json"),
    pytest.param(b"", {}, "invalid", "body: must be JSON", id="N10-empty"),
    pytest.param(b"null", {}, "invalid", "body: must be an object", id="N11-null"),
    pytest.param(b"[1]", {}, "invalid", "body: must be an object", id="N12-array"),
    pytest.param(gzip.compress(b'{"a": 1}'), {}, "invalid", "body: must be JSON", id="N14-gzip"),
    pytest.param(b'{"external_id": 7, "subject": []}', {}, "invalid", "external_id: ", id="N16-wrong-types"),
    pytest.param(b'{"external_id": "\\ud800", "subject": "x"}', {}, "invalid", "body: ", id="N16-lone-surrogate"),
    pytest.param(b"[" * 100_000, {}, "invalid", "body: ", id="N16-bottomless"),
    pytest.param(b'{"external_id": "1", "subject": "a", "subject": "b"}', {}, "malformed", "twice", id="a-name-twice"),
    pytest.param(b'{"tags": [{"a": 1, "\\u0061": 2}]}', {}, "malformed", "twice", id="a-name-twice-within"),
    pytest.param(json.dumps(GOOD).encode(), {"ce-type": "a.b"}, "unknown_type", SUBJECT, id="N17-unknown-type"),
    pytest.param(json.dumps(GOOD).encode(), {"ce-specversion": "2.0"}, "invalid", "ce-specversion", id="N18-version"),
    pytest.param(b'{"subject": "Help"}', {}, "invalid", "external_id: must be given", id="N19-no-external-id"),
    pytest.param(json.dumps(GOOD).encode(), {"ce-id": "i" * 10_000}, "invalid", "ce-id: ", id="N20-id-of-10-kB"),
    pytest.param(json.dumps(GOOD).encode(), {"ce-id": "no spaces"}, "invalid", "ce-id: ", id="N20-id-with-a-space"),
    pytest.param(
        json.dumps(GOOD | {"workspace_id": "globex"}).encode(), {}, "not_allowed", "workspace", id="N23-foreign-tenant"
    ),
    pytest.param(b"rubbish", {"x": "a\0b"}, "invalid", "body: ", id="a-header-with-NUL"),
    pytest.param(b"{", CLOUD, "malformed", "not JSON", id="cloudevent-not-json"),
    pytest.param(b"[" * 100_000, CLOUD, "malformed", "not JSON", id="cloudevent-bottomless"),
    pytest.param(b"[]", CLOUD, "invalid", "specversion", id="cloudevent-array"),
    pytest.param(cloud()[:-1] + b', "id": "2"}', CLOUD, "malformed", "twice", id="cloudevent-with-two-ids"),
    pytest.param(
        b'{"specversion": "1.0", "id": "1", "type": "x", "data": {"a": 1, "a": 2}}',
        CLOUD,
        "malformed",
        "twice",
        id="cloudevent-with-a-name-twice-within",
    ),
    pytest.param(cloud().decode().encode("utf-16"), CLOUD, "malformed", "not JSON", id="cloudevent-in-UTF-16"),
    pytest.param(cloud(specversion="0.3"), CLOUD, "invalid", "specversion", id="cloudevent-of-another-version"),
    pytest.param(cloud(id=None), CLOUD, "invalid", "id: ", id="cloudevent-without-id"),
    pytest.param(cloud(id=7), CLOUD, "invalid", "id: ", id="cloudevent-with-a-number-as-id"),
    pytest.param(cloud(type=None), CLOUD, "invalid", "type: ", id="cloudevent-without-type"),
    pytest.param(cloud(type="com.example.other"), CLOUD, "unknown_type", SUBJECT, id="cloudevent-of-another-type"),
    pytest.param(cloud(data={"subject": "x"}), CLOUD, "invalid", "external_id", id="cloudevent-with-bad-data"),
    pytest.param(cloud(data=None, data_base64="%"), CLOUD, "malformed", "base64", id="cloudevent-not-base64"),
]

FINE = [
    pytest.param(json.dumps(GOOD).encode(), {}, id="bare"),
    pytest.param(json.dumps(GOOD | {"mood": "sunny"}).encode(), {}, id="with-a-field-of-a-newer-version"),
    pytest.param(json.dumps(GOOD | {"workspace_id": "acme"}).encode(), {}, id="that-names-its-own-tenant"),
    pytest.param(json.dumps(GOOD).encode(), {"ce-type": SUBJECT, "ce-specversion": "1.0"}, id="binary-mode"),
    pytest.param(cloud(), CLOUD, id="structured-mode"),
    pytest.param(
        cloud(data=None, data_base64=base64.b64encode(json.dumps(GOOD).encode()).decode()), CLOUD, id="as-base64"
    ),
    pytest.param(cloud(), {"content-type": f"{STRUCTURED.upper()}; charset=utf-8"}, id="structured-in-capitals"),
]


@pytest.fixture(scope="module")
async def shop_client(desk: Desk) -> AsyncIterator[Client]:
    async with as_user(desk.broker, "shop_acme") as client:
        yield client


async def behind(desk: Desk, client: Client) -> str:
    """Send a good message after all others, wait until it is heard, and return how it is noted down."""
    last = str(uuid4())
    await client.jetstream().publish(
        TicketRequested.subject_for("acme", "shop"), json.dumps({"external_id": last, "subject": "Help"}).encode()
    )

    async def heard() -> bool:
        return f"{last} of shop" in await desk.heard("acme")

    await eventually(heard)
    return f"{last} of shop"


@pytest.mark.parametrize(("body", "headers", "reason", "words"), BAD)
async def test_a_bad_message_is_buried_with_its_reason_and_a_good_one_behind_it_passes(
    desk: Desk, shop_client: Client, *, body: bytes, headers: dict[str, str], reason: str, words: str
) -> None:
    buried, known = len(await desk.buried("acme")), await desk.heard("acme")

    await shop_client.jetstream().publish(TicketRequested.subject_for("acme", "shop"), body, headers=headers or None)

    last = await behind(desk, shop_client)
    assert await desk.heard("acme") == [*known, last]
    letters = await desk.buried("acme")
    assert len(letters) == buried + 1
    letter = letters[-1]
    assert letter["reason"] == reason
    assert words in letter["detail"]
    assert letter["body"] == body
    assert letter["subject"] == TicketRequested.subject_for("acme", "shop")


@pytest.mark.parametrize(("body", "headers"), FINE)
async def test_a_good_message_is_taken_in(
    desk: Desk, shop_client: Client, body: bytes, headers: dict[str, str]
) -> None:
    buried, known = len(await desk.buried("acme")), await desk.heard("acme")

    await shop_client.jetstream().publish(TicketRequested.subject_for("acme", "shop"), body, headers=headers or None)

    last = await behind(desk, shop_client)
    assert await desk.heard("acme") == [*known, "9 of shop", last]
    assert len(await desk.buried("acme")) == buried


async def test_the_same_id_takes_effect_once_for_each_integration_in_each_workspace(desk: Desk) -> None:
    ws, other = a_workspace(), a_workspace()
    for tenant, integration in ((ws, "crm"), (ws, "crm"), (ws, "chat"), (other, "crm"), (ws, "crm")):
        await desk.publish_intake(tenant, integration, {"external_id": "1", "subject": "Help"}, id="the-same")
    for mode in ("binary", "structured"):
        headers = {"content_type": STRUCTURED} if mode == "structured" else {}
        body = cloud(id="both-modes") if mode == "structured" else json.dumps(GOOD).encode()
        await desk.publish_intake(ws, "mail", body, id="both-modes", **headers)
    await desk.settled("INTAKE")

    assert sorted(await desk.heard(ws)) == ["1 of chat", "1 of crm", "9 of mail"]
    assert await desk.heard(other) == ["1 of crm"]


async def test_a_message_without_an_id_is_known_by_its_place_and_two_of_them_are_two(desk: Desk) -> None:
    ws = a_workspace()
    for _ in range(2):
        await desk.publish_intake(ws, "crm", {"external_id": "1", "subject": "Help"})
    await desk.settled("INTAKE")

    assert await desk.heard(ws) == ["1 of crm", "1 of crm"]


async def test_a_refused_message_may_be_sent_again_under_the_same_id_once_it_is_right(desk: Desk) -> None:
    ws = a_workspace()
    await desk.publish_intake(ws, "crm", {"subject": "Help"}, id="again")
    await desk.buries(ws, "invalid")
    await desk.publish_intake(ws, "crm", GOOD, id="again")

    await desk.hears(ws, "9 of crm")


async def test_who_sends_the_id_of_our_next_fact_first_makes_nothing_of_ours_vanish(desk: Desk) -> None:
    ws = a_workspace()
    fact = a_fact(ws, "ours")
    await desk.publish_intake(ws, "crm", GOOD, id=str(fact.id), **{"Nats-Msg-Id": str(fact.id)})
    await desk.announce(fact)

    await desk.hears(ws, "9 of crm", "ours")


async def test_who_sends_the_id_of_anothers_message_first_makes_nothing_of_it_vanish(desk: Desk) -> None:
    ws, other, before = a_workspace(), a_workspace(), a_workspace()
    # Nobody overhears what is said while nobody leads.
    await desk.publish_intake(before, "crm", GOOD)
    await desk.hears(before, "9 of crm")

    async def say(tenant: str, integration: str, external_id: str) -> bool:
        body = json.dumps({"external_id": external_id, "subject": "Help"}).encode()
        subject = TicketRequested.subject_for(tenant, integration)
        headers = {"Nats-Msg-Id": f"alert of {ws}"}
        return bool((await desk.chaos.jetstream().publish(subject, body, headers=headers)).duplicate)

    senders = ((ws, "mon", "1"), (other, "mon", "1"), (ws, "crm", "1"), (ws, "mon", "2"), (ws, "mon", "1"))
    assert [*await asyncio.gather(*(say(*each) for each in senders))] == [False, True, True, True, True]
    await desk.hears(ws, "1 of mon", "1 of crm", "2 of mon")
    await desk.hears(other, "1 of mon")
    await desk.settled("INTAKE")
    assert sorted(await desk.heard(ws)) == ["1 of crm", "1 of mon", "2 of mon"]
    assert await desk.heard(other) == ["1 of mon"]


async def test_n32_a_burst_of_one_system_is_read_past_and_another_is_heard_after_a_handful_of_it(desk: Desk) -> None:
    ws, other, many = a_workspace(), a_workspace(), 3_000
    begun, told = asyncio.Event(), asyncio.Event()

    async def react(message: TicketRequested, tx: Transaction) -> None:
        begun.set()
        await told.wait()

    async def say(nth: int, tenant: str = ws, integration: str = "loud") -> None:
        body = json.dumps({"external_id": f"{nth}", "subject": "Help"}).encode()
        await desk.chaos.publish(TicketRequested.subject_for(tenant, integration), body, headers={"ce-id": f"id-{nth}"})

    desk.script.hears[ws] = react
    # Read while it is still being told, the burst would come in as many small batches as there are.
    await say(0)
    await eventually(begun.is_set)
    for nth in range(1, many):
        await say(nth)
    for tenant in (ws, other):
        await say(many, tenant, "quiet")
    await flushed(desk.chaos)
    told.set()

    async def all_heard() -> list[str]:
        async with desk.tickets.database.every_workspace("a test") as tx:
            rows = await tx.all(
                text("select what from heard where workspace_id = any(:both) order by n"), {"both": [ws, other]}
            )
        assert len(rows) == many + 2
        return [row["what"] for row in rows]

    heard = await eventually(all_heard, within=100)
    assert [each for each in heard if "loud" in each] == [f"{nth} of loud" for nth in range(many)]
    quiet = [nth for nth, each in enumerate(heard) if "quiet" in each]
    assert max(quiet) < many / 3, f"who has one thing to say was heard after so many of the loud one: {quiet}"
    assert await desk.buried(ws) == []
