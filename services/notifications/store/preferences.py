"""Remembers what people want to hear of, where they said so."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from sqlalchemy import text

from chassis.database import Transaction
from contracts.notifications import Preferences

_OF = text(
    "select user_id, jsonb_object_agg(kind, jsonb_build_object('inbox', inbox)) as chosen"
    " from preferences where workspace_id = :ws and user_id = any(cast(:users as uuid[])) group by user_id"
)
_CURIOUS = text("select user_id from preferences where workspace_id = :ws and kind = 'created' and inbox")
_PREFER = text(
    "insert into preferences (workspace_id, user_id, kind, inbox) values (:ws, :user, :kind, :inbox)"
    " on conflict (workspace_id, user_id, kind) do update set inbox = excluded.inbox"
)


async def preferences(tx: Transaction, people: Iterable[UUID]) -> dict[UUID, Preferences]:
    """Return what these people want, those who ever said so."""
    rows = await tx.all(_OF, {"ws": tx.workspace_id, "users": list(people)})
    return {row["user_id"]: Preferences.model_validate(row["chosen"]) for row in rows}


async def curious(tx: Transaction) -> frozenset[UUID]:
    """Return who wants to hear of every new ticket."""
    rows = await tx.all(_CURIOUS, {"ws": tx.workspace_id})
    return frozenset(row["user_id"] for row in rows)


async def prefer(tx: Transaction, person: UUID, inbox: Mapping[str, bool]) -> None:
    """Remember of which kinds somebody wants to hear in their inbox, and of which not."""
    for kind, wanted in sorted(inbox.items()):
        await tx.execute(_PREFER, {"ws": tx.workspace_id, "user": person, "kind": kind, "inbox": wanted})
