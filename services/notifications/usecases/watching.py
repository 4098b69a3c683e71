"""Who watches a ticket. That the caller may see it was asked of its owner before."""

from chassis.database import Transaction
from contracts.base import now
from contracts.notifications import (
    GetMute,
    GetWatchers,
    MuteState,
    MuteTicket,
    UnmuteTicket,
    UnwatchTicket,
    Watchers,
    WatchState,
    WatchTicket,
)
from services.notifications import domain, store


async def watch(command: WatchTicket, tx: Transaction) -> WatchState:
    """Let the caller watch, whatever they chose before."""
    await store.choose(tx, command.ticket_id, domain.owner_of_inbox(command.caller), now(), watches=True)
    return WatchState(watching=True)


async def unwatch(command: UnwatchTicket, tx: Transaction) -> WatchState:
    """Let the caller watch no more, whatever the reason was."""
    person = domain.owner_of_inbox(command.caller)
    await store.choose(tx, command.ticket_id, person, now(), watches=False, version=command.ticket_version)
    return WatchState(watching=False)


async def mute(command: MuteTicket, tx: Transaction) -> MuteState:
    """Tell the caller nothing more of a ticket."""
    await store.mute(tx, command.ticket_id, domain.owner_of_inbox(command.caller), now(), muted=True)
    return MuteState(muted=True)


async def unmute(command: UnmuteTicket, tx: Transaction) -> MuteState:
    """Tell the caller of a ticket again."""
    await store.mute(tx, command.ticket_id, domain.owner_of_inbox(command.caller), now(), muted=False)
    return MuteState(muted=False)


async def get_mute(query: GetMute, tx: Transaction) -> MuteState:
    """Read whether the caller has muted a ticket."""
    person = domain.owner_of_inbox(query.caller)
    return MuteState(muted=person in await store.muted(tx, query.ticket_id, [person], now()))


async def get_watchers(query: GetWatchers, tx: Transaction, *, mails_leave: bool) -> Watchers:
    """Read a page of those who watch, and what an answer by mail would come to."""
    page, more = await store.watcher_page(tx, query.ticket_id, query.cursor, query.limit, now())
    person = domain.user_of(query.caller.actor)
    muted = person is not None and person in await store.muted(tx, query.ticket_id, [person], now())
    return Watchers(items=tuple(page), next_cursor=more, muted=muted, mails=mails_leave)
