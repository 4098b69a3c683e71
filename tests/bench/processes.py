"""What the processes of a running desk take of the machine."""

import os
from collections import Counter
from pathlib import Path
from typing import Final

from tests.support.stack import Stack

_TICK: Final = 1_000_000 / os.sysconf("SC_CLK_TCK")


def cpu(stack: Stack) -> Counter[str]:
    """Return the microseconds of CPU that each process has taken so far."""
    used = {name: sum(_ticks(pid) for pid in pids) for name, pids in _of(stack).items()}
    return Counter({name: int(ticks * _TICK) for name, ticks in used.items()})


def memory(stack: Stack) -> dict[str, float]:
    """Return the MB of memory that each process holds; what several share counts in parts."""
    return {name: sum(_kilobytes(pid) for pid in pids) / 1_000 for name, pids in _of(stack).items()}


def _of(stack: Stack) -> dict[str, list[int]]:
    return {name: [child["pid"], *_children(child["pid"])] for name, child in stack.running.items()}


def _children(pid: int) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()]
    except OSError:
        return []


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


def _kilobytes(pid: int) -> int:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
