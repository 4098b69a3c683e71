"""NATS and PostgreSQL in containers, where Docker answers."""

import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import pytest
from xdist.workermanage import WorkerController  # type: ignore[import-untyped]

from chassis import provision
from chassis.callout import draw_issuer, issuer_of

_NATS_IMAGE = "nats:2.15-alpine"
_POSTGRES_IMAGE = "postgres:17"
_NATS_CONFIGURATION = """\
listen: "0.0.0.0:4222"
http: "0.0.0.0:8222"
max_payload: 262144
jetstream {{ store_dir: "/data", max_file_store: 6GB, sync_interval: always }}
{accounts}
"""

_OF_ALL_WORKERS = pytest.StashKey[ExitStack]()


@dataclass(frozen=True, slots=True)
class Containers:
    """Where the servers are, and who may enter them."""

    nats: str
    """A URL with `{user}` and `{password}` in it."""
    postgres: str
    issuer: str
    passwords: dict[str, str]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    """Start a worker's servers before any worker begins, and keep them until all have ended.

    Each container is a network that comes or goes, and a browser drops what it loads when one does.
    """
    stack = node.config.stash.setdefault(_OF_ALL_WORKERS, ExitStack())
    node.workerinput["containers"] = asdict(stack.enter_context(_started())) if _docker_answers() else None


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove them."""
    config.stash.get(_OF_ALL_WORKERS, ExitStack()).close()


@pytest.fixture(scope="session")
def containers(request: pytest.FixtureRequest) -> Iterator[Containers | None]:
    """Servers in containers; None where no Docker answers."""
    if hasattr(request.config, "workerinput"):
        given = request.config.workerinput["containers"]
        yield Containers(**given) if given else None
    elif _docker_answers():
        with _started() as servers:
            yield servers
    else:
        yield None


def draw_passwords() -> dict[str, str]:
    """Draw a password for each user whom NATS knows."""
    return {user: secrets.token_urlsafe(12) for user in provision.users()}


@cache
def _docker_answers() -> bool:
    with suppress(OSError, subprocess.TimeoutExpired):
        if shutil.which("docker"):
            return subprocess.run(["docker", "version"], capture_output=True, timeout=2, check=False).returncode == 0
    return False


@contextmanager
def _started() -> Iterator[Containers]:
    # What they store lies in memory, as that of embedded ones does: tests would wait for each other's syncs.
    passwords, issuer = draw_passwords(), draw_issuer()
    with _nats(provision.accounts(passwords, issuer_of(issuer))) as nats, _postgres() as postgres:
        yield Containers(nats, postgres, issuer, passwords)


@contextmanager
def _nats(accounts: str) -> Iterator[str]:
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - slow, and seldom needed
    from testcontainers.core.wait_strategies import HttpWaitStrategy  # noqa: PLC0415 - as above

    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        (Path(directory) / "nats.conf").write_text(_NATS_CONFIGURATION.format(accounts=accounts), encoding="utf-8")
        with (
            DockerContainer(_NATS_IMAGE)
            .with_volume_mapping(directory, "/etc/counterfoil", "ro")
            .with_command("-c /etc/counterfoil/nats.conf")
            .with_exposed_ports(4222, 8222)
            .with_tmpfs_mount("/data")
            .waiting_for(HttpWaitStrategy(8222, "/healthz"))
        ) as container:
            host = f"{container.get_container_host_ip()}:{container.get_exposed_port(4222)}"
            yield f"nats://{{user}}:{{password}}@{host}"


@contextmanager
def _postgres() -> Iterator[str]:
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - slow, and seldom needed
    from testcontainers.core.wait_strategies import ExecWaitStrategy  # noqa: PLC0415 - as above

    password = secrets.token_urlsafe(12)
    with (
        DockerContainer(_POSTGRES_IMAGE)
        .with_env("POSTGRES_PASSWORD", password)
        .with_command("postgres -c max_connections=400")
        .with_exposed_ports(5432)
        .with_tmpfs_mount("/var/lib/postgresql/data")
        # Over TCP, where the server that only prepares the directory does not listen.
        .waiting_for(ExecWaitStrategy(["pg_isready", "--quiet", "--host", "127.0.0.1"]))
    ) as container:
        host = f"{container.get_container_host_ip()}:{container.get_exposed_port(5432)}"
        yield f"postgresql://postgres:{password}@{host}/postgres"
