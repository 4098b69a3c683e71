"""A workspace's rows: out, for the file that it leaves in, and in, from such a file."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from chassis import erasing, transfer
from chassis.database import Transaction
from contracts.base import Role
from contracts.erasing import ContactErased, Erasure
from contracts.refusals import Invalid, NotAllowed, NotFound
from contracts.transfer import ENTRY, ExportTickets, Imported, ImportIntoTickets, RowPage
from services.tickets.store.tickets import folded
from services.tickets.store.transfer import POSITION, TABLES, put_beside, put_facts


async def export(request: ExportTickets, tx: Transaction) -> RowPage:
    """Return the next rows of a kind."""
    return await transfer.answer(request, tx, (*TABLES, POSITION))


async def import_rows(command: ImportIntoTickets, tx: Transaction) -> Imported:
    """Add the rows of a file that are not there."""
    if command.caller.role is not Role.OWNER:
        raise NotAllowed("Only an owner may import.")
    if command.kind == ENTRY:
        return Imported(fresh=0 if command.dry_run else await _put_facts(tx, command.rows))
    table = next((each for each in TABLES if each.kind == command.kind), None)
    if table is None:
        raise NotFound
    try:
        rows = [_whole(command.kind, row) for row in command.rows]
    except (KeyError, TypeError, AttributeError) as error:
        raise Invalid.field("rows", "missing", f"{error} must be given") from error
    fresh = await transfer.put(tx, table, rows, dry_run=command.dry_run)
    if command.kind == "ticket" and not command.dry_run:
        await put_beside(tx, rows)
    return Imported(fresh=fresh)


async def _put_facts(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> int:
    """Add facts to the record; who was erased before need not be erased again."""
    fresh = await put_facts(tx, rows)
    for row in rows:
        if row["type"] == ContactErased.SUBJECT and not (told := ContactErased.model_validate(row["body"])).more:
            done = Erasure(
                id=UUID(told.subject.id),
                workspace_id=tx.workspace_id,
                person=told.person,
                owner=ContactErased.OWNER,
                asked_at=told.at,
                done_at=told.at,
            )
            await erasing.order(tx, done)
            await erasing.settle(tx, done)
    return fresh


def _whole(kind: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with what is made of its other columns, and with a secret of its own."""
    match kind:
        case "contact":
            email = row["email"]
            return {
                **row,
                "email_key": folded(email) if email else None,
                "words": folded(f"{row['name']} {email or ''}"),
            }
        case "assistant":
            return {**row, "identity_secret": secrets.token_urlsafe(32)}
        case _:
            return dict(row)
