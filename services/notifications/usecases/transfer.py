"""A workspace's rows: out, for the file that it leaves in, and in, from such a file."""

from chassis import transfer
from chassis.database import Transaction
from chassis.inbox import advance, applied
from contracts.base import Role
from contracts.refusals import Invalid, NotAllowed, NotFound
from contracts.tickets import TICKETS
from contracts.transfer import ExportNotifications, Imported, ImportIntoNotifications, RowPage
from services.notifications.store.transfer import TABLES, TAKEN_IN, TICKETS_TABLE


async def export(request: ExportNotifications, tx: Transaction) -> RowPage:
    """Return the next rows of a kind."""
    return await transfer.answer(request, tx, TABLES)


async def import_rows(command: ImportIntoNotifications, tx: Transaction) -> Imported:
    """Add the rows of a file that are not there; what happened before is told to nobody."""
    if command.caller.role is not Role.OWNER:
        raise NotAllowed("Only an owner may import.")
    if command.kind == "heard_to":
        if not command.dry_run:
            reached = max(int(row["position"]) for row in command.rows)
            await advance(tx, TICKETS.name, max(reached, await applied(tx, TICKETS.name)))
        return Imported(fresh=0)
    if command.kind == "ticket":
        try:
            rows = [
                {"id": r["id"], "number": r["number"], "subject": r["subject"], "deleted": r["deleted_at"] is not None}
                for r in command.rows
            ]
        except KeyError as error:
            raise Invalid.field("rows", "missing", f"{error} must be given") from error
        return Imported(fresh=await transfer.put(tx, TICKETS_TABLE, rows, dry_run=command.dry_run))
    table = next((each for each in TABLES if each.kind == command.kind and each.kind in TAKEN_IN), None)
    if table is None:
        raise NotFound
    return Imported(fresh=await transfer.put(tx, table, command.rows, dry_run=command.dry_run))
