"""Remembers how far the import of a file has come, and who is a member here of those in it."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from chassis.database import Transaction

_BEGIN = text(
    "insert into imports (workspace_id, export_id, begun_at) values (:ws, :export, :at)"
    " on conflict (workspace_id) do nothing"
)
_IMPORT = text(
    "select export_id, lines, digest, digest_lines, begun_at, finished_at from imports where workspace_id = :ws"
)
_LOCKED = text(f"{_IMPORT.text} for update")
_REACHED = text(
    "update imports set lines = greatest(lines, :lines), digest = :digest, digest_lines = :lines"
    " where workspace_id = :ws"
)
_FINISHED = text("update imports set finished_at = :at where workspace_id = :ws")
_MEMBERS = text(
    "select u.id, lower(u.email) as email from memberships m join users u on u.id = m.user_id"
    " where m.workspace_id = :ws and (lower(u.email) = any(cast(:emails as text[])))"
)
_IDS = text("select user_id from memberships where workspace_id = :ws and user_id = any(cast(:ids as uuid[]))")


@dataclass(frozen=True, slots=True)
class Import:
    """The import of a file into this workspace."""

    export_id: UUID
    lines: int
    """So many of its lines are done."""
    digest: str | None
    """The SHA-256 of its first `digest_lines` lines, in hex; None of an import that nobody took it from."""
    digest_lines: int | None
    begun_at: dt.datetime
    finished_at: dt.datetime | None


async def begin_import(tx: Transaction, export: UUID, at: dt.datetime) -> bool:
    """Begin an import unless there is one."""
    return bool(await tx.execute(_BEGIN, {"ws": tx.workspace_id, "export": export, "at": at}))


async def import_here(tx: Transaction, *, lock: bool = False) -> Import | None:
    """Return the import into this workspace, if there is one; `lock`: nobody else says meanwhile how far it is."""
    row = await tx.one(_LOCKED if lock else _IMPORT, {"ws": tx.workspace_id})
    return Import(**row) if row else None


async def import_reached(tx: Transaction, lines: int, digest: str) -> None:
    """Remember that so many lines are done, which have this digest."""
    await tx.execute(_REACHED, {"ws": tx.workspace_id, "lines": lines, "digest": digest})


async def import_finished(tx: Transaction, at: dt.datetime) -> None:
    """Remember that all of it is here."""
    await tx.execute(_FINISHED, {"ws": tx.workspace_id, "at": at})


async def members_at(tx: Transaction, emails: Iterable[str]) -> dict[str, UUID]:
    """Return the members with these addresses, which are in small letters."""
    rows = await tx.all(_MEMBERS, {"ws": tx.workspace_id, "emails": list(emails)})
    return {row["email"]: row["id"] for row in rows}


async def members_of(tx: Transaction, ids: Iterable[UUID]) -> set[UUID]:
    """Return which of these are members here."""
    return {row["user_id"] for row in await tx.all(_IDS, {"ws": tx.workspace_id, "ids": list(ids)})}
