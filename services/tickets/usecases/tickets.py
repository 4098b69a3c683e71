"""Tickets: opened, read, listed and changed by people and programs."""

from chassis.database import Transaction
from contracts.refusals import Invalid
from contracts.tickets import ChangeTicket, CreateTicket, GetTicket, ListTickets, TicketPage, TicketRow, TicketSnapshot
from services.tickets import domain, store
from services.tickets.domain import Contact, Ticket
from services.tickets.usecases.shown import by, require_version, shown, snapshot


async def create_ticket(command: CreateTicket, tx: Transaction) -> TicketSnapshot:
    """Open a ticket."""
    domain.require_creation(command.caller, command.assignee)
    # Taken first, by everyone: who then waits for a contact's row holds the number, and nobody waits in a circle.
    number = await store.next_number(tx)
    ticket, facts = Ticket.open(
        id=command.ticket_id,
        number=number,
        subject=command.subject,
        description=command.description,
        priority=command.priority,
        assignee=command.assignee,
        contact=await _who_asks(command, tx),
        tags=command.tags,
        caller=command.caller,
        by=by(command),
    )
    await store.insert(tx, ticket, facts)
    tx.announce(*facts)
    return snapshot(ticket, command.caller)


async def get_ticket(query: GetTicket, tx: Transaction) -> TicketSnapshot:
    """Read a ticket."""
    return snapshot(await store.load(tx, query.ticket), query.caller)


async def list_tickets(query: ListTickets, tx: Transaction) -> TicketPage:
    """Read a page of tickets."""
    states, more = await store.page(tx, query)
    return TicketPage(items=tuple(TicketRow(**shown(state, query.caller)) for state in states), next_cursor=more)


async def change_ticket(command: ChangeTicket, tx: Transaction) -> TicketSnapshot:
    """Change what is set, all or nothing."""
    ticket = await store.load(tx, command.ticket, for_update=True)
    ticket.require_rights(command.change, command.caller)
    await require_version(command.expected_version, ticket, command.caller, tx)
    contact = await store.contact(tx, command.change.contact_id) if command.change.contact_id else None
    facts = ticket.change(command.change, command.caller, by(command), contact)
    await store.save(tx, ticket, facts)
    tx.announce(*facts)
    return snapshot(ticket, command.caller)


async def _who_asks(command: CreateTicket, tx: Transaction) -> Contact | None:
    if command.contact_id and command.contact:
        raise Invalid.field("contact", "ambiguous", "give contact or contact_id, not both")
    if command.contact:
        return await store.meet(tx, command.contact.name, command.contact.email)
    if command.contact_id is None:
        return None
    if contact := await store.contact(tx, command.contact_id):
        return contact
    raise Invalid.field("contact_id", "not_found", "there is no such contact")
