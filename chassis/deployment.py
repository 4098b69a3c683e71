"""What servers that run elsewhere are given before the services start: rights, databases, tables and streams.

All secrets lie in one directory, each in a file of its own: `<user>.nats-url`, `<service>.database-url`,
`<service>.owner-url`, `postgres.url`, `nats-issuer`, and `integration.nats-url` where another system is known from the
first day.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from chassis import backup, reconciling
from chassis.callout import issuer_of
from chassis.databases import ensure_database, restoring
from chassis.embedded.process import StartFailed
from chassis.embedded.secrets import Secrets
from chassis.migrations import migrate
from chassis.provision import PROVISIONER, Outsider, accounts, provision, users

_PATIENCE = 30.0

type Say = Callable[[str], None]


class Deployment:
    """Servers that someone else runs, and the directory that holds every way into them."""

    def __init__(self, secrets: Path) -> None:
        self._secrets = secrets

    def write_accounts(self, path: Path, partitions: int = 1) -> None:
        """Write who may enter NATS and what they may do; nats-server reads it as another user."""
        passwords = {user: _password(self._read(f"{user}.nats-url")) for user in users()}
        half = path.with_name(f".{path.name}.half")
        issuer = issuer_of(self._read("nats-issuer"))
        half.write_text(accounts(passwords, issuer, self._outsiders(), partitions), encoding="utf-8")
        half.chmod(0o644)
        half.replace(path)

    async def make_databases(self, services: Sequence[str]) -> None:
        """Make what is missing of each service's database, roles and tables; the passwords are set again."""
        async with self._superuser() as superuser:
            for service in services:
                await self._ensure_database(superuser, service)
        for service in services:
            await asyncio.to_thread(migrate, service, self._read(f"{service}.owner-url"))

    async def _ensure_database(self, superuser: asyncpg.Connection, service: str, *, restored: bool = False) -> None:
        passwords = (_password(self._read(f"{service}.{kind}-url")) for kind in ("owner", "database"))
        await ensure_database(superuser, service, *passwords, restored=restored)

    @asynccontextmanager
    async def _superuser(self) -> AsyncIterator[asyncpg.Connection]:
        try:
            superuser = await asyncpg.connect(self._read("postgres.url"))
        except (OSError, asyncpg.PostgresError) as error:
            raise StartFailed(f"PostgreSQL can't be entered: {error}") from None
        try:
            yield superuser
        finally:
            await superuser.close()

    async def make_streams(self, *, apply: bool, replicas: int, partitions: int = 1, ca: str = "") -> None:
        """Make the streams and durables that are missing; `apply` alters those that differ."""
        url = self._read(f"{PROVISIONER}.nats-url")
        await provision(url, outsiders=self._outsiders(), apply=apply, replicas=replicas, partitions=partitions, ca=ca)

    async def back_up(self, directory: Path, secrets: Secrets | None, say: Say, *, ca: str) -> backup.Manifest:
        """Copy every store into a directory; the desk may run, and what it was told before this is in it."""
        try:
            async with reconciling.provisioner(self._read(f"{PROVISIONER}.nats-url"), ca) as client:
                left = await reconciling.intake_left(client, within=_PATIENCE)
        except StartFailed as away:
            say(f"{str(away).rstrip('.')}. What other systems sent and was not applied yet is not in this backup.")
        else:
            if left:
                say(f"{left} messages of other systems are not applied yet, and not in this backup.")
        return await backup.back_up(self._read("postgres.url"), directory, secrets)

    async def restore(self, directory: Path, services: Sequence[str]) -> backup.Manifest:
        """Make every store as a backup has it; PostgreSQL holds none of them yet, NATS no message.

        They have another name until all are whole: what was broken off is begun anew, and nothing starts on it.
        """
        manifest = backup.Manifest.read(directory)
        superuser_url = self._read("postgres.url")
        async with self._superuser() as superuser:
            there = {row["datname"] for row in await superuser.fetch("select datname from pg_database")}
            await backup.refuse_filled(superuser_url, [service for service in services if service in there])
            for service in services:
                await superuser.execute(f'drop database if exists "{restoring(service)}" with (force)')
                await self._ensure_database(superuser, service, restored=True)
            await backup.fill(superuser_url, lambda each: self._read(f"{each}.owner-url"), directory, manifest)
            for service in services:
                await superuser.execute(f'drop database if exists "{service}" with (force)')
            async with superuser.transaction():
                for service in services:
                    await superuser.execute(f'alter database "{restoring(service)}" rename to "{service}"')
        return manifest

    async def refuse_full_streams(self, *, ca: str) -> None:
        """Raise StartFailed where NATS still holds what was told: it would be heard after the restore."""
        async with reconciling.provisioner(self._read(f"{PROVISIONER}.nats-url"), ca) as client:
            if full := await reconciling.full_streams(client):
                raise StartFailed(
                    f"NATS still holds {', '.join(full)}, of a time that the backup does not know:"
                    " give it an empty directory first."
                )

    async def reconcile(self, say: Say, *, ca: str) -> None:
        """Have told again what the streams lack, and compare; raises Unequal."""
        async with reconciling.provisioner(self._read(f"{PROVISIONER}.nats-url"), ca) as client:
            await reconciling.reconcile(
                client, lambda service: self._read(f"{service}.database-url"), say, within=2 * _PATIENCE
            )

    def _outsiders(self) -> list[Outsider]:
        if not (self._secrets / "integration.nats-url").exists():
            return []
        url = self._read("integration.nats-url")
        integration, _, workspace_id = (urlsplit(url).username or "").rpartition("_")
        return [Outsider(workspace_id, integration, _password(url))]

    def _read(self, name: str) -> str:
        try:
            return (self._secrets / name).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise StartFailed(f"The secret {name} can't be read in {self._secrets}: {error.strerror}.") from None


def _password(url: str) -> str:
    if not (found := urlsplit(url).password):
        raise StartFailed("A URL among the secrets has no password.")
    return found
