"""Remembers integrations. The row of one that was revoked stays, and so does its name."""

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text

from chassis.database import Row, Transaction
from contracts.refusals import Taken
from services.gateway.domain import Integration
from services.gateway.store.rows import unless

_COLUMNS = (
    "select workspace_id, id, name, internal, maker_id, created_at, version, seen_at, revoked_at from integrations"
)
_ADD = text(
    "insert into integrations (workspace_id, id, name, internal, maker_id, token_hash, created_at)"
    " values (:ws, :id, :name, :internal, :maker, :hash, :created_at)"
)
_ADD_FIXED = text(
    "insert into integrations (workspace_id, id, name, internal, created_at, settled_at)"
    " select :ws, :id, :name, false, cast(:at as timestamptz), cast(:at as timestamptz)"
    " from workspaces where workspace_id = :ws and deleted_at is null on conflict do nothing"
)
_ONE = text(f"{_COLUMNS} where workspace_id = :ws and id = :id and revoked_at is null for no key update")
_BY_PASSWORD = text(
    f"{_COLUMNS} where workspace_id = :ws and name = :name and token_hash = :hash and revoked_at is null"
)
_PAGE = text(
    f"{_COLUMNS} where workspace_id = :ws and revoked_at is null"
    " and (cast(:before as uuid) is null or id < cast(:before as uuid)) order by id desc limit :limit"
)
_THERE = text("select count(*) from integrations where workspace_id = :ws and revoked_at is null")
_UNSETTLED = text(
    f"{_COLUMNS} where settled_at is null and (revoked_at is not null or created_at < :before) order by id limit :limit"
)
_LIVE = text(f"{_COLUMNS} where revoked_at is null and maker_id is not null and id > :after order by id limit :limit")
_SETTLED = text("update integrations set settled_at = :at where workspace_id = :ws and id = :id and version = :version")
_SEEN = text("update integrations set seen_at = :at where workspace_id = :ws and id = :id")
_SAVE = text(
    "update integrations set version = :version, revoked_at = :revoked_at,"
    " token_hash = case when cast(:revoked_at as timestamptz) is null then token_hash end,"
    " settled_at = case when cast(:revoked_at as timestamptz) is null then settled_at end"
    " where workspace_id = :ws and id = :id"
)


async def add_integration(tx: Transaction, integration: Integration, password_hash: bytes) -> None:
    """Add an integration; raises Taken where the workspace has, or ever had, another of its name."""
    values = {
        "ws": integration.workspace_id,
        "id": integration.id,
        "name": integration.name,
        "internal": integration.internal,
        "maker": integration.maker_id,
        "hash": password_hash,
        "created_at": integration.created_at,
    }
    taken = "Another integration has this name, or had it: what it did would be yours."
    await unless(Taken(taken, field="name"), tx, _ADD, values)


async def add_fixed_integration(tx: Transaction, workspace_id: str, id: UUID, name: str, at: dt.datetime) -> None:
    """Know of an integration that stands in the configuration of NATS, unless it is known or the workspace is not."""
    await tx.execute(_ADD_FIXED, {"ws": workspace_id, "id": id, "name": name, "at": at})


async def integration(tx: Transaction, workspace_id: str, id: UUID) -> Integration | None:
    """Return an integration that was not revoked, which nobody else changes meanwhile."""
    row = await tx.one(_ONE, {"ws": workspace_id, "id": id})
    return _integration(row) if row else None


async def integration_by_password(
    tx: Transaction, workspace_id: str, name: str, password_hash: bytes
) -> Integration | None:
    """Return the integration that has this name and password."""
    row = await tx.one(_BY_PASSWORD, {"ws": workspace_id, "name": name, "hash": password_hash})
    return _integration(row) if row else None


async def integrations(tx: Transaction, workspace_id: str, before: UUID | None, limit: int) -> list[Integration]:
    """Return integrations that were not revoked, newest first, beginning before this id."""
    return [_integration(row) for row in await tx.all(_PAGE, {"ws": workspace_id, "before": before, "limit": limit})]


async def integrations_there(tx: Transaction, workspace_id: str) -> int:
    """Return how many integrations a workspace has."""
    return int(await tx.scalar(_THERE, {"ws": workspace_id}))


async def unsettled_integrations(tx: Transaction, before: dt.datetime, limit: int) -> Sequence[Integration]:
    """Return those of which NATS may not know yet what their rows say; of those that are there, if made before this."""
    return [_integration(row) for row in await tx.all(_UNSETTLED, {"before": before, "limit": limit})]


async def live_integrations(tx: Transaction, after: UUID, limit: int) -> Sequence[Integration]:
    """Return integrations of every workspace, in the order of their ids, those behind this one."""
    return [_integration(row) for row in await tx.all(_LIVE, {"after": after, "limit": limit})]


async def save_integration(tx: Transaction, integration: Integration) -> None:
    """Remember another version; one that is revoked has no password any more, and NATS is to be told."""
    values = {"version": integration.version, "revoked_at": integration.revoked_at}
    await tx.execute(_SAVE, {"ws": integration.workspace_id, "id": integration.id, **values})


async def settle_integration(tx: Transaction, integration: Integration, at: dt.datetime) -> None:
    """Remember that NATS knows what this version says."""
    values = {"ws": integration.workspace_id, "id": integration.id, "version": integration.version, "at": at}
    await tx.execute(_SETTLED, values)


async def integration_seen(tx: Transaction, integration: Integration, at: dt.datetime) -> None:
    """Remember that it came in."""
    await tx.execute(_SEEN, {"ws": integration.workspace_id, "id": integration.id, "at": at})


def _integration(row: Row) -> Integration:
    return Integration(**row)
