"""A database with the chassis' own tables and whatever a test adds: no service is needed to test what all stand on."""

from collections.abc import Sequence

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection

from chassis import schema
from chassis.migrations import engine_for
from tests.support.infra import PostgresServer, Urls


async def plumbed(server: PostgresServer, name: str, *statements: str, tenants: Sequence[str] = ()) -> Urls:
    """Make a fresh database, its plumbing, what `statements` make, and the wall around `tenants`."""
    urls = await server.fresh_database(name)
    engine = engine_for(urls.owner)

    def make(connection: Connection) -> None:
        op = Operations(MigrationContext.configure(connection))
        schema.plumbing(op)
        for statement in statements:
            op.execute(statement)
        for table in tenants:
            schema.tenant(op, table)

    try:
        async with engine.begin() as connection:
            await connection.run_sync(make)
    finally:
        await engine.dispose()
    return urls
