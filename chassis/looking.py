"""What a leader sees when it looks around: how far it is behind, how large things have become, and what lies buried."""

from nats.aio.client import Client
from sqlalchemy import text

from chassis.database import Database
from chassis.jetstream import call
from chassis.parts import parts
from chassis.provision import heard_streams, relayed_streams
from chassis.telemetry import Metrics

_LETTERS = text("select count(*) from dead_letters")
_BYTES = text("select pg_database_size(current_database())")


async def look(nats: Client, database: Database, metrics: Metrics, partitions: int = 1) -> None:
    """Set the gauges that nobody counts; raises NATS's errors and TimeoutError while JetStream is away."""
    async with database.glance("count dead letters") as tx:
        metrics.letters.set(await tx.scalar(_LETTERS))
        metrics.store_bytes.set(await tx.scalar(_BYTES))
    for name, (held, most) in (await stream_bytes(nats, metrics.service)).items():
        metrics.stream_bytes.labels(name).set(held)
        metrics.fill.labels(name).set(held / most)
    for stream in heard_streams(metrics.service):
        asked = (f"{each.source}.{each.durable(metrics.service)}" for each in parts(stream, partitions))
        found = [await call(nats, f"CONSUMER.INFO.{each}") for each in asked]
        if not any("error" in each for each in found):
            metrics.lag.labels(stream.name).set(sum(each["num_pending"] + each["num_ack_pending"] for each in found))


async def stream_bytes(nats: Client, service: str) -> dict[str, tuple[int, int]]:
    """Return how large the streams are that a service lives on, and how large they may become."""
    found: dict[str, tuple[int, int]] = {}
    for stream in (*heard_streams(service), *relayed_streams(service)):
        answer = await call(nats, f"STREAM.INFO.{stream.name}")
        if (most := answer.get("config", {}).get("max_bytes", -1)) > 0:
            found[stream.name] = answer["state"]["bytes"], most
    return found
