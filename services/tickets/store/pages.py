"""How much fits into one answer."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

_ROOM = 180 * 1024
"""Bytes: an answer is one NATS message of 256 KiB, and names and times come on top of what is counted here."""


def fitting(sizes: Sequence[int]) -> int:
    """Return how many of the first items fit into one answer, at least one."""
    totals = list(accumulate(sizes))
    return max(1, bisect_right(totals, _ROOM))
