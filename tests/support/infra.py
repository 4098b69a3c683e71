"""Real NATS and PostgreSQL, once for the whole run: by URL, else in containers where Docker answers, else embedded."""

import asyncio
import os
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from chassis import provision
from chassis.callout import draw_issuer, issuer_of
from chassis.databases import ensure_database
from chassis.embedded.nats import EmbeddedNats
from chassis.embedded.postgres import EmbeddedPostgres
from chassis.migrations import migrate
from chassis.provision import CALLOUT, KEEPER, KICKER
from tests.support.containers import Containers, draw_passwords

PROJECT = Path(__file__).parent.parent.parent

_MEMORY, _ROOM = Path("/dev/shm"), 6 << 30


@dataclass(frozen=True, slots=True)
class Urls:
    """Where the two roles of one service find its database."""

    owner: str
    app: str


@dataclass(slots=True)
class NatsServer:
    """A running NATS server, and who may enter it; only an embedded one can be crashed."""

    address: Callable[[], str]
    issuer: str
    """The seed of whoever answers for those whom it doesn't know."""
    passwords: dict[str, str]
    embedded: EmbeddedNats | None = None

    def url_for(self, user: str) -> str:
        """Where this user connects. A server given by URL may know one user for all, or have `{user}` in its URL."""
        return self.address().format(user=user, password=self.passwords.get(user, ""))

    @property
    def outside(self) -> dict[str, Any]:
        """What a gateway is told that lets other systems in."""
        hands = {f"{user}_nats_url": self.url_for(user) for user in (CALLOUT, KEEPER, KICKER)}
        return hands | {"nats_issuer": self.issuer}

    async def kill(self) -> None:
        """End the server as a crash would."""
        await self._own.kill()

    async def start(self) -> None:
        """Start it again, on the same port and with what it had stored."""
        await self._own.start()

    async def stop(self) -> None:
        """Stop it in order."""
        await self._own.stop()

    @property
    def _own(self) -> EmbeddedNats:
        if self.embedded is None:
            pytest.skip("only an embedded server can be stopped: ask for `own_nats`")
        return self.embedded


@dataclass(slots=True)
class PostgresServer:
    """A running PostgreSQL server, which gives each test a database of its own."""

    superuser_url: str
    embedded: EmbeddedPostgres | None = None
    _made: list[str] = field(default_factory=list)
    _migrated: dict[str, Urls] = field(default_factory=dict)

    async def migrated_database(self, service: str) -> Urls:
        """Make a database as this service's migrations leave it: they run once, and what they made is copied."""
        if service not in self._migrated:
            pattern = await self.fresh_database(service)
            await asyncio.to_thread(migrate, service, pattern.owner)
            self._migrated[service] = pattern
        owner, app = (urlsplit(url) for url in astuple(self._migrated[service]))
        name = _a_name(service)
        superuser = await asyncpg.connect(self.superuser_url)
        try:
            await superuser.execute(f'CREATE DATABASE "{name}" OWNER "{owner.username}" TEMPLATE "{owner.path[1:]}"')
            await superuser.execute(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC')
            await superuser.execute(f'GRANT CONNECT ON DATABASE "{name}" TO "{app.username}"')
        finally:
            await superuser.close()
        self._made.append(name)
        return Urls(*(urlunsplit(each._replace(path=f"/{name}")) for each in (owner, app)))

    async def fresh_database(self, service: str) -> Urls:
        """Make an empty database with its two roles, under a name that nobody had before."""
        name, password = _a_name(service), secrets.token_urlsafe(12)
        superuser = await asyncpg.connect(self.superuser_url)
        try:
            await ensure_database(superuser, name, password, password)
        finally:
            await superuser.close()
        self._made.append(name)
        return Urls(owner=self._url(name, "owner", password), app=self._url(name, "app", password))

    async def clear(self) -> None:
        """Leave a server that outlives the tests as it was found."""
        superuser = await asyncpg.connect(self.superuser_url)
        try:
            while self._made:
                name = self._made.pop()
                await superuser.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
                await superuser.execute(f'DROP ROLE IF EXISTS "{name}_owner", "{name}_app"')
        finally:
            await superuser.close()

    async def kill(self) -> None:
        """End the server as a crash would."""
        await self._own.kill()

    async def start(self) -> None:
        """Start it again, with what it had stored."""
        await self._own.start()

    async def stop(self) -> None:
        """Stop it in order."""
        await self._own.stop()

    @property
    def _own(self) -> EmbeddedPostgres:
        if self.embedded is None:
            pytest.skip("only an embedded server can be stopped: ask for `own_postgres`")
        return self.embedded

    def _url(self, name: str, role: str, password: str) -> str:
        parts = urlsplit(self.superuser_url)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{name}_{role}:{password}@{host}", path=f"/{name}"))


@pytest.fixture(scope="session")
async def nats_server(containers: Containers | None) -> AsyncIterator[NatsServer]:
    """The NATS server of this run, with the users of the provisioner and no streams yet."""
    if url := os.environ.get("COUNTERFOIL_TEST_NATS_URL"):
        issuer = os.environ.get("COUNTERFOIL_TEST_NATS_ISSUER", draw_issuer())
        yield NatsServer(lambda: url, issuer, draw_passwords())
    elif containers:
        yield NatsServer(lambda: containers.nats, containers.issuer, containers.passwords)
    else:
        async with embedded_nats(()) as server:
            yield server


@pytest.fixture(scope="session")
async def postgres_server(containers: Containers | None) -> AsyncIterator[PostgresServer]:
    """The PostgreSQL server of this run."""
    if url := os.environ.get("COUNTERFOIL_TEST_POSTGRES_URL"):
        server = PostgresServer(url)
        yield server
        await server.clear()
    elif containers:
        yield PostgresServer(containers.postgres)
    else:
        async with _embedded_postgres() as server:
            yield server


@pytest.fixture
async def own_nats() -> AsyncIterator[Callable[..., Awaitable[NatsServer]]]:
    """Call `await own_nats(outsiders=[...])` for an embedded server for this test alone, to be crashed at will."""
    async with AsyncExitStack() as servers:

        async def start(outsiders: Sequence[provision.Outsider] = ()) -> NatsServer:
            return await servers.enter_async_context(embedded_nats(outsiders))

        yield start


@pytest.fixture
async def own_postgres() -> AsyncIterator[Callable[[], Awaitable[PostgresServer]]]:
    """Call `await own_postgres()` for an embedded server for this test alone, to be crashed at will."""
    async with AsyncExitStack() as servers:

        async def start() -> PostgresServer:
            return await servers.enter_async_context(_embedded_postgres())

        yield start


@pytest.fixture
def roomy_path() -> Iterator[Path]:
    """A directory that every user may enter: root's PostgreSQL is another user, whom pytest's `tmp_path` shuts out."""
    with temporary_directory() as path:
        yield path


@contextmanager
def temporary_directory() -> Iterator[Path]:
    """As `roomy_path`, for as long as the block lasts; in memory, where no write waits for a disk, if there is room."""
    place = _MEMORY if _is_roomy(_MEMORY) else None
    with tempfile.TemporaryDirectory(prefix="counterfoil-test-", ignore_cleanup_errors=True, dir=place) as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


def alive(pid: int) -> bool:
    """Whether the process still does something: one that ended, but that nobody has asked about yet, does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False


def command_line(pid: int) -> str:
    """What everyone on this machine may read of a process."""
    return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").replace("\0", " ")


@asynccontextmanager
async def python(code: str, *arguments: str | Path, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A Python process of its own that runs `code` with the project at hand; killed at the end, if not before."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code, *map(str, arguments)),
        cwd=PROJECT,
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def first_line(process: asyncio.subprocess.Process) -> str:
    """What the process says first; it is then as far as it wanted to get."""
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


def _a_name(service: str) -> str:
    return f"{service}_{secrets.token_hex(4)}"


@asynccontextmanager
async def embedded_nats(outsiders: Sequence[provision.Outsider]) -> AsyncIterator[NatsServer]:
    passwords, issuer = draw_passwords(), draw_issuer()
    with temporary_directory() as directory:
        server = EmbeddedNats(directory / "nats", accounts=provision.accounts(passwords, issuer_of(issuer), outsiders))
        known = passwords | {outsider.user: outsider.password for outsider in outsiders}
        try:
            await server.start()
            yield NatsServer(lambda: server.url("{user}", "{password}"), issuer, known, server)
        finally:
            await server.stop()


@asynccontextmanager
async def _embedded_postgres() -> AsyncIterator[PostgresServer]:
    with temporary_directory() as directory:
        server = EmbeddedPostgres(directory / "postgres")
        try:
            await server.start()
            yield PostgresServer(server.superuser_url, server)
        finally:
            await server.stop()


def _is_roomy(memory: Path) -> bool:
    """Whether servers find room there, and may be run from there."""
    with suppress(OSError):
        found = os.statvfs(memory)
        return found.f_bavail * found.f_frsize >= _ROOM and not found.f_flag & os.ST_NOEXEC
    return False
