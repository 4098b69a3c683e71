"""A deployment whose servers others run is backed up and restored by its directory of secrets, and nothing half is."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from chassis.backup import back_up
from chassis.connection import connect
from chassis.deployment import Deployment
from chassis.embedded.process import EmbeddedError
from chassis.provision import PROVISIONER
from chassis.rescue import Rescue
from contracts.base import SERVICES
from tests.support.eventually import eventually
from tests.support.infra import NatsServer, PostgresServer

type Start[Server] = Callable[..., Awaitable[Server]]

FACT = """
    insert into event_log (workspace_id, id, position, type, about_kind, about_id, version, at, audience, body, sent_at)
    values ('w', gen_random_uuid(), 1, 'gateway.events.v1.workspace_created', 'workspace', 'w', 1, now(), 'admins',
        '{}', now())
"""


def write_secrets(directory: Path, postgres: str, nats: NatsServer) -> None:
    parts = urlsplit(postgres)
    host = parts.netloc.rpartition("@")[2]
    directory.mkdir()
    (directory / "postgres.url").write_text(postgres, encoding="utf-8")
    (directory / f"{PROVISIONER}.nats-url").write_text(nats.url_for(PROVISIONER), encoding="utf-8")
    for service in SERVICES:
        for kind, role in (("owner", "owner"), ("database", "app")):
            url = urlunsplit(parts._replace(netloc=f"{service}_{role}:word@{host}", path=f"/{service}"))
            (directory / f"{service}.{kind}-url").write_text(url, encoding="utf-8")


async def each_database(superuser_url: str, statement: str) -> None:
    superuser = await asyncpg.connect(superuser_url)
    try:
        for service in SERVICES:
            await superuser.execute(statement.format(service=service))
    finally:
        await superuser.close()


async def counted(superuser_url: str) -> list[int]:
    """Return how many facts there are, and the place of the last mail, whose number is never given again."""
    gateway = await asyncpg.connect(superuser_url, database="gateway")
    notifications = await asyncpg.connect(superuser_url, database="notifications")
    try:
        facts: int = await gateway.fetchval("select count(*) from event_log")
        place: int = await notifications.fetchval("select nextval('inbound_mails_nth_seq')")
        return [facts, place]
    finally:
        await gateway.close()
        await notifications.close()


async def test_a_directory_that_cannot_be_written_is_named_with_the_cause(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    directory = tmp_path / "file" / "today"
    with pytest.raises(EmbeddedError) as refused:
        await back_up("postgresql://nobody-is-asked", directory, None)
    assert str(refused.value) == f"The backup can't be written into {directory}: Not a directory."


async def test_what_a_backup_lacks_without_nats_is_said_in_whole_sentences(tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(EmbeddedError, match=r"The secret postgres\.url can't be read"):
        await Rescue(tmp_path, tmp_path, said.append).backup(tmp_path / "today")
    why = f"The secret {PROVISIONER}.nats-url can't be read in {tmp_path}: No such file or directory."
    assert said == [f"{why} What other systems sent and was not applied yet is not in this backup."]


async def test_a_deployment_is_restored_by_its_secrets_whole_or_not_at_all(
    tmp_path: Path, own_postgres: Start[PostgresServer], own_nats: Start[NatsServer]
) -> None:
    postgres, nats = await own_postgres(), await own_nats()
    secrets, backup = tmp_path / "secrets", tmp_path / "backup"
    write_secrets(secrets, postgres.superuser_url, nats)
    said: list[str] = []
    rescue = Rescue(secrets, tmp_path, said.append)
    deployment = Deployment(secrets)
    await deployment.make_databases(SERVICES)
    gateway = await asyncpg.connect(postgres.superuser_url, database="gateway")
    await gateway.execute(FACT)
    await gateway.close()
    assert await counted(postgres.superuser_url) == [1, 1]
    await deployment.make_streams(apply=True, replicas=1, ca="")

    await rescue.backup(backup)
    with pytest.raises(EmbeddedError, match="holds tables already"):
        await rescue.restore(backup)
    await each_database(postgres.superuser_url, "drop database {service} with (force)")

    with pytest.raises(EmbeddedError, match="is of a deployment of its own"):
        await Rescue(None, tmp_path / "var", said.append).restore(backup)

    file = backup / "gateway" / "event_log.gz"
    whole = file.read_bytes()
    file.write_bytes(gzip.compress(gzip.decompress(whole).replace(b"admins", b"nobody")))
    with pytest.raises(EmbeddedError, match="is not as it was written"):
        await rescue.restore(backup)
    file.write_bytes(whole)

    # What would start now is a desk without anything.
    with pytest.raises(EmbeddedError, match="A restore was broken off"):
        await deployment.make_databases(SERVICES)
    await rescue.restore(backup)
    await deployment.make_databases(SERVICES)
    assert await counted(postgres.superuser_url) == [1, 2]
    assert (tmp_path / "backup").stat().st_mode & 0o077 == 0

    # Nobody relays here: the fact is to be told again, and who hears it stays behind.
    task = asyncio.create_task(rescue.reconcile())
    await eventually(lambda: any("gateway: 1 messages are told to GATEWAY again" in each for each in said), within=30)
    task.cancel()

    client = await connect(nats.url_for("gateway"), "gateway", closing=lambda: True)
    await client.jetstream().publish("gateway.events.v1.workspace_created.w", b"{}")
    await client.close()
    with pytest.raises(EmbeddedError, match="NATS still holds GATEWAY"):
        await rescue.restore(backup)
