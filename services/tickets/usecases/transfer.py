"""A workspace's rows, for the file that it leaves in."""

from chassis import transfer
from chassis.database import Transaction
from contracts.transfer import ExportTickets, RowPage
from services.tickets.store.transfer import POSITION, TABLES


async def export(request: ExportTickets, tx: Transaction) -> RowPage:
    """Return the next rows of a kind."""
    return await transfer.answer(request, tx, (*TABLES, POSITION))
