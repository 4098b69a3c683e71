"""What reading costs on desks of several sizes: each question is asked of all of them by turns, over open lines."""

import http.client
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlsplit

from tests.bench.table import Figure
from tests.full.desks import EVERY, FullDesk, deep_cursor
from tests.support.stack import WORKSPACE, Desk

ROUNDS: Final = {"short": 8, "long": 40}
LIMIT: Final = 1.5
"""How many times as long a full desk may take."""
_WARM_UP: Final = 4
_FEW: Final = 5
"""So many are found on the smallest desk too, whatever is looked for: answers of one size are compared."""


@dataclass(slots=True)
class Asked:
    """One question at one desk, and the milliseconds that each answer took."""

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


class Line:
    """A connection that stays open."""

    def __init__(self, url: str) -> None:
        """Connect on first use."""
        address = urlsplit(url)
        self._line = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)

    def ask(self, asked: Asked, *, count: bool) -> None:
        """Ask once; exits where the answer is none."""
        began = time.perf_counter()
        self._line.request("GET", asked.path, headers=dict(asked.headers))
        answer = self._line.getresponse()
        answer.read()
        took = (time.perf_counter() - began) * 1_000
        if answer.status != http.client.OK:
            sys.exit(f"{asked.path} answered {answer.status}")
        if count:
            asked.took.append(took)


def data(desk: Desk) -> dict[str, str]:
    """Return the headers of a program."""
    return {"Authorization": f"Bearer {desk.token}", "Accept": "application/json"}


def page(desk: Desk) -> dict[str, str]:
    """Return the headers of a browser."""
    return {"Cookie": f"counterfoil_session={desk.token}", "Accept": "text/html", "Accept-Encoding": "gzip"}


async def questions(full: FullDesk) -> dict[str, Asked]:
    """Return what is asked of a desk, by what it is called."""
    desk = full.desk
    middle: Any = await desk.get(f"tickets/{full.many // 2}")
    agent = (await desk.get("tickets?status=in_progress&limit=1"))["items"][0]["assignee"]["id"]
    said, *_, rare = middle["subject"].split()
    api, at = f"/api/v1/workspaces/{WORKSPACE}", f"/w/{WORKSPACE}"
    shown = await deep_cursor(desk, "sort=-updated", full.many // 10)
    every = await deep_cursor(desk, f"sort=created&{EVERY}", full.many)
    later = await deep_cursor(desk, f"q=tent&{EVERY}", 20)
    lists = {
        "list": "sort=-updated",
        "list, least recently updated": "sort=updated",
        "list, newest": "sort=-created",
        "list, oldest": "sort=created",
        "list, by priority": "sort=priority",
        "list, by number": "sort=number",
        "list of every status": EVERY,
        "list of every status, by priority": f"{EVERY}&sort=priority",
        "list of every status, oldest, a deep page": f"{EVERY}&sort=created&cursor={quote(every)}",
        "list, closed": "status=closed",
    }
    few = {
        "list, a deep page": f"sort=-updated&cursor={quote(shown)}",
        "list, new": "status=new",
        "list, one agent's": f"assignee={agent}",
        "list, nobody's": "assignee=none",
        "list, high": "priority=high",
        "list, a contact's": f"contact={middle['contact']['id']}&{EVERY}",
        "list, a tag's": "tag=billing-0",
        "search, a word of many": "q=invoice",
        "search, two words": f"q={quote('tent boot')}&{EVERY}",
        "search, a word of some": f"q=tent&{EVERY}",
        "search, a word of some, a later page": f"q=tent&{EVERY}&cursor={quote(later)}",
        "search, a word of some, oldest": f"q=tent&{EVERY}&sort=created",
        "search, a part of a word of few": f"q={rare[1:4]}&{EVERY}",
        "search, a part of a word of one": f"q={rare[1:9]}&{EVERY}",
        "search, two words of one": f"q={quote(f'{said} {rare[1:9]}')}&{EVERY}",
        "search, nothing": "q=nowhere",
    }
    counts = {
        "counts": "",
        "counts, one agent's": f"?assignee={agent}",
        "counts, critical": "?priority=critical",
        "counts, a tag's": "?tag=billing-0",
        "counts, a word of many": "?q=invoice",
        "counts, a part of a word of one": f"?q={rare[1:9]}",
    }
    return {
        **{name: Asked(f"{api}/tickets?{query}&limit=50", data(desk)) for name, query in lists.items()},
        **{name: Asked(f"{api}/tickets?{query}&limit={_FEW}", data(desk)) for name, query in few.items()},
        **{name: Asked(f"{api}/tickets/counts{query}", data(desk)) for name, query in counts.items()},
        "ticket": Asked(f"{api}/tickets/{full.many // 2}", data(desk)),
        "history": Asked(f"{api}/tickets/{full.many // 2}/activity", data(desk)),
        "inbox": Asked(f"{api}/notifications", data(desk)),
        "report of 30 days": Asked(f"{api}/reports", data(desk)),
        "page of the list": Asked(f"{at}/tickets", page(desk)),
        "page of a search": Asked(f"{at}/tickets?q=invoice", page(desk)),
        "page of a ticket": Asked(f"{at}/tickets/{full.many // 2}", page(desk)),
        "page of the inbox": Asked(f"{at}/notifications", page(desk)),
        "page of the report": Asked(f"{at}/reports", page(desk)),
    }


def by_turns(lines: Sequence[Line], asked: Mapping[str, Sequence[Asked]], rounds: int) -> None:
    """Ask each question of every desk by turns, so many times."""
    for turn in range(_WARM_UP + rounds):
        for each in asked.values():
            pairs = list(zip(lines, each, strict=True))
            for line, one in pairs if turn % 2 else reversed(pairs):
                line.ask(one, count=turn >= _WARM_UP)


def figures(asked: Mapping[str, Sequence[Asked]]) -> Iterator[Figure]:
    """Yield medians, and how many times that of the smallest desk the worst of the others is."""
    for name, each in asked.items():
        first, *others = (one.p50 for one in each)
        yield Figure(name, "ms, p50", [first, *others], max(others) / first, f"≤ {LIMIT}")
