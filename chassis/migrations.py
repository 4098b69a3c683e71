"""Brings a service's database to the schema that its code expects. Run as the database's owner role."""

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from chassis import schema

_LOCK = 4_711_001


def migrate(service: str, owner_url: str, to: str = "head") -> None:
    """Run the migrations of `services/<service>` that this database lacks, up to one; several may start at once."""
    asyncio.run(_migrate(service, owner_url, to))


def newest(service: str) -> str:
    """Return the revision that the code here expects."""
    return str(_scripts(service)[1].get_current_head())


def knows(service: str, revision: str) -> bool:
    """Tell whether the code here has a migration."""
    return any(script.revision == revision for script in _scripts(service)[1].walk_revisions())


def scripts(service: str) -> Path:
    """Return where a service's migrations lie."""
    return Path(__file__).parent.parent / "services" / service / "migrations"


def engine_for(url: str) -> AsyncEngine:
    """Return an engine whose connections asyncpg opens, so that a URL means here what it means elsewhere."""
    return create_async_engine(
        "postgresql+asyncpg://", async_creator=partial(asyncpg.connect, url), poolclass=pool.NullPool
    )


async def _migrate(service: str, owner_url: str, to: str) -> None:
    engine = engine_for(owner_url)
    try:
        async with engine.begin() as connection:
            await connection.execute(text("set local lock_timeout = '5s'"))
            await connection.execute(text("set local statement_timeout = '15min'"))
            await connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
            await connection.run_sync(_upgrade, service, to)
    finally:
        await engine.dispose()


def _scripts(service: str) -> tuple[Config, ScriptDirectory]:
    config = Config()
    config.set_main_option("script_location", str(scripts(service)))
    config.set_main_option("path_separator", "os")
    return config, ScriptDirectory.from_config(config)


def _upgrade(connection: Connection, service: str, to: str) -> None:
    config, script = _scripts(service)

    def steps(revision: Any, _: Any) -> Any:
        return script._upgrade_revs(to, revision)  # noqa: SLF001 - what alembic's own upgrade command passes

    with EnvironmentContext(config, script, fn=steps, destination_rev=to) as environment:
        environment.configure(connection=connection, target_metadata=None)
        environment.run_migrations()
    # So that a service can tell whether this is the schema that it needs.
    app = connection.exec_driver_sql(schema.APP).scalar_one()
    connection.exec_driver_sql(f'grant select on alembic_version to "{app}"')
