"""The whole system as its users start it: `python -m services` in a directory of its own, on ports nobody chose."""

import asyncio
import json
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import nats.errors
import nats.js.errors
import pytest
from nats.aio.client import Client

from chassis.embedded.process import held_port
from contracts.base import SERVICES
from tests.support.eventually import eventually
from tests.support.infra import temporary_directory
from tests.support.outsider import enter

_ROOT = Path(__file__).parents[2]
EMAIL, PASSWORD, WORKSPACE = "ada@example.com", "a long enough pass phrase", "demo"


@dataclass(slots=True)
class Stack:
    """A running system, and the two doors into it."""

    data: Path
    process: asyncio.subprocess.Process
    said: list[str] = field(default_factory=list)

    @property
    def running(self) -> dict[str, dict[str, Any]]:
        """Every child process, as the launcher tells it."""
        return json.loads((self.data / "run.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]

    @property
    def url(self) -> str:
        """Where people and HTTP clients enter."""
        return f"http://127.0.0.1:{self.running['gateway']['port']}"

    def env(self, name: str) -> dict[str, str]:
        """What a file of access says: `integration` or `operator`."""
        lines = (self.data / f"{name}.env").read_text(encoding="utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines)

    def secret(self, name: str) -> str:
        """Return a secret that the launcher drew or made up."""
        return (self.data / "secrets" / name).read_text(encoding="utf-8").strip()

    @asynccontextmanager
    async def nats(self, name: str) -> AsyncIterator[Client]:
        """Connect as the integration or the operator."""
        access = self.env(name)
        client = await enter(
            access["NATS_URL"],
            inbox_prefix=access["NATS_INBOX_PREFIX"],
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.2,
        )
        try:
            yield client
        finally:
            await client.close()

    @asynccontextmanager
    async def replica(self, name: str, code: Path = _ROOT, /, **settings: str) -> AsyncIterator["Replica"]:
        """Start one more of a service beside the launcher's own, as an operator does who scales it or upgrades."""
        secrets = self.data / "secrets"
        with held_port() as port, (self.data.parent / f"{name}-{port}.log").open("wb") as log:
            told = {
                "COUNTERFOIL_NATS_URL_FILE": str(secrets / f"{name}.nats-url"),
                "COUNTERFOIL_DATABASE_URL_FILE": str(secrets / f"{name}.database-url"),
                "COUNTERFOIL_HTTP_PORT": str(port),
                **settings,
            }
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", f"services.{name}"), cwd=code, env=os.environ | told, stderr=log
            )
            try:
                yield Replica(name, port, process)
            finally:
                if process.returncode is None:
                    process.terminate()
                await asyncio.wait_for(process.wait(), 20)

    async def kill(self, name: str) -> None:
        """End a child at once, as a crash would; one that has just died is waited for."""
        await eventually(lambda: self.running[name]["pid"], within=30)
        os.kill(self.running[name]["pid"], signal.SIGKILL)

    async def ready(self, name: str) -> bool:
        """Tell whether a service says that it can work."""
        return await _answers_well(self.running[name]["health"])

    async def sign_in(self, email: str = EMAIL, password: str = PASSWORD) -> "Desk":
        """Sign in and return the person's desk."""
        async with httpx.AsyncClient(base_url=self.url, timeout=15) as http:
            answer = await http.post("/api/v1/sessions", json={"email": email, "password": password})
        assert answer.status_code == httpx.codes.CREATED, answer.text
        return Desk(self, answer.json()["token"], answer.json()["user"]["id"])

    async def stop(self) -> int:
        """Ask for the end, and return the exit status."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), 40)


@dataclass(frozen=True, slots=True)
class Replica:
    """One more process of a service."""

    name: str
    port: int
    process: asyncio.subprocess.Process

    async def ready(self) -> bool:
        """Tell whether it can work."""
        return await _answers_well(f"http://127.0.0.1:{self.port}/health/ready")

    async def leads(self) -> bool:
        """Tell whether it leads its service."""
        return await leads(self.port)


async def leads(port: int) -> bool:
    """Tell whether the process on this port leads its service, as its metrics say."""
    async with httpx.AsyncClient(timeout=15) as http:
        metrics = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
    return "counterfoil_leading 1.0" in metrics


async def _answers_well(url: str) -> bool:
    try:
        async with httpx.AsyncClient(timeout=3) as http:
            return (await http.get(url)).status_code == httpx.codes.OK
    except (OSError, httpx.HTTPError):
        return False


@dataclass(slots=True)
class Desk:
    """One person's way in: every path is the workspace's unless it begins at the root."""

    stack: Stack
    token: str
    user_id: str = ""
    url: str = ""
    """Another gateway than the launcher's."""
    workspace: str = WORKSPACE

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Send one request; header names take `_` for `-`."""
        path = path if path.startswith("/") else f"/api/v1/workspaces/{self.workspace}/{path}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with httpx.AsyncClient(base_url=self.url or self.stack.url, timeout=15) as http:
            access = {"Authorization": f"Bearer {self.token}"} if self.token else {}
            return await http.request(method, path, json=body, headers=access | named)

    async def insist(self, method: str, path: str, body: Any, *, key: str = "") -> Any:
        """Send a command until it is answered, always under the same key, as a client should."""
        key = key or str(uuid.uuid4())
        async with asyncio.timeout(60):
            while True:
                with suppress(httpx.HTTPError, OSError, KeyError):
                    answer = await self.send(method, path, body, Idempotency_Key=key)
                    if answer.is_success:
                        return answer.json()
                    assert answer.json()["code"] in ("in_progress", "unavailable"), answer.text
                await asyncio.sleep(0.1)

    async def get(self, path: str, **headers: str) -> Any:
        """Return what is there."""
        answer = await self.send("GET", path, **headers)
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.json()


async def publish(client: Client, subject: str, body: Any, headers: dict[str, str] | None = None) -> None:
    """Publish until the broker says that it is stored, as another system should."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with asyncio.timeout(60):
        while True:
            with suppress(nats.errors.Error, nats.js.errors.Error, TimeoutError):
                await client.jetstream(timeout=2).publish(subject, data, headers=headers)
                return
            await asyncio.sleep(0.1)


@asynccontextmanager
async def running_stack(data: Path, **settings: str) -> AsyncIterator[Stack]:
    """Start everything and wait until it says that it is ready; end it in order."""
    log = (data.parent / "launcher.log").open("wb")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COUNTERFOIL_", "MAKE"))}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services",
        cwd=_ROOT,
        env=environment
        | {
            "COUNTERFOIL_DATA": str(data),
            "COUNTERFOIL_PORT": "0",
            "COUNTERFOIL_NATS_PORT": "0",
            "COUNTERFOIL_OWNER_EMAIL": EMAIL,
            "COUNTERFOIL_OWNER_PASSWORD": PASSWORD,
            "COUNTERFOIL_WORKSPACE": WORKSPACE,
            "COUNTERFOIL_DEMO": "0",
            "COUNTERFOIL_WEBHOOK_ALLOW": "127.0.0.0/8",
            "COUNTERFOIL_TRUSTED_PROXIES": "127.0.0.1",  # who needs an address of their own says it
        }
        | settings,
        stdout=asyncio.subprocess.PIPE,
        stderr=log,
    )
    stack = Stack(data, process)
    try:
        await asyncio.wait_for(_until_ready(stack), 90)
        yield stack
    finally:
        await stack.stop()
        log.close()


async def _until_ready(stack: Stack) -> None:
    assert stack.process.stdout is not None
    async for line in stack.process.stdout:
        stack.said.append(line.decode())
        if "Stop" in stack.said[-1]:
            return
    log = (stack.data.parent / "launcher.log").read_text(encoding="utf-8")
    raise AssertionError(f"it ended before it was ready: {log}")


@asynccontextmanager
async def fresh_stack(**settings: str) -> AsyncIterator[Stack]:
    """Start everything on an empty directory."""
    with temporary_directory() as directory:
        async with running_stack(directory / "var", **settings) as stack:
            yield stack


async def healed(stack: Stack) -> None:
    """Wait until every child runs again and says that it can work."""

    async def well() -> bool:
        return all(child["pid"] for child in stack.running.values()) and all(
            [await stack.ready(name) for name in SERVICES]
        )

    await eventually(well, within=60)


@pytest.fixture(scope="session")
async def stack() -> AsyncIterator[Stack]:
    """One whole system for all journeys; who must stop or kill it starts one of their own."""
    async with fresh_stack() as running:
        yield running


@pytest.fixture(scope="session")
async def desk(stack: Stack) -> Desk:
    """The owner's desk there."""
    return await stack.sign_in()
