"""Remembers what people want to hear of, where they said so."""

import datetime as dt
from collections.abc import Iterable, Mapping
from uuid import UUID

from sqlalchemy import text

from chassis.database import Transaction
from contracts.notifications import Preferences

_OF = text("""
    select user_id, jsonb_object_agg(kind, jsonb_build_object('inbox', inbox)) as chosen
    from (
        select distinct on (user_id, kind) user_id, kind, inbox from preferences
        where workspace_id = :ws and user_id = any(cast(:users as uuid[])) and since <= :at
        order by user_id, kind, since desc
    ) p group by user_id
""")
_CURIOUS = text("""
    select user_id from (
        select distinct on (user_id) user_id, inbox from preferences
        where workspace_id = :ws and kind = 'created' and since <= :at order by user_id, since desc
    ) p where inbox
""")
_PREFER = text(
    "insert into preferences (workspace_id, user_id, kind, since, inbox) values (:ws, :user, :kind, :at, :inbox)"
    " on conflict (workspace_id, user_id, kind, since) do update set inbox = excluded.inbox"
)


async def preferences(tx: Transaction, people: Iterable[UUID], at: dt.datetime) -> dict[UUID, Preferences]:
    """Return what these people wanted at that time, those who had said so."""
    rows = await tx.all(_OF, {"ws": tx.workspace_id, "users": list(people), "at": at})
    return {row["user_id"]: Preferences.model_validate(row["chosen"]) for row in rows}


async def curious(tx: Transaction, at: dt.datetime) -> frozenset[UUID]:
    """Return who wanted to hear of every new ticket at that time."""
    rows = await tx.all(_CURIOUS, {"ws": tx.workspace_id, "at": at})
    return frozenset(row["user_id"] for row in rows)


async def prefer(tx: Transaction, person: UUID, inbox: Mapping[str, bool], at: dt.datetime) -> None:
    """Remember of which kinds somebody wants to hear in their inbox from that time on, and of which not."""
    where = {"ws": tx.workspace_id, "user": person, "at": at}
    for kind, wanted in sorted(inbox.items()):
        await tx.execute(_PREFER, where | {"kind": kind, "inbox": wanted})
