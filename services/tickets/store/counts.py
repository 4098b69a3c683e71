"""Counts tickets: by sums that are kept where those know what is asked, else one by one up to a limit."""

from typing import Any

from sqlalchemy import text

from chassis.database import Transaction
from contracts.tickets import CountTickets, Status, TicketCounts
from services.tickets.store.filters import where

MOST_COUNTED = 200
"""Tickets that are looked at one by one to be counted."""

_FOLDED_AT_ONCE = 5_000
_KEPT_APART = {"assignee", "priorities"}
"""What the sums are kept apart by, beside the status."""

_ONE_BY_ONE = "select status, count(*) as many from (select t.status from tickets t where {} limit :most) t group by 1"
# From the tag to each of its tickets, until there are enough: read in a row they would be many more.
_OF_A_TAG = (
    "select status, count(*) as many from (select t.status from ticket_tags g"
    " cross join lateral (select t.status from tickets t where t.id = g.ticket_id and {} offset 0) t"
    " where g.workspace_id = :ws and g.tag = :tag limit :most) t group by 1"
)
# A sum and the steps since it change places in one transaction: whoever reads sees both as they were at one moment.
_SUMS = text("""
    select status, sum(many) as many from (
        select status, priority, assignee_id, deleted, many from ticket_counts where workspace_id = :ws
        union all
        select status, priority, assignee_id, deleted, change from ticket_count_steps where workspace_id = :ws
    ) c
    where deleted = :deleted
        and (cast(:priorities as text[]) is null or priority = any(:priorities))
        and (cast(:assignee as uuid) is null or assignee_id = :assignee)
        and not (:nobodys and assignee_id is not null)
    group by status
""")
_FOLD = text("""
    with taken as (
        delete from ticket_count_steps
        where (workspace_id, id) in (select workspace_id, id from ticket_count_steps limit :many)
        returning workspace_id, deleted, status, priority, assignee_id, change
    ), changed as (
        select workspace_id, deleted, status, priority, assignee_id, sum(change) as change from taken
        group by 1, 2, 3, 4, 5 having sum(change) <> 0
    ), summed as (
        insert into ticket_counts as c (workspace_id, deleted, status, priority, assignee_id, many)
        select * from changed
        on conflict (workspace_id, deleted, status, priority, assignee_id) do update set many = c.many + excluded.many
    )
    select count(*) from taken
""")


async def count(tx: Transaction, wanted: CountTickets) -> TicketCounts:
    """Return how many tickets of each status there are, 0 too, whichever statuses are wanted."""
    conditions, values = where(wanted, tuple(Status))
    by_sums = values.keys() <= _KEPT_APART
    if by_sums:
        rows = await tx.all(_SUMS, {"ws": tx.workspace_id, **_sorts(wanted)})
    else:
        shape = _ONE_BY_ONE
        if wanted.tag is not None and not (wanted.q or wanted.contact_q):
            shape, (conditions, _) = _OF_A_TAG, where(wanted.model_copy(update={"tag": None}), tuple(Status))
        statement = text(shape.format(" and ".join(conditions)))
        rows = await tx.all(statement, {"ws": tx.workspace_id, "most": MOST_COUNTED + 1, **values})
    counts = {row["status"]: int(row["many"]) for row in rows}
    return TicketCounts(
        counts={status: counts.get(status.value, 0) for status in Status},
        more=not by_sums and sum(counts.values()) > MOST_COUNTED,
    )


async def fold_counts(tx: Transaction) -> bool:
    """Add to the sums what has happened since; tell whether there may be more."""
    return int(await tx.scalar(_FOLD, {"many": _FOLDED_AT_ONCE})) == _FOLDED_AT_ONCE


def _sorts(wanted: CountTickets) -> dict[str, Any]:
    return {
        "deleted": wanted.deleted,
        "priorities": [each.value for each in wanted.priorities] or None,
        "assignee": wanted.assignee if wanted.assignee != "none" else None,
        "nobodys": wanted.assignee == "none",
    }
