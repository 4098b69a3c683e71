"""Remembers who was asked in."""

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text

from chassis.database import Row, Transaction
from contracts.base import Role
from contracts.refusals import Conflict
from services.gateway.domain import Invitation
from services.gateway.store.rows import unless

_COLUMNS = "select workspace_id, id, email, name, role, expires_at, used_at from invitations"
_REVOKE_OPEN = text(
    "delete from invitations where workspace_id = :ws and lower(email) = lower(:email) and used_at is null"
)
_ADD_INVITATION = text(
    "insert into invitations (workspace_id, id, email, name, role, token_hash, expires_at)"
    " values (:ws, :id, :email, :name, :role, :hash, :expires_at)"
)
_INVITATION = text(f"{_COLUMNS} where token_hash = :hash")
_INVITATION_LOCKED = text(f"{_COLUMNS} where token_hash = :hash for update")
_BY_ID = text(f"{_COLUMNS} where workspace_id = :ws and id = :id for update")
_INVITATIONS = text(
    f"{_COLUMNS} where workspace_id = :ws and used_at is null and expires_at > :now"
    " and (cast(:before as uuid) is null or id < cast(:before as uuid)) order by id desc limit :limit"
)
_REMOVE = text("delete from invitations where workspace_id = :ws and id = :id")
_USE_INVITATION = text("update invitations set used_at = :at where workspace_id = :ws and id = :id")


async def add_invitation(tx: Transaction, invitation: Invitation, token_hash: bytes) -> None:
    """Add an invitation; an earlier one to the same address that nobody used opens nothing from now on."""
    await tx.execute(_REVOKE_OPEN, {"ws": invitation.workspace_id, "email": invitation.email})
    values = {
        "ws": invitation.workspace_id,
        "id": invitation.id,
        "email": invitation.email,
        "name": invitation.name,
        "role": invitation.role.value,
        "hash": token_hash,
        "expires_at": invitation.expires_at,
    }
    await unless(Conflict("This person is being invited at this moment."), tx, _ADD_INVITATION, values)


async def invitation(tx: Transaction, token_hash: bytes, *, lock: bool = False) -> Invitation | None:
    """Return the invitation that this token opens; with `lock` nobody else can use it meanwhile."""
    row = await tx.one(_INVITATION_LOCKED if lock else _INVITATION, {"hash": token_hash})
    return _invitation(row) if row else None


async def invitation_by_id(tx: Transaction, workspace_id: str, id: UUID) -> Invitation | None:
    """Return an invitation, which nobody else can use meanwhile."""
    row = await tx.one(_BY_ID, {"ws": workspace_id, "id": id})
    return _invitation(row) if row else None


async def invitations(
    tx: Transaction, workspace_id: str, before: UUID | None, limit: int, now: dt.datetime
) -> Sequence[Invitation]:
    """Return the invitations that are open, newest first, beginning before this id."""
    values = {"ws": workspace_id, "before": before, "limit": limit, "now": now}
    return [_invitation(row) for row in await tx.all(_INVITATIONS, values)]


async def remove_invitation(tx: Transaction, invitation: Invitation) -> None:
    """Forget an invitation: its link opens nothing from now on."""
    await tx.execute(_REMOVE, {"ws": invitation.workspace_id, "id": invitation.id})


async def use_invitation(tx: Transaction, invitation: Invitation, at: dt.datetime) -> None:
    """Remember that the invitation did its work."""
    await tx.execute(_USE_INVITATION, {"ws": invitation.workspace_id, "id": invitation.id, "at": at})


def _invitation(row: Row) -> Invitation:
    return Invitation(**{**row, "role": Role(row["role"])})
