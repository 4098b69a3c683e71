"""What the clock closes: tickets that lie resolved and untouched for as long as their workspace has settled."""

import datetime as dt

from chassis.database import Transaction
from contracts.base import Via
from services.tickets import domain, store
from services.tickets.domain import By
from services.tickets.usecases.tickets import keep

_AT_ONCE = 100


async def close_untouched(tx: Transaction, at: dt.datetime) -> int:
    """Close the next of a workspace's untouched tickets; return how many were closed.

    Each is looked at again under its lock, so that it is closed once however many clocks there are.
    """
    clock = domain.clock(tx.workspace_id)
    closed = 0
    tickets = await store.load_all(tx, await store.untouched(tx, at, _AT_ONCE))
    for ticket in tickets.values():
        cause = f"auto_close:{ticket.id}:{ticket.version}"
        by = By(actor=clock.actor, via=Via.TIMER, cause=cause, now=at)
        facts = ticket.close_if_untouched(clock, by)
        await keep(ticket, facts, tx)
        closed += bool(facts)
    return closed
