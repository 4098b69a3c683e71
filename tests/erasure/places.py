"""Everywhere that a running desk keeps or says something, and what was found there."""

import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx

from contracts.base import SERVICES
from tests.support.stack import Stack

_COLUMNS = """
    select c.table_name, c.column_name, c.data_type from information_schema.columns c
    join information_schema.tables t using (table_schema, table_name)
    where c.table_schema not in ('pg_catalog', 'information_schema') and t.table_type = 'BASE TABLE'
    order by 1, 2
"""
_NO_WORDS = frozenset(
    ["bigint", "integer", "smallint", "boolean", "uuid", "double precision", "numeric", "date", "interval"]
)
_NO_WORDS |= {"timestamp with time zone"}

type Found = dict[str, set[str]]
"""Places, and what stands there."""


def owner_url(stack: Stack, service: str) -> str:
    """Return where the owner of a service's tables enters."""
    parts = urlsplit(stack.secret(f"{service}.database-url"))
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{service}_owner:{stack.secret(f'database.{service}.owner')}@{host}"))


async def columns(stack: Stack) -> AsyncIterator[tuple[str, asyncpg.Connection, str, str, str]]:
    """Yield every column of every table of every database, by the catalogue, for one who sees every row."""
    for service in SERVICES:
        connection = await asyncpg.connect(owner_url(stack, service))
        try:
            await connection.execute("select set_config('app.ws', '*', false)")
            for table, column, type in await connection.fetch(_COLUMNS):
                yield service, connection, table, column, type
        finally:
            await connection.close()


async def tables(stack: Stack, planted: Mapping[str, str]) -> Found:
    """Look into every column that could hold a word; its place is `service.table.column`."""
    found: Found = {}
    words = _words(planted)
    async for service, connection, table, column, type in columns(stack):
        if type in _NO_WORDS:
            continue
        value = f"encode(\"{column}\", 'escape')" if type == "bytea" else f'"{column}"::text'
        rows = await connection.fetch(f'select {value} as v from "{table}" where {value} ~ $1', words.pattern)
        if rows:
            found[f"{service}.{table}.{column}"] = _named(planted, words, (row["v"] for row in rows))
    return found


def logs(stack: Stack, planted: Mapping[str, str]) -> Found:
    """Look into every log, the servers' too."""
    files = [*(stack.data / "log").glob("*"), *stack.data.parent.glob("*.log"), *(stack.data / "nats").glob("nats.*")]
    files += [file for file in (stack.data / "postgres").rglob("*.log") if file.is_file()]
    return _files(files, planted)


def streams(stack: Stack, planted: Mapping[str, str]) -> Found:
    """Look into all that JetStream keeps, as it lies on disk."""
    return _files([file for file in (stack.data / "nats" / "jetstream").rglob("*") if file.is_file()], planted)


async def metrics(stack: Stack, planted: Mapping[str, str]) -> Found:
    """Look at what each service says to whoever measures it."""
    found: Found = {}
    words = _words(planted)
    async with httpx.AsyncClient(timeout=10) as http:
        for name in SERVICES:
            url = stack.running[name]["health"].replace("/health/ready", "/metrics")
            answer = await http.get(url)
            assert "counterfoil_" in answer.text
            if there := _named(planted, words, [answer.text]):
                found[f"{name} /metrics"] = there
    return found


def _files(files: Iterable[Path], planted: Mapping[str, str]) -> Found:
    words = _words(planted)
    found = {str(file): _named(planted, words, [file.read_text(encoding="utf-8", errors="replace")]) for file in files}
    assert found, "there is nothing to look into"
    return {place: there for place, there in found.items() if there}


def _words(planted: Mapping[str, str]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, planted.values())))


def _named(planted: Mapping[str, str], words: re.Pattern[str], texts: Iterable[str]) -> set[str]:
    names = {word: name for name, word in planted.items()}
    return {names[word] for text in texts for word in words.findall(text)}


def lines(path: Path) -> list[dict[str, object]]:
    """Return the lines of a log."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("{")]
