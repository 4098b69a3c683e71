"""docker-compose.yml on a real engine: it is built, used, scaled, hurt, and taken down without losing anything."""

import asyncio
import json
import os
import secrets
import shutil
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import nats
import pytest
from nats.aio.client import Client

from chassis.embedded.process import held_port
from contracts.base import SERVICES
from tests.support.eventually import eventually
from tests.support.infra import temporary_directory

ROOT = Path(__file__).parents[2]
FILES = ("docker-compose.yml", "deploy/open-nats.yml")
EMAIL, WORKSPACE = "ada@example.com", "cellar"


def _why_not() -> str:
    if os.environ.get("COUNTERFOIL_TEST_COMPOSE") != "1":
        return "it takes minutes: make compose-test"
    for question in (["docker", "version"], ["docker", "compose", "version"]):
        if not shutil.which("docker") or subprocess.run(question, capture_output=True, check=False).returncode:
            return "no Docker engine answers, or it has no compose"
    return ""


WHY_NOT = _why_not()
pytestmark = [pytest.mark.docker, pytest.mark.timeout(900), pytest.mark.skipif(WHY_NOT != "", reason=WHY_NOT)]


@dataclass(slots=True)
class Compose:
    """One project of its own, and the two doors into it."""

    project: str
    data: Path
    port: int
    nats_port: int
    token: str = ""

    async def __call__(self, *words: str) -> str:
        """Run a docker compose command and return what it prints; a failure tells what it said."""
        files = [word for name in FILES for word in ("-f", name)]
        return await self.docker("compose", "-p", self.project, *files, *words)

    async def docker(self, *words: str) -> str:
        """Run a docker command."""
        return await self.run("docker", *words)

    async def run(self, *words: str) -> str:
        """Run a command in the checkout, with this project's settings."""
        told = {
            "COUNTERFOIL_SECRETS": str(self.data / "secrets"),
            "COUNTERFOIL_PORT": f"127.0.0.1:{self.port}",
            "COUNTERFOIL_NATS_PORT": str(self.nats_port),
            "COUNTERFOIL_OWNER_EMAIL": EMAIL,
            "COUNTERFOIL_WORKSPACE": WORKSPACE,
            "COUNTERFOIL_DEMO": "0",
        }
        process = await asyncio.create_subprocess_exec(
            *words,
            cwd=ROOT,
            env=os.environ | told,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, complained = await process.communicate()
        assert process.returncode == 0, f"{' '.join(words)}: {(said + complained).decode()[-4000:]}"
        return said.decode()

    async def up(self, *words: str) -> None:
        """Start everything and wait until all of it is healthy; tell the logs if it is not."""
        try:
            await self("up", "--wait", "--wait-timeout", "180", *words)
        except AssertionError as failure:
            failure.add_note(await self("logs", "--no-color", "--tail", "30"))
            raise

    async def sign_in(self) -> None:
        password = (self.data / "secrets" / "owner-password").read_text()
        answer = await self.send("POST", "/sessions", {"email": EMAIL, "password": password})
        assert answer.status_code == httpx.codes.CREATED, answer.text
        self.token = answer.json()["token"]

    async def signs_in(self) -> bool:
        with suppress(AssertionError, httpx.HTTPError):
            await self.sign_in()
            return True
        return False

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """Send one request to the published port; paths without a root are the workspace's."""
        path = path if path.startswith("/") else f"/workspaces/{WORKSPACE}/{path}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        access = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}/api/v1", timeout=15) as http:
            return await http.request(method, path.removeprefix("/"), json=body, headers=access | named)

    async def insist(self, subject: str) -> int:
        """Open a ticket, under one key until it is answered, as a client should."""
        key = str(uuid.uuid4())

        async def opened() -> int | None:
            with suppress(httpx.HTTPError, KeyError, ValueError):
                answer = await self.send(
                    "POST", "tickets", {"subject": subject, "description": ""}, Idempotency_Key=key
                )
                if answer.is_success:
                    return int(answer.json()["number"])
                assert answer.json()["code"] in ("in_progress", "unavailable"), answer.text
            return None

        return await eventually(opened, within=90)

    async def subjects(self) -> list[str]:
        found: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            answer = await self.send("GET", f"tickets?limit=100&status=all{cursor and f'&cursor={cursor}'}")
            assert answer.status_code == httpx.codes.OK, answer.text
            found += [ticket["subject"] for ticket in answer.json()["items"]]
            cursor = answer.json()["next_cursor"]
        return sorted(found)

    def access(self, name: str) -> dict[str, str]:
        lines = (self.data / f"{name}.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    @asynccontextmanager
    async def nats(self, name: str) -> AsyncIterator[Client]:
        """Enter NATS by its port as `integration` or `operator`."""
        access = self.access(name)
        client = await nats.connect(access["NATS_URL"], inbox_prefix=access["NATS_INBOX_PREFIX"])
        try:
            yield client
        finally:
            await client.close()

    async def answered(self, service: str) -> list[int]:
        """Return how many requests each replica of a service has answered, the idlest first."""
        async with self.nats("operator") as client:
            inbox = await client.subscribe(client.new_inbox())
            await client.publish(f"$SRV.STATS.{service}", reply=inbox.subject)
            counts: list[int] = []
            with suppress(nats.errors.TimeoutError):
                while True:
                    stats = json.loads((await inbox.next_msg(timeout=1)).data)
                    counts.append(sum(endpoint["num_requests"] for endpoint in stats["endpoints"]))
        return sorted(counts)

    async def posted(self, gateway: str) -> int:
        """Return how many requests one gateway has answered that were to write."""
        return (await self.run("sh", "-c", f"docker logs {gateway} 2>&1")).count('"method": "POST"')

    async def containers(self, service: str) -> list[str]:
        return (await self("ps", "-q", service)).split()

    async def inspect(self, container: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await self.docker("inspect", container))[0]
        return found

    async def kill(self, container: str) -> None:
        """End what runs in a container as a crash would: `docker kill` is a wish of the operator and is respected."""
        state = (await self.inspect(container))["State"]
        crash = f"import os; os.kill({state['Pid']}, 9)"
        image = f"{self.project}-provision"
        await self.docker("run", "--rm", "--pid", "host", "--user", "0", image, "python", "-c", crash)

    async def restarted(self, container: str, restarts: int) -> bool:
        """Tell whether a container was restarted so often, and says that it is well."""
        found = await self.inspect(container)
        return (found["RestartCount"], found["State"]["Health"]["Status"]) == (restarts, "healthy")


@pytest.fixture(scope="module")
async def stack() -> AsyncIterator[Compose]:
    with temporary_directory() as data, held_port() as web, held_port() as nats:
        compose = Compose(f"counterfoil-test-{secrets.token_hex(4)}", data, web, nats)
        await compose.run(sys.executable, "deploy/make_secrets.py", str(data / "secrets"))
        try:
            await compose("build")
            await compose.up()
            await compose.sign_in()
            yield compose
        finally:
            await compose("down", "--volumes", "--remove-orphans", "--timeout", "10")
            images = await compose.docker("images", "--quiet", "--filter", f"reference={compose.project}-*")
            for image in {*images.split()}:
                await compose.docker("rmi", "--force", image)


async def test_the_files_are_what_compose_understands(stack: Compose) -> None:
    await stack("config", "--quiet")
    elsewhere = await stack("-f", "deploy/elsewhere.yml", "config", "--services")
    assert {*elsewhere.split()} == {*SERVICES, "provision", "proxy"}


async def test_a_ticket_goes_in_by_the_published_port(stack: Compose) -> None:
    number = await stack.insist("The cellar is flooded")

    answer = await stack.send("GET", f"tickets/{number}")
    assert answer.json()["subject"] == "The cellar is flooded"


async def test_another_system_opens_one_over_nats(stack: Compose) -> None:
    access = stack.access("integration")
    subject = f"tickets.intake.v1.ticket_requested.{access['WORKSPACE_ID']}.{access['INTEGRATION']}"
    async with stack.nats("integration") as client:
        await client.jetstream().publish(subject, b'{"external_id": "alarm-1", "subject": "Water on the floor"}')

    async def there() -> bool:
        return "Water on the floor" in await stack.subjects()

    await eventually(there, within=15)


async def test_a_container_is_nobody_writes_nothing_and_knows_no_neighbour(stack: Compose) -> None:
    for service in SERVICES:
        probe = (
            "import importlib.util, os, pathlib; "
            "print(os.getuid(), sorted(p.name for p in pathlib.Path('services').iterdir() if p.is_dir()), "
            "os.access('/app', os.W_OK), bool(importlib.util.find_spec('litestar')))"
        )
        said = await stack("exec", "-T", service, "python", "-c", probe)
        assert said.replace(", '__pycache__'", "").replace("'__pycache__', ", "").split("\n")[0] == (
            f"10001 ['{service}'] False {service == 'gateway'}"
        )


async def test_an_image_that_needs_a_neighbour_is_not_built(stack: Compose, tmp_path: Path) -> None:
    for name in ("Dockerfile", ".dockerignore", "pyproject.toml", "uv.lock"):
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("contracts", "chassis", "services"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "services" / "tickets" / "app.py").open("a") as app:
        app.write("\nimport services.gateway.app\n")

    with pytest.raises(AssertionError, match=r"No module named 'services\.gateway'"):
        await stack.docker("build", "--force-rm", "--network=host", "--build-arg=SERVICE=tickets", str(tmp_path))


async def test_replicas_share_the_requests(stack: Compose) -> None:
    replicas = {"tickets": 3, "activity": 2, "notifications": 2, "gateway": 2}
    await stack.up("--no-recreate", *(word for each in replicas.items() for word in ("--scale", "{}={}".format(*each))))
    assert {name: len(await stack.containers(name)) for name in replicas} == replicas
    before = await stack.answered("tickets")
    assert len(before) == 3
    gateways = await stack.containers("gateway")
    heard = [await stack.posted(gateway) for gateway in gateways]

    await asyncio.gather(*(stack.insist(f"Bucket {number}") for number in range(60)))

    after = await stack.answered("tickets")
    assert len(after) == 3
    assert after[0] > 0
    assert sum(after) - sum(before) >= 60

    # The proxy has found the second gateway within seconds.
    async def each_gateway_answers() -> bool:
        await stack.insist("One more bucket")
        return all([earlier < await stack.posted(each) for each, earlier in zip(gateways, heard, strict=True)])

    await eventually(each_gateway_answers, within=60)


@pytest.mark.parametrize("part", [*SERVICES, "proxy", "nats", "postgres"])
async def test_what_is_killed_comes_back_and_nothing_is_lost(stack: Compose, part: str) -> None:
    (victim, *_) = await stack.containers(part)
    restarts = (await stack.inspect(victim))["RestartCount"]
    names = [f"{part} dies {number}" for number in range(30)]

    async def work() -> None:
        for batch in range(0, len(names), 5):
            await asyncio.gather(*map(stack.insist, names[batch : batch + 5]))

    working = asyncio.create_task(work())
    await stack.kill(victim)
    await working
    await eventually(lambda: stack.restarted(victim, restarts + 1), within=60)

    assert [subject for subject in await stack.subjects() if subject.startswith(f"{part} dies")] == sorted(names)


async def test_while_nats_is_away_the_gateways_say_so_themselves(stack: Compose) -> None:
    await stack("stop", "nats")

    async def says_so() -> bool:
        answer = await stack.send("GET", "tickets")
        return (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json") and (
            "retry-after" in answer.headers and answer.json()["trace_id"] != ""
        )

    # None is ready within seconds, and from then on one that lives is asked.
    await eventually(says_so, within=30)
    for container in await stack.containers("gateway"):
        await eventually(partial(_is, stack, container, "unhealthy"), within=60)
    assert await says_so()

    # Nobody knows the name of what is stopped, and that may take seconds to hear: who asks for another goes on.
    await stack("restart", "postgres")
    await eventually(stack.signs_in, within=30)

    # `up --wait` gives up at once on whom the last check still found unwell.
    await stack("start", "nats")
    for service in SERVICES:
        for container in await stack.containers(service):
            await eventually(partial(_is, stack, container, "healthy"), within=60)
    await stack.up()
    await stack.insist("NATS is back")


async def _is(stack: Compose, container: str, health: str) -> bool:
    return bool((await stack.inspect(container))["State"]["Health"]["Status"] == health)


async def test_where_gateways_go_the_proxy_answers_in_the_words_of_the_api(stack: Compose) -> None:
    def is_problem(answer: httpx.Response, status: int) -> bool:
        assert answer.headers["content-type"] == "application/problem+json", answer.text
        assert (answer.json()["code"], answer.json()["status"]) == ("unavailable", answer.status_code)
        assert "retry-after" in answer.headers
        return answer.status_code == status

    # Those that are frozen take the request and are killed with it; the engine lets them lie.
    await stack("kill", "--signal", "SIGSTOP", "gateway")
    asked = asyncio.create_task(stack.send("GET", "tickets"))
    await stack("kill", "gateway")
    assert is_problem(await asked, httpx.codes.BAD_GATEWAY)

    async def none_is_left() -> bool:
        return is_problem(await stack.send("GET", "tickets"), httpx.codes.SERVICE_UNAVAILABLE)

    await eventually(none_is_left, within=30)
    await stack("start", "gateway")
    for container in await stack.containers("gateway"):
        await eventually(partial(_is, stack, container, "healthy"), within=60)
    await stack.insist("The gateways are back")


async def test_what_was_written_outlives_the_containers(stack: Compose) -> None:
    before = await stack.subjects()

    await stack("down", "--timeout", "20")
    await stack.up()

    await stack.sign_in()
    assert await stack.subjects() == before
    await stack.insist("After the flood")


async def test_the_ledger_has_heard_of_every_ticket_once(stack: Compose) -> None:
    opened = len(await stack.subjects())

    async def told() -> bool:
        found = (await stack.send("GET", "audit/verify")).json()
        assert found["ok"], found
        return bool(found["tickets"]["entries"] == opened)

    await eventually(told, within=30)


async def test_the_proxy_says_where_a_request_comes_from_and_believes_nobody_else(stack: Compose) -> None:
    wrong = {"email": "nobody@example.com", "password": "a-wrong-password"}
    answers = [
        (await stack.send("POST", "/sessions", wrong, X_Forwarded_For=f"203.0.113.{number}")).status_code
        for number in range(6)
    ]
    elsewhere = (
        "import json, urllib.error, urllib.request as web\n"
        f"body = json.dumps({wrong!r}).encode()\n"
        "asked = web.Request('http://proxy:8080/api/v1/sessions', body, {'Content-Type': 'application/json'})\n"
        "try: web.urlopen(asked)\n"
        "except urllib.error.HTTPError as refusal: print(refusal.code)"
    )

    assert answers == [httpx.codes.UNAUTHORIZED] * 5 + [httpx.codes.TOO_MANY_REQUESTS]
    assert (await stack("exec", "-T", "tickets", "python", "-c", elsewhere)).split() == ["401"]
    async with httpx.AsyncClient() as http:
        for path in ("metrics", "%6detrics", "/metrics", "metrics/"):
            answer = await http.get(f"http://127.0.0.1:{stack.port}/{path}")
            assert answer.status_code == httpx.codes.NOT_FOUND, path
