"""The embedded NATS server keeps what it acknowledged, keeps its port, and never outlives its parent."""

import asyncio
import json
import stat
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.js import JetStreamContext

from chassis.embedded.nats import EmbeddedNats
from chassis.embedded.process import DirectoryInUse, PortTaken, ServerTooOld, StartFailed
from tests.support.eventually import eventually
from tests.support.infra import alive, command_line, first_line, python

PASSWORD = "a-planted-password"
ACCOUNTS = f'accounts {{ APP: {{ jetstream: enabled, users: [{{ user: someone, password: "{PASSWORD}" }}] }} }}'

PARENT = """
import asyncio, sys
from pathlib import Path
from chassis.embedded.nats import EmbeddedNats

async def main():
    server = EmbeddedNats(Path(sys.argv[1]), accounts=sys.argv[2])
    await server.start()
    print(server.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@asynccontextmanager
async def running(server: EmbeddedNats) -> AsyncIterator[EmbeddedNats]:
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def jetstream(server: EmbeddedNats) -> AsyncIterator[JetStreamContext]:
    client = await nats.connect(server.url("someone", PASSWORD))
    try:
        yield client.jetstream()
    finally:
        await client.close()


def told_by_monitor(server: EmbeddedNats, path: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.monitor_port}{path}") as answer:
        told: dict[str, Any] = json.load(answer)
        return told


def modes_of_files_with(words: str, directory: Path) -> dict[str, int]:
    """Every file below the directory that holds the words, with who may read it."""
    files = (path for path in directory.rglob("*") if path.is_file())
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in files if words.encode() in path.read_bytes()}


@pytest.fixture
def a_server(tmp_path: Path) -> Callable[..., EmbeddedNats]:
    return lambda name="nats server", **options: EmbeddedNats(tmp_path / name, accounts=ACCOUNTS, **options)


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_what_was_acknowledged_is_there_after_its_end_at_the_same_address(
    a_server: Callable[..., EmbeddedNats], end: str
) -> None:
    async with running(a_server()) as server:
        before = server.port, server.monitor_port
        async with jetstream(server) as stream:
            await stream.add_stream(name="KEPT", subjects=["kept"])
            await stream.publish("kept", b"first")
        await (server.stop() if end == "stop" else server.kill())
        assert await server.wait() == (0 if end == "stop" else -9)
        await server.start()
        assert (server.port, server.monitor_port) == before
        async with jetstream(server) as stream:
            assert (await stream.get_msg("KEPT", 1)).data == b"first"


async def test_every_acknowledged_message_is_on_the_disk_and_none_is_too_large(
    a_server: Callable[..., EmbeddedNats],
) -> None:
    async with running(a_server()) as server:
        settings = told_by_monitor(server, "/jsz?config=1")["config"]
        assert settings["sync_always"] is True
        assert settings["max_storage"] == 6 * 1024**3
        assert told_by_monitor(server, "/varz")["max_payload"] == 256 * 1024


async def test_nobody_enters_without_a_password(a_server: Callable[..., EmbeddedNats]) -> None:
    async with running(a_server()) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"CONNECT {}\r\nPING\r\n")
        assert (await reader.read()).splitlines()[-1] == b"-ERR 'Authorization Violation'"
        writer.close()
        await writer.wait_closed()


async def test_passwords_are_read_by_their_owner_alone(a_server: Callable[..., EmbeddedNats], tmp_path: Path) -> None:
    async with running(a_server()) as server:
        assert modes_of_files_with(PASSWORD, tmp_path) == {"nats.conf": 0o600}
        assert PASSWORD not in command_line(server.pid)


async def test_a_taken_port_is_named_together_with_the_setting_that_changes_it(
    a_server: Callable[..., EmbeddedNats],
) -> None:
    async with running(a_server("first")) as first:
        with pytest.raises(PortTaken) as refused:
            await a_server("second", port=first.port).start()
        assert str(refused.value) == (
            f"Port {first.port} is taken by another program: end that one, or set COUNTERFOIL_NATS_PORT to a free port."
        )


async def test_two_servers_never_share_a_directory(a_server: Callable[..., EmbeddedNats]) -> None:
    async with running(a_server()) as first:
        with pytest.raises(DirectoryInUse):
            await a_server(patience=0.1).start()
        assert alive(first.pid)


async def test_a_configuration_it_cannot_read_is_told_in_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match='unknown field "nonsense"'):
        await EmbeddedNats(tmp_path, accounts="nonsense: 1").start()


async def test_a_server_too_old_to_be_safe_is_refused(
    a_server: Callable[..., EmbeddedNats], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "nats-server"
    old.write_text("#!/bin/sh\necho nats-server: v2.13.9\n", encoding="utf-8")
    old.chmod(0o755)
    monkeypatch.setenv("COUNTERFOIL_NATS_SERVER", str(old))
    with pytest.raises(ServerTooOld, match=r"v2\.13\.9.*at least 2\.14"):
        await a_server().start()


async def test_a_killed_parent_leaves_no_server_behind(a_server: Callable[..., EmbeddedNats], tmp_path: Path) -> None:
    async with python(PARENT, tmp_path / "nats server", ACCOUNTS) as parent:
        server = int(await first_line(parent))
        assert alive(server)
        parent.kill()
        await eventually(lambda: not alive(server))
    async with running(a_server()):
        pass
