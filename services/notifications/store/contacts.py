"""Remembers what contacts are to be written of, what they were, and which strangers were written to today."""

import datetime as dt
from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import text

from chassis.database import Row, Transaction
from contracts.mail import MailKind
from services.notifications.domain import ToTell

_KEEP = text(
    "insert into contact_news (workspace_id, kind, cause, ticket_id, at, not_before)"
    " values (:ws, :kind, :cause, :ticket, :at, :due) on conflict do nothing"
)
_DUE = text(
    "select * from contact_news where settled_at is null and not_before <= :now"
    " order by not_before, at, kind, cause limit :many"
)
_HOLD = text(
    "select settled_at is null from contact_news where workspace_id = :ws and kind = :kind and cause = :cause"
    " for update"
)
_SETTLE = text(
    "insert into contact_news (workspace_id, kind, cause, ticket_id, at, not_before, settled_at)"
    " select :ws, :kind, n.cause, :ticket, :at, :at, :now from unnest(cast(:causes as uuid[])) as n(cause)"
    " on conflict (workspace_id, kind, cause) do update"
    " set settled_at = coalesce(contact_news.settled_at, excluded.settled_at)"
)
_RESOLVED = text(
    "update contact_news set settled_at = :now"
    " where workspace_id = :ws and ticket_id = :ticket and kind = 'resolved' and settled_at is null"
)
_WAIT = text("update contact_news set not_before = :until where workspace_id = :ws and kind = :kind and cause = :cause")
_FORGET = text("delete from contact_news where settled_at <= :before")
_CLAIM = text(
    "insert into strangers (address_key, written_at) values (:key, :now)"
    " on conflict (address_key) do update set written_at = excluded.written_at"
    " where strangers.written_at <= :before"
)
_FORGET_STRANGERS = text("delete from strangers where written_at <= :before")
_WORKSPACE = text("select name from workspaces where workspace_id = :ws")


async def keep_to_tell(tx: Transaction, news: ToTell, due: dt.datetime) -> None:
    """Keep what a contact is to be written of; the same cause is the same news."""
    await tx.execute(_KEEP, _key(news) | {"ticket": news.ticket_id, "at": news.at, "due": due})


async def to_tell_now(tx: Transaction, now: dt.datetime, many: int) -> Sequence[ToTell]:
    """Return what has waited for long enough."""
    return [_news(row) for row in await tx.all(_DUE, {"now": now, "many": many})]


async def hold_to_tell(tx: Transaction, news: ToTell) -> bool:
    """Let nobody else write of it before the commit; False: it was written of."""
    return bool(await tx.scalar(_HOLD, _key(news)))


async def told(tx: Transaction, news: ToTell, causes: Iterable[UUID], now: dt.datetime) -> None:
    """Remember that all this was written of together, also what is heard of only later."""
    where = _key(news) | {"ticket": news.ticket_id, "at": news.at}
    await tx.execute(_SETTLE, where | {"causes": list(causes), "now": now})


async def told_resolved(tx: Transaction, ticket_id: UUID, now: dt.datetime) -> bool:
    """Remember that an answer says that the ticket is resolved; False where that was not to be told."""
    where = {"ws": tx.workspace_id, "ticket": ticket_id, "now": now}
    return bool(await tx.execute(_RESOLVED, where))


async def tell_later(tx: Transaction, news: ToTell, until: dt.datetime) -> None:
    """Let it wait until then."""
    await tx.execute(_WAIT, _key(news) | {"until": until})


async def claim_stranger(tx: Transaction, key: bytes, now: dt.datetime, before: dt.datetime) -> bool:
    """Take the one mail that an address gets that nobody vouches for; False: it had one after `before`."""
    return bool(await tx.execute(_CLAIM, {"key": key, "now": now, "before": before}))


async def forget_told(tx: Transaction, before: dt.datetime) -> int:
    """Forget what was written of before then."""
    return await tx.execute(_FORGET, {"before": before})


async def forget_strangers(tx: Transaction, before: dt.datetime) -> int:
    """Forget who was written to before then."""
    return await tx.execute(_FORGET_STRANGERS, {"before": before})


async def workspace_name(tx: Transaction) -> str | None:
    """Return what this workspace is called, as far as it is known."""
    name: str | None = await tx.scalar(_WORKSPACE, {"ws": tx.workspace_id})
    return name


def _key(news: ToTell) -> dict[str, object]:
    return {"ws": news.workspace_id, "kind": news.kind.value, "cause": news.cause}


def _news(row: Row) -> ToTell:
    return ToTell(
        workspace_id=row["workspace_id"],
        kind=MailKind(row["kind"]),
        cause=row["cause"],
        ticket_id=row["ticket_id"],
        at=row["at"],
    )
