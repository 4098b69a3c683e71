"""Remembers views. They go with the membership of whoever made them."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text

from chassis.database import Row, Transaction
from services.gateway.domain import View

_COLUMNS = "select workspace_id, id, owner_id, name, query, shared, created_at, version from views"
_ADD = text(
    "insert into views (workspace_id, id, owner_id, name, query, shared, created_at, version)"
    " values (:ws, :id, :owner, :name, :query, :shared, :created_at, :version)"
)
_VIEW = text(f"{_COLUMNS} where workspace_id = :ws and id = :id for update")
_VIEWS = text(
    f"{_COLUMNS} where workspace_id = :ws and (shared or owner_id = :owner)"
    " and (cast(:name as text) is null or (name, id) > (cast(:name as text), cast(:id as uuid)))"
    " order by name, id limit :limit"
)
_OWNED = text("select count(*) from views where workspace_id = :ws and owner_id = :owner")
_SAVE = text(
    "update views set name = :name, query = :query, shared = :shared, version = :version"
    " where workspace_id = :ws and id = :id"
)
_REMOVE = text("delete from views where workspace_id = :ws and id = :id")


async def add_view(tx: Transaction, view: View) -> None:
    """Add a view."""
    await tx.execute(_ADD, _values(view) | {"owner": view.owner_id, "created_at": view.created_at})


async def view(tx: Transaction, workspace_id: str, id: UUID) -> View | None:
    """Return a view, which nobody else changes meanwhile."""
    row = await tx.one(_VIEW, {"ws": workspace_id, "id": id})
    return _view(row) if row else None


async def views(
    tx: Transaction, workspace_id: str, owner_id: UUID, after: tuple[str, UUID] | None, limit: int
) -> Sequence[View]:
    """Return somebody's own views and the shared ones by name, beginning after this (name, id)."""
    name, id = after or (None, None)
    values = {"ws": workspace_id, "owner": owner_id, "name": name, "id": id, "limit": limit}
    return [_view(row) for row in await tx.all(_VIEWS, values)]


async def views_owned(tx: Transaction, workspace_id: str, owner_id: UUID) -> int:
    """Return how many views somebody has."""
    return int(await tx.scalar(_OWNED, {"ws": workspace_id, "owner": owner_id}))


async def save_view(tx: Transaction, view: View) -> None:
    """Remember other values of a view."""
    await tx.execute(_SAVE, _values(view))


async def remove_view(tx: Transaction, view: View) -> None:
    """Forget a view."""
    await tx.execute(_REMOVE, {"ws": view.workspace_id, "id": view.id})


def _values(view: View) -> dict[str, object]:
    return {
        "ws": view.workspace_id,
        "id": view.id,
        "name": view.name,
        "query": view.query,
        "shared": view.shared,
        "version": view.version,
    }


def _view(row: Row) -> View:
    return View(**row)
