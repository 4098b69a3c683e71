"""Desks of their own: founded, renamed, and ended."""

import datetime as dt
from collections.abc import Callable, Sequence

from chassis.database import Database, Transaction
from contracts.base import IdempotencyKey, now, uuid7
from contracts.refusals import NotFound, StaleVersion
from services.gateway import domain, store
from services.gateway.domain import Cause, Visitor, Workspace
from services.gateway.usecases import answers
from services.gateway.usecases.acting import acting, once

NEW_WORKSPACE = "new workspace"
"""Why a transaction may see every workspace."""


class Workspaces:
    """Everything that people may do with a workspace itself."""

    def __init__(self, database: Database, clock: Callable[[], dt.datetime] = now) -> None:
        """Keep workspaces in `database`."""
        self._database = database
        self._clock = clock

    async def found(self, visitor: Visitor, name: str, slug: str, key: IdempotencyKey | None) -> answers.Workspace:
        """Make a workspace that belongs to the visitor."""
        cause = self._cause(visitor)

        async def act() -> answers.Workspace:
            workspace, owner, created, joined = domain.found(str(uuid7()), slug, name, visitor.user, cause)
            await store.add_workspace(tx, workspace)
            await store.add_member(tx, workspace.id, owner)
            tx.announce(created, joined)
            return answers.Workspace.of(workspace, owner.role)

        async with self._database.every_workspace(NEW_WORKSPACE) as tx:
            return await once(tx, visitor.id, key, answers.Workspace, act)

    async def change(
        self,
        visitor: Visitor,
        name: str | None,
        slug: str | None,
        versions: Sequence[int],
        key: IdempotencyKey | None,
    ) -> answers.Workspace:
        """Call the workspace something else; `versions` are those that the visitor means, empty for any."""
        here, _ = visitor.here

        async def act() -> answers.Workspace:
            by = await acting(tx, visitor)
            workspace = await self._held(tx, here, versions)
            changed, told = domain.change_workspace(workspace, name=name, slug=slug, by=by, cause=self._cause(visitor))
            if told is not None:
                await store.save_workspace(tx, changed)
                tx.announce(told)
            return answers.Workspace.of(changed, by.role)

        async with self._database.transaction(here.id) as tx:
            return await once(tx, visitor.id, key, answers.Workspace, act)

    async def delete(self, visitor: Visitor, confirm: str, versions: Sequence[int]) -> None:
        """End the workspace: from now on there is nothing here, for anybody, and its slug is free."""
        here, _ = visitor.here
        async with self._database.transaction(here.id) as tx:
            await store.manage_members(tx, here.id)
            by = await acting(tx, visitor)
            workspace = await self._held(tx, here, versions)
            cause = self._cause(visitor)
            told = domain.delete_workspace(workspace, confirm, by=by, cause=cause)
            await store.end_workspace(tx, here.id, cause.at)
            tx.announce(told)

    @staticmethod
    async def _held(tx: Transaction, here: Workspace, versions: Sequence[int]) -> Workspace:
        workspace = await store.workspace(tx, here.id)
        if workspace is None:
            raise NotFound
        if versions and workspace.version not in versions:
            missed = await store.workspace_since(tx, workspace, max(versions))
            raise StaleVersion(version=workspace.version, missed=missed)
        return workspace

    def _cause(self, visitor: Visitor) -> Cause:
        return Cause(command_id=uuid7(), via=visitor.via, at=self._clock())
