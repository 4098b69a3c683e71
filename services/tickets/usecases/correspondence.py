"""What may be written to a ticket's contact by mail."""

from chassis.database import Transaction
from contracts.base import ActorKind
from contracts.refusals import NotAllowed, NotFound
from contracts.tickets import ContactMail, Correspondence, GetCorrespondence, Status
from services.tickets import store
from services.tickets.domain import KnownContact, Ticket

_MOST_REPLIES = 10
_RESOLVED = (Status.RESOLVED, Status.CLOSED)


async def get_correspondence(query: GetCorrespondence, tx: Transaction) -> Correspondence:
    """Read whom to write to, and what of, as it is now."""
    if query.caller.kind is not ActorKind.SYSTEM:
        raise NotAllowed
    place = await store.place_of_answer(tx, query.ticket_id, query.message_id)
    ticket = await _ticket(tx, query, place)
    contact, email = await _addressee(tx, ticket, place)
    replies, more = await store.replies_since(tx, query.message_id, _MOST_REPLIES)
    if query.message_id is not None and not replies:
        raise NotFound
    # Whoever has come by the site without its signature may have typed the address of somebody who is known.
    claimed = query.kind is ContactMail.RECEIVED and place is not None and place.typed
    return Correspondence(
        ticket_id=ticket.id,
        number=ticket.state.number,
        subject=ticket.state.subject,
        resolved=ticket.status in _RESOLVED,
        contact_id=contact.id,
        name=contact.name,
        email=email,
        verified=contact.verified and not claimed,
        conversation_id=place.conversation_id if place else None,
        replies=tuple(replies),
        more=more,
    )


async def _ticket(tx: Transaction, query: GetCorrespondence, place: store.Place | None) -> Ticket:
    """Return the ticket that may be written of: an answer is one on each that its conversation is linked to."""
    ticket = await store.load(tx, str(query.ticket_id))
    if not _may_be_written_of(ticket) and query.message_id is not None and place is not None:
        another = await store.linked_in_sight(tx, place.conversation_id)
        ticket = await store.load(tx, str(another)) if another else ticket
    settings = await store.settings(tx)
    wanted = {
        ContactMail.RECEIVED: settings.mail_received,
        ContactMail.REPLIED: settings.mail_replied,
        ContactMail.RESOLVED: settings.mail_resolved and ticket.status in _RESOLVED,
    }
    if not (wanted[query.kind] and _may_be_written_of(ticket)):
        raise NotFound
    return ticket


def _may_be_written_of(ticket: Ticket) -> bool:
    return ticket.status is not Status.SPAM and ticket.state.deleted_at is None


async def _addressee(tx: Transaction, ticket: Ticket, place: store.Place | None) -> tuple[KnownContact, str]:
    """Return who is written to and where: whom the conversation is with, else the ticket's contact; or NotFound."""
    ticket_contact = ticket.state.contact
    id = (place and place.contact_id) or (ticket_contact and ticket_contact.id)
    known = await store.known_contact(tx, id) if id else None
    if known is None or known.email is None:
        raise NotFound
    return known, known.email
