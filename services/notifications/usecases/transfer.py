"""A workspace's rows, for the file that it leaves in."""

from chassis import transfer
from chassis.database import Transaction
from contracts.transfer import ExportNotifications, RowPage
from services.notifications.store.transfer import TABLES


async def export(request: ExportNotifications, tx: Transaction) -> RowPage:
    """Return the next rows of a kind."""
    return await transfer.answer(request, tx, TABLES)
