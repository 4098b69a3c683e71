"""Statements as asyncpg runs them: SQL with names goes out with numbers, and rows are read by their columns' names.

SQLAlchemy reads the names, once for each wording. It executes nothing here: that costs four times what asyncpg does.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy
from sqlalchemy import TextClause, text
from sqlalchemy.dialects.postgresql.asyncpg import dialect

__all__ = ["Lent", "Parameters", "Prepared", "Row", "Session", "prepared", "speak_json"]

type Parameters = Mapping[str, Any] | None

_KNOWN = 2_000
"""Wordings that are remembered. Those of a list differ by what is asked for, and are some hundreds."""
_DIALECT = dialect()  # type: ignore[no-untyped-call]


class Row(asyncpg.Record):
    """A row, by the names of its columns."""

    def __iter__(self) -> Iterator[str]:
        """Tell the names, as any mapping does."""
        return self.keys()


Mapping.register(Row)

type Session = asyncpg.Connection[Row]
type Lent = PoolConnectionProxy[Row]


@dataclass(frozen=True, slots=True)
class Prepared:
    """SQL whose values have numbers, and the names of those values in their order."""

    sql: str
    names: tuple[str, ...]
    only_reads: bool

    def values(self, parameters: Parameters) -> list[Any]:
        """Return the values in their order."""
        return [parameters[name] for name in self.names] if parameters else []


def prepared(statement: TextClause) -> Prepared:
    """Return a statement as the driver takes it."""
    return _prepared(statement.text)


async def speak_json(session: Session) -> None:
    """Have a session read JSON, and take it as it was written down."""
    for name in ("json", "jsonb"):
        await session.set_type_codec(name, schema="pg_catalog", encoder=str, decoder=json.loads)


@lru_cache(_KNOWN)
def _prepared(words: str) -> Prepared:
    compiled = text(words).compile(dialect=_DIALECT)
    return Prepared(str(compiled), tuple(compiled.positiontup or ()), words.lstrip()[:6].lower() == "select")
