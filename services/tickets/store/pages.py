"""How much fits into one answer."""

import datetime as dt
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

_ROOM = 180 * 1024
"""Bytes: an answer is one NATS message of 256 KiB, and names and times come on top of what is counted here."""

WILDCARDS = str.maketrans({"\\": r"\\", "%": r"\%", "_": r"\_"})
"""Makes the words of a search mean themselves in `like`."""


def fitting(sizes: Sequence[int]) -> int:
    """Return how many of the first items fit into one answer, at least one."""
    totals = list(accumulate(sizes))
    return max(1, bisect_right(totals, _ROOM))


def time_in(cursor: object) -> dt.datetime:
    """Return the time that a cursor holds; raises ValueError for what is none."""
    time = dt.datetime.fromisoformat(str(cursor))
    if time.tzinfo is None:
        raise ValueError(cursor)
    return time
