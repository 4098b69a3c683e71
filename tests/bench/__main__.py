"""python -m tests.bench [--check]: how long pages take, beside the JSON that is behind each of them.

Both are asked for by turns in one run, over one connection each, so that what else the machine does hits both alike.
"""

import argparse
import asyncio
import http.client
import os
import platform
import statistics
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Final
from urllib.parse import urlsplit

from tests.support.demo import a_demo
from tests.support.stack import WORKSPACE, Desk

LIMIT: Final = 3.0
"""How many times as long as its JSON a page may take."""
ROUNDS: Final = {"short": 200, "long": 1_000}
_WARM_UP: Final = 20
_PARTS: Final = ("litestar", "jinja2", "sqlalchemy", "nats-py", "uvicorn")


@dataclass(slots=True)
class Measured:
    """One address, and the milliseconds that each answer took."""

    path: str
    headers: Mapping[str, str]
    took: list[float] = field(default_factory=list)

    @property
    def p50(self) -> float:
        """What half of the answers did not exceed."""
        return statistics.median(self.took)

    @property
    def p95(self) -> float:
        """What nineteen of twenty answers did not exceed."""
        return statistics.quantiles(self.took, n=20)[-1]


def measure(url: str, pairs: Mapping[str, tuple[Measured, Measured]], rounds: int) -> None:
    """Ask for each page and its JSON by turns, so many times."""
    address = urlsplit(url)
    line = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
    for turn in range(_WARM_UP + rounds):
        for pair in pairs.values():
            for each in pair if turn % 2 else reversed(pair):
                began = time.perf_counter()
                line.request("GET", each.path, headers=dict(each.headers))
                answer = line.getresponse()
                answer.read()
                took = (time.perf_counter() - began) * 1_000
                if answer.status != http.client.OK:
                    sys.exit(f"{each.path} answered {answer.status}")
                if turn >= _WARM_UP:
                    each.took.append(took)


def pairs_of(desk: Desk) -> dict[str, tuple[Measured, Measured]]:
    """Return each page and what is behind it, as the owner asks for them."""
    page = {"Cookie": f"counterfoil_session={desk.token}", "Accept": "text/html", "Accept-Encoding": "gzip"}
    data = {"Authorization": f"Bearer {desk.token}", "Accept": "application/json"}
    at, api = f"/w/{WORKSPACE}", f"/api/v1/workspaces/{WORKSPACE}"
    return {
        "list": (Measured(f"{at}/tickets", page), Measured(f"{api}/tickets?limit=50", data)),
        "ticket": (Measured(f"{at}/tickets/18", page), Measured(f"{api}/tickets/18", data)),
    }


def table(pairs: Mapping[str, tuple[Measured, Measured]], rounds: int) -> str:
    """Return what was found, in Markdown."""
    parts = ", ".join(f"{name} {version(name)}" for name in _PARTS)
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    lines = [
        f"{machine}; Python {platform.python_version()}, {parts}; {rounds} rounds",
        "",
        "| page | p50 ms | p95 ms | its JSON p50 ms | p95 ms | ratio of p50 | limit |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, (page, data) in pairs.items():
        times = (f"{each:.1f}" for each in (page.p50, page.p95, data.p50, data.p95))
        lines.append(f"| {name} | {' | '.join(times)} | {page.p50 / data.p50:.2f} | {LIMIT:.0f} |")
    return "\n".join(lines)


async def run(rounds: int) -> dict[str, tuple[Measured, Measured]]:
    """Start a desk, measure it, and say what was found."""
    async with a_demo() as desk:
        pairs = pairs_of(desk)
        await asyncio.to_thread(measure, desk.stack.url, pairs, rounds)
    sys.stdout.write(table(pairs, rounds) + "\n")
    return pairs


def main() -> None:
    """Measure; with --check, fail where a page takes too long."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--check", action="store_true", help="exit 1 where a page takes more than the limit")
    parser.add_argument("--profile", choices=ROUNDS, default=os.environ.get("PROFILE") or "long")
    asked = parser.parse_args()
    pairs = asyncio.run(run(ROUNDS[asked.profile]))
    if asked.check and any(page.p50 > LIMIT * data.p50 for page, data in pairs.values()):
        sys.exit("a page takes too long")


if __name__ == "__main__":
    main()
