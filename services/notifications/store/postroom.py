"""Reads a workspace's mail as those who run it see it: who it goes to, and what became of it."""

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text

from chassis import cursors
from chassis.database import Row, Transaction
from contracts.mail import MailKind, MailRecipient, MailRow, MailState
from contracts.refusals import Malformed

_LARGEST = 2**62
_OPEN = ("failed", "uncertain", "suppressed")
_ROWS = """
    select l.*, t.number as ticket_number, coalesce(l.to_name, m.name) as name, coalesce(l.to_email, m.email) as email
    from mails l
    left join tickets t on t.workspace_id = l.workspace_id and t.id = l.ticket_id
    left join members m on m.workspace_id = l.workspace_id and l.recipient = 'member:' || m.user_id
    where l.workspace_id = :ws
"""
_PAGE = text(
    f"{_ROWS} and l.nth < :before and (cast(:state as text) is null or l.state = :state)"
    " order by l.nth desc limit :many"
)
_ONE = text(f"{_ROWS} and l.id = :id")


async def mail_page(
    tx: Transaction, state: MailState | None, cursor: str | None, limit: int, now: dt.datetime
) -> tuple[Sequence[MailRow], str | None]:
    """Return a page of mails, newest first, and the cursor of the next one; raises Malformed."""
    scope = f"mails {tx.workspace_id} {state}"
    before = _before(scope, cursor) if cursor is not None else _LARGEST
    where = {"ws": tx.workspace_id, "before": before, "state": state and state.value, "many": limit + 1}
    rows = await tx.all(_PAGE, where)
    more = cursors.encode(scope, [rows[limit - 1]["nth"]]) if len(rows) > limit else None
    return [_row(row, now) for row in rows[:limit]], more


async def mail_row(tx: Transaction, id: UUID, now: dt.datetime) -> MailRow | None:
    """Return one of them."""
    row = await tx.one(_ONE, {"ws": tx.workspace_id, "id": id})
    return _row(row, now) if row else None


def _before(scope: str, cursor: str) -> int:
    match cursors.decode(scope, cursor):
        case [int(nth)] if 0 < nth <= _LARGEST:
            return nth
    raise Malformed("the cursor is broken")


def _row(row: Row, now: dt.datetime) -> MailRow:
    kind, _, id = row["recipient"].partition(":")
    has_words = row["letter"] is not None or row["kind"] == MailKind.NEWS
    return MailRow(
        id=row["id"],
        kind=MailKind(row["kind"]),
        state=MailState(row["state"]),
        recipient=MailRecipient(kind=kind, id=UUID(id) if id else None, name=row["name"], email=row["email"]),
        ticket_id=row["ticket_id"],
        ticket_number=row["ticket_number"],
        attempts=row["attempts"],
        made_at=row["made_at"],
        not_before=row["not_before"],
        settled_at=row["settled_at"],
        reason=row["reason"],
        may_resend=row["state"] in _OPEN and row["expires_at"] > now and has_words,
    )
