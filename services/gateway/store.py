"""Remembers workspaces, people, invitations and sessions. Secrets are kept as hashes only."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from sqlalchemy import RowMapping, TextClause, text
from sqlalchemy.exc import IntegrityError

from chassis.database import Transaction
from chassis.outbox import events_since
from contracts.base import Role
from contracts.refusals import Conflict, Taken
from services.gateway.domain import SESSION_IDLE, Invitation, Member, Session, User, Workspace


@dataclass(frozen=True, slots=True)
class Found:
    """What one look-up tells of a session: whose it is, and what they are in the workspace that was named."""

    session: Session
    user: User
    workspace: Workspace | None
    role: Role | None


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user and the hash of their password."""

    user: User
    password_hash: str


_ALONE = text("select pg_advisory_xact_lock(hashtextextended(:name, 0))")
_ANY_WORKSPACE = text("select exists (select 1 from workspaces)")
_ADD_WORKSPACE = text(
    "insert into workspaces (workspace_id, slug, name, version, created_at, examples_due)"
    " values (:id, :slug, :name, :version, :created_at, :examples_due)"
)
_EXAMPLES_DUE = text(
    "select w.workspace_id, u.id as user_id, u.email, u.name from workspaces w"
    " join memberships m on m.workspace_id = w.workspace_id and m.role = 'owner' join users u on u.id = m.user_id"
    " where w.examples_due order by m.joined_at limit 1"
)
_EXAMPLES_DONE = text("update workspaces set examples_due = false where workspace_id = :id")

_ADD_USER = text(
    "insert into users (id, email, name, password_hash, created_at) values (:id, :email, :name, :hash, :at)"
    " on conflict (lower(email)) do nothing returning id"
)
_CREDENTIALS = text("select id, email, name, password_hash from users where lower(email) = lower(:email)")
_WORKSPACES_OF = text(
    "select w.workspace_id, w.slug, w.name, w.version, w.created_at, m.role"
    " from memberships m join workspaces w on w.workspace_id = m.workspace_id where m.user_id = :user"
    " order by w.name, w.slug"
)

_ADD_MEMBER = text(
    "insert into memberships (workspace_id, user_id, role, version, joined_at)"
    " values (:ws, :user, :role, :version, :at)"
    " on conflict do nothing returning user_id"
)
_MEMBER = text(
    "select u.id, u.email, u.name, m.role, m.version, m.joined_at from memberships m join users u on u.id = m.user_id"
    " where m.workspace_id = :ws and m.user_id = :user"
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

_REVOKE_OPEN = text(
    "delete from invitations where workspace_id = :ws and lower(email) = lower(:email) and used_at is null"
)
_ADD_INVITATION = text(
    "insert into invitations (workspace_id, id, email, name, role, token_hash, expires_at)"
    " values (:ws, :id, :email, :name, :role, :hash, :expires_at)"
)
_INVITATION = text(
    "select workspace_id, id, email, name, role, expires_at, used_at from invitations where token_hash = :hash"
)
_INVITATION_LOCKED = text(_INVITATION.text + " for update")
_USE_INVITATION = text("update invitations set used_at = :at where workspace_id = :ws and id = :id")
_PURGE_INVITATIONS = text("delete from invitations where expires_at <= :now")

_ADD_SESSION = text(
    "insert into sessions (id, user_id, token_hash, created_at, seen_at, expires_at)"
    " values (:id, :user, :hash, :created_at, :seen_at, :expires_at)"
)
_SESSION = (
    "select s.id as session_id, s.created_at as began_at, s.seen_at, s.expires_at, u.id, u.email, u.name as user_name,"
    " {} from sessions s join users u on u.id = s.user_id {} where s.token_hash = :hash"
)
_SESSION_ALONE = text(_SESSION.format("null as workspace_id", ""))
_SESSION_HERE = text(
    _SESSION.format(
        "w.workspace_id, w.slug, w.name, w.version, w.created_at, m.role",
        "left join workspaces w on w.workspace_id = :ref or w.slug = :ref"
        " left join memberships m on m.workspace_id = w.workspace_id and m.user_id = u.id",
    )
)
_PRESENT = text(
    "select s.id as session_id, s.user_id, s.created_at, s.seen_at, s.expires_at, m.workspace_id, m.role"
    " from unnest(cast(:sessions as uuid[]), cast(:workspaces as text[])) as asked (session_id, workspace_id)"
    " join sessions s on s.id = asked.session_id"
    " join memberships m on m.workspace_id = asked.workspace_id and m.user_id = s.user_id"
)
_SEEN = text("update sessions set seen_at = :now where id = :id and seen_at < :now")
_END_SESSION = text("delete from sessions where id = :id")
_PURGE_SESSIONS = text("delete from sessions where expires_at <= :now or seen_at <= :idle")


async def alone(tx: Transaction, name: str) -> None:
    """Wait until nobody else is in a transaction that asked for this name."""
    await tx.execute(_ALONE, {"name": name})


async def has_workspaces(tx: Transaction) -> bool:
    """Tell whether the transaction sees any workspace."""
    return bool(await tx.scalar(_ANY_WORKSPACE))


async def add_workspace(tx: Transaction, workspace: Workspace, *, examples_due: bool = False) -> None:
    """Add a workspace; raises Taken when its slug is another's."""
    values = {
        "id": workspace.id,
        "slug": workspace.slug,
        "name": workspace.name,
        "version": workspace.version,
        "created_at": workspace.created_at,
        "examples_due": examples_due,
    }
    await _unless(Taken("Another workspace has this slug.", field="slug"), tx, _ADD_WORKSPACE, values)


async def examples_due(tx: Transaction) -> tuple[str, User] | None:
    """Return a workspace that still waits for its first tickets, and its owner."""
    row = await tx.one(_EXAMPLES_DUE)
    return (row["workspace_id"], User(id=row["user_id"], email=row["email"], name=row["name"])) if row else None


async def examples_done(tx: Transaction, workspace_id: str) -> None:
    """Remember that the first tickets are there."""
    await tx.execute(_EXAMPLES_DONE, {"id": workspace_id})


async def add_user(tx: Transaction, user: User, password_hash: str, at: dt.datetime) -> bool:
    """Add a user; False when somebody has this e-mail address already."""
    values = {"id": user.id, "email": user.email, "name": user.name, "hash": password_hash, "at": at}
    return await tx.scalar(_ADD_USER, values) is not None


async def credentials(tx: Transaction, email: str) -> Credentials | None:
    """Return who signs in with this address, in whatever case it is written."""
    row = await tx.one(_CREDENTIALS, {"email": email})
    return Credentials(User(id=row["id"], email=row["email"], name=row["name"]), row["password_hash"]) if row else None


async def workspaces_of(tx: Transaction, user_id: UUID) -> list[tuple[Workspace, Role]]:
    """Return where this user is a member, and as what."""
    return [(_workspace(row), Role(row["role"])) for row in await tx.all(_WORKSPACES_OF, {"user": user_id})]


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
    return _member(row) if row else None


async def members(tx: Transaction, workspace_id: str, after: tuple[str, UUID] | None, limit: int) -> Sequence[Member]:
    """Return members by name, beginning after this (name, id)."""
    name, id = after or (None, None)
    rows = await tx.all(_MEMBERS, {"ws": workspace_id, "name": name, "id": id, "limit": limit})
    return [_member(row) for row in rows]


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
    await _unless(Conflict("This person is being invited at this moment."), tx, _ADD_INVITATION, values)


async def invitation(tx: Transaction, token_hash: bytes, *, lock: bool = False) -> Invitation | None:
    """Return the invitation that this token opens; with `lock` nobody else can use it meanwhile."""
    row = await tx.one(_INVITATION_LOCKED if lock else _INVITATION, {"hash": token_hash})
    return Invitation(**{**row, "role": Role(row["role"])}) if row else None


async def use_invitation(tx: Transaction, invitation: Invitation, at: dt.datetime) -> None:
    """Remember that the invitation did its work."""
    await tx.execute(_USE_INVITATION, {"ws": invitation.workspace_id, "id": invitation.id, "at": at})


async def add_session(tx: Transaction, session: Session, token_hash: bytes) -> None:
    """Add a session."""
    values = {
        "id": session.id,
        "user": session.user_id,
        "hash": token_hash,
        "created_at": session.created_at,
        "seen_at": session.seen_at,
        "expires_at": session.expires_at,
    }
    await tx.execute(_ADD_SESSION, values)


async def session(tx: Transaction, token_hash: bytes, reference: str | None) -> Found | None:
    """Return the session of this token; `reference` is the id or slug of a workspace to look into as well."""
    row = (
        await tx.one(_SESSION_ALONE, {"hash": token_hash})
        if reference is None
        else await tx.one(_SESSION_HERE, {"hash": token_hash, "ref": reference})
    )
    if row is None:
        return None
    session = Session(
        id=row["session_id"],
        user_id=row["id"],
        created_at=row["began_at"],
        seen_at=row["seen_at"],
        expires_at=row["expires_at"],
    )
    user = User(id=row["id"], email=row["email"], name=row["user_name"])
    if row["workspace_id"] is None or row["role"] is None:
        return Found(session, user, None, None)
    return Found(session, user, _workspace(row), Role(row["role"]))


async def present(tx: Transaction, asked: Sequence[tuple[UUID, str]]) -> list[tuple[Session, str, Role]]:
    """Return which of these (session, workspace) still are, each with the role that its user has there."""
    sessions, workspaces = [session for session, _ in asked], [workspace for _, workspace in asked]
    rows = await tx.all(_PRESENT, {"sessions": sessions, "workspaces": workspaces})
    return [
        (
            Session(
                id=row["session_id"],
                user_id=row["user_id"],
                created_at=row["created_at"],
                seen_at=row["seen_at"],
                expires_at=row["expires_at"],
            ),
            row["workspace_id"],
            Role(row["role"]),
        )
        for row in rows
    ]


async def seen(tx: Transaction, session: Session, now: dt.datetime) -> None:
    """Remember that the session is in use."""
    await tx.execute(_SEEN, {"id": session.id, "now": now})


async def end_session(tx: Transaction, session_id: UUID) -> None:
    """Forget a session: its token opens nothing from now on."""
    await tx.execute(_END_SESSION, {"id": session_id})


async def purge(tx: Transaction, now: dt.datetime) -> tuple[int, int]:
    """Forget sessions and invitations that are over; returns how many of each."""
    sessions = await tx.execute(_PURGE_SESSIONS, {"now": now, "idle": now - SESSION_IDLE})
    invitations = await tx.execute(_PURGE_INVITATIONS, {"now": now})
    return sessions.rowcount, invitations.rowcount


async def _unless(refusal: Conflict, tx: Transaction, statement: TextClause, values: dict[str, Any]) -> None:
    """Run a statement; a unique value that is another's becomes the refusal, and the transaction is lost."""
    try:
        await tx.execute(statement, values)
    except IntegrityError as error:
        raise refusal from error


def _workspace(row: RowMapping) -> Workspace:
    return Workspace(
        id=row["workspace_id"],
        slug=row["slug"],
        name=row["name"],
        version=row["version"],
        created_at=row["created_at"],
    )


def _member(row: RowMapping) -> Member:
    return Member(
        user=User(id=row["id"], email=row["email"], name=row["name"]),
        role=Role(row["role"]),
        version=row["version"],
        joined_at=cast(dt.datetime, row["joined_at"]),
    )
