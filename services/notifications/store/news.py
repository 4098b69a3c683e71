"""Remembers what is told by mail: each thing once, gathered until a mail of it is made."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from chassis.database import Transaction
from contracts.base import ActorKind, Audience
from contracts.notifications import Kind
from services.notifications.domain import Mail, News

_ADD = text(
    "insert into news (workspace_id, recipient_id, cause, because, kind, audience, ticket_id, actor_kind, actor_name,"
    " at, old, new, not_before)"
    " values (:ws, :recipient, :cause, :because, :kind, :audience, :ticket, :actor_kind, :actor_name,"
    " :at, :old, :new, :due)"
    " on conflict do nothing"
)
_READY = text(
    "select workspace_id, recipient_id from news where mail_id is null"
    " group by workspace_id, recipient_id having min(not_before) <= :now order by min(not_before) limit :many"
)
_WAITING = "workspace_id = :ws and recipient_id = :recipient and mail_id is null"
_FIRST = text(
    f"select because from news where {_WAITING} order by at, cause limit 1 for update"  # noqa: S608 - constants
)
# What was heard late of a cause that is in a mail already belongs into that one, and makes no other.
_JOIN = text(
    f"update news n set mail_id = m.mail_id from news m where n.{_WAITING.replace('and ', 'and n.')}"  # noqa: S608 - constants
    " and m.workspace_id = :ws and m.recipient_id = :recipient and m.because = n.because and m.mail_id is not null"
)
_TAKE = text(f"update news set mail_id = :mail where {_WAITING} returning ticket_id")  # noqa: S608 - constants
_WAIT = text(f"update news set not_before = :until where {_WAITING}")  # noqa: S608 - constants
_DROP = text(f"delete from news where {_WAITING} and at <= :before")  # noqa: S608 - constants
_LATELY = text(
    "select made_at from mails where workspace_id = :ws and recipient = :recipient and kind = 'news'"
    " and made_at > :since order by made_at desc limit :many"
)
_OF = text("""
    select n.*, t.number, t.subject, coalesce(t.deleted, false) or coalesce((
        select m.muted from mutes m
        where m.workspace_id = n.workspace_id and m.ticket_id = n.ticket_id and m.user_id = n.recipient_id
        order by m.since desc limit 1
    ), false) as hidden
    from news n left join tickets t on t.workspace_id = n.workspace_id and t.id = n.ticket_id
    where n.mail_id = :mail order by n.at, n.cause
""")


@dataclass(frozen=True, slots=True)
class Ready:
    """Somebody whom news has waited for long enough."""

    workspace_id: str
    recipient_id: UUID


async def add_news(tx: Transaction, recipient: UUID, fact: UUID, news: News, due: dt.datetime) -> None:
    """Keep what somebody is to hear by mail; the same fact is the same news."""
    row = {
        "ws": tx.workspace_id,
        "recipient": recipient,
        "cause": fact,
        "because": news.because,
        "kind": news.kind.value,
        "audience": news.audience.value,
        "ticket": news.ticket_id,
        "actor_kind": news.actor_kind.value,
        "actor_name": news.actor_name,
        "at": news.at,
        "old": news.old,
        "new": news.new,
        "due": due,
    }
    await tx.execute(_ADD, row)


async def ready(tx: Transaction, now: dt.datetime, many: int) -> Sequence[Ready]:
    """Return whom news has waited for long enough."""
    rows = await tx.all(_READY, {"now": now, "many": many})
    return [Ready(row["workspace_id"], row["recipient_id"]) for row in rows]


async def join_mails(tx: Transaction, who: Ready) -> None:
    """Put what waits and tells of a cause that has its mail into that mail."""
    await tx.execute(_JOIN, _where(who))


async def first_cause(tx: Transaction, who: Ready) -> UUID | None:
    """Return the cause of the first thing that waits, and keep others from it until the commit."""
    cause: UUID | None = await tx.scalar(_FIRST, _where(who))
    return cause


async def take(tx: Transaction, who: Ready, mail_id: UUID) -> set[UUID | None]:
    """Put all that waits into a mail; return the tickets that it is about."""
    return {row["ticket_id"] for row in await tx.all(_TAKE, _where(who) | {"mail": mail_id})}


async def postpone(tx: Transaction, who: Ready, until: dt.datetime) -> None:
    """Let what waits wait until then."""
    await tx.execute(_WAIT, _where(who) | {"until": until})


async def drop_news(tx: Transaction, who: Ready, before: dt.datetime) -> None:
    """Forget what waits and happened before then."""
    await tx.execute(_DROP, _where(who) | {"before": before})


async def written_lately(tx: Transaction, who: Ready, since: dt.datetime, many: int) -> Sequence[dt.datetime]:
    """Return when mails of news were made for somebody since then, latest first."""
    where = {"ws": who.workspace_id, "recipient": f"member:{who.recipient_id}", "since": since, "many": many}
    return [row["made_at"] for row in await tx.all(_LATELY, where)]


async def news_of(tx: Transaction, mail: Mail) -> list[News]:
    """Return what a mail tells, in the order in which it happened, with what is known of it now."""
    return [
        News(
            because=row["because"],
            kind=Kind(row["kind"]),
            audience=Audience(row["audience"]),
            at=row["at"],
            actor_kind=ActorKind(row["actor_kind"]),
            actor_name=row["actor_name"],
            old=row["old"],
            new=row["new"],
            ticket_id=row["ticket_id"],
            number=row["number"],
            subject=row["subject"],
            hidden=row["hidden"],
        )
        for row in await tx.all(_OF, {"mail": mail.id})
    ]


def _where(who: Ready) -> dict[str, object]:
    return {"ws": who.workspace_id, "recipient": who.recipient_id}
