"""Streams and rights come from one hand: what differs is named, and nobody may do more than their work needs."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from nats.aio.client import Client
from nats.errors import MaxPayloadError
from nats.errors import TimeoutError as NatsTimeout
from nats.js.errors import APIError

from chassis import provision
from chassis.connection import connect, flushed
from chassis.provision import (
    CALLOUT,
    KEEPER,
    KICKER,
    OPERATOR,
    PROVISIONER,
    Drift,
    Outsider,
    purged_streams,
    rights,
    stream_config,
)
from chassis.settings import ServiceSettings
from contracts.base import SERVICES, Audience, Event
from contracts.gateway import GATEWAY, WorkspaceCreated
from contracts.streams import STREAMS
from contracts.tickets import NoteAdded, StatusChanged, TicketRequested
from tests.support.eventually import eventually
from tests.support.infra import NatsServer, PostgresServer, Urls
from tests.support.plumbing import plumbed
from tests.support.replicas import (
    ADA,
    CHAOS,
    HEARD,
    Desk,
    a_broker,
    a_fact,
    a_gateway,
    a_tickets,
    api,
    as_user,
    running,
    settings_for,
    stored,
)

GLOBEX = Outsider("globex", "crm", "the-crm-s-own")
GUESTS = ("shop_acme", "mart_acme")
"""Another system that the configuration names, and one that somebody is asked about."""


def intake_of(guest: str) -> str:
    return TicketRequested.subject_for("acme", guest.partition("_")[0])


INTAKE = intake_of("shop_acme")


async def shape(client: Client) -> dict[str, Any]:
    """Every stream and consumer as it is configured, and what the streams hold."""
    found: dict[str, Any] = {}
    for stream in sorted((await api(client, "STREAM.NAMES"))["streams"]):
        told = await api(client, f"STREAM.INFO.{stream}")
        found[stream] = told["config"], {k: told["state"][k] for k in ("messages", "first_seq", "last_seq")}
        for consumer in (await api(client, f"CONSUMER.LIST.{stream}")).get("consumers") or ():
            found[f"{stream}.{consumer['name']}"] = consumer["config"]
    return found


# What is there


async def test_every_stream_is_bounded_and_together_they_leave_room_on_the_volume() -> None:
    async with a_broker() as broker, as_user(broker, CHAOS) as chaos:
        configs = [config[0] for config in (await shape(chaos)).values() if isinstance(config, tuple)]
        volume = (await api(chaos, "INFO"))["limits"]["max_storage"]
    assert {config["name"] for config in configs} == {stream.name for stream in STREAMS}
    for config in configs:
        assert config["discard"] == "new"
        assert 0 < config["max_msg_size"] <= 256 * 1024
        assert config["max_bytes"] > 0
        assert not any(config.get(f"allow_{risk}") for risk in ("rollup_hdrs", "msg_ttl", "msg_schedules"))
        assert config.get("mirror") is config.get("republish") is None
    assert sum(config["max_bytes"] for config in configs) <= 0.6 * (volume if volume > 0 else 6 << 30)


async def test_provisioning_again_changes_nothing_and_neither_does_a_service_that_starts(
    gateway_urls: Urls, postgres_server: PostgresServer
) -> None:
    # What others leave untold in theirs would be told here.
    tickets_urls = await plumbed(postgres_server, "tickets", HEARD, tenants=["heard"])
    async with a_broker() as broker, as_user(broker, CHAOS) as chaos:
        before = await shape(chaos)
        await provision.provision(broker.url_for(PROVISIONER))
        assert await shape(chaos) == before

        tickets = a_tickets(settings_for(broker, "tickets", tickets_urls))
        async with running(a_gateway(settings_for(broker, "gateway", gateway_urls)), tickets):
            await eventually(lambda: tickets.leader.leading)
            await chaos.jetstream().publish(
                WorkspaceCreated.subject_for("w"),
                a_fact("w", "s").model_dump_json().encode(),
                headers={"ce-position": "1"},
            )
            await eventually(
                lambda: tickets.metrics.registry.get_sample_value(
                    "counterfoil_heard_total", {"stream": "GATEWAY", "outcome": "applied"}
                )
            )
        after = await shape(chaos)
    assert after.pop("GATEWAY")[0] == before.pop("GATEWAY")[0]
    assert after == before


async def test_drift_is_named_and_left_alone_until_it_is_to_be_mended() -> None:
    async with a_broker() as broker, as_user(broker, CHAOS) as chaos:
        await chaos.jetstream().publish(WorkspaceCreated.subject_for("w"), b"kept")
        right = await shape(chaos)
        await api(chaos, "STREAM.UPDATE.GATEWAY", stream_config(GATEWAY) | {"max_bytes": 1 << 20, "max_msgs": 9})
        consumer = provision.consumer_config("tickets") | {"max_ack_pending": 7}
        await api(
            chaos,
            "CONSUMER.DURABLE.CREATE.INTAKE.tickets",
            {"stream_name": "INTAKE", "config": consumer, "action": "update"},
        )
        wrong = await shape(chaos)

        with pytest.raises(Drift) as drift:
            await provision.provision(broker.url_for(PROVISIONER))
        assert set(drift.value.findings) == {
            f"GATEWAY: max_bytes is {1 << 20}, should be {GATEWAY.max_bytes}",
            "GATEWAY: max_msgs is 9, should be -1",
            "INTAKE.tickets: max_ack_pending is 7, should be 20000",
        }
        assert await shape(chaos) == wrong

        await provision.provision(broker.url_for(PROVISIONER), apply=True)
        assert await shape(chaos) == right


async def test_a_service_does_not_start_where_a_stream_was_altered(gateway_urls: Urls) -> None:
    async with a_broker() as broker, as_user(broker, CHAOS) as chaos:
        await api(chaos, "STREAM.UPDATE.GATEWAY", stream_config(GATEWAY) | {"max_bytes": 1 << 20})
        gateway = a_gateway(settings_for(broker, "gateway", gateway_urls))
        altered = await shape(chaos)
        with pytest.raises(Drift, match=f"GATEWAY: max_bytes is {1 << 20}, should be {GATEWAY.max_bytes}"):
            await gateway.start()
        await gateway.stop()
        assert await shape(chaos) == altered

        await provision.provision(broker.url_for(PROVISIONER), apply=True)
        gateway = a_gateway(settings_for(broker, "gateway", gateway_urls))
        async with running(gateway):
            assert gateway.bus.connected


async def test_drift_makes_a_service_not_ready_and_says_why(gateway_urls: Urls) -> None:
    async with a_broker(provisioned=False) as broker, as_user(broker, CHAOS) as chaos, httpx.AsyncClient() as http:
        gateway = a_gateway(settings_for(broker, "gateway", gateway_urls))
        async with running(gateway):
            ready = f"http://127.0.0.1:{gateway.port}/health/ready"
            for change, words in (
                (None, "GATEWAY: missing"),
                (stream_config(GATEWAY) | {"discard": "old"}, "GATEWAY: discard is 'old', should be 'new'"),
            ):
                if change:
                    await api(chaos, "STREAM.CREATE.GATEWAY", change)
                answer = await http.get(ready)
                assert answer.status_code == 503
                assert words in answer.json()["drift"]
                assert answer.json()["status"] == "unavailable"
            await provision.provision(broker.url_for(PROVISIONER), apply=True)
            assert (await http.get(ready)).status_code == 200


@pytest.mark.parametrize("version", ["2.9.10", "2.13.9"])
async def test_nobody_of_ours_works_with_a_server_that_is_too_old(version: str, tickets_urls: Urls) -> None:
    async with a_server_that_says(version) as url:
        tickets = a_tickets(ServiceSettings(nats_url=url, database_url=tickets_urls.app))
        for comes_in in (provision.provision(url), connect(url, "tickets", closing=lambda: False), tickets.start()):
            with pytest.raises(RuntimeError, match=f"nats-server {version} is too old"):
                await comes_in
        await tickets.stop()


@pytest.mark.parametrize("version", ["2.14.0", "3.0.0"])
async def test_a_server_that_is_new_enough_is_taken(version: str) -> None:
    async with a_server_that_says(version) as url:
        client = await connect(url, "tickets", closing=lambda: True)
        assert client.is_connected
        await client.close()


async def test_what_is_flushed_was_read_by_the_server_before_its_last_answer() -> None:
    read: list[str] = []
    async with a_server_that_says("2.14.0", read) as url:
        client = await connect(url, "tickets", closing=lambda: True)
        await client.subscribe("echo")
        await flushed(client)
        assert "SUB" in read
        assert read[read.index("SUB") :].count("PING") == 1
        await client.close()


@contextlib.asynccontextmanager
async def a_server_that_says(version: str, read: list[str] | None = None) -> AsyncIterator[str]:
    """Something that takes every client, calls itself a NATS server of this version, and keeps the verbs it read."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        info = {"server_id": "N", "version": version, "max_payload": 262144, "headers": True, "proto": 1}
        writer.write(f"INFO {json.dumps(info)}\r\n".encode())
        while line := await reader.readline():
            if read is not None:
                read.append(line.split()[0].decode())
            if line == b"PING\r\n":
                writer.write(b"PONG\r\n")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        yield f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"


# Who may say what


def test_a_service_takes_messages_out_of_its_own_streams_alone() -> None:
    assert {service: purged_streams(service) for service in SERVICES} == {
        "tickets": ["DEADLETTERS", "INTAKE", "TICKETS"],
        "activity": ["ACTIVITY"],
        "notifications": ["NOTIFICATIONS"],
        "gateway": ["GATEWAY"],
    }


@pytest.fixture
async def guarded(desk: Desk) -> AsyncIterator[NatsServer]:
    """The desk's broker, watched: what a test tries leaves no trace in it."""
    before = await shape(desk.chaos)
    yield desk.broker
    assert await shape(desk.chaos) == before


def forbidden_to_say(user: str) -> list[str]:
    """Subjects that this user has no business to publish to."""
    streams = [stream.name for stream in STREAMS]
    verbs = ["STREAM.DELETE.{}", "STREAM.PURGE.{}", "STREAM.MSG.DELETE.{}", "STREAM.RESTORE.{}", "STREAM.SNAPSHOT.{}"]
    verbs += ["STREAM.LEADER.STEPDOWN.{}", "STREAM.PEER.REMOVE.{}", "CONSUMER.DELETE.{}.tickets"]
    verbs += ["CONSUMER.PAUSE.{}.tickets", "CONSUMER.CREATE.{}", "CONSUMER.CREATE.{}.mine", "DIRECT.GET.{}"]
    if user != PROVISIONER:
        verbs += ["STREAM.CREATE.{}", "STREAM.UPDATE.{}", "CONSUMER.DURABLE.CREATE.{}.mine"]
    if user != OPERATOR:
        verbs += ["STREAM.MSG.GET.{}", "CONSUMER.LIST.{}", "CONSUMER.NAMES.{}"]
    said = [f"$JS.API.{verb.format(stream)}" for verb in verbs for stream in streams]
    if user in SERVICES:
        purged = [f"$JS.API.STREAM.MSG.{verb}.{name}" for name in purged_streams(user) for verb in ("GET", "DELETE")]
        read = ["$JS.API.STREAM.MSG.GET.DEADLETTERS"] if user == "notifications" else []
        said = [subject for subject in said if subject not in [*purged, *read]]
    if user == KEEPER:
        own = {"$JS.API.CONSUMER.DURABLE.CREATE.TICKETS.mine", "$JS.API.STREAM.MSG.GET.TICKETS"}
        said = [subject for subject in said if subject not in own]
    said += [
        f"$JS.API.CONSUMER.{verb}.TICKETS.{service}"
        for verb in ("DELETE", "RESET", "DURABLE.CREATE")
        for service in ("activity", "notifications")
        if user not in (service, PROVISIONER)
    ]
    said += [] if user == KICKER else ["$SYS.REQ.SERVER.NABC.KICK", "$SYS.REQ.ACCOUNT.OUT.CONNZ"]
    said += [
        "$SYS.REQ.USER.AUTH",
        "$SYS.REQ.ACCOUNT.APP.CONNZ",
        "$SYS.REQ.CLAIMS.UPDATE",
        "$SYS.REQ.SERVER.NABC.RELOAD",
    ]
    said += ["$JS.API.ACCOUNT.PURGE.APP", "$JS.API.META.LEADER.STEPDOWN", "$JS.API.SERVER.REMOVE"]
    said += ["$SYS.REQ.SERVER.PING", "$JS.EVENT.ADVISORY.API", "anything.at.all", "_INBOX.somebody"]
    for service in SERVICES:
        if service == user:
            continue
        said += [f"{service}.events.v1.forged.acme", f"{service}.deadletters.v1.buried.acme", f"{service}.wake"]
        said += [f"_INBOX_{service}.forged", f"_INBOX_{service}.pull.forged"]
        for stream in streams:
            said += [f"$JS.ACK.{stream}.{service}.1.1.1.1.1", f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{service}"]
            said += [f"$JS.API.CONSUMER.RESET.{stream}.{service}"]
    if user != "gateway":
        said += [f"{service}.requests.v1.create_ticket" for service in SERVICES]
    # Tickets says again what JetStream swallowed.
    said += [intake_of(guest) for guest in GUESTS if user not in (guest, "tickets")]
    if user in GUESTS:
        said += ["$SRV.PING", "$SRV.STATS.tickets"]
        said += [f"$JS.API.CONSUMER.{verb}.TICKETS.int_{user}" for verb in ("DELETE", "RESET", "INFO", "PAUSE")]
        (other,) = (guest for guest in GUESTS if guest != user)
        said += [f"$JS.ACK.TICKETS.int_{other}.1.1.1.1.1", f"$JS.API.CONSUMER.MSG.NEXT.TICKETS.int_{other}"]
        said += [f"$JS.APP.API.CONSUMER.{verb}.TICKETS.int_{other}" for verb in ("INFO", "MSG.NEXT")]
        said += ["$JS.APP.API.STREAM.INFO.TICKETS"]
        said += [TicketRequested.subject_for("acme", "other"), TicketRequested.subject_for("globex", "shop")]
        said += [TicketRequested.subject_for("globex", "crm"), f"{TicketRequested.SUBJECT}.acme"]
        said += [f"$JS.ACK.TICKETS.{GLOBEX.durable}.1.1.1.1.1", f"$JS.API.CONSUMER.MSG.NEXT.TICKETS.{GLOBEX.durable}"]
    return said


def forbidden_to_hear(user: str) -> list[str]:
    """Subjects that this user has no business to subscribe to."""
    heard = [">", "*.>", "$JS.>", "$JS.API.>", "$SYS.>", "_INBOX.>", "_INBOX_operator2.>", "$JS.ACK.>", "*.events.>"]
    heard += [f"_INBOX_{other}.>" for other in (*provision.users(), *GUESTS) if other != user]
    heard += [] if user == CALLOUT else ["$SYS.REQ.USER.AUTH", "$SYS.REQ.USER.AUTH.>"]
    heard += [f"{service}.requests.>" for service in SERVICES if service != user]
    heard += [f"{service}.wake" for service in SERVICES if service != user]
    heard += ["tickets.events.>", "tickets.intake.>", "tickets.deadletters.>"]
    return heard


async def refused(client: Client, count: int) -> list[str]:
    """What the server refused of this connection, once it has refused so much."""
    told: list[Exception] = client.told  # type: ignore[attr-defined]
    with contextlib.suppress(AssertionError):
        await eventually(lambda: len(told) >= count)
    return [str(error) for error in told]


@pytest.mark.parametrize("user", [*provision.users(), *GUESTS])
async def test_nobody_says_or_hears_what_is_none_of_their_business(guarded: NatsServer, user: str) -> None:
    said, heard = forbidden_to_say(user), forbidden_to_hear(user)
    async with as_user(guarded, user) as client:
        for subject in said:
            await client.publish(subject, b"+TERM" if "ACK" in subject else b"")
        for subject in heard:
            await client.subscribe(subject)
        await flushed(client)
        words = await refused(client, len(said) + len(heard))
    assert [subject for subject in said if not any(f'publish to "{subject.lower()}"' in word for word in words)] == []
    assert [
        subject for subject in heard if not any(f'subscription to "{subject.lower()}"' in word for word in words)
    ] == []


@pytest.mark.parametrize("user", SERVICES)
async def test_a_service_may_do_all_that_its_work_needs(guarded: NatsServer, user: str) -> None:
    say, hear = rights(user)
    async with as_user(guarded, user) as client:
        for subject in hear:
            await client.subscribe(subject)
        for subject in say:
            if subject.startswith("$JS.API") and not any(verb in subject for verb in (".RESET.", ".NEXT.", ".MSG.")):
                assert "error" not in json.loads((await client.request(subject, b"", timeout=10)).data)
        await flushed(client)
        assert await refused(client, 0) == []


# The wall around other systems


async def test_an_outsider_reads_the_public_facts_of_its_own_workspace_and_nothing_else(desk: Desk) -> None:
    def a_ticket_event(kind: type[Event], ws: str, audience: Audience, **more: Any) -> Event:
        common = {"workspace_id": ws, "actor": ADA, "via": "api", "cause": "a test", "audience": audience}
        return kind.model_validate(common | {"ticket_id": uuid4(), "version": 1} | more)

    moved = {"old": "new", "new": "open"}
    for ws in ("globex", "acme"):
        for fact in (
            a_ticket_event(StatusChanged, ws, Audience.EVERYONE, **moved),
            a_ticket_event(NoteAdded, ws, Audience.TEAM, note_id=uuid4(), body="between us", pinned=False),
        ):
            await desk.chaos.jetstream().publish(fact.subject_for(ws), fact.model_dump_json().encode())

    for guest in GUESTS:
        async with as_user(desk.broker, guest) as shop:
            inbox = shop.new_inbox()
            arrives = await shop.subscribe(inbox)
            subject = f"$JS.API.CONSUMER.MSG.NEXT.TICKETS.int_{guest}"
            await shop.publish(subject, b'{"batch": 10, "no_wait": true}', reply=inbox)
            first = await arrives.next_msg(timeout=10)
            assert first.subject == StatusChanged.subject_for("acme")
            await first.respond(b"+ACK")
            assert ((await arrives.next_msg(timeout=10)).headers or {})["Status"] == "404", "no more for them"
            await eventually(lambda guest=guest: has_read(desk, guest, 1))  # type: ignore[misc]


async def has_read(desk: Desk, guest: str, many: int) -> bool:
    told = await api(desk.chaos, f"CONSUMER.INFO.TICKETS.int_{guest}")
    return bool(told["ack_floor"]["consumer_seq"] == many and not told["num_pending"])


@pytest.mark.parametrize(
    "reply",
    [
        *(f"$JS.API.STREAM.{verb}.{stream.name}" for verb in ("DELETE", "PURGE") for stream in STREAMS),
        "$JS.API.CONSUMER.DELETE.GATEWAY.tickets",
        "$JS.API.CONSUMER.RESET.TICKETS.activity",
        "$SYS.REQ.USER.AUTH",
        f"$JS.API.CONSUMER.DELETE.TICKETS.{GLOBEX.durable}",
        "$JS.ACK.GATEWAY.tickets.1.1.1.1.1",
        WorkspaceCreated.subject_for("acme"),
        "tickets.events.v1.ticket_created.acme",
        TicketRequested.subject_for("globex", "crm"),
        "tickets.requests.v1.add_note",
        "gateway.wake",
        "_INBOX_gateway.forged",
    ],
)
async def test_whatever_reply_an_outsider_names_nothing_inside_is_touched(desk: Desk, reply: str) -> None:
    fact = StatusChanged.subject_for("acme")
    await desk.chaos.jetstream().publish(fact, b"{}")
    before, heard_before = await shape(desk.chaos), await desk.heard("acme")
    seen: list[str] = []

    async def see(msg: Any) -> None:
        seen.append(msg.subject)

    watching = await desk.chaos.subscribe(reply, cb=see)
    await flushed(desk.chaos)
    heard = []
    for guest in GUESTS:
        intake, name = intake_of(guest), guest.partition("_")[0]
        async with as_user(desk.broker, guest) as shop:
            for api_name in ("$JS.API", "$JS.APP.API"):
                next_of = f"{api_name}.CONSUMER.MSG.NEXT.TICKETS.int_{guest}"
                await shop.publish(next_of, b'{"batch": 5, "no_wait": true}', reply=reply)
            reader = await shop.jetstream().pull_subscribe_bind(f"int_{guest}", stream="TICKETS")
            with contextlib.suppress(TimeoutError):
                for read in await reader.fetch(1, timeout=0.2):
                    await shop.publish(read.reply, b'+NXT {"batch": 5, "no_wait": true}', reply=reply)
            await shop.publish(intake, b'{"external_id": "9", "subject": "Help"}', reply=reply)
            await shop.publish(intake, b"rubbish", reply=reply)
            await shop.jetstream().publish(intake, b'{"external_id": "last", "subject": "Help"}')
            await desk.settled("INTAKE")
        # The server takes nothing at all from who names an ack as reply.
        heard += [] if reply.startswith("$JS.ACK") else [f"9 of {name}"]
        heard.append(f"last of {name}")
    await flushed(desk.chaos)
    await watching.unsubscribe()

    after = await shape(desk.chaos)
    for stream in ("INTAKE", "DEADLETTERS"):  # which may have got what was sent, and why it was buried
        assert after.pop(stream)[0] == before.pop(stream)[0]
    assert after == before
    assert seen == []
    assert await desk.heard("acme") == [*heard_before, *heard]


@pytest.mark.parametrize(
    "headers",
    [
        {"Nats-Rollup": "all"},
        {"Nats-Rollup": "sub"},
        {"Nats-TTL": "1s"},
        {"Nats-Schedule": "@at 2030-01-01T00:00:00Z", "Nats-Schedule-Target": WorkspaceCreated.subject_for("acme")},
        {"Nats-Expected-Stream": "TICKETS"},
        {"Nats-Expected-Last-Sequence": "99999"},
        {"Nats-Expected-Last-Subject-Sequence": "99999"},
        {"Nats-Expected-Last-Msg-Id": "forged"},
        {"Nats-Batch-Id": "b", "Nats-Batch-Sequence": "1", "Nats-Batch-Commit": "1"},
    ],
    ids=lambda headers: "-".join(f"{name}-{value}" for name, value in headers.items())[:40],
)
async def test_a_header_that_commands_the_stream_is_refused(desk: Desk, headers: dict[str, str]) -> None:
    before = (await shape(desk.chaos))["INTAKE"]
    for guest in GUESTS:
        async with as_user(desk.broker, guest) as shop:
            with pytest.raises(APIError):
                await shop.jetstream().publish(intake_of(guest), b'{"external_id": "9"}', headers=headers)
    assert (await shape(desk.chaos))["INTAKE"] == before


async def test_a_trace_asked_for_by_an_outsider_goes_nowhere_inside(desk: Desk) -> None:
    seen: list[str] = []

    async def see(msg: Any) -> None:
        seen.append(msg.subject)

    watching = await desk.chaos.subscribe("gateway.>", cb=see)
    await flushed(desk.chaos)
    for guest in GUESTS:
        async with as_user(desk.broker, guest) as shop:
            for destination in ("gateway.wake", WorkspaceCreated.subject_for("acme")):
                await shop.publish(intake_of(guest), b"traced", headers={"Nats-Trace-Dest": destination})
            await flushed(shop)
            await desk.settled("INTAKE")
    await flushed(desk.chaos)
    await watching.unsubscribe()
    assert seen == []
    assert await stored(desk.chaos, "GATEWAY", WorkspaceCreated.subject_for("acme")) == []


async def test_what_is_larger_than_its_stream_takes_is_refused(desk: Desk) -> None:
    before = await shape(desk.chaos)
    async with as_user(desk.broker, "gateway") as gateway, as_user(desk.broker, "shop_acme") as shop:
        with pytest.raises(APIError, match="message size exceeds maximum allowed"):
            await gateway.jetstream().publish(WorkspaceCreated.subject_for("acme"), b"x" * 70_000)
        with pytest.raises(APIError, match="message size exceeds maximum allowed"):
            await shop.jetstream().publish(INTAKE, b"x" * 200_000)
        with pytest.raises(MaxPayloadError):
            await shop.publish(INTAKE, b"x" * 1_048_576)
        # A client that ignores what the server says it takes is cut off.
        shop._max_payload = 2_000_000
        await shop.publish(INTAKE, b"x" * 1_048_576)
        with contextlib.suppress(NatsTimeout):
            await shop.flush(timeout=1)
        await eventually(lambda: shop.is_closed)
    assert await shape(desk.chaos) == before


@pytest.mark.parametrize("user", ["gateway", "shop_acme", CHAOS, "$SYS", ""])
async def test_nobody_enters_without_a_password_or_with_anothers(desk: Desk, user: str) -> None:
    credentials = {"user": user, "pass": desk.broker.passwords["tickets"]} if user else {}
    host, port = desk.broker.url_for(user).rpartition("@")[2].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(f"CONNECT {json.dumps(credentials)}\r\nPING\r\n".encode())
        said = await asyncio.wait_for(reader.read(), 15)
    finally:
        writer.close()
        await writer.wait_closed()
    assert said.splitlines()[-1] == b"-ERR 'Authorization Violation'"
