"""Notes and comments: what the team says among itself."""

from chassis.database import Transaction
from contracts.refusals import Invalid
from contracts.tickets import Action, AddNote, ListNotes, NotePage, NoteSnapshot, PinNote
from services.tickets import domain, store
from services.tickets.usecases.shown import by, require_version


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
        by=by(command),
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
        mentions=command.mentions,
    )


async def pin_note(command: PinNote, tx: Transaction) -> NoteSnapshot:
    """Pin or unpin a standing note."""
    ticket = await store.load(tx, command.ticket, for_update=True)
    domain.require(Action.NOTE, command.caller, ticket)
    await require_version(command.expected_version, ticket, command.caller, tx)
    note = await store.note(tx, ticket, command.note_id)
    facts = ticket.pin_note(note, command.caller, by(command), pinned=command.pinned)
    await store.save(tx, ticket, facts)
    tx.announce(*facts)
    return note.model_copy(update={"pinned": command.pinned})


async def list_notes(query: ListNotes, tx: Transaction) -> NotePage:
    """Read a page of a ticket's notes."""
    ticket = await store.load(tx, query.ticket)
    domain.require(Action.READ_NOTES, query.caller, ticket)
    notes, more = await store.note_page(tx, ticket, query)
    return NotePage(items=tuple(notes), next_cursor=more)
