"""Keeps child processes running: one that dies is started again, soon at first, then less and less soon."""

import asyncio
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol, Self

from chassis.embedded.process import LOOPBACK, Child, EmbeddedError, StartFailed, last_lines, says_ok, spawn
from chassis.logs import get_logger

SOONEST: Final = 0.2
LATEST: Final = 5.0

_READY: Final = "/health/ready"
_POLL_SECONDS: Final = 0.05
_START_SECONDS: Final = 60.0
_STEADY_SECONDS: Final = 10.0
_DRAIN_SECONDS: Final = 10.0

log = get_logger()


class Member(Protocol):
    """What can be kept running."""

    @property
    def pid(self) -> int: ...
    @property
    def port(self) -> int | None: ...
    @property
    def health(self) -> str | None: ...
    async def start(self) -> None: ...
    async def wait(self) -> int: ...
    async def stop(self) -> None: ...


class Program:
    """A program with a health port. It is killed with its parent: it keeps nothing that a kill could harm."""

    def __init__(self, *command: str, port: int, env: Mapping[str, str], cwd: Path, log: Path) -> None:
        self._port = port
        self._command = command
        self._env = env
        self._cwd = cwd
        self._log = log
        self._child: Child | None = None

    @property
    def pid(self) -> int:
        return self._running.pid

    @property
    def port(self) -> int:
        return self._port

    @property
    def health(self) -> str:
        """Where it says whether it can work."""
        return f"http://{LOOPBACK}:{self._port}{_READY}"

    async def start(self) -> None:
        """Start it, and the first time wait until it can work; later it may be others whom it has to wait for."""
        first = self._child is None
        self._child = await spawn(*self._command, dies_by=signal.SIGKILL, env=self._env, cwd=self._cwd, log=self._log)
        if first and not await self._child.ready(self._ready, within=_START_SECONDS, every=_POLL_SECONDS):
            await self.stop()
            raise StartFailed(f"{self._command[-1]} did not start; {self._log} ends with:\n{last_lines(self._log)}")

    async def wait(self) -> int:
        return await self._running.wait()

    async def stop(self) -> None:
        """Let it finish what it has begun, for as long as people are patient."""
        if self._child:
            await self._child.stop((signal.SIGTERM, _DRAIN_SECONDS))

    async def _ready(self) -> bool:
        return await says_ok(self._port, _READY)

    @property
    def _running(self) -> Child:
        if self._child is None:
            raise RuntimeError("the program was never started")
        return self._child


class Supervisor:
    """Keeps its members running inside `async with`, and stops them all at once at its end."""

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        """Call `changed` whenever a member has started or ended."""
        self._changed = changed
        self._members: dict[str, Member] = {}
        self._alive: set[str] = set()
        self._keepers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await asyncio.gather(*(member.stop() for member in self._members.values()))

    async def start(self, name: str, member: Member) -> None:
        """Start the member, and again whenever it dies; only the first start's failure is raised."""
        self._members[name] = member
        await member.start()
        self._note(name, alive=True)
        self._keepers.append(asyncio.create_task(self._keep(name, member)))

    def report(self) -> dict[str, dict[str, int | str | None]]:
        """Each member's process, None while there is none, and where to reach it."""
        return {
            name: {"pid": member.pid if name in self._alive else None, "port": member.port, "health": member.health}
            for name, member in self._members.items()
        }

    async def _keep(self, name: str, member: Member) -> None:
        pause = SOONEST
        while True:
            since = time.monotonic()
            code = await member.wait()
            self._note(name, alive=False)
            if time.monotonic() - since > _STEADY_SECONDS:
                pause = SOONEST
            log.warning("child.died", child=name, exit=_spoken(code), again_in=pause)
            await asyncio.sleep(pause)
            pause = await self._revive(name, member, pause)
            self._note(name, alive=True)

    async def _revive(self, name: str, member: Member, pause: float) -> float:
        while True:
            pause = min(2 * pause, LATEST)
            try:
                await member.start()
            except (EmbeddedError, OSError) as error:
                log.warning("child.not_started", child=name, reason=str(error), again_in=pause)
                await asyncio.sleep(pause)
            else:
                return pause

    def _note(self, name: str, *, alive: bool) -> None:
        (self._alive.add if alive else self._alive.discard)(name)
        self._changed()


def _spoken(code: int) -> str:
    """An exit code as people say it: the signal's name, where one ended the process."""
    return signal.Signals(-code).name if code < 0 else str(code)
