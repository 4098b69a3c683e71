"""Tickets: opened, read, listed and changed by people and programs."""

from collections.abc import Sequence

from chassis.database import Transaction
from contracts.base import Caller, TicketEvent
from contracts.refusals import Invalid
from contracts.tickets import (
    Action,
    AddNote,
    ChangeTicket,
    CountTickets,
    CreateTicket,
    DeleteTicket,
    GetTicket,
    ListTags,
    ListTickets,
    MarkNotSpam,
    PinNote,
    RestoreTicket,
    TagList,
    TicketChange,
    TicketCounts,
    TicketPage,
    TicketRow,
    TicketSnapshot,
)
from services.tickets import domain, store
from services.tickets.domain import By, Contact, Conversation, Ticket
from services.tickets.domain.talk import require_room
from services.tickets.usecases.meeting import meet
from services.tickets.usecases.past import as_it_was
from services.tickets.usecases.shown import by, require_version, shown, snapshot


async def create_ticket(command: CreateTicket, tx: Transaction) -> TicketSnapshot:
    """Open a ticket."""
    domain.require_creation(command.caller, command.assignee)
    # Conversation, number, contact: everybody takes them in this order, and nobody waits in a circle.
    conversation = await _conversation(command, tx)
    number, rules = await store.next_number(tx)
    contact = await _who_asks(command, tx)
    if conversation is not None:
        if conversation.contact is None and contact is not None:
            await store.name_contact(tx, conversation.id, contact)
        contact = contact or conversation.contact
    ticket, facts = Ticket.open(
        id=command.ticket_id,
        number=number,
        subject=command.subject,
        description=command.description,
        priority=command.priority,
        assignee=command.assignee,
        contact=contact,
        tags=command.tags,
        fields=command.fields,
        conversation=conversation.ref if conversation else None,
        caller=command.caller,
        by=by(command),
        rules=rules,
    )
    await store.insert(tx, ticket, facts)
    tx.announce(*facts)
    return snapshot(ticket, command.caller)


async def get_ticket(query: GetTicket, tx: Transaction) -> TicketSnapshot:
    """Read a ticket, as it is or as it was."""
    ticket = await store.load(tx, query.ticket)
    domain.require_sight(query.caller, ticket)
    if query.as_of_version is None and query.as_of_time is None:
        return snapshot(ticket, query.caller)
    return await as_it_was(ticket, query, tx)


async def list_tickets(query: ListTickets, tx: Transaction) -> TicketPage:
    """Read a page of tickets."""
    domain.require_filter(query, query.caller)
    tickets, more = await store.page(tx, query)
    return TicketPage(items=tuple(TicketRow(**shown(ticket, query.caller)) for ticket in tickets), next_cursor=more)


async def count_tickets(query: CountTickets, tx: Transaction) -> TicketCounts:
    """Count tickets per status."""
    domain.require_filter(query, query.caller)
    return await store.count(tx, query)


async def list_tags(_query: ListTags, tx: Transaction) -> TagList:
    """Read the tags in use."""
    return TagList(tags=tuple(await store.tags(tx)))


async def take_up(
    commands: Sequence[ChangeTicket | DeleteTicket | RestoreTicket | MarkNotSpam | AddNote | PinNote], tx: Transaction
) -> None:
    """Hold and read at once the tickets that these are about: each of them changes none but its own."""
    await store.load_ahead(tx, (command.ticket for command in commands))


async def change_ticket(command: ChangeTicket, tx: Transaction) -> TicketSnapshot:
    """Change what is set, all or nothing."""
    ticket = await store.load(tx, command.ticket, for_update=True)
    ticket.require_rights(command.change, command.caller)
    await require_version(command.expected_version, ticket, command.caller, tx)
    await apply_change(ticket, command.change, command.caller, by(command), tx)
    return snapshot(ticket, command.caller)


async def apply_change(ticket: Ticket, change: TicketChange, caller: Caller, by: By, tx: Transaction) -> None:
    """Change one ticket, whether alone or among many."""
    ticket.require_rights(change, caller)
    contact = await store.contact(tx, change.contact_id) if change.contact_id else None
    await keep(ticket, ticket.change(change, caller, by, contact), tx)


async def delete_ticket(command: DeleteTicket, tx: Transaction) -> TicketSnapshot:
    """Hide a ticket."""
    ticket = await store.load(tx, command.ticket, for_update=True)
    domain.require(Action.DELETE, command.caller, ticket)
    await require_version(command.expected_version, ticket, command.caller, tx)
    await keep(ticket, ticket.delete(command.caller, by(command)), tx)
    return snapshot(ticket, command.caller)


async def restore_ticket(command: RestoreTicket, tx: Transaction) -> TicketSnapshot:
    """Bring a deleted ticket back."""
    ticket = await store.load(tx, command.ticket, for_update=True)
    await keep(ticket, ticket.restore(command.caller, by(command)), tx)
    return snapshot(ticket, command.caller)


async def mark_not_spam(command: MarkNotSpam, tx: Transaction) -> TicketSnapshot:
    """Give a ticket back the status that it had before it was spam."""
    ticket = await store.load(tx, command.ticket, for_update=True)
    await keep(ticket, ticket.not_spam(command.caller, by(command)), tx)
    return snapshot(ticket, command.caller)


async def keep(ticket: Ticket, facts: Sequence[TicketEvent], tx: Transaction) -> None:
    """Remember what has happened to a ticket, and tell it."""
    await store.save(tx, ticket, facts)
    tx.announce(*facts)


async def _who_asks(command: CreateTicket, tx: Transaction) -> Contact | None:
    if command.contact_id and command.contact:
        raise Invalid.field("contact", "ambiguous", "give contact or contact_id, not both")
    if command.contact:
        who = command.contact
        return await meet(tx, by(command), name=who.name, email=who.email, verified=True)
    if command.contact_id is None:
        return None
    if contact := await store.contact(tx, command.contact_id):
        return contact
    raise Invalid.field("contact_id", "not_found", "there is no such contact")


async def _conversation(command: CreateTicket, tx: Transaction) -> Conversation | None:
    if command.conversation_id is None:
        return None
    if conversation := await store.hold_conversation(tx, command.conversation_id):
        require_room(await store.links(tx, conversation.id))
        return conversation
    raise Invalid.field("conversation_id", "not_found", "there is no such conversation")
