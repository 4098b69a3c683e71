"""Remembers people and their passwords."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from chassis.database import Transaction
from contracts.base import Role
from services.gateway.domain import User, Workspace
from services.gateway.store.rows import workspace_of


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user and the hash of their password."""

    user: User
    password_hash: str


_ADD_USER = text(
    "insert into users (id, email, name, password_hash, created_at) values (:id, :email, :name, :hash, :at)"
    " on conflict (lower(email)) do nothing returning id"
)
_CREDENTIALS = text("select id, email, name, password_hash from users where lower(email) = lower(:email)")
_PASSWORD = text("select password_hash from users where id = :user for no key update")
_SET_PASSWORD = text("update users set password_hash = :hash where id = :user")
_RENAME = text(
    "update users u set name = :name from (select id, name from users where id = :user for no key update) was"
    " where u.id = was.id returning was.name"
)
_WORKSPACES_OF = text(
    "select w.workspace_id, w.slug, w.name, w.version, w.created_at, m.role"
    " from memberships m join workspaces w on w.workspace_id = m.workspace_id where m.user_id = :user"
    " order by w.name, w.slug"
)
_ACCOUNT_VERSION = text(
    "select coalesce(max(version), 0) from event_log"
    " where workspace_id = :ws and about_kind = 'account' and about_id = :user"
)


async def add_user(tx: Transaction, user: User, password_hash: str, at: dt.datetime) -> bool:
    """Add a user; False when somebody has this e-mail address already."""
    values = {"id": user.id, "email": user.email, "name": user.name, "hash": password_hash, "at": at}
    return await tx.scalar(_ADD_USER, values) is not None


async def credentials(tx: Transaction, email: str) -> Credentials | None:
    """Return who signs in with this address, in whatever case it is written."""
    row = await tx.one(_CREDENTIALS, {"email": email})
    return Credentials(User(id=row["id"], email=row["email"], name=row["name"]), row["password_hash"]) if row else None


async def password_hash(tx: Transaction, user_id: UUID) -> str:
    """Return the hash of a user's password, which stays what it is until the transaction ends."""
    return str(await tx.scalar(_PASSWORD, {"user": user_id}))


async def set_password(tx: Transaction, user_id: UUID, password_hash: str) -> None:
    """Remember another password."""
    await tx.execute(_SET_PASSWORD, {"user": user_id, "hash": password_hash})


async def rename_user(tx: Transaction, user_id: UUID, name: str) -> str:
    """Remember another name; returns the one before. The user's row is held."""
    return str(await tx.scalar(_RENAME, {"user": user_id, "name": name}))


async def account_version(tx: Transaction, workspace_id: str, user_id: UUID) -> int:
    """Return how often a workspace was told of this person's account."""
    return int(await tx.scalar(_ACCOUNT_VERSION, {"ws": workspace_id, "user": str(user_id)}))


async def workspaces_of(tx: Transaction, user_id: UUID) -> list[tuple[Workspace, Role]]:
    """Return where this user is a member, and as what."""
    return [(workspace_of(row), Role(row["role"])) for row in await tx.all(_WORKSPACES_OF, {"user": user_id})]
