"""The one table that all figures stand in."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

_WHOLE: Final = 100
_TENTHS: Final = 1


@dataclass(frozen=True, slots=True)
class Figure:
    """A line: what was asked or done, in which unit, and what it came to: on the smallest desk alone, or on each."""

    what: str
    unit: str
    found: Sequence[float]
    ratio: float | None = None
    """How many times something else it is."""
    limit: str = ""
    """What that, or else the figure itself, should be."""


def table(sizes: Sequence[int], figures: Sequence[Figure]) -> Iterator[str]:
    """Return it in Markdown, whose columns stand below one another in a terminal too."""
    heads = ["what", "unit", *(f"{size:,}" for size in sizes), "ratio", "limit"]
    rows = [_cells(each, len(sizes)) for each in figures]
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    yield _line(heads, widths)
    rules = ["-" * width + end for width, end in zip(widths, ["--", "--", *["-:"] * (len(heads) - 2)], strict=True)]
    yield f"|{'|'.join(rules)}|"
    yield from (_line(row, widths) for row in rows)


def _cells(figure: Figure, sizes: int) -> list[str]:
    found = [_number(each) for each in figure.found]
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
    return [figure.what, figure.unit, *found, *[""] * (sizes - len(found)), ratio, figure.limit]


def _number(value: float) -> str:
    if value >= _WHOLE:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= _TENTHS or not value else f"{value:.2f}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    words = [cell.ljust(width) for cell, width in zip(cells[:2], widths[:2], strict=True)]
    numbers = [cell.rjust(width) for cell, width in zip(cells[2:], widths[2:], strict=True)]
    return f"| {' | '.join((*words, *numbers))} |"
