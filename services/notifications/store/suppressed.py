"""Remembers which addresses take no mail, and what the mail server last said."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from chassis.database import Transaction
from contracts.base import uuid7

_SUPPRESS = text(
    "insert into suppressed (workspace_id, id, address, reason, since) values (:ws, :id, lower(:address), :reason, :at)"
    " on conflict (workspace_id, address) do nothing"
)
_IS = text("select exists (select 1 from suppressed where workspace_id = :ws and address = lower(:address))")
_ALL = text("select id, address, reason, since from suppressed where workspace_id = :ws order by id desc limit :many")
_LIFT = text("delete from suppressed where workspace_id = :ws and id = :id")
_SAID = text(
    "insert into mail_server (said, at) values (:said, :at)"
    " on conflict (one) do update set said = excluded.said, at = excluded.at"
)
_LAST = text("select said, at from mail_server")


@dataclass(frozen=True, slots=True)
class Suppression:
    """An address that mail was refused at for good."""

    id: UUID
    address: str
    reason: str
    since: dt.datetime


async def suppress(tx: Transaction, workspace_id: str, address: str, reason: str, at: dt.datetime) -> None:
    """Write to this address no more, from this workspace, until an admin lifts it."""
    row = {"ws": workspace_id, "id": uuid7(), "address": address, "reason": reason, "at": at}
    await tx.execute(_SUPPRESS, row)


async def is_suppressed(tx: Transaction, workspace_id: str, address: str) -> bool:
    """Tell whether this address takes no mail."""
    return bool(await tx.scalar(_IS, {"ws": workspace_id, "address": address}))


async def suppressions(tx: Transaction, many: int) -> Sequence[Suppression]:
    """Return the addresses that take no mail, latest first."""
    rows = await tx.all(_ALL, {"ws": tx.workspace_id, "many": many})
    return [Suppression(row["id"], row["address"], row["reason"], row["since"]) for row in rows]


async def lift(tx: Transaction, id: UUID) -> bool:
    """Write to an address again; False where it is not in the list."""
    return bool(await tx.execute(_LIFT, {"ws": tx.workspace_id, "id": id}))


async def server_said(tx: Transaction, said: str, at: dt.datetime) -> None:
    """Remember what the mail server said, in a word."""
    await tx.execute(_SAID, {"said": said, "at": at})


async def last_said(tx: Transaction) -> tuple[str, dt.datetime] | None:
    """Return what the mail server said last, and when."""
    row = await tx.one(_LAST)
    return (row["said"], row["at"]) if row else None
