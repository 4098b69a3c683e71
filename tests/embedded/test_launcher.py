"""One command starts everything, heals what dies, says in a sentence what it can't do, and leaves nothing behind.

The services are stand-ins: what is tested is who starts, restarts, tells and stops them.
"""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import nats
import pytest

from chassis.embedded.process import held_port, says_ok
from tests.support.eventually import eventually
from tests.support.infra import PROJECT, alive, command_line, temporary_directory

SERVICES = ("tickets", "activity", "notifications", "gateway")
EVERYTHING = (*SERVICES, "nats", "postgres")

STAND_IN = """
import asyncio, json, os, pathlib, signal, sys

async def answer(reader, writer):
    await reader.readline()
    writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")
    writer.close()

async def main():
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.set)
    if os.environ.get("COUNTERFOIL_DEMO") == "ends at once" and "gateway" in __package__:
        sys.exit("ends at once")
    told = {name: value for name, value in os.environ.items() if name.startswith("COUNTERFOIL")}
    server = await asyncio.start_server(answer, "127.0.0.1", int(told["COUNTERFOIL_HTTP_PORT"]))
    print(json.dumps(told), flush=True)
    await asked.wait()
    await asyncio.sleep(0.5)
    print("drained", flush=True)

asyncio.run(main())
"""

MIGRATION = """
from alembic import op

revision, down_revision = "0001", None

def upgrade():
    op.execute("CREATE TABLE kept (word text)")
    op.execute("GRANT SELECT, INSERT ON kept TO PUBLIC")
"""


@dataclass(slots=True)
class Launcher:
    """A launcher's process, and the data directory it works in."""

    process: asyncio.subprocess.Process
    data: Path
    errors: Path

    async def said(self, until: str = "Ctrl-C") -> str:
        """Everything it says, up to the last word of its welcome, some other word, or its end."""
        assert self.process.stdout is not None
        said = ""
        async for line in self.process.stdout:
            said += line.decode()
            if until in said:
                return said
        raise AssertionError(f"it ended, saying {said!r} and complaining {read(self.errors)!r}")

    def running(self) -> dict[str, dict[str, Any]]:
        told: dict[str, dict[str, Any]] = json.loads(read(self.data, "run.json"))
        return told

    def pids(self) -> list[int]:
        return [child["pid"] for child in self.running().values() if child["pid"]]

    async def ends(self) -> tuple[int, str]:
        """How it ended, and what it complained of."""
        return await asyncio.wait_for(self.process.wait(), 40), read(self.errors)


@pytest.fixture(scope="module")
def checkout() -> Iterator[Path]:
    """The project with stand-ins for its services."""
    with temporary_directory() as path:
        for part in ("chassis", "contracts"):
            (path / part).symlink_to(PROJECT / part)
        (path / "services").mkdir()
        for module in ("__init__.py", "__main__.py"):
            (path / "services" / module).symlink_to(PROJECT / "services" / module)
        for service in SERVICES:
            folder = path / "services" / service
            (folder / "migrations" / "versions").mkdir(parents=True)
            (folder / "migrations" / "versions" / "0001_kept.py").write_text(MIGRATION, encoding="utf-8")
            (folder / "__init__.py").touch()
            (folder / "__main__.py").write_text(STAND_IN, encoding="utf-8")
        yield path


@asynccontextmanager
async def launched(checkout: Path, data: Path, *words: str, **environment: str) -> AsyncIterator[Launcher]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("COUNTERFOIL", "MAKE"))}
    ports = {"COUNTERFOIL_PORT": "0", "COUNTERFOIL_NATS_PORT": "0", "COUNTERFOIL_DATA": str(data)}
    errors = checkout / f"errors-{os.urandom(4).hex()}"
    with errors.open("wb") as sink:
        process = await asyncio.create_subprocess_exec(
            *(words or (sys.executable, "-m", "services")),
            cwd=checkout,
            env=inherited | ports | environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=sink,
        )
    try:
        yield Launcher(process, data, errors)
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()


@pytest.fixture(scope="module")
async def launcher(checkout: Path) -> AsyncIterator[Launcher]:
    """One that is ready, and that its tests leave running."""
    with temporary_directory() as path:
        planted = {"COUNTERFOIL_OWNER_PASSWORD": "a-planted-password", "COUNTERFOIL_WORKSPACE": "acme"}
        async with launched(checkout, path / "its var", **planted) as launcher:
            await launcher.said()
            yield launcher


def read(*path: Path | str) -> str:
    return Path(*path).read_text(encoding="utf-8")


def told(launcher: Launcher, service: str) -> dict[str, str]:
    """What the service was told when it was started first."""
    words: dict[str, str] = json.loads(read(launcher.data, "log", f"{service}.log").splitlines()[0])
    return words


def access(launcher: Launcher, name: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in read(launcher.data, name).splitlines())


def modes(directory: Path) -> dict[str, int]:
    return {str(path.relative_to(directory)): path.stat().st_mode & 0o777 for path in directory.rglob("*")}


async def everything_answers(launcher: Launcher) -> bool:
    addresses = [urlsplit(child["health"]) for child in launcher.running().values() if child["health"]]
    answers = [await says_ok(address.port or 0, address.path) for address in addresses]
    return all(answers) and len(launcher.pids()) == len(EVERYTHING)


async def words_kept(launcher: Launcher, *more: str) -> list[str]:
    """What the tickets' database has kept, asked as the service would."""
    connection = await asyncpg.connect(read(Path(told(launcher, "tickets")["COUNTERFOIL_DATABASE_URL_FILE"])))
    try:
        for word in more:
            await connection.execute("INSERT INTO kept VALUES ($1)", word)
        return [row["word"] for row in await connection.fetch("SELECT word FROM kept")]
    finally:
        await connection.close()


class TestWhileItRuns:
    async def test_each_service_is_told_what_it_needs_and_no_secret_by_its_environment(
        self, launcher: Launcher
    ) -> None:
        gateway, tickets = told(launcher, "gateway"), told(launcher, "tickets")
        assert gateway["COUNTERFOIL_WORKSPACE"] == "acme"
        assert read(Path(gateway["COUNTERFOIL_OWNER_PASSWORD_FILE"])) == "a-planted-password"
        assert gateway["COUNTERFOIL_WORKSPACE_ID"] == access(launcher, "integration.env")["WORKSPACE_ID"]
        assert gateway["COUNTERFOIL_DATABASE_URL_FILE"] != tickets["COUNTERFOIL_DATABASE_URL_FILE"]
        assert "_OWNER_" not in str(tickets)
        assert "planted" not in str(gateway) + str(tickets)
        assert "tickets_app:" in read(Path(tickets["COUNTERFOIL_DATABASE_URL_FILE"]))
        assert "nats://tickets:" in read(Path(tickets["COUNTERFOIL_NATS_URL_FILE"]))

    async def test_secrets_are_read_by_their_owner_alone(self, launcher: Launcher) -> None:
        found = modes(launcher.data)
        secret = ("secrets/", "run.json", "integration.env", "operator.env", "nats/nats.conf", "postgres/password")
        assert found["secrets"] == 0o700
        assert {mode for name, mode in found.items() if name.startswith(secret)} == {0o600}

    async def test_no_secret_stands_in_a_command_line(self, launcher: Launcher) -> None:
        secrets = [read(path) for path in (launcher.data / "secrets").iterdir()]
        for pid in (launcher.process.pid, *launcher.pids()):
            assert not [secret for secret in secrets if secret in command_line(pid)]

    async def test_the_integration_and_the_operator_get_in(self, launcher: Launcher) -> None:
        for name in ("integration.env", "operator.env"):
            keys = access(launcher, name)
            client = await nats.connect(keys["NATS_URL"], inbox_prefix=keys["NATS_INBOX_PREFIX"])
            await client.flush()
            await client.close()

    @pytest.mark.parametrize("name", EVERYTHING)
    async def test_whatever_is_killed_comes_back_at_the_same_place(self, launcher: Launcher, name: str) -> None:
        before = launcher.running()
        await words_kept(launcher, f"before {name}")
        os.kill(before[name]["pid"], signal.SIGKILL)
        await eventually(lambda: launcher.running()[name]["pid"] not in {None, before[name]["pid"]})
        await eventually(lambda: everything_answers(launcher))
        assert launcher.running()[name] | {"pid": 0} == before[name] | {"pid": 0}
        assert f"before {name}" in await words_kept(launcher)
        await eventually(lambda: f'"child": "{name}", "exit": "SIGKILL"' in read(launcher.errors))

    async def test_a_second_one_on_the_same_data_is_refused(self, launcher: Launcher, checkout: Path) -> None:
        async with launched(checkout, launcher.data) as second:
            refusal = "end that one, or set COUNTERFOIL_DATA to another directory."
            complaint = f"Counterfoil can't run: it already runs in {launcher.data}: {refusal}\n"
            assert await second.ends() == (1, complaint)
        assert await everything_answers(launcher)


async def test_what_was_drawn_and_stored_is_there_at_the_next_start(checkout: Path, roomy_path: Path) -> None:
    data = roomy_path / "var"
    async with launched(checkout, data, COUNTERFOIL_OWNER_EMAIL="ada@example.com") as first:
        welcome = await first.said()
        drawn = access(first, "integration.env")["WORKSPACE_ID"]
        await words_kept(first, "something")
        first.process.send_signal(signal.SIGTERM)
        assert await first.ends() == (0, "")
    assert "ada@example.com" in welcome
    async with launched(checkout, data, COUNTERFOIL_OWNER_PASSWORD="too late", COUNTERFOIL_WORKSPACE="other") as second:
        again = await second.said()
        assert await words_kept(second) == ["something"]
        assert access(second, "integration.env")["WORKSPACE_ID"] == drawn
    assert again.splitlines()[4:7] == welcome.splitlines()[4:7]


async def test_asking_twice_for_the_end_is_as_good_as_once(checkout: Path, roomy_path: Path) -> None:
    async with launched(checkout, roomy_path / "var") as launcher:
        await launcher.said()
        pids = launcher.pids()
        launcher.process.send_signal(signal.SIGINT)
        await launcher.said(until="Stopping")
        launcher.process.send_signal(signal.SIGINT)
        assert await launcher.ends() == (0, "")
        for service in SERVICES:
            assert read(launcher.data, "log", f"{service}.log").endswith("drained\n")
        assert not [pid for pid in pids if alive(pid)]


async def test_the_end_may_be_asked_for_before_the_start_is_over(checkout: Path, roomy_path: Path) -> None:
    data = roomy_path / "var"
    async with launched(checkout, data) as launcher:
        await eventually(lambda: any((data / "postgres").glob("data*")))
        launcher.process.send_signal(signal.SIGINT)
        assert await launcher.ends() == (0, "")
    async with launched(checkout, data) as launcher:
        assert "is ready" in await launcher.said()


async def test_a_killed_launcher_leaves_nothing_behind_and_can_start_again(checkout: Path, roomy_path: Path) -> None:
    async with launched(checkout, roomy_path / "var") as launcher:
        await launcher.said()
        pids = launcher.pids()
        assert len(pids) == len(EVERYTHING)
        launcher.process.kill()
        await eventually(lambda: not any(map(alive, pids)))
    async with launched(checkout, roomy_path / "var") as launcher:
        assert "is ready" in await launcher.said()


async def test_killing_make_ends_everything(checkout: Path, roomy_path: Path) -> None:
    make = ("sh", "-c", '"$0" -m services & wait', sys.executable)
    async with launched(checkout, roomy_path / "var", *make, MAKELEVEL="1") as launcher:
        await launcher.said()
        pids = launcher.pids()
        launcher.process.kill()
        await eventually(lambda: not any(map(alive, pids)))


@pytest.mark.parametrize("setting", ["COUNTERFOIL_PORT", "COUNTERFOIL_NATS_PORT"])
async def test_a_taken_port_is_told_in_one_sentence(checkout: Path, roomy_path: Path, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        async with launched(checkout, roomy_path / "var", **{setting: str(port)}) as launcher:
            refusal = f"Port {port} is taken by another program: end that one, or set {setting} to a free port."
            assert await launcher.ends() == (1, f"Counterfoil can't run: {refusal}\n")


def test_a_port_that_is_held_is_nobody_elses_and_a_server_may_listen_on_it() -> None:
    with ExitStack() as held:
        ports = [held.enter_context(held_port()) for _ in range(400)]
        assert len(set(ports)) == len(ports)
        with socket.create_server(("127.0.0.1", ports[0])), pytest.raises(OSError, match="in use"):
            socket.create_server(("127.0.0.1", ports[0]))


async def test_a_directory_that_cannot_be_written_is_told_in_one_sentence(checkout: Path, roomy_path: Path) -> None:
    (roomy_path / "file").touch()
    async with launched(checkout, roomy_path / "file" / "var") as launcher:
        code, complaint = await launcher.ends()
    assert code == 1
    assert complaint.count("\n") == 1
    assert "Not a directory. COUNTERFOIL_DATA may name a better place." in complaint


async def test_the_streams_of_a_server_can_be_made_again(launcher: Launcher, checkout: Path) -> None:
    outsider = access(launcher, "integration.env")["NATS_URL"]
    password = read(launcher.data / "secrets" / "nats.provisioner")
    url = f"nats://provisioner:{password}@{outsider.rpartition('@')[2]}"
    command = (sys.executable, "-m", "services", "provision")
    async with launched(checkout, launcher.data, *command, COUNTERFOIL_NATS_URL=url) as provisioner:
        assert await provisioner.ends() == (0, "")


async def test_a_service_that_does_not_start_is_told_with_its_own_last_words(checkout: Path, roomy_path: Path) -> None:
    async with launched(checkout, roomy_path / "var", COUNTERFOIL_DEMO="ends at once") as launcher:
        code, complaint = await launcher.ends()
    assert code == 1
    assert complaint.startswith("Counterfoil can't run: services.gateway did not start;")
    assert complaint.endswith("ends with:\nends at once\n")
