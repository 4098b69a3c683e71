"""The code of the release before works on the schema of this one: its statements still run, with its rights.

`released.json` holds what that code says, written down when it was released (`python -m tests.support.released`).
"""

import asyncio
import json
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from chassis.migrations import migrate
from chassis.statements import prepared
from contracts.base import SERVICES
from tests.support.infra import PostgresServer
from tests.support.released import RECORD

RELEASED: dict[str, dict[str, Any]] = json.loads(RECORD.read_text(encoding="utf-8"))

_COLUMNS = """
    select c.relname || '.' || a.attname as name, format_type(a.atttypid, a.atttypmod) as type,
        a.attnotnull and not a.atthasdef and a.attidentity = '' as must,
        array(select way from unnest(array['select', 'insert', 'update']) as way
            where has_column_privilege(cast($1 as name), c.oid, a.attnum, way)) as may
    from pg_class c join pg_attribute a on a.attrelid = c.oid
    where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and a.attnum > 0 and not a.attisdropped
"""


async def columns(owner_url: str, app_url: str) -> dict[str, asyncpg.Record]:
    """Return each column, its type, whether a row must name it, and what the service may do with it."""
    app = await asyncpg.connect(app_url)
    role = await app.fetchval("select current_user")
    await app.close()
    owner = await asyncpg.connect(owner_url)
    try:
        return {row["name"]: row for row in await owner.fetch(_COLUMNS, role)}
    finally:
        await owner.close()


def broken(before: dict[str, asyncpg.Record], now: dict[str, asyncpg.Record]) -> list[str]:
    """Name each column that code from before would miss, misread, lack a right to, or not know that it must give."""
    tables = {name.partition(".")[0] for name in before}
    found = [f"{name} is gone" for name in before.keys() - now.keys()]
    for name in before.keys() & now.keys():
        if now[name]["type"] != before[name]["type"]:
            found.append(f"{name} has another type")
        if now[name]["must"] and not before[name]["must"]:
            found.append(f"{name} must be given now")
        if set(before[name]["may"]) - set(now[name]["may"]):
            found.append(f"{name} may not be used as before")
    fresh = [name for name in now.keys() - before.keys() if name.partition(".")[0] in tables]
    return sorted([*found, *(f"{name} is new and must be given" for name in fresh if now[name]["must"])])


async def refused(app_url: str, said: list[str]) -> dict[str, str]:
    """Return the statements that can't be run any more, and why."""
    app = await asyncpg.connect(app_url)
    found: dict[str, str] = {}
    try:
        for statement in said:
            try:
                await app.prepare(prepared(text(statement)).sql)
            except asyncpg.PostgresError as error:
                found[statement] = str(error)
    finally:
        await app.close()
    return found


@pytest.mark.parametrize("service", SERVICES)
async def test_the_code_of_the_release_before_works_on_this_schema(
    postgres_server: PostgresServer, service: str
) -> None:
    urls = await postgres_server.fresh_database(service)
    release = RELEASED[service]
    await asyncio.to_thread(migrate, service, urls.owner, release["revision"])
    before = await columns(urls.owner, urls.app)
    said = release["statements"]
    # Some are only parts of others, and can't be run then either.
    whole = sorted(set(said) - (await refused(urls.app, said)).keys())
    assert len(whole) > len(said) * 0.8

    await asyncio.to_thread(migrate, service, urls.owner)

    assert await refused(urls.app, whole) == {}
    assert broken(before, await columns(urls.owner, urls.app)) == []

    # A change that would break it is seen both ways.
    owner = await asyncpg.connect(urls.owner)
    await owner.execute("alter table event_log rename column traceparent to parent")
    await owner.execute("alter table inbox add told text not null")
    await owner.close()
    assert await refused(urls.app, whole)
    assert broken(before, await columns(urls.owner, urls.app)) == [
        "event_log.traceparent is gone",
        "inbox.told is new and must be given",
    ]
