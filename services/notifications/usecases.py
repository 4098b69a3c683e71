"""What can be asked of notifications, and what they do about what they hear: load, decide, save, announce."""

from uuid import UUID

from chassis.database import Transaction
from contracts.base import Audience, Event, Role, Subject, TicketEvent, now
from contracts.gateway import MemberJoined, MemberRemoved, RoleChanged, WorkspaceDeleted
from contracts.notifications import CountUnread, Inbox, MarkRead, Notified, ReadInbox, Unread
from contracts.refusals import NotFound
from contracts.tickets import Assigned, SubjectChanged, TicketCreated, Unassigned
from services.notifications import domain, store
from services.notifications.domain import Watch
from services.notifications.store import Reader, Told


async def read_inbox(query: ReadInbox, tx: Transaction) -> Inbox:
    """Read a page of the caller's own inbox."""
    reader = _reader(query)
    items, more = await store.page(tx, reader, unread_only=query.unread_only, cursor=query.cursor, limit=query.limit)
    return Inbox(items=tuple(items), unread=await store.unread(tx, reader), next_cursor=more)


async def count_unread(query: CountUnread, tx: Transaction) -> Unread:
    """Count what the caller has not read."""
    return Unread(unread=await store.unread(tx, _reader(query)))


async def mark_read(command: MarkRead, tx: Transaction) -> Unread:
    """Mark some or all of the caller's own notifications as read; a stranger among them, and none is."""
    reader, ids = _reader(command), set(command.ids)
    if await store.visible(tx, reader, ids) < len(ids):
        raise NotFound
    await store.mark_read(tx, reader, ids, now())
    return Unread(unread=await store.unread(tx, reader))


async def ticket_created(event: TicketCreated, tx: Transaction) -> None:
    """Know the ticket, who watches it from now on, and tell its first assignee."""
    await store.ticket(tx, event.ticket_id, event.number, event.subject)
    if (creator := domain.user_of(event.actor)) is not None:
        await store.watch(tx, event.ticket_id, creator, Watch.CREATOR)
    if event.assignee is not None:
        await store.watch(tx, event.ticket_id, event.assignee.id, Watch.ASSIGNEE)
    await tell(event, tx)


async def subject_changed(event: SubjectChanged, tx: Transaction) -> None:
    """Know what the ticket is called now."""
    await store.subject(tx, event.ticket_id, event.new)


async def assigned(event: Assigned, tx: Transaction) -> None:
    """Let the new assignee watch in the old one's place, and tell them."""
    await store.unwatch(tx, event.ticket_id, Watch.ASSIGNEE)
    await store.watch(tx, event.ticket_id, event.new.id, Watch.ASSIGNEE)
    await tell(event, tx)


async def unassigned(event: Unassigned, tx: Transaction) -> None:
    """Let nobody watch as assignee."""
    await store.unwatch(tx, event.ticket_id, Watch.ASSIGNEE)


async def tell(event: TicketEvent, tx: Transaction) -> None:
    """Tell whom it concerns and who may see it; what is for somebody not known yet waits for them."""
    watchers = await store.watchers(tx, event.ticket_id)
    concerned = domain.concerned(event, watchers)
    if not concerned:
        return
    known = await store.standing(tx, concerned)
    if strangers := concerned.keys() - known.keys():
        known |= await store.expect(tx, strangers)
    members = {person: role for person, role in known.items() if role is not None}
    for person, kind in domain.who_hears(event, watchers, members):
        if told := await store.add(tx, event, person, kind):
            _announce(tx, told)
    for person in concerned.keys() - known.keys():
        await store.add_waiting(tx, event, person, concerned[person])


async def tell_nobody(event: Event, tx: Transaction) -> None:
    """Hear a fact that is in nobody's inbox."""


async def member_joined(event: MemberJoined, tx: Transaction) -> None:
    """Know a member, and tell them what has waited for them."""
    await _is_now(tx, event.user_id, event.role)


async def role_changed(event: RoleChanged, tx: Transaction) -> None:
    """Know what a member may see from now on."""
    await _is_now(tx, event.user_id, event.new)


async def member_removed(event: MemberRemoved, tx: Transaction) -> None:
    """Tell somebody nothing any more."""
    await _is_now(tx, event.user_id, None)


async def workspace_deleted(_: WorkspaceDeleted, tx: Transaction) -> None:
    """Tell nobody of this workspace anything any more."""
    await store.forget_members(tx)


async def _is_now(tx: Transaction, person: UUID, role: Role | None) -> None:
    await store.remember(tx, person, role)
    for told in await store.release(tx, person, domain.audiences_of(role) if role else []):
        _announce(tx, told)


def _announce(tx: Transaction, told: Told) -> None:
    tx.announce(
        Notified(
            workspace_id=tx.workspace_id,
            actor=domain.OURSELVES,
            via=domain.BY_RULE,
            cause=str(told.cause),
            audience=Audience.ADMINS,
            subject=Subject(kind="inbox", id=str(told.recipient_id), version=told.nth),
            recipient_id=told.recipient_id,
            item_id=told.id,
            item_kind=told.kind,
            ticket_id_of=told.ticket_id,
        )
    )


def _reader(request: ReadInbox | CountUnread | MarkRead) -> Reader:
    return Reader(domain.owner_of_inbox(request.caller), domain.audiences_of(request.caller.role))
