"""Views: lists of tickets by name, kept for whoever made them or shared with everybody in the workspace."""

import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from chassis import cursors
from chassis.database import Database, Transaction
from contracts.base import IdempotencyKey, now, uuid7
from contracts.refusals import Malformed, NotFound, StaleVersion
from services.gateway import domain, store
from services.gateway.domain import Acting, Visitor
from services.gateway.usecases import answers
from services.gateway.usecases.acting import acting, once


class Views:
    """Everything about views."""

    def __init__(self, database: Database, clock: Callable[[], dt.datetime] = now) -> None:
        """Keep views in `database`."""
        self._database = database
        self._clock = clock

    async def list(self, visitor: Visitor, cursor: str | None, limit: int) -> answers.ViewPage:
        """Return one page of the visitor's own views and the shared ones, by name."""
        workspace, _ = visitor.here
        owner = visitor.user.id
        scope = f"{workspace.id} views {owner}"
        after = _place(scope, cursor) if cursor else None
        async with self._database.transaction(workspace.id) as tx:
            rows = await store.views(tx, workspace.id, owner, after, limit + 1)
        page = rows[:limit]
        last = page[-1] if len(rows) > limit else None
        return answers.ViewPage(
            items=tuple(answers.View.of(each) for each in page),
            next_cursor=cursors.encode(scope, [last.name, str(last.id)]) if last else None,
        )

    async def save(
        self, visitor: Visitor, *, name: str, query: str, shared: bool, key: IdempotencyKey | None
    ) -> answers.View:
        """Keep a list under a name."""
        workspace, _ = visitor.here
        owner = visitor.user.id

        async def act() -> answers.View:
            # Two that are saved at once are counted one behind the other.
            await store.alone(tx, f"views of {workspace.id} {owner}")
            by = await acting(tx, visitor)
            owned = await store.views_owned(tx, workspace.id, owner)
            domain.check_may_save_view(by.role, shared=shared, owned=owned)
            view = domain.View(
                id=uuid7(),
                workspace_id=workspace.id,
                owner_id=owner,
                name=name,
                query=query,
                shared=shared,
                created_at=self._clock(),
            )
            await store.add_view(tx, view)
            return answers.View.of(view)

        async with self._database.transaction(workspace.id) as tx:
            return await once(tx, visitor.id, key, answers.View, act)

    async def change(
        self,
        visitor: Visitor,
        id: UUID,
        versions: Sequence[int],
        *,
        name: str | None,
        query: str | None,
        shared: bool | None,
        key: IdempotencyKey | None,
    ) -> answers.View:
        """Give a view other values; `versions` are those that the visitor means, empty for any."""

        async def act(tx: Transaction, view: domain.View, by: Acting) -> answers.View:
            changed = domain.change_view(view, by.role, name=name, query=query, shared=shared)
            await store.save_view(tx, changed)
            return answers.View.of(changed)

        return await self._own(visitor, id, versions, key, act)

    async def delete(
        self, visitor: Visitor, id: UUID, versions: Sequence[int], key: IdempotencyKey | None
    ) -> answers.View:
        """Forget a view; returns what it was."""

        async def act(tx: Transaction, view: domain.View, _: Acting) -> answers.View:
            await store.remove_view(tx, view)
            return answers.View.of(view)

        return await self._own(visitor, id, versions, key, act)

    async def _own(
        self,
        visitor: Visitor,
        id: UUID,
        versions: Sequence[int],
        key: IdempotencyKey | None,
        act: Callable[[Transaction, domain.View, Acting], Awaitable[answers.View]],
    ) -> answers.View:
        workspace, _ = visitor.here
        owner = visitor.user.id

        async def once_found() -> answers.View:
            by = await acting(tx, visitor)
            view = await store.view(tx, workspace.id, id)
            if view is None:
                raise NotFound
            domain.check_may_change_view(view, owner, by.role)
            if versions and view.version not in versions:
                raise StaleVersion(version=view.version, missed=[])
            return await act(tx, view, by)

        async with self._database.transaction(workspace.id) as tx:
            return await once(tx, visitor.id, key, answers.View, once_found)


def _place(scope: str, cursor: str) -> tuple[str, UUID]:
    match cursors.decode(scope, cursor):
        case [str(name), str(id)]:
            return name, UUID(id)
        case _:
            raise Malformed("the cursor is broken")
