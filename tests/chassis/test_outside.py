"""Other systems come in by a question that any of us answers, are had back before their time is over, and cut off."""

import asyncio
import base64
import datetime as dt
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import nats
import pytest
from nacl.exceptions import BadSignatureError
from nats.aio.client import Client

from chassis.callout import LIFE, draw_issuer, read_question
from chassis.callout import Callout as Signs
from chassis.outside import Outside
from chassis.provision import AUTH_SECONDS, Outsider
from chassis.telemetry import Metrics
from contracts.base import now
from contracts.tickets import TicketRequested
from tests.support.eventually import eventually
from tests.support.infra import NatsServer
from tests.support.outsider import enter
from tests.support.replicas import CHAOS, a_broker, as_user, let_in

MART = Outsider("acme", "mart", "the-mart-s-own")
SHOP = Outsider("acme", "shop", "the-shop-s-own")
_REFUSED = b"-ERR 'Authorization Violation'\r\n"


@pytest.fixture(scope="module")
async def broker() -> AsyncIterator[NatsServer]:
    async with a_broker(SHOP) as broker:
        yield broker


async def says(broker: NatsServer, user: str, password: str) -> bytes:
    """What the server says first to who comes with this name and password: PONG to who may stay."""
    host, port = broker.url_for(user).rpartition("@")[2].split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        about = {"user": user, "pass": password, "verbose": False}
        writer.write(f"CONNECT {json.dumps(about)}\r\nPING\r\n".encode())
        await reader.readline()
        return await asyncio.wait_for(reader.readline(), 15)
    finally:
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def coming_back(broker: NatsServer, outsider: Outsider) -> AsyncIterator[tuple[Client, list[str]]]:
    """A client as every system should have it: it comes back, and says what happened to it."""
    happened: list[str] = []

    def note(what: str) -> Any:
        async def noted(*_: Any) -> None:
            happened.append(what)

        return noted

    client = await enter(
        broker.url_for(outsider.user),
        inbox_prefix=outsider.inbox_prefix,
        max_reconnect_attempts=-1,
        reconnect_time_wait=0.05,
        reconnected_cb=note("back"),
        closed_cb=note("closed"),
        error_cb=note("error"),
    )
    try:
        yield client, happened
    finally:
        await client.close()


def counted(outside: Outside, outcome: str) -> float:
    return float(outside._callout._answers.labels(outcome)._value.get())


async def test_whoever_is_asked_answers_and_who_is_unknown_is_refused_at_once(broker: NatsServer) -> None:
    async with let_in(broker, MART) as outside:
        async with let_in(broker, MART):
            for _ in range(6):
                assert await says(broker, MART.user, MART.password) == b"PONG\r\n"
        assert await says(broker, MART.user, MART.password) == b"PONG\r\n", "one replica has gone"
        for user, password in ((MART.user, "wrong"), (MART.user, ""), ("nobody", "x"), (CHAOS, ""), ("", "")):
            async with asyncio.timeout(AUTH_SECONDS):  # silence would take longer
                assert await says(broker, user, password) == _REFUSED
        assert counted(outside, "refused") == 4, "of one whom the configuration names nobody is asked"
        assert counted(outside, "admitted") >= 1
    # Nobody answers: who is in the configuration comes in all the same.
    assert await says(broker, MART.user, MART.password) == _REFUSED
    for user in ("tickets", "gateway", SHOP.user):
        assert await says(broker, user, broker.passwords[user]) == b"PONG\r\n"


async def test_when_whoever_knows_them_is_away_others_are_refused_at_once(broker: NatsServer) -> None:
    async with let_in(broker, MART) as outside:

        async def away(user: str, password: str) -> Outsider | None:
            raise OSError("the store is away")

        outside._callout._admits = away
        async with asyncio.timeout(AUTH_SECONDS):
            assert await says(broker, MART.user, MART.password) == _REFUSED
        assert counted(outside, "failed") == 1


async def test_who_was_let_in_stays_in_while_nobody_answers(broker: NatsServer) -> None:
    async with let_in(broker, MART):
        client = await nats.connect(broker.url_for(MART.user), inbox_prefix=MART.inbox_prefix, allow_reconnect=False)
    try:
        subject = TicketRequested.subject_for("acme", "mart")
        assert (await client.jetstream().publish(subject, b"{}")).stream == "INTAKE"
    finally:
        await client.close()


async def test_they_come_in_anew_before_their_time_is_over_and_notice_no_more_than_a_moment(
    broker: NatsServer,
) -> None:
    at = [now()]
    async with (
        let_in(broker, MART, clock=lambda: at[0]) as outside,
        coming_back(broker, MART) as (client, happened),
        coming_back(broker, SHOP) as (_, told),
    ):
        assert await outside.renew() == 0
        at[0] += dt.timedelta(seconds=LIFE - 60)
        assert await outside.renew() == 1
        await eventually(lambda: "back" in happened)
        subject = TicketRequested.subject_for("acme", "mart")
        assert (await client.jetstream().publish(subject, b"{}")).stream == "INTAKE"
        assert "closed" not in happened
        assert told == [], "who stands in the configuration has no end"


async def test_who_was_on_the_way_in_while_they_were_shut_out_is_cut_the_next_time(broker: NatsServer) -> None:
    asked, answered = asyncio.Event(), asyncio.Event()
    async with let_in(broker, MART) as outside:

        async def slowly(user: str, password: str) -> Outsider | None:
            asked.set()
            await answered.wait()
            return MART

        outside._callout._admits = slowly
        coming = asyncio.create_task(
            nats.connect(broker.url_for(MART.user), inbox_prefix=MART.inbox_prefix, allow_reconnect=False)
        )
        await asked.wait()
        assert await outside.cut(MART) == 0
        answered.set()
        client = await coming
        try:
            assert await outside.cut(MART) == 1
            await eventually(lambda: client.is_closed)
        finally:
            await client.close()


async def test_a_time_that_is_over_is_over(broker: NatsServer) -> None:
    async with let_in(broker, MART) as outside:
        outside._callout._clock = lambda: now().timestamp() - LIFE + 2
        async with as_user(broker, MART.user) as client:
            await eventually(lambda: client.is_closed, within=30)
            assert "user authentication expired" in " ".join(map(str, [*client.told, client.last_error])).lower()  # type: ignore[attr-defined]


async def _nobody(user: str, password: str) -> Outsider | None:
    return None


def test_only_the_server_that_asks_is_answered() -> None:
    signer = Signs(draw_issuer(), _nobody, Metrics("gateway"))
    claims = {"nats": {"server_id": {"id": "somebody else"}}}
    with pytest.raises(ValueError, match="another server"):
        read_question(signer._sign(claims))
    own = {"nats": {"server_id": {"id": signer._key.public_key.decode()}}}
    assert read_question(signer._sign(own)) == own["nats"]
    head, body, signature = signer._sign(own).split(".")
    forged = base64.urlsafe_b64encode(json.dumps({**own, "iss": signer._key.public_key.decode()}).encode()).decode()
    with pytest.raises(BadSignatureError):
        read_question(f"{head}.{forged.rstrip('=')}.{signature}")
    assert body
