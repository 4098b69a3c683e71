"""Questions are answered once, by whichever replica is free; a "no" arrives as the same "no"."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from nats.aio.client import Client
from pydantic import BaseModel
from sqlalchemy import text

from chassis.database import Transaction
from chassis.provision import OPERATOR
from chassis.service import Service
from chassis.telemetry import traced
from contracts.base import IdempotencyKey, Message
from contracts.gateway import RoleChanged, WorkspaceCreated
from contracts.refusals import Crashed, KeyReused, Refusal, StaleVersion, TooLarge, Unavailable
from contracts.tickets import AddNote, GetTicket, ListNotes, NotePage, NoteSnapshot
from tests.support.eventually import eventually
from tests.support.infra import Urls
from tests.support.replicas import (
    Desk,
    Script,
    a_broker,
    a_caller,
    a_fact,
    a_gateway,
    a_note,
    a_tickets,
    a_workspace,
    an_unheard_fact,
    as_user,
    running,
    settings_for,
    stored,
    the_note,
)

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def a_page(ws: str) -> ListNotes:
    return ListNotes(caller=a_caller(ws), ticket="1")


async def plain(desk: Desk, request: type[Message], body: bytes) -> tuple[dict[str, str], dict[str, Any]]:
    """Send bytes to where a request belongs; return the reply's headers and body."""
    reply = await desk.gateway.bus.nats.request(request.SUBJECT, body, timeout=5)
    return dict(reply.headers or {}), json.loads(reply.data)


async def test_a_question_gets_its_typed_answer_and_a_command_its_effect(desk: Desk) -> None:
    ws = a_workspace()
    command = a_note(ws, "Hello.")
    note = await desk.gateway.bus.ask(command)
    assert isinstance(note, NoteSnapshot)
    assert (note.id, note.body) == (command.note_id, "Hello.")
    assert await desk.gateway.bus.ask(a_page(ws)) == NotePage(items=(), next_cursor=None)
    assert await desk.heard(ws) == ["Hello."]


async def test_every_refusal_arrives_as_the_same_refusal_with_its_facts(desk: Desk) -> None:
    ws = a_workspace()
    missed = [{"type": "assigned", "new": {"name": "Ada"}}]
    for kind in Refusal.registry.values():

        async def refuse(_: Any, tx: Transaction, kind: type[Refusal] = kind) -> BaseModel:
            raise kind("No, and why.", version=3, missed=missed)

        desk.script.pages[ws] = refuse
        with pytest.raises(kind) as refused:
            await desk.gateway.bus.ask(a_page(ws))
        assert type(refused.value) is kind
        assert (refused.value.detail, refused.value.facts) == ("No, and why.", {"version": 3, "missed": missed})

        headers, body = await plain(desk, ListNotes, a_page(ws).model_dump_json().encode())
        assert headers == {"Nats-Service-Error": kind.code, "Nats-Service-Error-Code": str(kind.status)}
        assert body["code"] == kind.code


async def test_a_refused_command_changes_nothing(desk: Desk) -> None:
    ws = a_workspace()

    async def refuse(_: Any, tx: Transaction) -> BaseModel:
        raise StaleVersion(version=2)

    desk.script.answers[ws] = refuse
    with pytest.raises(StaleVersion):
        await desk.gateway.bus.ask(a_note(ws, "Too late."))
    assert await desk.heard(ws) == []


async def test_a_dry_run_is_answered_and_refused_as_the_command_is_and_leaves_nothing(desk: Desk) -> None:
    ws, position = a_workspace(), text("select count(*) from event_log where workspace_id = :ws")
    key = IdempotencyKey(key="the same", route="a note", fingerprint="f")
    command = a_note(ws, "Not yet.", idempotency=key)

    async def tell(command: Any, tx: Transaction) -> BaseModel:
        tx.announce(an_unheard_fact(ws))
        return the_note(command)

    desk.script.answers[ws] = tell
    tried = await desk.gateway.bus.ask(command.model_copy(update={"dry_run": True}))
    assert (tried.id, tried.body) == (command.note_id, "Not yet.")
    assert await desk.heard(ws) == []
    async with desk.tickets.database.transaction(ws) as tx:
        assert await tx.scalar(position, {"ws": ws}) == 0

    async def refuse(_: Any, tx: Transaction) -> BaseModel:
        raise StaleVersion(version=2)

    desk.script.answers[ws] = refuse
    with pytest.raises(StaleVersion):
        await desk.gateway.bus.ask(command.model_copy(update={"dry_run": True}))

    del desk.script.answers[ws]
    await desk.gateway.bus.ask(command)
    assert await desk.heard(ws) == ["Not yet."]


async def test_fields_of_a_newer_version_are_ignored_on_both_ends(desk: Desk) -> None:
    ws = a_workspace()

    class Wider(NotePage):
        weather: str = "sunny"

    async def wider(_: Any, tx: Transaction) -> BaseModel:
        return Wider(items=(), next_cursor="more")

    desk.script.pages[ws] = wider
    assert await desk.gateway.bus.ask(a_page(ws)) == NotePage(items=(), next_cursor="more")
    newer = a_page(ws).model_dump(mode="json") | {"from_the_future": {"deep": True}}
    headers, body = await plain(desk, ListNotes, json.dumps(newer).encode())
    assert headers == {}
    assert body == {"items": [], "next_cursor": "more", "weather": "sunny"}


@pytest.mark.parametrize("body", [b"", b"rubbish", b"null", b"[]", b'{"ticket": 7}', b"[" * 50_000])
async def test_a_request_that_cannot_be_read_is_refused_without_being_repeated(desk: Desk, body: bytes) -> None:
    headers, refusal = await plain(desk, ListNotes, body)
    assert headers["Nats-Service-Error"] == "invalid"
    assert refusal["errors"]
    assert all(error.keys() == {"field", "code", "detail"} for error in refusal["errors"])


async def test_what_is_wrong_is_named_by_field_and_never_by_value(desk: Desk) -> None:
    asked = a_page(a_workspace()).model_dump(mode="json") | {"limit": "a planted secret"}
    _, refusal = await plain(desk, ListNotes, json.dumps(asked).encode())
    assert [error["field"] for error in refusal["errors"]] == ["limit"]
    assert "planted" not in json.dumps(refusal)


async def test_a_crash_is_answered_as_internal_without_details_and_changes_nothing(desk: Desk) -> None:
    ws = a_workspace()

    async def crash(_: Any, tx: Transaction) -> BaseModel:
        raise KeyError("a planted secret")

    desk.script.answers[ws] = crash
    with pytest.raises(Crashed) as crashed:
        await desk.gateway.bus.ask(a_note(ws, "Never."))
    assert (crashed.value.detail, crashed.value.facts) == (Crashed.detail, {})
    _, body = await plain(desk, AddNote, a_note(ws, "Never.").model_dump_json().encode())
    assert body == {"code": "internal", "detail": Crashed.detail}
    assert await desk.heard(ws) == []


async def test_bad_weather_that_passes_is_not_noticed_by_who_asks(desk: Desk) -> None:
    ws, calls = a_workspace(), list[int]()

    async def cut(command: Any, tx: Transaction) -> BaseModel:
        calls.append(1)
        if len(calls) < 3:
            await tx.execute(text("select pg_terminate_backend(pg_backend_pid())"))
        return the_note(command)

    desk.script.answers[ws] = cut
    await desk.gateway.bus.ask(a_note(ws, "Through the rain."))
    assert await desk.heard(ws) == ["Through the rain."]
    assert len(calls) == 3


async def test_bad_weather_that_stays_is_told_as_unavailable(desk: Desk) -> None:
    ws = a_workspace()

    async def rain(_: Any, tx: Transaction) -> BaseModel:
        raise ConnectionError("rain")

    desk.script.answers[ws] = rain
    with pytest.raises(Unavailable) as away:
        await desk.gateway.bus.ask(a_note(ws))
    assert away.value.facts == {"retry_after": 1}


async def test_an_answer_too_large_for_the_broker_is_a_refusal_and_not_a_silence(desk: Desk) -> None:
    ws = a_workspace()

    async def huge(_: Any, tx: Transaction) -> BaseModel:
        return NotePage(items=(), next_cursor="я" * 130_000)

    desk.script.pages[ws] = huge
    with pytest.raises(TooLarge):
        await desk.gateway.bus.ask(a_page(ws))


async def test_a_command_is_one_command_however_often_it_arrives(desk: Desk) -> None:
    ws = a_workspace()
    command = a_note(ws, "Once.")
    # Its answer is lost: there is nobody to hear it.
    await desk.gateway.bus.nats.publish(AddNote.SUBJECT, command.model_dump_json().encode())
    await desk.hears(ws, "Once.")

    first, again = await desk.gateway.bus.ask(command), await desk.gateway.bus.ask(command)

    assert first == again
    assert await desk.heard(ws) == ["Once."]
    keyed = {"idempotency": IdempotencyKey(key="k", route="r", fingerprint="f")}
    first, again = [await desk.gateway.bus.ask(a_note(ws, "Keyed.", **keyed)) for _ in range(2)]
    assert first == again
    assert await desk.heard(ws) == ["Once.", "Keyed."]
    with pytest.raises(KeyReused):
        await desk.gateway.bus.ask(
            a_note(ws, "Other.", idempotency=IdempotencyKey(key="k", route="r", fingerprint="g"))
        )


async def test_a_try_that_takes_too_long_is_repeated_without_a_second_effect(
    desk: Desk,
) -> None:
    ws, calls = a_workspace(), list[int]()

    async def slow(command: Any, tx: Transaction) -> BaseModel:
        calls.append(1)
        await tx.execute(text("select pg_sleep(0.5)"))
        return the_note(command)

    desk.script.answers[ws] = slow
    command = a_note(ws, "Slowly.")
    assert (await desk.gateway.bus.ask(command, within=15, patience=0.1)).id == command.note_id
    assert calls == [1]
    assert await desk.heard(ws) == ["Slowly."]


async def test_a_trace_goes_from_the_question_into_the_handler_and_the_facts_it_announces(desk: Desk) -> None:
    ws = a_workspace()
    with traced(TRACE) as trace:
        await desk.gateway.bus.ask(a_note(ws))
    async with desk.tickets.database.transaction(ws) as tx:
        assert await tx.scalar(text("select trace from heard")) == trace

    with traced(TRACE):
        await desk.announce(a_fact(ws, "told"))
    await desk.hears(ws, "A note.", "told")
    async with desk.tickets.database.transaction(ws) as tx:
        assert {row["trace"] for row in await tx.all(text("select trace from heard"))} == {trace}
    (msg,) = await stored(desk.chaos, "GATEWAY", WorkspaceCreated.subject_for(ws))
    assert (msg.headers or {})["traceparent"].split("-")[1] == trace


# Replicas


@asynccontextmanager
async def a_second(desk: Desk) -> AsyncIterator[Service]:
    """Another replica of tickets, on the same database."""
    second = a_tickets(desk.tickets.settings, desk.script)
    async with running(second):
        yield second


async def discovered(operator: Client, verb: str, count: int, service: str = "tickets") -> list[dict[str, Any]]:
    """What so many replicas answer to the operator."""
    inbox = operator.new_inbox()
    said = await operator.subscribe(inbox)
    await operator.publish(f"$SRV.{verb}.{service}", b"", reply=inbox)
    answers = [json.loads((await said.next_msg(timeout=10)).data) for _ in range(count)]
    await said.unsubscribe()
    return answers


async def test_replicas_share_the_requests_and_tell_the_operator_how_many(desk: Desk) -> None:
    ws = a_workspace()
    async with a_second(desk), as_user(desk.broker, OPERATOR) as operator:

        def count(told: list[dict[str, Any]]) -> dict[str, int]:
            return {
                replica["id"]: endpoint["num_requests"]
                for replica in told
                for endpoint in replica["endpoints"]
                if endpoint["name"] == "list_notes"
            }

        before = count(await discovered(operator, "STATS", 2))
        for _ in range(6):
            await asyncio.gather(*(desk.gateway.bus.ask(a_page(ws)) for _ in range(10)))
        after = count(await discovered(operator, "STATS", 2))
    shares = [after[id] - before[id] for id in after]
    assert len(shares) == 2
    assert sum(shares) == 60
    assert min(shares) > 0


async def test_a_service_tells_who_it_is_and_what_it_answers(desk: Desk) -> None:
    async with as_user(desk.broker, OPERATOR) as operator:
        (ping,) = await discovered(operator, "PING", 1)
        (info,) = await discovered(operator, "INFO", 1)
        (gateway,) = await discovered(operator, "PING", 1, "gateway")
    assert (ping["type"], ping["name"]) == ("io.nats.micro.v1.ping_response", "tickets")
    assert gateway["name"] == "gateway"
    assert info["id"] == ping["id"]
    assert {"name": "get_ticket", "subject": GetTicket.SUBJECT, "queue_group": "tickets", "metadata": {}} in info[
        "endpoints"
    ]


async def test_a_replica_that_stops_first_finishes_what_it_has_begun(gateway_urls: Urls, tickets_urls: Urls) -> None:
    ws, begun = a_workspace(), asyncio.Event()

    async def slow(command: Any, tx: Transaction) -> BaseModel:
        begun.set()
        await tx.execute(text("select pg_sleep(0.3)"))
        return the_note(command)

    async with a_broker() as broker:
        gateway = a_gateway(settings_for(broker, "gateway", gateway_urls))
        tickets = a_tickets(settings_for(broker, "tickets", tickets_urls), Script(answers={ws: slow}))
        async with running(gateway):
            async with running(tickets):
                asking = asyncio.create_task(gateway.bus.ask(a_note(ws, "Before you go.")))
                await begun.wait()
            assert (await asking).body == "Before you go."


async def test_where_nobody_answers_who_asks_is_told_in_time(gateway_urls: Urls) -> None:
    async with a_broker() as broker:
        gateway = a_gateway(settings_for(broker, "gateway", gateway_urls))
        async with running(gateway):
            for change in ("nobody listens", "the broker is away"):
                if change == "the broker is away":
                    await broker.kill()
                began = time.monotonic()
                with pytest.raises(Unavailable):
                    # Neither the patience for one try nor what others take by default outlasts what was asked for.
                    await gateway.bus.ask(a_page(a_workspace()), within=0.4, patience=30)
                assert 0.3 < time.monotonic() - began < 5, change
            await broker.start()
            await eventually(lambda: gateway.bus.connected)


# Wiring


async def test_a_handler_is_only_for_what_is_meant_for_its_service_and_only_one(desk: Desk) -> None:
    async def anything(*_: Any) -> Any:
        """Do nothing."""

    fresh = Service("tickets", desk.tickets.settings)
    with pytest.raises(TypeError, match="not meant for tickets"):
        fresh.bus.hears(RoleChanged)(anything)
    fresh.bus.hears(WorkspaceCreated)(anything)
    with pytest.raises(TypeError, match="heard already"):
        fresh.bus.hears(WorkspaceCreated)(anything)
    fresh.bus.answers(ListNotes)(anything)
    with pytest.raises(TypeError, match="answers it already"):
        fresh.bus.answers(ListNotes)(anything)
    with pytest.raises(TypeError, match="can't answer"):
        Service("gateway", desk.gateway.settings).bus.answers(ListNotes)(anything)


async def test_a_service_that_ignores_a_message_or_a_request_of_its_own_does_not_start(desk: Desk) -> None:
    deaf = Service("tickets", desk.tickets.settings)
    with pytest.raises(TypeError, match=r"no handler for .*workspace_created"):
        await deaf.start()
    await deaf.stop()

    mute = a_tickets(desk.tickets.settings)
    del mute.bus._answers._endpoints[GetTicket.SUBJECT]
    with pytest.raises(TypeError, match=r"nobody answers .*get_ticket"):
        await mute.start()
    await mute.stop()


async def test_every_replica_is_told_of_what_it_follows_as_a_hint(desk: Desk) -> None:
    ws, told = a_workspace(), dict[str, list[str]]()
    async with AsyncExitStack() as stack:
        for name in ("one", "two"):
            replica = a_gateway(desk.gateway.settings)

            @replica.bus.follows(WorkspaceCreated)
            async def follow(fact: WorkspaceCreated, name: str = name) -> None:
                if fact.slug == "broken":
                    raise RuntimeError("a bug")
                if fact.workspace_id == ws:
                    told.setdefault(name, []).append(fact.slug)

            await stack.enter_async_context(running(replica))
        await desk.publish(a_fact(ws, "broken"), 1)
        await desk.publish(a_fact(ws, "unreadable"), 2, b"rubbish")
        await desk.publish(an_unheard_fact(ws), 3)
        await desk.publish(a_fact(ws, "seen"), 4)
        await eventually(lambda: told == {"one": ["seen"], "two": ["seen"]})
