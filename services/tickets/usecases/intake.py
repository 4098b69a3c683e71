"""What other systems ask and tell: once and for ever each."""

from chassis.bus import NotYet, Origin
from chassis.database import Transaction
from contracts.base import Via, now, uuid7
from contracts.gateway import WorkspaceCreated, WorkspaceDeleted
from contracts.tickets import ConversationRef, TicketRequested
from services.tickets import domain, store
from services.tickets.domain import By, Contact, Ticket

_A_STRANGER_IS_HOPELESS_AFTER = 60.0
"""Seconds that a message waits for its workspace to become known here."""


async def request_ticket(message: TicketRequested, origin: Origin, tx: Transaction) -> None:
    """Open a ticket for another system, once and for ever for what it calls `external_id`."""
    known, asked = await store.standing(tx, origin.integration, message.TYPE, message.external_id)
    if not known:
        raise NotYet("this workspace is not known here", give_up_after=_A_STRANGER_IS_HOPELESS_AFTER)
    if asked:
        return
    caller = domain.integration(tx.workspace_id, origin.integration)
    number, rules = await store.next_number(tx)
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
        rules=rules,
        by=By(actor=caller.actor, via=Via.INTAKE, cause=origin.id or message.external_id, now=now()),
    )
    await store.insert(tx, ticket, facts)
    await store.asked(tx, origin.integration, message.TYPE, message.external_id, ticket.id)
    tx.announce(*facts)


async def remember_workspace(event: WorkspaceCreated, tx: Transaction) -> None:
    """Know from now on that there is such a workspace."""
    await store.workspace(tx, event.name, event.slug)


async def forget_workspace(_: WorkspaceDeleted, tx: Transaction) -> None:
    """Take nothing in for a workspace that ended: what others still publish to it becomes a dead letter."""
    await store.forget_workspace(tx)


async def _contact_of(message: TicketRequested, origin: Origin, tx: Transaction) -> Contact | None:
    if (who := message.contact) is None:
        return None
    return await store.meet(tx, who.name, who.email, integration=origin.integration, external_id=who.external_id)


async def _conversation_of(message: TicketRequested, origin: Origin, tx: Transaction) -> ConversationRef | None:
    if (which := message.conversation) is None:
        return None
    return await store.conversation(tx, origin.integration, which.external_id, which.url)
