"""A child process that dies with its parent, and what every embedded server needs besides."""

import asyncio
import contextlib
import ctypes
import errno
import fcntl
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LOOPBACK: Final = "127.0.0.1"

_PR_SET_PDEATHSIG: Final = 1
_POLL_SECONDS: Final = 0.01
_LOG_BYTES: Final = 10 * 1024 * 1024
_ANSWER_BYTES: Final = 4096


class EmbeddedError(Exception):
    """A server can't run; the message is a sentence for the person who wanted it to.

    EmbeddedError
    ├── PortTaken         another program listens there
    ├── DirectoryInUse    another server works in this directory
    ├── ServerTooOld      the binary lacks what we rely on
    └── StartFailed       it ended before it was ready, or took too long
    """


class PortTaken(EmbeddedError):
    """Another program listens on the port, which `setting` would change."""

    def __init__(self, port: int, setting: str) -> None:
        """Name the port and the way out."""
        super().__init__(f"Port {port} is taken by another program: end that one, or set {setting} to a free port.")
        self.port = port
        self.setting = setting


class DirectoryInUse(EmbeddedError):
    """Another server works in the directory; two would destroy its data."""


class ServerTooOld(EmbeddedError):
    """The binary is older than the features that keep our promises."""


class StartFailed(EmbeddedError):
    """The server ended before it was ready, or took too long."""


@dataclass(frozen=True, slots=True)
class Account:
    """The system user that a server runs as, where that is not the one who starts it."""

    uid: int
    gid: int


class Child:
    """A running child process, which ends when its parent does, however the parent ends."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Take over a process that `spawn` started."""
        self._process = process

    @property
    def pid(self) -> int:
        """Its process id, also after its end."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended (a negative number is a signal), or None while it runs."""
        return self._process.returncode

    async def wait(self) -> int:
        """Wait for its end, and say how it ended."""
        return await self._process.wait()

    async def ready(self, check: Callable[[], Awaitable[bool]], *, within: float, every: float = _POLL_SECONDS) -> bool:
        """Whether `check` came true while the child lived and before the time was up."""
        end = time.monotonic() + within
        while self.exit_code is None and time.monotonic() < end:
            if await check():
                return True
            await asyncio.sleep(every)
        return False

    async def stop(self, *steps: tuple[signal.Signals, float]) -> None:
        """Send each signal and give it its seconds to work; then kill."""
        for number, seconds in steps:
            self._send(number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self.wait()
                    return
        await self.kill()

    async def kill(self) -> None:
        """End it as a crash would."""
        self._send(signal.SIGKILL)
        await self.wait()

    def _send(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)


async def spawn(
    *command: str | Path,
    dies_by: signal.Signals,
    account: Account | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path = Path("/"),
    log: Path | None = None,
    keep: Sequence[int] = (),
) -> Child:
    """Start a child that the kernel sends `dies_by` when the calling *thread* ends (on Linux).

    It leads a session of its own: a terminal's Ctrl-C reaches only the parent, who stops its children in order.
    What it prints is appended to `log`, or lost. It inherits the descriptors in `keep`, and no others.
    """
    with _appended(log) if log else contextlib.nullcontext(asyncio.subprocess.DEVNULL) as sink:
        return Child(
            await asyncio.create_subprocess_exec(
                *map(str, command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=sink,
                stderr=asyncio.subprocess.STDOUT,
                env=env,
                cwd=cwd,
                pass_fds=keep,
                start_new_session=True,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=() if account else None,
                preexec_fn=_dying_with(os.getpid(), dies_by),  # after the change of user, which would undo it
            )
        )


def die_with_parent(number: signal.Signals) -> None:
    """Have the kernel send this very process `number` when its parent ends (on Linux; elsewhere nothing)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)


@contextlib.asynccontextmanager
async def claim(path: Path, *, refusal: str, patience: float = 0.0) -> AsyncIterator[int]:
    """Hold the lock file `path`; a child that inherits the yielded descriptor holds it on for as long as it lives.

    Thus the lock tells of a server that outlived its parent for a moment, and is never stale.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        end = time.monotonic() + patience
        while not _locked(descriptor):
            if time.monotonic() >= end:
                raise DirectoryInUse(refusal)
            await asyncio.sleep(_POLL_SECONDS)
        yield descriptor
    finally:
        os.close(descriptor)


async def refuse_taken(port: int, *, setting: str, host: str = LOOPBACK, patience: float = 1.0) -> None:
    """Raise `PortTaken` if nobody else can listen on this port, not even when the last owner has had time to end."""
    end = time.monotonic() + patience
    while not _bindable(host, port, setting):
        if time.monotonic() >= end:
            raise PortTaken(port, setting)
        await asyncio.sleep(_POLL_SECONDS)


@contextlib.contextmanager
def held_port(host: str = LOOPBACK) -> Iterator[int]:
    """Hold a port that nobody else is given before the end; a server that reuses addresses may listen on it."""
    with socket.socket() as place:
        place.bind((host, 0))
        # Not sooner: the system gives a port away twice where both ask for one to reuse.
        place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        port: int = place.getsockname()[1]
        yield port


async def says_ok(port: int, path: str, *, host: str = LOOPBACK) -> bool:
    """Whether an HTTP server there answers a GET with 200."""
    return (await says(port, path, host=host)).split(b" ")[1:2] == [b"200"]


async def says(port: int, path: str, *, host: str = LOOPBACK, within: float = 2.0) -> bytes:
    """How an HTTP server there begins its answer to a GET; with nothing, if it gives none in time."""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(within):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                return await reader.read(_ANSWER_BYTES)
            finally:
                writer.close()
    return b""


def write_private(path: Path, text: str) -> None:
    """Replace the file at once, whole, and readable by its owner alone."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def last_lines(log: Path, count: int = 5) -> str:
    """The end of a log, for the sentence that says why a server didn't start."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-count:])


def _dying_with(parent: int, number: signal.Signals) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # it ended before the kernel was asked to watch it
            os._exit(1)

    return bind


def _bindable(host: str, port: int, setting: str) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError:
            raise StartFailed(f"Port {port} is not for everyone: set {setting} to one above 1023.") from None
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _appended(log: Path) -> Iterator[int]:
    if log.exists() and log.stat().st_size > _LOG_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
