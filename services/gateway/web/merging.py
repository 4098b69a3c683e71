"""Two people changed the same text: what each did to the lines they both began with, put together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher


@dataclass(frozen=True, slots=True)
class Merged:
    """Both changes in one text."""

    text: str
    clashes: int
    """In how many places both changed the same lines: theirs stand there, and mine below them."""


@dataclass(frozen=True, slots=True)
class _Hunk:
    """Lines `start` to `end` of the base became these."""

    start: int
    end: int
    lines: list[str]
    side: int


def merge(base: str, mine: str, theirs: str) -> Merged:
    """Return a text with what both changed; nothing that anybody wrote is left out of it."""
    lines = base.split("\n")
    sides = (theirs.split("\n"), mine.split("\n"))
    hunks = sorted(
        (hunk for side, changed in enumerate(sides) for hunk in _hunks(lines, changed, side)),
        key=lambda hunk: (hunk.start, hunk.end),
    )
    found: list[str] = []
    at = clashes = 0
    for group in _together(hunks):
        start, end = group[0].start, max(hunk.end for hunk in group)
        found += lines[at:start]
        at = end
        told = [_applied(lines, start, end, [hunk for hunk in group if hunk.side == side]) for side in (0, 1)]
        sole = {hunk.side for hunk in group}
        if len(sole) == 1:
            found += told[sole.pop()]
        elif told[0] == told[1]:
            found += told[0]
        else:
            clashes += 1
            found += told[0] + told[1]
    return Merged("\n".join(found + lines[at:]), clashes)


def _hunks(base: Sequence[str], changed: Sequence[str], side: int) -> Iterator[_Hunk]:
    for what, start, end, first, last in SequenceMatcher(None, base, changed, autojunk=False).get_opcodes():
        if what != "equal":
            yield _Hunk(start, end, list(changed[first:last]), side)


def _together(hunks: Sequence[_Hunk]) -> Iterator[list[_Hunk]]:
    """Group what touches one another."""
    group: list[_Hunk] = []
    for hunk in hunks:
        if group and hunk.start > max(each.end for each in group):
            yield group
            group = []
        group.append(hunk)
    if group:
        yield group


def _applied(base: Sequence[str], start: int, end: int, hunks: Sequence[_Hunk]) -> list[str]:
    found: list[str] = []
    at = start
    for hunk in hunks:
        found += [*base[at : hunk.start], *hunk.lines]
        at = hunk.end
    return [*found, *base[at:end]]
