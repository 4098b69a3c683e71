"""Remembers how somebody is written to, and what workspaces are called."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from chassis.database import Row, Transaction
from contracts.base import Role
from contracts.preferences import QuietHours

_OF = text("select * from correspondents where workspace_id = :ws and user_id = :user")
_SAVE = text(
    "insert into correspondents (workspace_id, user_id, paused, quiet_from, quiet_until, zone, version)"
    " values (:ws, :user, :paused, :start, :end, :zone, 2)"
    " on conflict (workspace_id, user_id) do update set paused = excluded.paused, quiet_from = excluded.quiet_from,"
    " quiet_until = excluded.quiet_until, zone = excluded.zone, version = correspondents.version + 1"
    " returning version"
)
_READER = text("""
    select m.known, m.role, m.email, m.name, c.paused, c.quiet_from, c.quiet_until, c.zone, c.leave_token,
        w.name as workspace, w.slug
    from members m
    left join correspondents c using (workspace_id, user_id)
    left join workspaces w using (workspace_id)
    where m.workspace_id = :ws and m.user_id = :user
""")
_TOKEN = text(
    "insert into correspondents (workspace_id, user_id, leave_token) values (:ws, :user, :token)"
    " on conflict (workspace_id, user_id) do update"
    " set leave_token = coalesce(correspondents.leave_token, excluded.leave_token)"
)
_LEAVE = text(
    "update correspondents set paused = true, version = version + cast(not paused as int) where leave_token = :token"
)
_WORKSPACE = text(
    "insert into workspaces (workspace_id, name, slug) values (:ws, :name, :slug)"
    " on conflict (workspace_id) do update set name = excluded.name, slug = excluded.slug"
)
_RENAME = text("update members set name = :name where workspace_id = :ws and user_id = :user")
_KNOW = text("update members set name = :name, email = :email where workspace_id = :ws and user_id = :user")


@dataclass(frozen=True, slots=True)
class Wishes:
    """How somebody wants to be written to."""

    paused: bool = False
    quiet: QuietHours | None = None


@dataclass(frozen=True, slots=True)
class Correspondent:
    """A member as a letter needs them; without role: removed."""

    role: Role | None
    email: str
    name: str
    wishes: Wishes
    workspace: str
    slug: str
    leave_token: str | None


async def wishes(tx: Transaction, person: UUID) -> tuple[Wishes, int]:
    """Return how somebody wants to be written to, and the version of all that they chose."""
    row = await tx.one(_OF, {"ws": tx.workspace_id, "user": person})
    return (_wishes(row), row["version"]) if row else (Wishes(), 1)


async def wish(tx: Transaction, person: UUID, wishes: Wishes) -> int:
    """Remember how somebody wants to be written to; return the version that all of their choices have by that."""
    quiet = wishes.quiet
    row = {
        "paused": wishes.paused,
        "start": quiet and _minutes(quiet.start),
        "end": quiet and _minutes(quiet.end),
        "zone": quiet and quiet.zone,
    }
    saved = await tx.one(_SAVE, {"ws": tx.workspace_id, "user": person} | row)
    return int(saved["version"]) if saved else 1


async def correspondent(tx: Transaction, workspace_id: str, person: UUID) -> Correspondent | None:
    """Return a member as a letter needs them; None while they, or their workspace, are not known enough."""
    row = await tx.one(_READER, {"ws": workspace_id, "user": person})
    if row is None or not row["known"]:
        return None
    if row["role"] is not None and (row["email"] is None or row["slug"] is None):
        return None
    return Correspondent(
        role=Role(row["role"]) if row["role"] else None,
        email=row["email"] or "",
        name=row["name"] or "",
        wishes=_wishes(row),
        workspace=row["workspace"] or "",
        slug=row["slug"] or "",
        leave_token=row["leave_token"],
    )


async def give_token(tx: Transaction, workspace_id: str, person: UUID, token: str) -> None:
    """Give somebody what they stop their mail with, unless they have it."""
    await tx.execute(_TOKEN, {"ws": workspace_id, "user": person, "token": token})


async def leave(tx: Transaction, token: str) -> bool:
    """Pause the mail of whoever has this token; False where nobody has."""
    return bool(await tx.execute(_LEAVE, {"token": token}))


async def workspace(tx: Transaction, name: str, slug: str) -> None:
    """Know what this workspace is called."""
    await tx.execute(_WORKSPACE, {"ws": tx.workspace_id, "name": name, "slug": slug})


async def know(tx: Transaction, person: UUID, name: str, email: str) -> None:
    """Know a member's name and address."""
    await tx.execute(_KNOW, {"ws": tx.workspace_id, "user": person, "name": name, "email": email})


async def rename(tx: Transaction, person: UUID, name: str) -> None:
    """Know what a member is called now."""
    await tx.execute(_RENAME, {"ws": tx.workspace_id, "user": person, "name": name})


def _wishes(row: Row) -> Wishes:
    quiet = None
    if row["zone"] is not None:
        quiet = QuietHours(start=_clock(row["quiet_from"]), end=_clock(row["quiet_until"]), zone=row["zone"])
    return Wishes(paused=bool(row["paused"]), quiet=quiet)


def _minutes(clock: str) -> int:
    at = dt.time.fromisoformat(clock)
    return at.hour * 60 + at.minute


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
