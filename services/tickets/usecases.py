"""What can be asked of tickets: load, decide, save, announce."""

from typing import Any
from uuid import UUID

from chassis import cursors, inbox
from chassis.bus import NotYet, Origin
from chassis.database import Transaction
from contracts.base import Audience, Caller, Command, DeadLetter, Via, now, uuid7
from contracts.gateway import WorkspaceCreated
from contracts.refusals import Invalid, Malformed, NotFound, StaleVersion
from contracts.tickets import (
    Action,
    AddNote,
    ChangeTicket,
    ContactRef,
    ConversationRef,
    CreateTicket,
    DeadLetterPage,
    GetDeadLetter,
    GetTicket,
    ListDeadLetters,
    ListNotes,
    ListTickets,
    NotePage,
    NoteSnapshot,
    TicketPage,
    TicketRequested,
    TicketRow,
    TicketSnapshot,
)
from services.tickets import domain, store
from services.tickets.domain import By, Contact, Ticket, TicketState

_A_STRANGER_IS_HOPELESS_AFTER = 60.0
"""Seconds that a message waits for its workspace to become known here."""


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
        by=_by(command),
    )
    await store.insert(tx, ticket, facts)
    tx.announce(*facts)
    return _snapshot(ticket, command.caller)


async def get_ticket(query: GetTicket, tx: Transaction) -> TicketSnapshot:
    """Read a ticket."""
    return _snapshot(await store.load(tx, query.ticket), query.caller)


async def list_tickets(query: ListTickets, tx: Transaction) -> TicketPage:
    """Read a page of tickets."""
    states, more = await store.page(tx, query)
    return TicketPage(items=tuple(TicketRow(**_shown(state, query.caller)) for state in states), next_cursor=more)


async def change_ticket(command: ChangeTicket, tx: Transaction) -> TicketSnapshot:
    """Change what is set, all or nothing."""
    ticket = await store.load(tx, command.ticket, for_update=True)
    ticket.require_rights(command.change, command.caller)
    await _require_version(command, ticket, tx)
    contact = await store.contact(tx, command.change.contact_id) if command.change.contact_id else None
    facts = ticket.change(command.change, command.caller, _by(command), contact)
    await store.save(tx, ticket, facts)
    tx.announce(*facts)
    return _snapshot(ticket, command.caller)


async def add_note(command: AddNote, tx: Transaction) -> NoteSnapshot:
    """Add a note or comment."""
    ticket = await store.load(tx, command.ticket, for_update=True)
    facts = ticket.add_note(
        id=command.note_id,
        body=command.body,
        kind=command.kind,
        pinned=command.pinned,
        in_reply_to=command.in_reply_to,
        mentions=command.mentions,
        caller=command.caller,
        by=_by(command),
    )
    if command.in_reply_to and not await store.has_note(tx, ticket, command.in_reply_to):
        raise Invalid.field("in_reply_to", "not_found", "there is no such note on this ticket")
    await store.save(tx, ticket, facts)
    tx.announce(*facts)
    return NoteSnapshot(
        id=command.note_id,
        ticket_id=ticket.id,
        kind=command.kind,
        body=command.body,
        pinned=command.pinned,
        in_reply_to=command.in_reply_to,
        author=command.caller.actor,
        created_at=ticket.state.updated_at,
        ticket_version=ticket.version,
    )


async def list_notes(query: ListNotes, tx: Transaction) -> NotePage:
    """Read a page of a ticket's notes."""
    ticket = await store.load(tx, query.ticket)
    domain.require(Action.READ_NOTES, query.caller, ticket)
    notes, more = await store.note_page(tx, ticket, query.cursor, query.limit)
    return NotePage(items=tuple(notes), next_cursor=more)


async def list_dead_letters(query: ListDeadLetters, tx: Transaction) -> DeadLetterPage:
    """Read a page of what could not be applied."""
    domain.require_desk(query.caller)
    scope = f"dead letters {tx.workspace_id}"
    before = _letter_before(scope, query.cursor) if query.cursor is not None else None
    letters = await inbox.dead_letters(tx, "tickets", before, query.limit + 1)
    page = letters[: query.limit]
    more = cursors.encode(scope, [str(page[-1].id)]) if len(letters) > query.limit else None
    return DeadLetterPage(items=tuple(page), next_cursor=more)


async def get_dead_letter(query: GetDeadLetter, tx: Transaction) -> DeadLetter:
    """Read one of them whole."""
    domain.require_desk(query.caller)
    if letter := await inbox.dead_letter(tx, "tickets", query.id):
        return letter
    raise NotFound


async def request_ticket(message: TicketRequested, origin: Origin, tx: Transaction) -> None:
    """Open a ticket for another system, once and for ever for what it calls `external_id`."""
    known, asked = await store.standing(tx, origin.integration, message.TYPE, message.external_id)
    if not known:
        raise NotYet("this workspace is not known here", give_up_after=_A_STRANGER_IS_HOPELESS_AFTER)
    if asked:
        return
    caller = domain.integration(tx.workspace_id, origin.integration)
    number = await store.next_number(tx)
    ticket, facts = Ticket.open(
        id=uuid7(),
        number=number,
        subject=message.subject,
        description=message.description,
        priority=message.priority,
        contact=await _contact_of(message, origin, tx),
        tags=message.tags,
        conversation=await _conversation_of(message, origin, tx),
        external_id=message.external_id,
        caller=caller,
        by=By(actor=caller.actor, via=Via.INTAKE, cause=origin.id or message.external_id, now=now()),
    )
    await store.insert(tx, ticket, facts)
    await store.asked(tx, origin.integration, message.TYPE, message.external_id, ticket.id)
    tx.announce(*facts)


async def remember_workspace(event: WorkspaceCreated, tx: Transaction) -> None:
    """Know from now on that there is such a workspace."""
    await store.workspace(tx, event.name, event.slug)


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


async def _contact_of(message: TicketRequested, origin: Origin, tx: Transaction) -> Contact | None:
    if (who := message.contact) is None:
        return None
    return await store.meet(tx, who.name, who.email, integration=origin.integration, external_id=who.external_id)


async def _conversation_of(message: TicketRequested, origin: Origin, tx: Transaction) -> ConversationRef | None:
    if (which := message.conversation) is None:
        return None
    return await store.conversation(tx, origin.integration, which.external_id, which.url)


async def _require_version(command: ChangeTicket, ticket: Ticket, tx: Transaction) -> None:
    if command.expected_version in (None, ticket.version):
        return
    facts = await store.missed(tx, ticket, command.expected_version)
    seen = [fact for fact in facts if Audience(fact["audience"]).includes(command.caller.role)]
    raise StaleVersion(version=ticket.version, missed=seen)


def _letter_before(scope: str, cursor: str) -> UUID:
    try:
        (id,) = cursors.decode(scope, cursor)
        return UUID(id)
    except (ValueError, TypeError, AttributeError) as error:
        raise Malformed("the cursor is broken") from error


def _by(command: Command[Any]) -> By:
    return By(actor=command.caller.actor, via=command.via, cause=str(command.command_id), now=now())


def _snapshot(ticket: Ticket, caller: Caller) -> TicketSnapshot:
    return TicketSnapshot(**_shown(ticket.state, caller), description=ticket.state.description)


def _shown(state: TicketState, caller: Caller) -> dict[str, Any]:
    contact = state.contact
    return {
        "id": state.id,
        "number": state.number,
        "subject": state.subject,
        "status": state.status,
        "priority": state.priority,
        "assignee": state.assignee,
        "contact": contact
        and ContactRef(
            id=contact.id, name=contact.name, email=contact.email if domain.sees_addresses(caller) else None
        ),
        "tags": state.tags,
        "conversations": state.conversations,
        "version": state.version,
        "created_at": state.created_at,
        "updated_at": state.updated_at,
        "first_response_at": state.first_response_at,
        "resolved_at": state.resolved_at,
        "closed_at": state.closed_at,
        "allowed": domain.allowed(caller, state),
    }
