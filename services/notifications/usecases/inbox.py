"""What a member asks about their own inbox."""

from chassis.database import Transaction
from contracts.base import now
from contracts.notifications import (
    CountUnread,
    Inbox,
    ListUnreadTickets,
    MarkRead,
    Notices,
    ReadInbox,
    ReadNotices,
    Unread,
    UnreadTickets,
)
from contracts.refusals import NotFound
from services.notifications import domain, store
from services.notifications.store import Reader


async def read_inbox(query: ReadInbox, tx: Transaction) -> Inbox:
    """Read a page of the caller's own inbox."""
    reader = _reader(query)
    items, more = await store.page(tx, reader, unread_only=query.unread_only, cursor=query.cursor, limit=query.limit)
    return Inbox(items=tuple(items), unread=await store.unread(tx, reader), next_cursor=more)


async def read_notices(query: ReadNotices, tx: Transaction) -> Notices:
    """Read a page of the caller's own inbox, with what is of no ticket."""
    reader = _reader(query)
    items, more = await store.notices(
        tx, reader, unread_only=query.unread_only, cursor=query.cursor, limit=query.limit, digest=query.digest
    )
    total = await store.held(tx, reader, query.digest, unread_only=query.unread_only) if query.digest else None
    return Notices(items=tuple(items), unread=await store.unread(tx, reader), next_cursor=more, total=total)


async def count_unread(query: CountUnread, tx: Transaction) -> Unread:
    """Count what the caller has not read."""
    return Unread(unread=await store.unread(tx, _reader(query)))


async def list_unread_tickets(query: ListUnreadTickets, tx: Transaction) -> UnreadTickets:
    """List the tickets of which the caller has not read everything."""
    return UnreadTickets(ticket_ids=tuple(await store.unread_tickets(tx, _reader(query))))


async def mark_read(command: MarkRead, tx: Transaction) -> Unread:
    """Mark some or all of the caller's own notifications as read; a stranger among them, and none is."""
    reader, ids = _reader(command), set(command.ids)
    if await store.visible(tx, reader, ids) < len(ids):
        raise NotFound
    if command.ticket_id is not None and not ids:
        await store.mark_ticket_read(tx, reader, command.ticket_id, now())
    else:
        await store.mark_read(tx, reader, ids, now())
    return Unread(unread=await store.unread(tx, reader))


def _reader(request: ReadInbox | ReadNotices | CountUnread | ListUnreadTickets | MarkRead) -> Reader:
    return Reader(domain.owner_of_inbox(request.caller), domain.audiences_of(request.caller.role))
