"""Remembers mail that came in: as it came, and what became of it. Nothing that was acknowledged is lost.

Who takes and delivers runs in a transaction over all workspaces.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID, uuid5

from sqlalchemy import text

from chassis.database import Row, Transaction

_NAMES = UUID("7c1f3b0e-6a54-4d0b-8a5e-2f0d8a3f9b61")
_ABOUT = "id, workspace_id, nth, token, sender, received_at, state, reason, attempts, octet_length(raw) as size"

_KEEP = text(
    "insert into inbound_mails (id, workspace_id, token, known_as, sender, raw, received_at, not_before)"
    " values (:id, (select a.workspace_id from reply_addresses a where a.token = :token),"
    " :token, :known_as, :sender, :raw, :at, :at)"
    " on conflict (id) do nothing"
)
_TAKEN_BY = text(
    "select count(*) as mails, coalesce(sum(octet_length(raw)), 0) as bytes from inbound_mails"
    " where token = :token and received_at > :since"
)
_TAKEN_BY_STRANGERS = text(
    "select count(*) as mails, coalesce(sum(octet_length(raw)), 0) as bytes from inbound_mails"
    " where workspace_id is null and received_at > :since"
)
_DUE = text(
    f"select {_ABOUT} from inbound_mails where state = 'received' and not_before <= :now"  # noqa: S608 - constants
    " order by not_before, nth limit :many"
)
_RAW = text("select raw from inbound_mails where id = :id")
_ONE = text(f"select {_ABOUT} from inbound_mails where id = :id")  # noqa: S608 - as above
_NEWEST = text(f"select {_ABOUT} from inbound_mails order by nth desc limit :many")  # noqa: S608 - as above
_SETTLE = text(
    "update inbound_mails set state = :state, reason = :reason, settled_at = :at where id = :id and state = 'received'"
)
_LATER = text(
    "update inbound_mails set not_before = :until, reason = :reason, attempts = attempts + 1"
    " where id = :id and state = 'received'"
)
_AGAIN = text(
    "update inbound_mails"
    " set state = 'received', reason = null, settled_at = null, attempts = 0, not_before = received_at"
    " where workspace_id = :ws and nth = :nth and state = 'buried'"
)
_LATELY = text(
    "select settled_at from inbound_mails where token = :token and state = 'delivered' and settled_at > :since"
    " order by settled_at desc limit :many"
)
_FORGET = text("delete from inbound_mails where received_at < :before and state <> 'received'")
_FORGET_STRANGERS = text(
    "delete from inbound_mails where workspace_id is null and nth <="
    " (select nth from inbound_mails where workspace_id is null and state <> 'received'"
    " order by nth desc offset :many limit 1) and state <> 'received'"
)


class InboundState(StrEnum):
    """What became of a mail that came in."""

    RECEIVED = "received"
    DELIVERED = "delivered"
    IGNORED = "ignored"
    """No person's answer, or to nobody who is known."""
    BURIED = "buried"
    """A dead letter of its workspace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inbound:
    """A mail that came in, without its words."""

    id: UUID
    """Made of its token and of what it is known by: the same mail has it for ever."""
    nth: int
    workspace_id: str | None
    token: str
    sender: str
    received_at: dt.datetime
    state: InboundState
    reason: str | None
    attempts: int
    size: int


async def keep_inbound(tx: Transaction, *, token: str, known_as: str, sender: str, raw: bytes, at: dt.datetime) -> bool:
    """Keep a mail as it came; False: it came before."""
    id = uuid5(_NAMES, f"{token} {known_as}")
    row = {"id": id, "token": token, "known_as": known_as, "sender": sender, "raw": raw, "at": at}
    return bool(await tx.execute(_KEEP, row))


async def room_taken(tx: Transaction, token: str, since: dt.datetime, *, known: bool) -> tuple[int, int]:
    """Return how many mails, and bytes of them, came to this token since then, or to all that nobody has."""
    row = await tx.one(_TAKEN_BY if known else _TAKEN_BY_STRANGERS, {"token": token, "since": since})
    return (int(row["mails"]), int(row["bytes"])) if row else (0, 0)


async def due_inbound(tx: Transaction, now: dt.datetime, many: int) -> Sequence[Inbound]:
    """Return what should be delivered now, in the order in which it came."""
    return [_inbound(row) for row in await tx.all(_DUE, {"now": now, "many": many})]


async def raw_of(tx: Transaction, id: UUID) -> bytes | None:
    """Return a mail as it came, if it is still kept."""
    raw = await tx.scalar(_RAW, {"id": id})
    return bytes(raw) if raw is not None else None


async def inbound(tx: Transaction, id: UUID) -> Inbound | None:
    """Return one mail that came in."""
    row = await tx.one(_ONE, {"id": id})
    return _inbound(row) if row else None


async def newest_inbound(tx: Transaction, many: int) -> Sequence[Inbound]:
    """Return the mails that came in last, newest first."""
    return [_inbound(row) for row in await tx.all(_NEWEST, {"many": many})]


async def settle_inbound(tx: Transaction, id: UUID, state: InboundState, reason: str | None, at: dt.datetime) -> bool:
    """Remember what became of a mail; False where that was known."""
    return bool(await tx.execute(_SETTLE, {"id": id, "state": state.value, "reason": reason, "at": at}))


async def let_inbound_wait(tx: Transaction, id: UUID, reason: str, until: dt.datetime) -> None:
    """Deliver a mail later."""
    await tx.execute(_LATER, {"id": id, "reason": reason, "until": until})


async def receive_again(tx: Transaction, nth: int) -> bool:
    """Have a mail that was buried delivered once more; False where it is not kept."""
    return bool(await tx.execute(_AGAIN, {"ws": tx.workspace_id, "nth": nth}))


async def delivered_lately(tx: Transaction, token: str, since: dt.datetime, many: int) -> Sequence[dt.datetime]:
    """Return when answers to this token were delivered since then, latest first."""
    rows = await tx.all(_LATELY, {"token": token, "since": since, "many": many})
    return [row["settled_at"] for row in rows]


async def forget_inbound(tx: Transaction, before: dt.datetime, strangers: int) -> int:
    """Forget what came before then, and of what is for nobody known all but so many; return how much that was."""
    old = await tx.execute(_FORGET, {"before": before})
    return old + await tx.execute(_FORGET_STRANGERS, {"many": strangers})


def _inbound(row: Row) -> Inbound:
    return Inbound(
        id=row["id"],
        nth=row["nth"],
        workspace_id=row["workspace_id"],
        token=row["token"],
        sender=row["sender"],
        received_at=row["received_at"],
        state=InboundState(row["state"]),
        reason=row["reason"],
        attempts=row["attempts"],
        size=row["size"],
    )
