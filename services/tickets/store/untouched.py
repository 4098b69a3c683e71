"""Finds what lies resolved and untouched for as long as its workspace has settled."""

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text

from chassis.database import Transaction

# A ticket was resolved before it was touched last: the index on that time finds those that may be due.
_DUE = (
    "t.workspace_id = s.workspace_id and t.status = 'resolved' and t.deleted_at is null"
    " and t.resolved_at <= cast(:at as timestamptz) - make_interval(hours => 24 * s.auto_close_days)"
    " and t.updated_at <= cast(:at as timestamptz) - make_interval(hours => 24 * s.auto_close_days)"
)
_ONE = f"select 1 from tickets t where {_DUE}"  # noqa: S608 - constants
# A workspace that ended is not among those that are known here.
_WORKSPACES = text(
    f"select workspace_id from ticket_settings s join workspaces using (workspace_id) where exists ({_ONE})"  # noqa: S608 - constants
)
# Who is at work on a ticket touches it.
_TICKETS = text(
    f"select t.id from ticket_settings s join tickets t on {_DUE} where s.workspace_id = :ws"  # noqa: S608 - constants
    " order by t.resolved_at, t.id limit :many for update of t skip locked"
)


async def workspaces_with_untouched(tx: Transaction, at: dt.datetime) -> Sequence[str]:
    """Return the workspaces in which a ticket is to be closed."""
    return [row["workspace_id"] for row in await tx.all(_WORKSPACES, {"at": at})]


async def untouched(tx: Transaction, at: dt.datetime, many: int) -> Sequence[UUID]:
    """Return tickets that are to be closed, which nobody else changes before the commit; those at work are left."""
    return [row["id"] for row in await tx.all(_TICKETS, {"ws": tx.workspace_id, "at": at, "many": many})]
