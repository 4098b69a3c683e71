"""Puts away what facts have made, to be made again, and what people did with it, to be done again."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import batched
from uuid import UUID

from sqlalchemy import text

from chassis.database import Transaction
from contracts.notifications import Kind

_TAKE = text(
    "delete from items where workspace_id = :ws returning recipient_id, cause, kind, ticket_id, at, nth, id, read_at"
)
_SET_ASIDE = (
    text("delete from watchers where workspace_id = :ws"),
    text("delete from called_back where workspace_id = :ws"),
    text("update tickets set deleted = false where workspace_id = :ws"),
    text(
        "update members set known = false, role = null, told = 0, opened = null,"
        " opened_at = null, causes = 0 where workspace_id = :ws"
    ),
)
_BACK = text("""
    update items i set id = s.id, read_at = case when i.nth is not null then s.read_at end
    from unnest(
        cast(:recipients as uuid[]), cast(:causes as uuid[]), cast(:ids as uuid[]), cast(:read as timestamptz[])
    ) as s(recipient_id, cause, id, read_at)
    where i.workspace_id = :ws and s.cause = i.cause and s.recipient_id = i.recipient_id
""")
_ITEMS = text("select count(*) from items where workspace_id = :ws and nth is not null")
_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Before:
    """An item as it was."""

    recipient_id: UUID
    cause: UUID
    kind: Kind
    ticket_id: UUID | None
    """None: no log tells it."""
    at: dt.datetime
    nth: int | None
    id: UUID
    read_at: dt.datetime | None


async def set_aside(tx: Transaction) -> list[Before]:
    """Empty this workspace's inboxes and forget all that facts have made beside them; return what was in them."""
    taken = await tx.all(_TAKE, {"ws": tx.workspace_id})
    for statement in _SET_ASIDE:
        await tx.execute(statement, {"ws": tx.workspace_id})
    return [Before(**row | {"kind": Kind(row["kind"])}) for row in map(dict, taken)]


async def as_it_was_read(tx: Transaction, before: Sequence[Before]) -> int:
    """Give what was made again the ids and read marks that it had; return how many items there are."""
    for some in batched(before, _AT_ONCE, strict=False):
        columns = {
            "recipients": [each.recipient_id for each in some],
            "causes": [each.cause for each in some],
            "ids": [each.id for each in some],
            "read": [each.read_at for each in some],
        }
        await tx.execute(_BACK, {"ws": tx.workspace_id} | columns)
    return int(await tx.scalar(_ITEMS, {"ws": tx.workspace_id}))
