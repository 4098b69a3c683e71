"""python -m tests.bench [--check]: what reading, telling and starting cost, on a small desk and on full ones.

Whatever is compared is asked for by turns in one run, so that what else the machine does hits all alike. Prints
one table in Markdown, and writes var/bench.json. A ratio is that of the worst of the full desks to the smallest, of a
page to its JSON, and of a create's rate to that of the bare path.
"""

import argparse
import asyncio
import datetime as dt
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from tests.bench import processes, reading
from tests.bench.flowing import Flow, flow
from tests.bench.reading import LIMIT, ROUNDS, Asked, Line, by_turns, questions
from tests.bench.table import Figure, table
from tests.bench.writing import Written, write
from tests.full.desks import FullDesk, full_desk
from tests.support.stack import running_stack

SIZES: Final = {"short": (1_000, 20_000), "long": (1_000, 100_000, 1_000_000)}
PAGES: Final = {"page of the list": "list", "page of a ticket": "ticket"}
PAGE_LIMIT: Final = 3.0
"""How many times as long as its JSON a page may take."""
_RESULT: Final = Path(__file__).parents[2] / "var" / "bench.json"
_PARTS: Final = ("litestar", "jinja2", "sqlalchemy", "asyncpg", "nats-py", "uvicorn")
_READS: Final = 300


@dataclass(slots=True)
class Result:
    """What was found."""

    sizes: Sequence[int]
    asked: Mapping[str, Sequence[Asked]]
    flow: Flow
    written: Written
    starts: Mapping[str, float]
    """Seconds."""
    memory: Sequence[Mapping[str, float]]
    """MB by process, of each desk."""
    cpu: Mapping[str, Mapping[str, float]]
    """Microseconds by process, and what was asked."""
    machine: str
    at: str = field(default_factory=lambda: f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M}Z")

    def beside(self) -> Iterator[tuple[str, Asked, Asked]]:
        """Yield each page and the JSON behind it, of the smallest desk."""
        for page, data in PAGES.items():
            yield page, self.asked[page][0], self.asked[data][0]

    def lines(self) -> Iterator[str]:
        """Return it in Markdown: one table."""
        yield from (f"{self.at}; {self.machine}", "")
        yield from table(self.sizes, list(self._figures()))

    def _figures(self) -> Iterator[Figure]:
        yield from reading.figures(self.asked)
        for name, page, data in self.beside():
            yield Figure(f"{name}, beside its JSON", "ms, p50", [page.p50], page.p50 / data.p50, f"≤ {PAGE_LIMIT:.0f}")
        for name, used in self.cpu.items():
            yield from (Figure(name, f"µs of CPU, {process}", [each]) for process, each in _with_all(used))
        yield from self.flow.figures()
        yield from self.written.figures()
        for nth, (process, _) in enumerate(_with_all(self.memory[0])):
            yield Figure(f"memory, {process}", "MB", [_with_all(each)[nth][1] for each in self.memory])
        yield from (Figure(name, "s", [seconds]) for name, seconds in self.starts.items())

    def json(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "at": self.at,
            "machine": self.machine,
            "read": [
                {"asked": name, "tickets": size, "p50_ms": each.p50, "p95_ms": each.p95}
                for name, answers in self.asked.items()
                for size, each in zip(self.sizes, answers, strict=True)
            ],
            "told_ms": self.flow.told,
            "notified_ms": self.flow.notified,
            "intake_per_second": self.flow.intake,
            "written": self.written.json(),
            "limits": {name: asdict(each) for name, each in self.written.limits.items()},
            "cpu_us": self.cpu,
            "memory_mb": {f"{size:,} tickets": each for size, each in zip(self.sizes, self.memory, strict=True)},
            "start_seconds": self.starts,
        }

    def slow(self) -> list[str]:
        """Return what takes longer than it may."""
        full = [
            f"{name} on {size:,} tickets"
            for name, (first, *others) in self.asked.items()
            for size, each in zip(self.sizes[1:], others, strict=True)
            if each.p50 > LIMIT * first.p50
        ]
        return full + [name for name, page, data in self.beside() if page.p50 > PAGE_LIMIT * data.p50]


def _with_all(found: Mapping[str, float]) -> list[tuple[str, float]]:
    """Return what each process takes, and what all do."""
    return [*found.items(), ("all", sum(found.values()))]


def _machine() -> str:
    parts = ", ".join(f"{name} {version(name)}" for name in _PARTS)
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    return f"{machine}; Python {platform.python_version()}, {parts}"


@contextmanager
def _directory(kept: Path | None) -> Iterator[Path]:
    """Return where the desks lie: on a disk, as those that people run."""
    if kept:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    with tempfile.TemporaryDirectory(prefix="counterfoil-bench-", ignore_cleanup_errors=True, dir="/var/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


async def run(profile: str, kept: Path | None) -> Result:
    """Start desks and measure them."""
    sizes = SIZES[profile]
    with _directory(kept) as directory:
        with _directory(None) as new:
            starts, told = await _new(new, profile)
        async with AsyncExitStack() as stack:
            desks = [await stack.enter_async_context(full_desk(many, directory / str(many))) for many in sizes]
            starts |= {f"start with {full.many:,} tickets": full.started for full in desks[1:] if full.kept}
            found = [await questions(full) for full in desks]
            asked = {name: [each[name] for each in found] for name in found[0]}
            await asyncio.to_thread(by_turns, [Line(full.stack.url) for full in desks], asked, ROUNDS[profile])
            memory = [processes.memory(full.stack) for full in desks]
            cpu = {name: await asyncio.to_thread(_cpu, desks[0], asked[name][0]) for name in ("list", *PAGES)}
    written = await write(profile)
    return Result(sizes, asked, told, written, starts, memory, cpu, _machine())


async def _new(directory: Path, profile: str) -> tuple[dict[str, float], Flow]:
    """Start a desk twice, and let things happen there."""
    began = time.perf_counter()
    async with running_stack(directory / "var"):
        took = {"first start": time.perf_counter() - began}
    began = time.perf_counter()
    async with running_stack(directory / "var") as stack:
        took["start again"] = time.perf_counter() - began
        return took, await flow(await stack.sign_in(), profile)


def _cpu(full: FullDesk, asked: Asked) -> dict[str, float]:
    line = Line(full.stack.url)
    before = processes.cpu(full.stack)
    for _ in range(_READS):
        line.ask(asked, count=False)
    used = processes.cpu(full.stack)
    return {name: (used[name] - before[name]) / _READS for name in used}


def main() -> None:
    """Measure; with --check, fail where something takes too long."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--check", action="store_true", help="exit 1 where something takes more than its limit")
    parser.add_argument("--profile", choices=SIZES, default=os.environ.get("PROFILE") or "long")
    parser.add_argument("--desks", type=Path, help="keep the desks there, and take those that are there already")
    asked = parser.parse_args()
    result = asyncio.run(run(asked.profile, asked.desks))
    sys.stdout.write("\n".join(result.lines()) + "\n")
    _RESULT.parent.mkdir(exist_ok=True)
    _RESULT.write_text(json.dumps(result.json(), indent=1) + "\n", encoding="utf-8")
    if asked.check and (slow := result.slow()):
        sys.exit(f"too slow: {', '.join(slow)}")


if __name__ == "__main__":
    main()
