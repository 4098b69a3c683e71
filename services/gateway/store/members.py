"""Remembers who is in a workspace, and as what."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text

from chassis.database import Transaction
from chassis.outbox import events_since
from services.gateway.domain import Member
from services.gateway.store.rows import member_of
from services.gateway.store.workspaces import alone

_ADD_MEMBER = text(
    "insert into memberships (workspace_id, user_id, role, version, joined_at)"
    " values (:ws, :user, :role, :version, :at)"
    " on conflict do nothing returning user_id"
)
_MEMBER = text(
    "select u.id, u.email, u.name, m.role, m.version, m.joined_at from memberships m join users u on u.id = m.user_id"
    " where m.workspace_id = :ws and m.user_id = :user"
)
_NAMES = text(
    "select u.id, u.name from memberships m join users u on u.id = m.user_id"
    " where m.workspace_id = :ws and m.user_id = any(cast(:users as uuid[]))"
)
_MEMBERS = text(
    "select u.id, u.email, u.name, m.role, m.version, m.joined_at from memberships m join users u on u.id = m.user_id"
    " where m.workspace_id = :ws"
    " and (cast(:name as text) is null or (u.name, u.id) > (cast(:name as text), cast(:id as uuid)))"
    " order by u.name, u.id limit :limit"
)
_IS_MEMBER = text(
    "select exists (select 1 from memberships m join users u on u.id = m.user_id"
    " where m.workspace_id = :ws and lower(u.email) = lower(:email))"
)
_OWNERS = text("select count(*) from memberships where workspace_id = :ws and role = 'owner'")
_MEMBER_VERSION = text(
    "select coalesce(max(version), 0) from event_log"
    " where workspace_id = :ws and about_kind = 'member' and about_id = :user"
)
_SET_ROLE = text("update memberships set role = :role, version = :version where workspace_id = :ws and user_id = :user")
_REMOVE_MEMBER = text("delete from memberships where workspace_id = :ws and user_id = :user")


async def add_member(tx: Transaction, workspace_id: str, member: Member) -> bool:
    """Add a member; False when they are one already."""
    values = {
        "ws": workspace_id,
        "user": member.user.id,
        "role": member.role.value,
        "version": member.version,
        "at": member.joined_at,
    }
    return await tx.scalar(_ADD_MEMBER, values) is not None


async def member(tx: Transaction, workspace_id: str, user_id: UUID) -> Member | None:
    """Return one member."""
    row = await tx.one(_MEMBER, {"ws": workspace_id, "user": user_id})
    return member_of(row) if row else None


async def names(tx: Transaction, workspace_id: str, user_ids: Iterable[UUID]) -> dict[UUID, str]:
    """Return the names of those who are members."""
    rows = await tx.all(_NAMES, {"ws": workspace_id, "users": list(user_ids)})
    return {row["id"]: row["name"] for row in rows}


async def members(tx: Transaction, workspace_id: str, after: tuple[str, UUID] | None, limit: int) -> Sequence[Member]:
    """Return members by name, beginning after this (name, id)."""
    name, id = after or (None, None)
    rows = await tx.all(_MEMBERS, {"ws": workspace_id, "name": name, "id": id, "limit": limit})
    return [member_of(row) for row in rows]


async def is_member(tx: Transaction, workspace_id: str, email: str) -> bool:
    """Tell whether a member has this address."""
    return bool(await tx.scalar(_IS_MEMBER, {"ws": workspace_id, "email": email}))


async def manage_members(tx: Transaction, workspace_id: str) -> int:
    """Wait until nobody else changes who is in the workspace, and return how many own it."""
    await alone(tx, f"members of {workspace_id}")
    return int(await tx.scalar(_OWNERS, {"ws": workspace_id}))


async def member_version(tx: Transaction, workspace_id: str, user_id: UUID) -> int:
    """Return how often this person's membership was told of, as one who left may come back."""
    return int(await tx.scalar(_MEMBER_VERSION, {"ws": workspace_id, "user": str(user_id)}))


async def member_since(tx: Transaction, member: Member, version: int) -> list[dict[str, Any]]:
    """Return what happened to a membership after this version."""
    return await events_since(tx, member.record.kind, member.record.id, version)


async def save_member(tx: Transaction, workspace_id: str, member: Member) -> None:
    """Remember another role."""
    values = {"ws": workspace_id, "user": member.user.id, "role": member.role.value, "version": member.version}
    await tx.execute(_SET_ROLE, values)


async def remove_member(tx: Transaction, workspace_id: str, user_id: UUID) -> None:
    """Forget a membership."""
    await tx.execute(_REMOVE_MEMBER, {"ws": workspace_id, "user": user_id})
