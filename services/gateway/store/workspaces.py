"""Remembers workspaces. One that was deleted keeps its row, so that its id is never another's."""

import datetime as dt
from typing import Any

from sqlalchemy import text

from chassis.database import Transaction
from chassis.outbox import events_since
from contracts.refusals import Taken
from services.gateway.domain import User, Workspace
from services.gateway.store.rows import unless, workspace_of

_ALONE = text("select pg_advisory_xact_lock(hashtextextended(:name, 0))")
_ANY_WORKSPACE = text("select exists (select 1 from workspaces)")
_ADD_WORKSPACE = text(
    "insert into workspaces (workspace_id, slug, name, version, created_at, examples_due)"
    " values (:id, :slug, :name, :version, :created_at, :examples_due)"
)
# No key: whoever follows an invitation refers to this row while they hold another that its deletion waits for.
_WORKSPACE = text(
    "select workspace_id, slug, name, version, created_at from workspaces"
    " where workspace_id = :id and deleted_at is null for no key update"
)
_SAVE_WORKSPACE = text("update workspaces set slug = :slug, name = :name, version = :version where workspace_id = :id")
_END_WORKSPACE = (
    # Whoever follows an invitation holds its row: they are in before this, and out again, or find nothing.
    text("delete from invitations where workspace_id = :id"),
    text("delete from api_tokens where workspace_id = :id"),
    text(
        "update integrations set revoked_at = :at, token_hash = null, settled_at = null"
        " where workspace_id = :id and revoked_at is null"
    ),
    text("delete from memberships where workspace_id = :id"),
    text(
        "update workspaces set deleted_at = :at, version = version + 1, examples_due = false where workspace_id = :id"
    ),
)
_EXAMPLES_DUE = text(
    "select w.workspace_id, u.id as user_id, u.email, u.name from workspaces w"
    " join memberships m on m.workspace_id = w.workspace_id and m.role = 'owner' join users u on u.id = m.user_id"
    " where w.examples_due order by m.joined_at limit 1"
)
_EXAMPLES_DONE = text("update workspaces set examples_due = false where workspace_id = :id")


async def alone(tx: Transaction, name: str) -> None:
    """Wait until nobody else is in a transaction that asked for this name."""
    await tx.execute(_ALONE, {"name": name})


async def has_workspaces(tx: Transaction) -> bool:
    """Tell whether the transaction sees any workspace, or one that was deleted."""
    return bool(await tx.scalar(_ANY_WORKSPACE))


async def add_workspace(tx: Transaction, workspace: Workspace, *, examples_due: bool = False) -> None:
    """Add a workspace; raises Taken when its slug is another's."""
    values = _values(workspace) | {"created_at": workspace.created_at, "examples_due": examples_due}
    await unless(_taken(), tx, _ADD_WORKSPACE, values)


async def workspace(tx: Transaction, workspace_id: str) -> Workspace | None:
    """Return a workspace, which nobody else changes meanwhile; None once it is deleted."""
    row = await tx.one(_WORKSPACE, {"id": workspace_id})
    return workspace_of(row) if row else None


async def save_workspace(tx: Transaction, workspace: Workspace) -> None:
    """Remember other names; raises Taken when the slug is another's."""
    await unless(_taken(), tx, _SAVE_WORKSPACE, _values(workspace))


async def workspace_since(tx: Transaction, workspace: Workspace, version: int) -> list[dict[str, Any]]:
    """Return what happened to a workspace after this version."""
    return await events_since(tx, workspace.record.kind, workspace.record.id, version)


async def end_workspace(tx: Transaction, workspace_id: str, at: dt.datetime) -> None:
    """Let nobody be in it any more, and its slug be another's; what happened in it stays."""
    for statement in _END_WORKSPACE:
        await tx.execute(statement, {"id": workspace_id, "at": at})


async def examples_due(tx: Transaction) -> tuple[str, User] | None:
    """Return a workspace that still waits for its first tickets, and its owner."""
    row = await tx.one(_EXAMPLES_DUE)
    return (row["workspace_id"], User(id=row["user_id"], email=row["email"], name=row["name"])) if row else None


async def examples_done(tx: Transaction, workspace_id: str) -> None:
    """Remember that the first tickets are there."""
    await tx.execute(_EXAMPLES_DONE, {"id": workspace_id})


def _values(workspace: Workspace) -> dict[str, Any]:
    return {"id": workspace.id, "slug": workspace.slug, "name": workspace.name, "version": workspace.version}


def _taken() -> Taken:
    return Taken("Another workspace has this slug.", field="slug")
