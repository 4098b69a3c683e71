"""Rows of one workspace, out of a store whole: page by page, in the order of their keys."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from asyncpg import PostgresError
from sqlalchemy import TextClause, text

from chassis.database import Transaction
from contracts.refusals import Invalid, Malformed, NotAllowed, NotFound
from contracts.transfer import ReadRows, RowPage

_AT_ONCE = 500
_ROOM = 200 * 1024
"""Bytes: an answer is one message of 256 KiB."""

_COLUMNS = text(
    "select column_name, is_nullable = 'NO' as filled, column_default is null as bare from information_schema.columns"
    " where table_schema = current_schema() and table_name = :table and is_generated = 'NEVER' and is_identity = 'NO'"
)
_CHECKS = text(
    "select pg_get_expr(conbin, conrelid) as held from pg_constraint"
    " where contype = 'c' and conrelid = cast(:table as regclass)"
)


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of one kind: where they lie, what orders them, and which columns stay."""

    kind: str
    name: str
    """A table, or a query in brackets, with a `workspace_id`."""
    key: tuple[str, ...]
    """Columns and their types, as `id uuid`, that tell the rows of a workspace apart."""
    without: tuple[str, ...] = ()
    """Secrets, and what is made of other columns."""


@cache
def _page_of(table: Table, begun: bool) -> TextClause:  # noqa: FBT001 - a part of the cache's key
    columns = [each.split(" ", 1) for each in table.key]
    names = ", ".join(f"t.{name}" for name, _ in columns)
    places = ", ".join(f"cast(:after{nth} as {type})" for nth, (_, type) in enumerate(columns))
    ends = ", ".join(f"cast(t.{name} as text)" for name, _ in columns)
    behind = f" and ({names}) > ({places})" if begun else ""
    return text(
        f"select row, place, octet_length(cast(row as text)) as size from ("  # noqa: S608 - constants
        f" select to_jsonb(t) - cast(:without as text[]) as row, array[{ends}] as place from {table.name} as t"
        f" where t.workspace_id = :ws{behind} order by {names} limit {_AT_ONCE}) as page"
    )


async def page(tx: Transaction, table: Table, after: str | None) -> RowPage:
    """Return the rows behind a place, as many as fit into one message; raises Malformed for a place that is none."""
    values: dict[str, Any] = {"ws": tx.workspace_id, "without": ["workspace_id", *table.without]}
    if after is not None:
        values |= {f"after{nth}": place for nth, place in enumerate(_place(table, after))}
    try:
        found = await tx.all(_page_of(table, after is not None), values)
    except PostgresError as error:
        if after is not None and (error.sqlstate or "").startswith("22"):
            raise Malformed("the place is none") from error
        raise
    rows: list[dict[str, Any]] = []
    room, last = _ROOM, None
    for each in found:
        room -= each["size"]
        if rows and room < 0:
            break
        rows.append(each["row"])
        last = each["place"]
    more = len(rows) < len(found) or len(found) == _AT_ONCE
    return RowPage(rows=tuple(rows), after=json.dumps(last) if more else None)


async def put(tx: Transaction, table: Table, rows: Sequence[Mapping[str, Any]], *, dry_run: bool) -> int:
    """Add rows that are not there yet, and return how many; raises Invalid for rows that the table can't hold.

    With `dry_run` only their values are looked at, and what the table asks of each.
    """
    if not rows:
        return 0
    known = await tx.all(_COLUMNS, {"table": table.name})
    given = {name for row in rows for name in row} | {"workspace_id"}
    columns = [row["column_name"] for row in known if row["column_name"] in given]
    if lacking := [
        row["column_name"] for row in known if row["filled"] and row["bare"] and row["column_name"] not in given
    ]:
        raise Invalid.field("rows", "missing", f"{', '.join(lacking)} must be given")
    names = ", ".join(f'"{name}"' for name in columns)
    values = {"rows": json.dumps([{**row, "workspace_id": tx.workspace_id} for row in rows])}
    source = f"from jsonb_populate_recordset(cast(null as {table.name}), cast(:rows as jsonb)) as t"
    keys = ", ".join(dict.fromkeys(["workspace_id", *(each.split(" ", 1)[0] for each in table.key)]))
    try:
        if dry_run:
            held = [row["held"] for row in await tx.all(_CHECKS, {"table": table.name})]
            empty = [
                f'"{row["column_name"]}" is null' for row in known if row["filled"] and row["column_name"] in given
            ]
            wrong = " or ".join([*empty, *(f"({check}) is false" for check in held)])
            if await tx.scalar(text(f"select exists (select 1 {source} where {wrong})"), values):
                raise _unfit()
            return 0
        insert = f"insert into {table.name} ({names}) select {names} {source} on conflict ({keys}) do nothing"
        return await tx.execute(text(insert), values)
    except PostgresError as error:
        if (error.sqlstate or "").startswith(("22", "23", "54")):
            raise _unfit() from error
        raise


def _unfit() -> Invalid:
    return Invalid.field("rows", "unfit", "does not fit: a value of the wrong form, or a name of nothing")


async def answer(request: ReadRows, tx: Transaction, tables: Sequence[Table]) -> RowPage:
    """Return a page to an admin."""
    if not request.caller.role.runs_the_desk:
        raise NotAllowed
    table = next((each for each in tables if each.kind == request.kind), None)
    if table is None:
        raise NotFound
    return await page(tx, table, request.after)


def _place(table: Table, after: str) -> list[str]:
    try:
        place = json.loads(after)
    except ValueError as error:
        raise Malformed("the place is none") from error
    if not isinstance(place, list) or len(place) != len(table.key) or not all(isinstance(p, str) for p in place):
        raise Malformed("the place is none")
    return place
