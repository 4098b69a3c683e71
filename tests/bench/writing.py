"""What a write costs: tickets created and changed over HTTP, beside the least that such a path can cost.

Both stand on this machine in one run and are asked by turns. The least is a bare ASGI application that asks a bare NATS
client, which commits one row (`tests/bench/bare.py`): no rights, no rules, no record, but the same protocols and the
same fsync. CPU time is read per process, for other work on the machine changes it little.
"""

import asyncio
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import asyncpg

from chassis.embedded.nats import EmbeddedNats
from chassis.embedded.postgres import EmbeddedPostgres
from contracts.base import SERVICES
from tests.bench import limits
from tests.bench.limits import Limit
from tests.bench.line import Line
from tests.bench.table import Figure
from tests.support.eventually import eventually
from tests.support.stack import WORKSPACE, Desk, Stack, running_stack

IN_FLIGHT: Final = 32
"""Clients, each of which sends its next command when it has the answer to the last."""
ROUNDS: Final = {"short": 1, "long": 8}
AIM: Final = 900
"""Microseconds of CPU that a create may cost, from the HTTP request to the commit and back."""
SHARE: Final = 0.6
"""Which part of the bare path's rate the whole one should reach."""
_PATH: Final = {
    "gateway": ("gateway",),
    "tickets": ("tickets",),
    "NATS": ("nats",),
    "PostgreSQL": ("postgres", "postgres gateway", "postgres tickets"),
}
"""What a client waits for."""
_AFTER: Final = ("activity", "notifications", "postgres activity", "postgres notifications")
_TOO_BUSY: Final = 503
_A_WHILE: Final = 0.5
_CALM: Final = 100_000
"""Microseconds of CPU in that while that are calm in any case; where a machine is slow, a desk takes more at rest."""
_COMMANDS: Final = 320
_CREATE: Final = f"create, {IN_FLIGHT} in flight"
_CHANGE: Final = f"change, {IN_FLIGHT} in flight"
_BARE: Final = f"bare, {IN_FLIGHT} in flight"
_CREATE_ALONE, _BARE_ALONE = "create, one at a time", "bare, one at a time"
_ALONE: Final = 40
_WARM_UP: Final = 300
_TICK: Final = 1_000_000 / os.sysconf("SC_CLK_TCK")
_SUBJECT: Final = "Printer {} on the second floor is on fire again"
_WORDS: Final = "It began at **nine**, and the sprinklers did nothing.\n\nPlease send somebody."


@dataclass(slots=True)
class Cost:
    """What so many commands took."""

    took: list[float] = field(default_factory=list)
    """Milliseconds, each as its client waited."""
    seconds: float = 0
    cpu: Counter[str] = field(default_factory=Counter)
    """Microseconds by process, those of a database's sessions under `postgres <database>`."""

    @property
    def rate(self) -> float:
        """Commands per second."""
        return len(self.took) / self.seconds

    @property
    def p50(self) -> float:
        """What half of the answers did not exceed."""
        return statistics.median(self.took)

    @property
    def p99(self) -> float:
        """What all but one in a hundred did not exceed."""
        return statistics.quantiles(self.took, n=100)[-1]

    def each(self, process: str) -> float:
        """Return the microseconds of this process per command."""
        return self.cpu[process] / len(self.took)

    def of(self, *processes: str) -> float:
        """Return the microseconds of these per command, or of all."""
        return sum(self.each(name) for name in processes or self.cpu)

    def add(self, other: "Cost") -> None:
        """Count another round in."""
        self.took += other.took
        self.seconds += other.seconds
        self.cpu.update(other.cpu)


@dataclass(slots=True)
class Written:
    """What writing costs, beside the least."""

    rows: dict[str, Cost]
    limits: dict[str, Limit]

    def figures(self) -> Iterator[Figure]:
        """Yield what was found; the rate of a create beside the bare one, and its CPU beside the aim."""
        for name, cost in self.rows.items():
            beside = (self.share, f"≥ {SHARE}") if name == _CREATE else (None, "")
            yield Figure(name, "per s", [cost.rate], *beside)
            yield Figure(name, "ms, p50", [cost.p50])
            yield Figure(name, "ms, p99", [cost.p99])
            for process, of in _PATH.items():
                yield Figure(name, f"µs of CPU, {process}", [cost.of(*of)])
            whole = [cost.of(*itertools.chain(*_PATH.values()))]
            yield Figure(name, "µs of CPU, to the answer", whole, limit=f"≤ {AIM}" if name == _CREATE else "")
            yield Figure(name, "µs of CPU, after it", [cost.of(*_AFTER)])
        yield from limits.figures(self.limits)

    @property
    def share(self) -> float:
        """Which part of the bare path's rate a create has, both with many in flight."""
        return self.rows[_CREATE].rate / self.rows[_BARE].rate

    def json(self) -> dict[str, dict[str, float]]:
        """Return it for programs."""
        return {
            name: {"per_second": cost.rate, "p50_ms": cost.p50, "p99_ms": cost.p99}
            | {f"cpu_us {process}": cost.each(process) for process in cost.cpu}
            for name, cost in self.rows.items()
        }


@dataclass(frozen=True, slots=True)
class Side:
    """One of what is compared: where it is asked, and which processes do its work."""

    name: str
    url: str
    headers: Mapping[str, str]
    processes: Mapping[str, int]
    path: str
    broker: str = ""
    store: str = ""
    """Its servers, where nothing keeps anybody out of them."""
    names: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    at_rest: float = 0
    """Microseconds of CPU that it takes in a while in which nobody asks for anything."""

    @contextmanager
    def lines(self, many: int) -> Iterator[list[Line]]:
        """Open so many connections."""
        lines = [Line(self.url, self.headers) for _ in range(many)]
        try:
            yield lines
        finally:
            for line in lines:
                line.close()

    async def create(self, many: int, in_flight: int = IN_FLIGHT) -> tuple[Cost, list[str]]:
        """Create so many tickets; returns the cost, and their ids."""
        bodies = (
            ("POST", self.path, {"subject": _SUBJECT.format(next(self.names)), "description": _WORDS, "tags": ["fire"]})
            for _ in range(many)
        )
        return await self._load(bodies, in_flight)

    async def change(self, ids: Sequence[str], in_flight: int = IN_FLIGHT) -> Cost:
        """Change each of these tickets once."""
        bodies = (("PATCH", f"{self.path}/{id}", {"priority": "high", "add_tags": ["hot"]}) for id in ids)
        return (await self._load(bodies, in_flight))[0]

    async def _load(self, commands: Iterator[tuple[str, str, object]], in_flight: int) -> tuple[Cost, list[str]]:
        cost, ids = Cost(), list[str]()

        async def client(line: Line) -> None:
            for method, path, body in commands:
                began = time.perf_counter()
                status, answer = await eventually(partial(_answered, line, method, path, json.dumps(body).encode()))
                cost.took.append((time.perf_counter() - began) * 1_000)
                if status not in (200, 201):
                    sys.exit(f"{self.name}: {method} {path} answered {status}: {answer.decode()}")
                ids.append(json.loads(answer)["id"])

        with self.lines(in_flight) as lines:
            before, began = self._cpu(), time.perf_counter()
            await asyncio.gather(*(client(line) for line in lines))
            cost.seconds = time.perf_counter() - began
            await self._settled()
            cost.cpu = self._cpu()
            cost.cpu.subtract(before)
        return cost, ids

    async def rest(self) -> float:
        """Return the microseconds of CPU that it takes in a while, of several in which nobody asks."""
        before, began = self._cpu().total(), time.perf_counter()
        await eventually(lambda: time.perf_counter() - began >= 4 * _A_WHILE)
        return (self._cpu().total() - before) * _A_WHILE / (time.perf_counter() - began)

    async def _settled(self) -> None:
        """Wait until nothing is done any more: what follows a commit belongs to its cost."""
        history: list[tuple[float, int]] = []

        def calm() -> bool:
            history.append((time.perf_counter(), self._cpu().total()))
            past = [spent for at, spent in history if history[-1][0] - at >= _A_WHILE]
            return bool(past) and history[-1][1] - past[-1] < max(_CALM, 1.5 * self.at_rest)

        await eventually(calm, within=60)

    def _cpu(self) -> Counter[str]:
        used: Counter[str] = Counter()
        for name, pid in self.processes.items():
            used[name] += _ticks(pid)
            if name == "postgres":
                for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split():
                    used[_what(int(child))] += _ticks(int(child))
        return Counter({name: int(ticks * _TICK) for name, ticks in used.items()})


async def _answered(line: Line, method: str, path: str, body: bytes) -> tuple[int, bytes] | None:
    answer = await line.send(method, path, body)
    return None if answer[0] == _TOO_BUSY else answer


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


def _what(pid: int) -> str:
    """Return whom a process of PostgreSQL works for: a database, or all of them."""
    try:
        title = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").replace("\0", " ").split()
    except OSError:
        return "postgres"
    known = len(title) > 2 and title[1].endswith("_app")
    return f"postgres {title[2]}" if known else "postgres"


async def write(profile: str) -> Written:
    """Start a desk and the bare path, and measure them by turns; then what each part of the bare path can do."""
    rows = {name: Cost() for name in (_CREATE, _BARE, _CHANGE, _CREATE_ALONE, _BARE_ALONE)}
    async with a_desk() as desk, bare() as least:
        await least.create(_WARM_UP)
        for _ in range(ROUNDS[profile]):
            cost, ids = await desk.create(_COMMANDS)
            rows[_CREATE].add(cost)
            rows[_BARE].add((await least.create(_COMMANDS))[0])
            rows[_CHANGE].add(await desk.change(ids))
            rows[_CREATE_ALONE].add((await desk.create(_ALONE, in_flight=1))[0])
            rows[_BARE_ALONE].add((await least.create(_ALONE, in_flight=1))[0])
        found = await limits.measure(profile, broker=least.broker, store=least.store, web=least.url)
    return Written(rows, found)


@contextmanager
def on_disk() -> Iterator[Path]:
    """Make a directory where a write waits for a disk, as it does for who runs a desk."""
    with tempfile.TemporaryDirectory(prefix="counterfoil-bench-", ignore_cleanup_errors=True, dir="/var/tmp") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


@asynccontextmanager
async def a_desk() -> AsyncIterator[Side]:
    """Start a whole desk."""
    with on_disk() as directory:
        async with running_stack(directory / "var") as stack:
            side = side_of(stack, await stack.sign_in())
            side = replace(side, at_rest=await side.rest())
            await side.create(_WARM_UP)
            await settle(stack)
            yield side


async def settle(stack: Stack) -> None:
    """Have PostgreSQL count its rows, as it does by itself within a minute: until then it plans for empty tables."""
    for service in SERVICES:
        url = urlsplit(stack.secret(f"{service}.database-url"))
        password = stack.secret(f"database.{service}.owner")
        owner = url._replace(netloc=f"{service}_owner:{password}@{url.netloc.rpartition('@')[2]}").geturl()
        session = await asyncpg.connect(owner)
        await session.execute("analyze")
        await session.close()


def side_of(stack: Stack, desk: Desk) -> Side:
    """Return a running desk as one that can be measured."""
    return Side(
        "desk",
        stack.url,
        {"Authorization": f"Bearer {desk.token}"},
        {name: child["pid"] for name, child in stack.running.items()},
        f"/api/v1/workspaces/{WORKSPACE}/tickets",
    )


@asynccontextmanager
async def bare() -> AsyncIterator[Side]:
    """Start the least that answers from HTTP by NATS with a commit."""
    with on_disk() as directory:
        broker, store = EmbeddedNats(directory / "nats", accounts=""), EmbeddedPostgres(directory / "postgres")
        await broker.start()
        await store.start()
        try:
            url = f"nats://127.0.0.1:{broker.port}"
            session = await asyncpg.connect(store.superuser_url)
            await session.execute("create table things (id uuid primary key, body text not null)")
            await session.close()
            async with (
                _bare("tickets", url, store.superuser_url) as (tickets, _),
                _bare("gateway", url) as (gateway, port),
            ):
                pids = {"gateway": gateway, "tickets": tickets, "nats": broker.pid, "postgres": store.pid}
                yield Side("bare", f"http://127.0.0.1:{port}", {}, pids, "/", url, store.superuser_url)
        finally:
            await store.stop()
            await broker.stop()


@asynccontextmanager
async def _bare(part: str, *arguments: str) -> AsyncIterator[tuple[int, str]]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.bare", part, *arguments), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield process.pid, (await process.stdout.readline()).decode().strip()
    finally:
        process.terminate()
        await process.wait()
