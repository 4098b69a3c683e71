"""Every operation of the API's own description, and the table of who may."""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from contracts.refusals import Refusal
from services.gateway.routes import _HANDLERS
from services.gateway.routes.operations import describe
from tests.access.callers import As

TABLE = Path(__file__).with_name("table.csv")
_COMMENT = "#"


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    id: str
    method: str
    path: str
    described: Mapping[str, Any]

    @property
    def scope(self) -> str | None:
        """What an API token needs for it."""
        return next((scope for way in self.described.get("security", ()) for scope in way.get("bearer", ())), None)


@cache
def document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    return describe(_HANDLERS, "/")


def operations() -> dict[str, Operation]:
    """Return every operation by its id, in the document's order."""
    found = [
        Operation(described["operationId"], method.upper(), path, described)
        for path, methods in document()["paths"].items()
        for method, described in methods.items()
    ]
    return {each.id: each for each in found}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a request comes to: its status and, of a refusal, its code."""

    status: int
    code: str = ""

    @classmethod
    def read(cls, cell: str) -> "Outcome":
        """Read a cell: a status, and the code where it is not the status's own."""
        status, _, code = cell.strip().partition(" ")
        return cls(int(status), code or ("" if int(status) < 400 else _own_code(int(status))))

    def __str__(self) -> str:
        """Write the cell."""
        return f"{self.status}" if self.code in ("", _own_code(self.status)) else f"{self.status} {self.code}"


def rows(recipes: Iterable[str]) -> list[str]:
    """Return the table's rows in their order: each operation, and behind it its variants by name."""
    places = {id: place for place, id in enumerate(operations())}
    return sorted(recipes, key=lambda row: (places.get(row.partition("/")[0], -1), row))


def _own_code(status: int) -> str:
    return next((kind.code for kind in Refusal.registry.values() if kind.code and kind.status == status), "")


def table() -> dict[str, dict[As, Outcome]]:
    """Return the checked-in table."""
    lines = [line for line in TABLE.read_text(encoding="utf-8").splitlines() if line and not line.startswith(_COMMENT)]
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines)]
    columns = [As(name) for name in rows[0][1:]]
    return {name: dict(zip(columns, map(Outcome.read, cells), strict=True)) for name, *cells in rows[1:]}


def write(rows: Mapping[str, Mapping[As, Outcome]]) -> str:
    """Return a table as text, its columns aligned."""
    names = ["operation", *As]
    cells = [names] + [[id, *(str(row[caller]) for caller in As)] for id, row in rows.items()]
    widths = [max(len(row[n]) for row in cells) + 1 for n in range(len(names))]
    return "".join(
        " ".join(f"{cell + ',':{width}}" for cell, width in zip(row, widths, strict=True)).rstrip(", ") + "\n"
        for row in cells
    )
