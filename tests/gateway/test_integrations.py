"""Integrations over HTTP: another system is let in to NATS, reads what it may, is set back, and is shut out."""

import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import httpx
import nats
import pytest
from nats.aio.client import Client
from pydantic import ValidationError
from sqlalchemy import text
from structlog.testing import capture_logs

from chassis.callout import draw_issuer
from contracts.base import Role, now, uuid7
from services.gateway import store
from services.gateway.domain import INTEGRATIONS_EACH, Acting, make_integration, revoke_integration, token_hash
from services.gateway.settings import Settings
from tests.gateway.house import is_problem, without_trace
from tests.gateway.newsroom import Desk
from tests.support.eventually import eventually

NAME = "alerts"


async def make(desk: Desk, name: str = NAME, **more: Any) -> dict[str, Any]:
    answer = await desk.send("POST", "integrations", {"name": name, **more})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


@asynccontextmanager
async def inside(made: dict[str, Any], **more: Any) -> AsyncIterator[Client]:
    """Another system that has come in, as its program would with what it was told."""
    client = await nats.connect(
        made["nats_url"], inbox_prefix=made["inbox_prefix"], **{"allow_reconnect": False, "connect_timeout": 5} | more
    )
    try:
        yield client
    finally:
        await client.close()


async def may_come_in(made: dict[str, Any]) -> bool:
    """Whether the server takes its password; a client that is refused leaves its socket behind."""
    url = urlsplit(made["nats_url"])
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    try:
        writer.write(
            f"CONNECT {json.dumps({'user': url.username, 'pass': url.password, 'verbose': False})}\r\nPING\r\n".encode()
        )
        await reader.readline()
        said = await asyncio.wait_for(reader.readline(), 15)
    finally:
        writer.close()
        await writer.wait_closed()
    assert said in (b"PONG\r\n", b"-ERR 'Authorization Violation'\r\n")
    return said == b"PONG\r\n"


async def facts(client: Client, made: dict[str, Any]) -> list[str]:
    """What its consumer brings now: each is acknowledged, and told by its name."""
    reader = await client.jetstream().pull_subscribe_bind(made["consumer"], stream=made["stream"])
    found: list[str] = []
    try:
        while True:
            for fact in await reader.fetch(100, timeout=0.5):
                assert fact.subject in made["subjects"]
                found.append((fact.headers or {})["ce-type"].rpartition(".")[2])
                await fact.ack()
    except TimeoutError:
        await reader.unsubscribe()
        return found


async def test_another_system_comes_in_with_what_is_told_this_once(ledger: Desk) -> None:
    with capture_logs() as logs:
        made = await make(ledger)
        async with inside(made) as shop:
            (publishes, *_) = made["subjects"]
            subject = publishes.replace("*", "ticket_requested")
            receipt = await shop.jetstream().publish(subject, b'{"external_id": "1", "subject": "Disk full"}')
            assert receipt.stream == "INTAKE"

            async def opened() -> Any:
                return (await ledger.get("tickets"))["items"]

            (ticket,) = await eventually(opened)
            await ledger.note(ticket)
            assert await eventually(lambda: facts(shop, made)) == ["ticket_created"]

    password = urlsplit(made["nats_url"]).password or ""
    assert password.startswith("cfn_")
    assert len(password) == 47
    assert urlsplit(made["nats_url"]).username == f"{NAME}_{ledger.workspace.id}"
    assert publishes == f"tickets.intake.v1.*.{ledger.workspace.id}.{NAME}"
    entries = (await ledger.recorded(ticket | {"version": 2}))["items"]
    assert entries[0]["actor"] == {"kind": "integration", "id": f"integration:{NAME}", "name": NAME}
    (listed,) = (await ledger.get("integrations"))["items"]
    hidden = {"nats_url", "workspace_id"}
    assert listed == {k: v for k, v in made.items() if k not in hidden} | {"seen_at": listed["seen_at"], "pending": 0}
    assert listed["seen_at"]
    assert listed["maker_id"] == str(ledger.owner.user.id)
    async with ledger.room.house.database.every_workspace("test") as tx:
        rows = [
            dict(row)
            for table in ("integrations", "event_log", "event_texts", "idempotency")
            for row in await tx.all(
                text(f"select * from {table} where workspace_id = :ws"), {"ws": ledger.workspace.id}
            )
        ]
    assert password not in str(rows) + str(logs)


async def test_an_id_that_another_system_sent_first_swallows_no_message_behind_its_receipt(ledger: Desk) -> None:
    one, two = await make(ledger, "one"), await make(ledger, "two")
    async with inside(one) as first, inside(two) as second:

        async def say(client: Client, made: dict[str, Any], nth: int) -> Any:
            words = f"{made['name']} {nth}"
            body = json.dumps({"external_id": words, "subject": words}).encode()
            subject = made["subjects"][0].replace("*", "ticket_requested")
            return await client.jetstream().publish(subject, body, headers={"Nats-Msg-Id": f"disk-{nth}"})

        for nth in range(1, 100):  # until both come within a tenth of a second
            if any(each.duplicate for each in await asyncio.gather(say(first, one, nth), say(second, two, nth))):
                break
        else:
            pytest.fail("none was swallowed")

    async def opened() -> bool:
        found = {each["subject"] for each in (await ledger.get(f"tickets?q={nth}&limit=100"))["items"]}
        return {f"one {nth}", f"two {nth}"} <= found

    await eventually(opened)


async def test_internal_facts_are_for_those_alone_to_whom_an_admin_gave_them(ledger: Desk) -> None:
    trusted, other = await make(ledger, "trusted", internal=True), await make(ledger, "other")
    ticket = await ledger.ticket()
    await ledger.note(ticket)
    async with inside(trusted) as one, inside(other) as two:
        assert await eventually(lambda: facts(one, trusted)) == ["ticket_created", "note_added"]
        assert await facts(two, other) == ["ticket_created"]
    assert not [subject for subject in other["subjects"] if "note_added" in subject]


async def test_a_repeat_with_the_same_key_names_the_integration_and_not_its_password(ledger: Desk) -> None:
    body = {"name": NAME}
    first, again = [await ledger.send("POST", "integrations", body, idempotency_key="k") for _ in range(2)]
    assert is_problem(again, 409, "already_answered")["id"] == first.json()["id"]
    assert "cfn_" not in again.text


@pytest.mark.parametrize("name", ["", "Shop", "a.b", "a b", "*", ">", "a" * 65, "ü", 'a"', "-", "_a", None, 7])
async def test_a_name_is_one_plain_token(ledger: Desk, name: Any) -> None:
    problem = is_problem(await ledger.send("POST", "integrations", {"name": name}), 422, "invalid")
    assert [each["field"] for each in problem["errors"]] == ["name"]


async def test_who_is_revoked_is_cut_off_and_its_name_is_never_anothers(ledger: Desk) -> None:
    made, other = await make(ledger), await make(ledger, "other")
    ended: list[str] = []

    async def closed() -> None:
        ended.append(NAME)

    async with inside(made, closed_cb=closed), inside(made, closed_cb=closed), inside(other) as stays:
        revoked = await ledger.send("DELETE", f"integrations/{made['id']}")
        assert revoked.status_code == 204, revoked.text
        await eventually(lambda: len(ended) == 2, within=5)
        assert not await may_come_in(made)
        assert stays.is_connected
        assert await facts(stays, other) == []

    assert [each["name"] for each in (await ledger.get("integrations"))["items"]] == ["other"]
    is_problem(await ledger.send("DELETE", f"integrations/{made['id']}"), 404, "not_found")
    is_problem(await ledger.send("POST", f"integrations/{made['id']}/replay", {"from": 1}), 404, "not_found")
    assert is_problem(await ledger.send("POST", "integrations", {"name": NAME}), 409, "taken")["field"] == "name"
    told = [fact for fact in await ledger.room.house.facts(ledger.workspace.id) if fact["about_id"] == made["id"]]
    assert [fact["type"].rpartition(".")[2] for fact in told] == ["integration_created", "integration_revoked"]
    assert {fact["audience"] for fact in told} == {"admins"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"callout_nats_url": "nats://callout:x@127.0.0.1:4222"}, "go together"),
        ({"nats_issuer": draw_issuer()}, "go together"),
        ({"nats_issuer": "SA-and-garbage"}, "must be the seed"),
        ({"nats_public_url": "https://nats.example.com"}, "must be nats://"),
        ({"nats_public_url": "nats://shop:x@nats.example.com"}, "without user"),
        ({"nats_public_url": "nats://nats.example.com/path"}, "without user or path"),
    ],
)
def test_a_door_that_is_half_there_is_no_setting(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Settings(nats_url="nats://gateway:x@127.0.0.1:4222", database_url="postgresql://x", **given)


def test_other_systems_are_told_where_nats_is_reached() -> None:
    known: dict[str, Any] = {"nats_url": "nats://gateway:x@10.0.0.7:4222", "database_url": "postgresql://x"}
    assert Settings(**known).nats_address == "nats://10.0.0.7:4222"
    assert Settings(**known, nats_public_url="tls://nats.example.com/").nats_address == "tls://nats.example.com"


async def test_a_workspace_that_ends_takes_its_integrations_along(ledger: Desk) -> None:
    made = await make(ledger)
    ended: list[bool] = []

    async def closed() -> None:
        ended.append(True)

    async with inside(made, closed_cb=closed):
        assert (
            await ledger.client.request(
                "DELETE", ledger.path("")[:-1], json={"confirm": ledger.workspace.slug}, headers=ledger.owner.bearer
            )
        ).status_code == 204
        await eventually(lambda: ended)
    assert not await may_come_in(made)


async def test_what_a_gateway_that_died_left_undone_its_leader_does(ledger: Desk) -> None:
    house, owner, workspace = ledger.room.house, ledger.owner.user, ledger.workspace
    cause = replace(house.cause(), at=now() - dt.timedelta(minutes=1))
    by = Acting(owner.actor, Role.OWNER)
    secret = "cfn_" + "a" * 43
    integration, told = make_integration(
        uuid7(), workspace.id, NAME, internal=False, there=0, by=by, maker_id=owner.id, cause=cause
    )
    async with house.database.transaction(workspace.id) as tx:
        await store.add_integration(tx, integration, token_hash(secret))
        tx.announce(told)

    async def listed() -> dict[str, Any]:
        (made,) = (await ledger.get("integrations"))["items"]
        assert made["pending"] == 0, "its consumer is there"
        return dict(made)

    made = await eventually(listed)
    address = (await make(ledger, "other"))["nats_url"].rpartition("@")[2]
    made["nats_url"] = f"nats://{NAME}_{workspace.id}:{secret}@{address}"
    ended = asyncio.Event()

    async def closed() -> None:
        ended.set()

    async with inside(made, closed_cb=closed):
        async with house.database.transaction(workspace.id) as tx:
            revoked, told_too = revoke_integration(integration, by=by, cause=replace(house.cause(), at=now()))
            await store.save_integration(tx, revoked)
            tx.announce(told_too)
        await asyncio.wait_for(ended.wait(), 15)


async def test_a_workspace_has_so_many_integrations(ledger: Desk) -> None:
    house, owner, workspace = ledger.room.house, ledger.owner.user, ledger.workspace
    by = Acting(owner.actor, Role.OWNER)
    async with house.database.transaction(workspace.id) as tx:
        for n in range(INTEGRATIONS_EACH):
            one, told = make_integration(
                uuid7(), workspace.id, f"n{n}", internal=False, there=n, by=by, maker_id=owner.id, cause=house.cause()
            )
            await store.add_integration(tx, one, token_hash(str(n)))
            tx.announce(told)
    is_problem(await ledger.send("POST", "integrations", {"name": "more"}), 409, "conflict")
    assert (await ledger.send("DELETE", f"integrations/{one.id}")).status_code == 204
    await make(ledger, "more")


async def test_the_past_is_read_again_from_a_time_or_a_sequence_on(ledger: Desk) -> None:
    made = await make(ledger)
    ticket = await ledger.ticket()
    async with inside(made) as shop:
        assert await eventually(lambda: facts(shop, made)) == ["ticket_created"]
        between = (await ledger.change(ticket, status="open"))["updated_at"]
        assert await eventually(lambda: facts(shop, made)) == ["status_changed"]

        everything = ["ticket_created", "status_changed"]
        for since, again in ((1, everything), ("1600-01-01T00:00:00Z", everything), (between, ["status_changed"])):
            answer = await ledger.send("POST", f"integrations/{made['id']}/replay", {"from": since})
            assert answer.status_code == 200, answer.text
            assert answer.json()["pending"] == len(again)
            assert await facts(shop, made) == again

    at_fault = ((0, ""), (2**52, "range"), ("2999-01-01T00:00:00Z", "range"), ("soon", ""))
    for wrong, code in (*at_fault, ("200", ""), ("200.5", ""), (200.5, ""), (True, "")):
        problem = is_problem(
            await ledger.send("POST", f"integrations/{made['id']}/replay", {"from": wrong}), 422, "invalid"
        )
        assert {error["field"] for error in problem["errors"]} == {"from"}
        assert code in {error["code"] for error in problem["errors"]} | {""}
    told = [fact["body"] for fact in await ledger.room.house.facts(ledger.workspace.id) if "replayed" in fact["type"]]
    assert [fact["name"] for fact in told] == [NAME, NAME, NAME]
    assert told[0]["sequence"] == told[1]["sequence"] < told[2]["sequence"]


async def test_only_those_who_run_the_desk_know_of_integrations(ledger: Desk) -> None:
    made = await make(ledger)
    stranger = await ledger.room.house.somebody()
    elsewhere = await ledger.room.house.workspace(stranger)
    for role in (Role.MEMBER, Role.GUEST):
        who = await ledger.member(role)
        for method, path, body in (
            ("GET", "integrations", None),
            ("POST", "integrations", {"name": "mine"}),
            ("POST", f"integrations/{made['id']}/replay", {"from": 1}),
            ("DELETE", f"integrations/{made['id']}", None),
        ):
            is_problem(await ledger.send(method, path, body, who=who), 403, "not_allowed")
    foreign = f"/api/v1/workspaces/{elsewhere.slug}/integrations"
    for id in (made["id"], str(ledger.workspace.id)):
        answers = [
            await ledger.client.delete(f"{foreign}/{id}", headers=stranger.bearer),
            await ledger.client.post(f"{foreign}/{id}/replay", json={"from": 1}, headers=stranger.bearer),
        ]
        assert [without_trace(answer) for answer in answers] == [without_trace(answers[0])] * 2
        assert answers[0].status_code == httpx.codes.NOT_FOUND
    assert await may_come_in(made)
