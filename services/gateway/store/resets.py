"""Remembers who asked for a new password, and the links that were mailed for it."""

import datetime as dt
from uuid import UUID

from sqlalchemy import text

from chassis.database import Row, Transaction
from services.gateway.domain import RESET_LIFE, Reset, User

_COLUMNS = (
    "select r.id as reset_id, r.asked_at, r.tries, u.id, u.email, u.name"
    " from password_resets r join users u on u.id = r.user_id"
)
# The same statement whether the address is known or not: nothing that a clock could tell apart.
_ADD = text(
    "insert into password_resets (id, user_id, asked_at, due_at)"
    " select cast(:id as uuid), id, cast(:at as timestamptz), cast(:at as timestamptz)"
    " from users where lower(email) = lower(:email)"
)
_NEXT = text(
    f"{_COLUMNS} where r.sent_at is null and r.due_at <= :now and r.asked_at > :since"
    " order by r.due_at limit 1 for update of r skip locked"
)
_POSTPONE = text("update password_resets set due_at = :due, tries = tries + 1 where id = :id")
_SENT = text("update password_resets set sent_at = :at where id = :id")
_ADD_TOKEN = text(
    "insert into password_reset_tokens (token_hash, reset_id, expires_at) values (:hash, :reset, :expires_at)"
)
_OF_TOKEN = (
    f"{_COLUMNS} join password_reset_tokens t on t.reset_id = r.id where t.token_hash = :hash and t.expires_at > :now"
)
_RESET = text(_OF_TOKEN)
_RESET_LOCKED = text(f"{_OF_TOKEN} for update of r")
_FORGET = text("delete from password_resets where user_id = :user")
_PURGE = text("delete from password_resets where asked_at <= :before")


async def add_reset(tx: Transaction, id: UUID, email: str, at: dt.datetime) -> None:
    """Remember that whoever has this address wants a new password; nothing where nobody has it."""
    await tx.execute(_ADD, {"id": id, "email": email, "at": at})


async def next_reset(tx: Transaction, now: dt.datetime) -> Reset | None:
    """Return a wish whose mail is due, and keep it from others."""
    row = await tx.one(_NEXT, {"now": now, "since": now - RESET_LIFE})
    return _reset(row) if row else None


async def postpone_reset(tx: Transaction, reset: Reset, due: dt.datetime) -> None:
    """Remember when to try to mail it next, unless it is sent before."""
    await tx.execute(_POSTPONE, {"id": reset.id, "due": due})


async def add_reset_token(tx: Transaction, reset: Reset, token_hash: bytes, expires_at: dt.datetime) -> None:
    """Let one more link set the password: of a mail whose receipt was lost it is not known which link it holds."""
    await tx.execute(_ADD_TOKEN, {"hash": token_hash, "reset": reset.id, "expires_at": expires_at})


async def reset_sent(tx: Transaction, reset: Reset, at: dt.datetime) -> None:
    """Remember that the mail is on its way."""
    await tx.execute(_SENT, {"id": reset.id, "at": at})


async def reset_of(tx: Transaction, token_hash: bytes, now: dt.datetime, *, lock: bool = False) -> Reset | None:
    """Return the wish that this link fulfils; with `lock` nobody else can use it meanwhile."""
    row = await tx.one(_RESET_LOCKED if lock else _RESET, {"hash": token_hash, "now": now})
    return _reset(row) if row else None


async def forget_resets(tx: Transaction, user_id: UUID) -> None:
    """Forget what a user asked for: every link that was mailed to them sets nothing from now on."""
    await tx.execute(_FORGET, {"user": user_id})


async def purge_resets(tx: Transaction, before: dt.datetime) -> int:
    """Forget wishes of before this; returns how many."""
    return await tx.execute(_PURGE, {"before": before})


def _reset(row: Row) -> Reset:
    return Reset(
        id=row["reset_id"],
        user=User(id=row["id"], email=row["email"], name=row["name"]),
        asked_at=row["asked_at"],
        tries=row["tries"],
    )
