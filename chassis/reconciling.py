"""Compares what the logs say with what streams hold and listeners have applied, and has told again what is missing."""

import asyncio
import datetime as dt
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import asyncpg
import nats.errors
from nats.aio.client import Client

from chassis.connection import connect
from chassis.embedded.process import StartFailed
from chassis.jetstream import call
from chassis.provision import PROVISIONER, heard_streams, relayed_streams
from contracts.base import SERVICES, Intake
from contracts.streams import DEADLETTERS, STREAMS, Stream, stream_of

_SKEW = dt.timedelta(seconds=5)
_TICK = 0.3
_TELL_AGAIN = {
    False: "update event_log set sent_at = null where sent_at < $1 and sent_at > $2",
    True: "update dead_letters set sent_at = null where sent_at < $1 and sent_at > $2",
}
_GO_BACK = "update consumed set position = $2 where consumer = $1 and position > $2"
_UNSENT = (
    "select (select count(*) from event_log where sent_at is null)"
    " + (select count(*) from dead_letters where sent_at is null)"
)
_ENDS = "select workspace_id, last from positions"
_APPLIED = "select workspace_id, position from consumed where consumer = $1"

type Say = Callable[[str], None]


class Unequal(Exception):
    """Stores that do not agree, though everybody had time to hear."""

    def __init__(self, findings: Sequence[str]) -> None:
        """Name each difference."""
        self.findings = tuple(findings)
        super().__init__("; ".join(findings))


@asynccontextmanager
async def provisioner(nats_url: str, ca: str) -> AsyncIterator[Client]:
    """Enter NATS as who may ask for every stream; raises StartFailed while it is away."""
    try:
        client = await connect(
            nats_url, PROVISIONER, closing=lambda: True, ca=ca, allow_reconnect=False, max_reconnect_attempts=1
        )
    except (OSError, TimeoutError, RuntimeError, nats.errors.Error) as error:
        raise StartFailed(f"NATS can't be entered: {error}") from None
    try:
        yield client
    finally:
        await client.close()


async def full_streams(client: Client) -> list[str]:
    """Return the streams that hold a message."""
    found = {stream.name: await call(client, f"STREAM.INFO.{stream.name}") for stream in STREAMS}
    return [name for name, info in found.items() if info.get("state", {}).get("messages")]


async def intake_left(client: Client, *, within: float) -> int:
    """Wait until what other systems have sent by now is applied; return how many of it are not when time is up."""
    name = stream_of(f"{Intake.of_kind()[0].SUBJECT}.w.i").name
    service = Intake.of_kind()[0].OWNER
    last = (await call(client, f"STREAM.INFO.{name}"))["state"]["last_seq"]
    end = time.monotonic() + within
    while True:
        info = await call(client, f"CONSUMER.INFO.{name}.{service}")
        left: int = info["num_pending"] + info["num_ack_pending"]
        if not left or info["ack_floor"]["stream_seq"] >= last or time.monotonic() > end:
            return 0 if info["ack_floor"]["stream_seq"] >= last else left
        await asyncio.sleep(_TICK)


async def reconcile(client: Client, database_url: Callable[[str], str], say: Say, *, within: float) -> None:
    """Have told again what streams lack, wait until it is, and compare; raises Unequal where listeners stay behind."""
    for service in SERVICES:
        async with _everything(database_url(service)) as session:
            for stream in relayed_streams(service):
                info = await call(client, f"STREAM.INFO.{stream.name}")
                told = await _tell_again(session, stream, info["created"])
                if told:
                    say(f"{service}: {told} messages are told to {stream.name} again, which lacked them")
            # A place in a stream that was made anew is beyond its end.
            end = (await call(client, f"STREAM.INFO.{DEADLETTERS.name}"))["state"]["last_seq"]
            await session.execute(_GO_BACK, DEADLETTERS.name, end)
    until = time.monotonic() + within
    while findings := await _differences(database_url):
        if time.monotonic() > until:
            raise Unequal(findings)
        await asyncio.sleep(_TICK)


async def _tell_again(session: asyncpg.Connection, stream: Stream, created: str) -> int:
    """Let the relay send what it sent before a stream was made, as far as the stream would still hold it."""
    made = dt.datetime.fromisoformat(created)
    done: str = await session.execute(
        _TELL_AGAIN[stream is DEADLETTERS], made + _SKEW, dt.datetime.now(dt.UTC) - stream.max_age
    )
    return int(done.rpartition(" ")[2])


async def _differences(database_url: Callable[[str], str]) -> list[str]:
    findings: list[str] = []
    ends: dict[str, dict[str, int]] = {}
    for service in SERVICES:
        async with _everything(database_url(service)) as session:
            if unsent := await session.fetchval(_UNSENT):
                findings.append(f"{service}: {unsent} messages wait to be told")
            ends[service] = {row["workspace_id"]: row["last"] for row in await session.fetch(_ENDS)}
    for service in SERVICES:
        async with _everything(database_url(service)) as session:
            for stream in heard_streams(service):
                owner = stream.subjects[0].partition(".")[0]
                if owner == service:
                    continue
                applied = {r["workspace_id"]: r["position"] for r in await session.fetch(_APPLIED, stream.name)}
                findings += [
                    f"{service}: has applied {applied.get(ws, 0)} of {last} facts of {owner} in {ws}"
                    for ws, last in ends[owner].items()
                    if applied.get(ws, 0) != last
                ]
    return findings


@asynccontextmanager
async def _everything(url: str) -> AsyncIterator[asyncpg.Connection]:
    """Enter a service's database as its app role, for every workspace."""
    try:
        session = await asyncpg.connect(url)
    except (OSError, asyncpg.PostgresError) as error:
        raise StartFailed(f"A database can't be entered: {error}") from None
    try:
        await session.execute("select set_config('app.ws', '*', false)")
        yield session
    finally:
        await session.close()
