"""What happens by the clock: bulk changes go on, and what lies resolved and untouched is closed."""

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from chassis.database import Database, is_weather
from chassis.logs import get_logger
from chassis.service import Service
from contracts.base import now
from services.tickets import store, usecases

log = get_logger()

_AT_ONCE = 100


def tick(service: Service) -> None:
    """Set the clocks of whichever replica leads."""

    @service.every(600, "forget_nonces")
    async def forget_nonces() -> None:
        async with service.database.every_workspace("purge of identity nonces") as tx:
            await store.forget_nonces(tx, now())

    @service.every(5, "counts")
    async def counts() -> None:
        more = True
        while more:
            async with service.database.every_workspace("sum up counts of tickets") as tx:
                more = await store.fold_counts(tx)

    @service.every(0.5, "bulk")
    async def bulk() -> None:
        await go_on_with_bulks(service.database)

    @service.every(30, "auto_close")
    async def auto_close() -> None:
        await close_untouched(service.database, now())


async def go_on_with_bulks(database: Database) -> None:
    """Do what is left of every bulk change, a batch of each in turn; one that fails is tried again at the next turn."""
    failed: set[UUID] = set()
    while running := [each for each in await _running(database) if each[1] not in failed]:
        for workspace_id, id in running:
            try:
                async with database.transaction(workspace_id) as tx:
                    await usecases.go_on(tx, id, now())
            except Exception as error:
                if is_weather(error):
                    raise
                log.exception("bulk.failed", workspace=workspace_id, bulk=str(id))
                failed.add(id)


async def _running(database: Database) -> Sequence[tuple[str, UUID]]:
    async with database.glance("find bulk changes that go on") as tx:
        return await store.running(tx, _AT_ONCE)


async def close_untouched(database: Database, at: dt.datetime) -> None:
    """Close what is due at this time in every workspace."""
    async with database.glance("find tickets that lie untouched") as tx:
        workspaces = await store.workspaces_with_untouched(tx, at)
    for workspace_id in workspaces:
        closed = 1
        while closed:
            async with database.transaction(workspace_id) as tx:
                closed = await usecases.close_untouched(tx, at)
            if closed:
                log.info("tickets.auto_closed", workspace=workspace_id, tickets=closed)
