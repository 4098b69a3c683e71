"""Remembers who is signed in."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from chassis.database import Row, Transaction
from contracts.base import Role
from services.gateway.domain import SESSION_IDLE, Session, User, Workspace
from services.gateway.store.rows import workspace_of


@dataclass(frozen=True, slots=True)
class Found:
    """What one look-up tells of a session: whose it is, and what they are in the workspace that was named."""

    session: Session
    user: User
    workspace: Workspace | None
    role: Role | None


_ADD_SESSION = text(
    "insert into sessions (id, user_id, token_hash, created_at, seen_at, expires_at, client)"
    " values (:id, :user, :hash, :created_at, :seen_at, :expires_at, :client)"
)
# Each is found by itself: joined in one, the planner may read all sessions to find these few. An array that a statement
# makes has one plan however many it holds: to plan anew takes longer than to find them.
_FOUND = text("""
    select nth, found.* from
    unnest(array(select unnest(cast(:hashes as bytea[]))), array(select unnest(cast(:refs as text[]))))
    with ordinality as asked (hash, ref, nth)
    cross join lateral (
        select s.id as session_id, s.created_at as began_at, s.seen_at, s.expires_at, s.client,
            u.id, u.email, u.name as user_name, w.workspace_id, w.slug, w.name, w.version, w.created_at, m.role
        from sessions s join users u on u.id = s.user_id
        left join workspaces w on w.deleted_at is null and (w.workspace_id = asked.ref or w.slug = asked.ref)
        left join memberships m on m.workspace_id = w.workspace_id and m.user_id = u.id
        where s.token_hash = asked.hash
        offset 0
    ) as found
""")
_SESSIONS = text(
    "select id, user_id, created_at, seen_at, expires_at, client from sessions"
    " where user_id = :user and expires_at > :now and seen_at > :idle"
    " and (cast(:before as uuid) is null or id < cast(:before as uuid)) order by id desc limit :limit"
)
_PRESENT = text(
    "select s.id, s.user_id, s.created_at, s.seen_at, s.expires_at, s.client, m.workspace_id, m.role"
    " from unnest(cast(:sessions as uuid[]), cast(:workspaces as text[])) as asked (session_id, workspace_id)"
    " join sessions s on s.id = asked.session_id"
    " join memberships m on m.workspace_id = asked.workspace_id and m.user_id = s.user_id"
)
_SEEN = text("update sessions set seen_at = :now where id = :id and seen_at < :now")
_END_SESSION = text("delete from sessions where id = :id and user_id = :user")
_END_SESSIONS = text("delete from sessions where user_id = :user")
_END_OTHERS = text("delete from sessions where user_id = :user and id <> :session")
_PURGE_SESSIONS = text("delete from sessions where expires_at <= :now or seen_at <= :idle")
_PURGE_INVITATIONS = text("delete from invitations where expires_at <= :now")


async def add_session(tx: Transaction, session: Session, token_hash: bytes) -> None:
    """Add a session."""
    values = {
        "id": session.id,
        "user": session.user_id,
        "hash": token_hash,
        "created_at": session.created_at,
        "seen_at": session.seen_at,
        "expires_at": session.expires_at,
        "client": session.client,
    }
    await tx.execute(_ADD_SESSION, values)


async def find_sessions(tx: Transaction, asked: Sequence[tuple[bytes, str | None]]) -> list[Found | None]:
    """Return the session of each token, by its hash, with the workspace of this id or slug where one is named."""
    found: list[Found | None] = [None] * len(asked)
    values = {"hashes": [token_hash for token_hash, _ in asked], "refs": [reference for _, reference in asked]}
    for row in await tx.all(_FOUND, values):
        found[row["nth"] - 1] = _found(row)
    return found


async def sessions(
    tx: Transaction, user_id: UUID, before: UUID | None, limit: int, now: dt.datetime
) -> Sequence[Session]:
    """Return a user's sessions that are not over, newest first, beginning before this id."""
    values = {"user": user_id, "before": before, "limit": limit, "now": now, "idle": now - SESSION_IDLE}
    return [_session(row) for row in await tx.all(_SESSIONS, values)]


async def present(tx: Transaction, asked: Sequence[tuple[UUID, str]]) -> list[tuple[Session, str, Role]]:
    """Return which of these (session, workspace) still are, each with the role that its user has there."""
    sessions, workspaces = [session for session, _ in asked], [workspace for _, workspace in asked]
    rows = await tx.all(_PRESENT, {"sessions": sessions, "workspaces": workspaces})
    return [(_session(row), row["workspace_id"], Role(row["role"])) for row in rows]


async def seen(tx: Transaction, session: Session, now: dt.datetime) -> None:
    """Remember that the session is in use."""
    await tx.execute(_SEEN, {"id": session.id, "now": now})


async def end_session(tx: Transaction, user_id: UUID, session_id: UUID) -> bool:
    """Forget a session of this user: its token opens nothing from now on. False where it is not there."""
    return await tx.execute(_END_SESSION, {"id": session_id, "user": user_id}) > 0


async def end_sessions(tx: Transaction, user_id: UUID) -> None:
    """Forget every session of a user."""
    await tx.execute(_END_SESSIONS, {"user": user_id})


async def end_other_sessions(tx: Transaction, user_id: UUID, session_id: UUID) -> None:
    """Forget every session of a user but this one."""
    await tx.execute(_END_OTHERS, {"user": user_id, "session": session_id})


async def purge(tx: Transaction, now: dt.datetime) -> tuple[int, int]:
    """Forget sessions and invitations that are over; returns how many of each."""
    sessions = await tx.execute(_PURGE_SESSIONS, {"now": now, "idle": now - SESSION_IDLE})
    invitations = await tx.execute(_PURGE_INVITATIONS, {"now": now})
    return sessions, invitations


def _session(row: Row) -> Session:
    return Session(
        id=row["id"],
        user_id=row["user_id"],
        created_at=row["created_at"],
        seen_at=row["seen_at"],
        expires_at=row["expires_at"],
        client=row["client"],
    )


def _found(row: Row) -> Found:
    session = Session(
        id=row["session_id"],
        user_id=row["id"],
        created_at=row["began_at"],
        seen_at=row["seen_at"],
        expires_at=row["expires_at"],
        client=row["client"],
    )
    user = User(id=row["id"], email=row["email"], name=row["user_name"])
    if row["workspace_id"] is None or row["role"] is None:
        return Found(session, user, None, None)
    return Found(session, user, workspace_of(row), Role(row["role"]))
