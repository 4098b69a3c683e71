"""Remembers what people want to hear of, where they said so."""

import datetime as dt
from collections.abc import Iterable, Mapping
from uuid import UUID

from sqlalchemy import text

from chassis.database import Transaction
from contracts.notifications import Kind
from contracts.preferences import Preferences, Wanted

_OF = text("""
    select user_id, jsonb_object_agg(kind, jsonb_build_object('inbox', inbox, 'mail', mail)) as chosen
    from (
        select distinct on (user_id, kind) user_id, kind, inbox, mail from preferences
        where workspace_id = :ws and user_id = any(cast(:users as uuid[])) and since <= :at
        order by user_id, kind, since desc
    ) p group by user_id
""")
_CURIOUS = text("""
    (
        select distinct on (user_id) user_id, since, inbox or mail as wanted from preferences
        where workspace_id = :ws and kind = :kind and since <= :at order by user_id, since desc
    )
    union all
    select user_id, since, inbox or mail from preferences where workspace_id = :ws and kind = :kind and since > :at
    order by since
""")
_PREFER = text(
    "insert into preferences (workspace_id, user_id, kind, since, inbox, mail)"
    " values (:ws, :user, :kind, :at, :inbox, :mail)"
    " on conflict (workspace_id, user_id, kind, since) do update set inbox = excluded.inbox, mail = excluded.mail"
)
_MUTE = text(
    "insert into mutes (workspace_id, ticket_id, user_id, since, muted) values (:ws, :ticket, :user, :at, :muted)"
    " on conflict (workspace_id, ticket_id, user_id, since) do update set muted = excluded.muted"
)
_MUTED = text("""
    select user_id from (
        select distinct on (user_id) user_id, muted from mutes
        where workspace_id = :ws and ticket_id = :ticket and user_id = any(cast(:users as uuid[])) and since <= :at
        order by user_id, since desc
    ) m where muted
""")


async def preferences(tx: Transaction, people: Iterable[UUID], at: dt.datetime) -> dict[UUID, Preferences]:
    """Return what these people wanted at that time, those who had said so."""
    rows = await tx.all(_OF, {"ws": tx.workspace_id, "users": list(people), "at": at})
    return {row["user_id"]: Preferences.model_validate(row["chosen"]) for row in rows}


async def curious(tx: Transaction, kind: Kind, at: dt.datetime) -> frozenset[UUID]:
    """Return who wanted to hear of every new ticket of this sort at that time, by whatever way."""
    began, choices = tx.known.get((curious, kind), (None, ()))
    if began is None or at < began:
        choices = await tx.all(_CURIOUS, {"ws": tx.workspace_id, "kind": kind.value, "at": at})
        tx.known[curious, kind] = at, choices
    wanted = {row["user_id"]: row["wanted"] for row in choices if row["since"] <= at}
    return frozenset(person for person, wants in wanted.items() if wants)


async def prefer(tx: Transaction, person: UUID, chosen: Mapping[str, Wanted], at: dt.datetime) -> None:
    """Remember by which ways somebody wants to hear of these kinds from that time on."""
    where = {"ws": tx.workspace_id, "user": person, "at": at}
    for kind, wanted in sorted(chosen.items()):
        tx.known.pop((curious, kind), None)
        await tx.execute(_PREFER, where | {"kind": kind, "inbox": wanted.inbox, "mail": wanted.mail})


async def mute(tx: Transaction, ticket_id: UUID, person: UUID, at: dt.datetime, *, muted: bool) -> None:
    """Remember that somebody wants to hear nothing of a ticket from that time on, or again."""
    where = {"ws": tx.workspace_id, "ticket": ticket_id, "user": person, "at": at}
    await tx.execute(_MUTE, where | {"muted": muted})


async def muted(tx: Transaction, ticket_id: UUID, people: Iterable[UUID], at: dt.datetime) -> frozenset[UUID]:
    """Return who of these wanted to hear nothing of a ticket at that time."""
    where = {"ws": tx.workspace_id, "ticket": ticket_id, "users": list(people), "at": at}
    return frozenset(row["user_id"] for row in await tx.all(_MUTED, where))
