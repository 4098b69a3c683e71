"""All stores into one directory, and out of it into an empty deployment.

Each database is copied as it is at one moment, those who listen a moment before those whom they hear: nobody has
applied a fact that its owner does not know. Streams are not copied, since the logs they were told from are.
"""

import asyncio
import datetime as dt
import gzip
import hashlib
import json
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from chassis.databases import restoring
from chassis.embedded.process import StartFailed
from chassis.embedded.secrets import Secrets
from chassis.migrations import knows, migrate, scripts
from chassis.provision import heard_streams
from contracts.base import SERVICES, now

FORMAT = "counterfoil backup 1"
MANIFEST = "manifest.json"
SECRETS = "secrets"
"""Where a backup keeps what a desk on one machine was born with."""
AMENDS = "restored.sql"
"""What a service makes good in its restored store, beside its migrations."""

_CHUNK = 1 << 20
_VERSIONS = "alembic_version"
_COLUMNS = """
    select c.relname as table, array_agg(a.attname order by a.attnum)::text[] as columns
    from pg_class c join pg_namespace n on n.oid = c.relnamespace join pg_attribute a on a.attrelid = c.oid
    where n.nspname = 'public' and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
    and c.relname <> $1 group by 1 order by 1
"""
_SEQUENCES = "select sequencename, last_value from pg_sequences where schemaname = 'public' and last_value is not null"


@dataclass(frozen=True, slots=True)
class Table:
    """What a backup holds of a table."""

    columns: list[str]
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Store:
    """What a backup holds of a service's database."""

    revision: str
    tables: dict[str, Table]
    sequences: dict[str, int]

    @classmethod
    def read(cls, told: dict[str, Any]) -> "Store":
        """Read what a manifest says of it."""
        tables = {name: Table(**table) for name, table in told["tables"].items()}
        return cls(told["revision"], tables, told["sequences"])


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds; it is written last, so that a directory without it is none."""

    made_at: dt.datetime
    stores: dict[str, Store]

    def write(self, directory: Path) -> None:
        """Write it down."""
        told = {"format": FORMAT, "made_at": self.made_at.isoformat()}
        stores = {name: asdict(store) for name, store in self.stores.items()}
        (directory / MANIFEST).write_text(json.dumps(told | {"stores": stores}, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, directory: Path) -> "Manifest":
        """Read what lies in a directory; raises StartFailed where that is no backup, or of a newer release."""
        try:
            told = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
            stores = {name: Store.read(told["stores"][name]) for name in SERVICES}
            made_at = dt.datetime.fromisoformat(told["made_at"])
            known = told["format"] == FORMAT
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise StartFailed(f"{directory} holds no whole backup of a desk: {error!r}") from None
        if not known:
            raise StartFailed(f"{directory} is a backup of another form: {told['format']}.")
        for service, store in stores.items():
            if not knows(service, store.revision):
                raise StartFailed(f"The backup is of a newer release: {service} is at {store.revision} in it.")
        return cls(made_at, stores)


async def back_up(superuser_url: str, directory: Path, secrets: Secrets | None) -> Manifest:
    """Copy every store into a directory that is not there yet, and what the desk was born with.

    Raises StartFailed where the directory can't be made, or filled.
    """
    born_with = {each.name: each.read_text(encoding="utf-8") for each in secrets.lasting()} if secrets else {}
    try:
        return await _write(superuser_url, directory, born_with)
    except OSError as error:
        if isinstance(error, ConnectionError | TimeoutError):  # of a database
            raise
        raise StartFailed(f"The backup can't be written into {directory}: {error.strerror}.") from None


async def _write(superuser_url: str, directory: Path, born_with: dict[str, str]) -> Manifest:
    half = _begin(directory)
    try:
        if born_with:
            kept = Secrets(half / SECRETS)
            for name, text in born_with.items():
                kept.put(name, text)
        async with AsyncExitStack() as held:
            sessions: dict[str, asyncpg.Connection] = {}
            for service in listeners_first():
                sessions[service] = session = await held.enter_async_context(_inside(superuser_url, service))
                await session.execute("begin isolation level repeatable read read only")
                await session.execute("select 1")  # it sees from here on what is there now
            made_at = now()
            stores = {service: await _copy_out(sessions[service], half / service) for service in SERVICES}
        manifest = Manifest(made_at, stores)
        manifest.write(half)
        half.rename(directory)
    except BaseException:
        shutil.rmtree(half, ignore_errors=True)
        raise
    return manifest


def _begin(directory: Path) -> Path:
    if directory.exists():
        raise StartFailed(f"{directory} is there already: a backup is written into a directory of its own.")
    half = directory.with_name(f".{directory.name}.half")
    shutil.rmtree(half, ignore_errors=True)
    for service in SERVICES:
        (half / service).mkdir(mode=0o700, parents=True)
    half.chmod(0o700)
    return half


def listeners_first() -> list[str]:
    """Return the services, each before those whose facts it hears."""
    heard_by: dict[str, set[str]] = {service: set() for service in SERVICES}
    for service in SERVICES:
        for stream in heard_streams(service):
            heard_by[stream.subjects[0].partition(".")[0]] |= {service}
    return list(TopologicalSorter({owner: by - {owner} for owner, by in heard_by.items()}).static_order())


async def refuse_filled(superuser_url: str, services: Sequence[str]) -> None:
    """Raise StartFailed where the database of one of these services is not empty."""
    for service in services:
        async with _inside(superuser_url, service) as session:
            if await session.fetchval("select to_regclass($1) is not null", _VERSIONS):
                raise StartFailed(f"The database {service} holds tables already: restore into an empty PostgreSQL.")


async def fill(superuser_url: str, owner_url: Callable[[str], str], directory: Path, manifest: Manifest) -> None:
    """Fill the databases that are to be restored, which are empty, and bring them to the schema of this release.

    Raises StartFailed where a file is not as it was written.
    """
    for service, store in manifest.stores.items():
        owner = urlunsplit(urlsplit(owner_url(service))._replace(path=f"/{restoring(service)}"))
        await asyncio.to_thread(migrate, service, owner, store.revision)
        async with _inside(superuser_url, restoring(service)) as session:
            async with session.transaction():
                await _copy_in(session, directory / service, store)
            await asyncio.to_thread(migrate, service, owner)
            amends = scripts(service) / AMENDS
            if amends.exists():
                await session.execute(amends.read_text(encoding="utf-8"))
            await session.execute("analyze")


async def _copy_out(session: asyncpg.Connection, directory: Path) -> Store:
    revision: str = await session.fetchval("select version_num from alembic_version")
    tables: dict[str, Table] = {}
    for row in await session.fetch(_COLUMNS, _VERSIONS):
        digest = hashlib.sha256()
        with gzip.open(directory / f"{row['table']}.gz", "wb", compresslevel=1) as file:

            async def keep(data: bytes, file: gzip.GzipFile = file, digest: Any = digest) -> None:
                digest.update(data)
                file.write(data)

            said: str = await session.copy_from_table(row["table"], columns=row["columns"], output=keep)
        tables[row["table"]] = Table(row["columns"], int(said.rpartition(" ")[2]), digest.hexdigest())
    sequences = {row["sequencename"]: row["last_value"] for row in await session.fetch(_SEQUENCES)}
    return Store(revision, tables, sequences)


async def _copy_in(session: asyncpg.Connection, directory: Path, store: Store) -> None:
    """Put every row back as it was; what triggers and foreign keys would do was done when it was written."""
    await session.execute("set local session_replication_role = replica")
    there = {row["table"] for row in await session.fetch(_COLUMNS, _VERSIONS)}
    if there != set(store.tables):
        raise StartFailed(f"{directory} has other tables than its release: {sorted(there ^ set(store.tables))}")
    await session.execute(f"truncate {', '.join(sorted(there))}")
    for name, table in store.tables.items():
        digest = hashlib.sha256()
        with gzip.open(directory / f"{name}.gz", "rb") as file:

            async def chunks(file: gzip.GzipFile = file, digest: Any = digest) -> AsyncIterator[bytes]:
                while data := file.read(_CHUNK):
                    digest.update(data)
                    yield data

            await session.copy_to_table(name, columns=table.columns, source=chunks())
        if digest.hexdigest() != table.sha256:
            raise StartFailed(f"{directory / name}.gz is not as it was written.")
    for name, last in store.sequences.items():
        await session.execute("select setval(cast($1 as text)::regclass, $2)", name, last)


@asynccontextmanager
async def _inside(superuser_url: str, database: str) -> AsyncIterator[asyncpg.Connection]:
    try:
        session = await asyncpg.connect(superuser_url, database=database)
    except (OSError, asyncpg.PostgresError) as error:
        raise StartFailed(f"The database {database} can't be entered: {error}") from None
    try:
        yield session
    finally:
        await session.close()
