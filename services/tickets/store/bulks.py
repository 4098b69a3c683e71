"""Remembers changes of many tickets: which, what became of each, and what is still to be done."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from chassis import cursors
from chassis.database import Row, Transaction
from contracts.base import ActorKind, Caller
from contracts.refusals import Conflict
from contracts.tickets import BulkItem, BulkOutcome, BulkSnapshot, BulkState, ChangeTickets, TicketFilter
from services.tickets.store.filters import where

_ADD = text(
    "insert into bulks (workspace_id, id, command, actor_id, created_at)"
    " values (:ws, :id, cast(:command as jsonb), :actor, :at) on conflict (workspace_id, id) do nothing"
)
_ITEMS = "insert into bulk_items (workspace_id, bulk_id, number, ticket_id) select :ws, :bulk, t.number, t.id"
_BY_ID = text(
    f"{_ITEMS} from tickets t where t.workspace_id = :ws and t.id = any(cast(:ids as uuid[]))"
    " and (t.deleted_at is null or :deleted)"
)
_OTHERS = text(
    "select count(*) from bulk_items i join tickets t on t.workspace_id = i.workspace_id and t.id = i.ticket_id"
    " where i.workspace_id = :ws and i.bulk_id = :bulk and cast(t.assignee_id as text) is distinct from :me"
)
_RUNNING = text("select workspace_id, id from bulks where finished_at is null order by created_at, id limit :many")
# The lock is taken in a statement of its own: the next one sees what its last holder did.
_LOCK = text("select command from bulks where workspace_id = :ws and id = :id and finished_at is null for update")
_PENDING = text(
    "select ticket_id from bulk_items where workspace_id = :ws and bulk_id = :id and outcome = 'pending'"
    " order by number limit :many"
)
_DONE = text(
    "update bulk_items set outcome = :outcome, code = :code, detail = :detail, version = :version"
    " where workspace_id = :ws and bulk_id = :id and ticket_id = :ticket and outcome = 'pending'"
)
# What was to be done holds people's words, and is of no use any more.
_FINISH = text("update bulks set finished_at = :at, command = null where workspace_id = :ws and id = :id")
_READ = text("""
    select b.id, b.actor_id, b.created_at, b.finished_at, count(i.number) as total,
        count(*) filter (where i.outcome = 'changed') as changed,
        count(*) filter (where i.outcome = 'unchanged') as unchanged,
        count(*) filter (where i.outcome = 'refused') as refused
    from bulks b left join bulk_items i on i.workspace_id = b.workspace_id and i.bulk_id = b.id
    where b.workspace_id = :ws and b.id = :id group by b.workspace_id, b.id
""")
_PAGE = text(
    "select * from bulk_items where workspace_id = :ws and bulk_id = :id and number > :after"
    " order by number limit :many"
)


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one ticket."""

    ticket_id: UUID
    outcome: BulkOutcome
    version: int
    code: str | None = None
    detail: str | None = None


async def add_bulk(tx: Transaction, command: ChangeTickets, at: dt.datetime) -> None:
    """Remember what is to be done; raises Conflict when its id is taken."""
    added = await tx.execute(
        _ADD,
        {
            "ws": tx.workspace_id,
            "id": command.bulk_id,
            "command": command.model_dump_json(include={"caller", "via", "bulk_id", "change", "delete", "command_id"}),
            "actor": command.caller.id,
            "at": at,
        },
    )
    if not added:
        raise Conflict("There is a bulk change with this id already.")


async def choose_ids(tx: Transaction, bulk: UUID, ids: Sequence[UUID], *, deleted: bool) -> int:
    """Settle which tickets it is by their ids, deleted ones where those are seen; return how many there are."""
    values = {"ws": tx.workspace_id, "bulk": bulk, "ids": list(ids), "deleted": deleted}
    return await tx.execute(_BY_ID, values)


async def choose_filtered(tx: Transaction, bulk: UUID, wanted: TicketFilter, most: int) -> int:
    """Settle which tickets it is by a filter; return how many there are, `most` + 1 where there are more."""
    conditions, values = where(wanted, wanted.statuses)
    statement = f"{_ITEMS} from tickets t where {' and '.join(conditions)} limit :most"
    return await tx.execute(text(statement), {"ws": tx.workspace_id, "bulk": bulk, "most": most + 1, **values})


async def others_in(tx: Transaction, bulk: UUID, caller: Caller) -> int:
    """Return how many of the tickets are not assigned to this caller, who is a person or has none."""
    me = caller.id if caller.kind is ActorKind.USER else ""
    return int(await tx.scalar(_OTHERS, {"ws": tx.workspace_id, "bulk": bulk, "me": me}))


async def running(tx: Transaction, many: int) -> Sequence[tuple[str, UUID]]:
    """Return the workspace and id of bulk changes that go on, oldest first."""
    return [(row["workspace_id"], row["id"]) for row in await tx.all(_RUNNING, {"many": many})]


async def take_up(tx: Transaction, bulk: UUID, many: int) -> tuple[ChangeTickets, Sequence[UUID]] | None:
    """Return what is to be done, and the next tickets to do it with; None when it is done already."""
    row = await tx.one(_LOCK, {"ws": tx.workspace_id, "id": bulk})
    if row is None:
        return None
    pending = await tx.all(_PENDING, {"ws": tx.workspace_id, "id": bulk, "many": many})
    return ChangeTickets.model_validate(row["command"]), [each["ticket_id"] for each in pending]


async def record(tx: Transaction, bulk: UUID, done: Sequence[Done]) -> None:
    """Remember what became of tickets."""
    if done:
        await tx.each(_DONE, [_values(tx, bulk, each) for each in done])


async def finish(tx: Transaction, bulk: UUID, at: dt.datetime) -> None:
    """Remember that nothing is left to do."""
    await tx.execute(_FINISH, {"ws": tx.workspace_id, "id": bulk, "at": at})


async def bulk(tx: Transaction, id: UUID, cursor: str | None, limit: int, *, maker: str | None) -> BulkSnapshot | None:
    """Return how far a bulk change is, with a page of its tickets; None where there is none, or none by `maker`."""
    row = await tx.one(_READ, {"ws": tx.workspace_id, "id": id})
    if row is None or maker not in (None, row["actor_id"]):
        return None
    scope = f"bulk {tx.workspace_id} {id}"
    after = cursors.decode_number(scope, cursor) if cursor is not None else 0
    items = await tx.all(_PAGE, {"ws": tx.workspace_id, "id": id, "after": after, "many": limit + 1})
    page = [_item(item) for item in items[:limit]]
    return BulkSnapshot(
        id=row["id"],
        state=BulkState.DONE if row["finished_at"] else BulkState.RUNNING,
        total=row["total"],
        changed=row["changed"],
        unchanged=row["unchanged"],
        refused=row["refused"],
        created_at=row["created_at"],
        finished_at=row["finished_at"],
        items=tuple(page),
        next_cursor=cursors.encode(scope, [page[-1].number]) if len(items) > limit else None,
    )


def _values(tx: Transaction, bulk: UUID, done: Done) -> Mapping[str, Any]:
    return {
        "ws": tx.workspace_id,
        "id": bulk,
        "ticket": done.ticket_id,
        "outcome": done.outcome.value,
        "code": done.code,
        "detail": done.detail,
        "version": done.version,
    }


def _item(row: Row) -> BulkItem:
    return BulkItem(
        ticket_id=row["ticket_id"],
        number=row["number"],
        outcome=BulkOutcome(row["outcome"]),
        code=row["code"],
        detail=row["detail"],
        version=row["version"],
    )
