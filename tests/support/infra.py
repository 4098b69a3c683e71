"""Real NATS and PostgreSQL, once for the whole run: by URL, else in containers where Docker answers, else embedded."""

import asyncio
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import astuple, dataclass, field
from functools import cache
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

PROJECT = Path(__file__).parent.parent.parent

_MEMORY, _ROOM = Path("/dev/shm"), 6 << 30
_NATS_IMAGE = "nats:2.15-alpine"
_POSTGRES_IMAGE = "postgres:17"
_NATS_IN_A_CONTAINER = """\
listen: "0.0.0.0:4222"
http: "0.0.0.0:8222"
max_payload: 262144
jetstream {{ store_dir: "/data", max_file_store: 6GB, sync_interval: always }}
{accounts}
"""


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
async def nats_server() -> AsyncIterator[NatsServer]:
    """The NATS server of this run, with the users of the provisioner and no streams yet."""
    passwords, issuer = _passwords(), draw_issuer()
    if url := os.environ.get("COUNTERFOIL_TEST_NATS_URL"):
        yield NatsServer(lambda: url, os.environ.get("COUNTERFOIL_TEST_NATS_ISSUER", issuer), passwords)
    elif _docker_answers():
        with _nats_container(provision.accounts(passwords, issuer_of(issuer))) as address:
            yield NatsServer(lambda: address, issuer, passwords)
    else:
        async with embedded_nats(()) as server:
            yield server


@pytest.fixture(scope="session")
async def postgres_server() -> AsyncIterator[PostgresServer]:
    """The PostgreSQL server of this run."""
    if url := os.environ.get("COUNTERFOIL_TEST_POSTGRES_URL"):
        server = PostgresServer(url)
        yield server
        await server.clear()
    elif _docker_answers():
        with _postgres_container() as address:
            yield PostgresServer(address)
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


def _passwords() -> dict[str, str]:
    return {user: secrets.token_urlsafe(12) for user in provision.users()}


@asynccontextmanager
async def embedded_nats(outsiders: Sequence[provision.Outsider]) -> AsyncIterator[NatsServer]:
    passwords, issuer = _passwords(), draw_issuer()
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


@cache
def _docker_answers() -> bool:
    with suppress(OSError, subprocess.TimeoutExpired):
        if shutil.which("docker"):
            return subprocess.run(["docker", "version"], capture_output=True, timeout=2, check=False).returncode == 0
    return False


@contextmanager
def _nats_container(accounts: str) -> Iterator[str]:
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - slow, and seldom needed
    from testcontainers.core.wait_strategies import HttpWaitStrategy  # noqa: PLC0415 - as above

    with ExitStack() as stack:
        directory = stack.enter_context(temporary_directory())
        (directory / "nats.conf").write_text(_NATS_IN_A_CONTAINER.format(accounts=accounts), encoding="utf-8")
        container = stack.enter_context(
            DockerContainer(_NATS_IMAGE)
            .with_volume_mapping(str(directory), "/etc/counterfoil", "ro")
            .with_command("-c /etc/counterfoil/nats.conf")
            .with_exposed_ports(4222, 8222)
            .waiting_for(HttpWaitStrategy(8222, "/healthz"))
        )
        host = f"{container.get_container_host_ip()}:{container.get_exposed_port(4222)}"
        yield f"nats://{{user}}:{{password}}@{host}"


@contextmanager
def _postgres_container() -> Iterator[str]:
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - slow, and seldom needed
    from testcontainers.core.wait_strategies import ExecWaitStrategy  # noqa: PLC0415 - as above

    password = secrets.token_urlsafe(12)
    with (
        DockerContainer(_POSTGRES_IMAGE)
        .with_env("POSTGRES_PASSWORD", password)
        .with_command("postgres -c max_connections=400")
        .with_exposed_ports(5432)
        # Over TCP, where the server that only prepares the directory does not listen.
        .waiting_for(ExecWaitStrategy(["pg_isready", "--quiet", "--host", "127.0.0.1"]))
    ) as container:
        host = f"{container.get_container_host_ip()}:{container.get_exposed_port(5432)}"
        yield f"postgresql://postgres:{password}@{host}/postgres"
