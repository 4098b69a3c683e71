"""One change for many tickets: settled at once, done beside other work, a hundred at a time."""

import datetime as dt
from uuid import UUID

from chassis.database import Transaction
from contracts.base import now
from contracts.refusals import Invalid, NotAllowed, NotFound, Refusal
from contracts.tickets import MOST_TICKETS, BulkOutcome, BulkSnapshot, ChangeTickets, GetBulk
from services.tickets import domain, store
from services.tickets.domain import By, Ticket
from services.tickets.usecases.tickets import apply_change, keep

AT_ONCE = 100
"""Tickets in one transaction."""


async def change_tickets(command: ChangeTickets, tx: Transaction) -> BulkSnapshot:
    """Settle which tickets are changed, and by whose right: as the maker's role is now."""
    caller, ids = command.caller, set(command.ids)
    domain.require_bulk(
        ids=bool(ids),
        filtered=command.filter is not None,
        changes=bool(command.change.model_fields_set),
        deletes=command.delete,
        caller=caller,
    )
    if command.change.contact_id and await store.contact(tx, command.change.contact_id) is None:
        raise Invalid.field("change.contact_id", "not_found", "there is no such contact")
    at = now()
    await store.add_bulk(tx, command, at)
    if command.filter is None:
        chosen = await store.choose_ids(tx, command.bulk_id, list(ids), deleted=caller.role.runs_the_desk)
        if chosen < len(ids):
            raise NotFound
    else:
        domain.require_filter(command.filter, caller)
        chosen = await store.choose_filtered(tx, command.bulk_id, command.filter, MOST_TICKETS)
        if chosen > MOST_TICKETS:
            raise Invalid.field("filter", "too_many", f"finds more than {MOST_TICKETS} tickets")
    if not caller.role.runs_the_desk and await store.others_in(tx, command.bulk_id, caller):
        raise NotAllowed
    if not chosen:
        await store.finish(tx, command.bulk_id, at)
    return await _snapshot(tx, command.bulk_id)


async def get_bulk(query: GetBulk, tx: Transaction) -> BulkSnapshot:
    """Read how far a bulk change is; others' are for those who run the desk."""
    maker = None if query.caller.role.runs_the_desk else query.caller.id
    found = await store.bulk(tx, query.bulk_id, query.cursor, query.limit, maker=maker)
    if found is None:
        raise NotFound
    return found


async def go_on(tx: Transaction, bulk: UUID, at: dt.datetime) -> None:
    """Do the next tickets of a bulk change; what becomes of each is kept in the same transaction."""
    taken = await store.take_up(tx, bulk, AT_ONCE)
    if taken is None:
        return
    command, ids = taken
    tickets = await store.load_all(tx, ids)
    await store.record(tx, bulk, [await _one(tickets[id], command, at, tx) for id in ids])
    if len(ids) < AT_ONCE:
        await store.finish(tx, bulk, at)


async def _one(ticket: Ticket, command: ChangeTickets, at: dt.datetime, tx: Transaction) -> store.Done:
    before = ticket.version
    by = By(actor=command.caller.actor, via=command.via, cause=str(command.bulk_id), now=at)
    try:
        if command.delete:
            await keep(ticket, ticket.delete(command.caller, by), tx)
        else:
            await apply_change(ticket, command.change, command.caller, by, tx)
    except Refusal as refusal:
        return store.Done(ticket.id, BulkOutcome.REFUSED, before, refusal.code, refusal.detail)
    changed = ticket.version > before
    return store.Done(ticket.id, BulkOutcome.CHANGED if changed else BulkOutcome.UNCHANGED, ticket.version)


async def _snapshot(tx: Transaction, bulk: UUID) -> BulkSnapshot:
    found = await store.bulk(tx, bulk, None, AT_ONCE, maker=None)
    if found is None:
        raise NotFound
    return found
