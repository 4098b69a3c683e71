"""What other systems ask and tell: once and for ever each."""

from dataclasses import replace
from uuid import UUID

from chassis.bus import NotYet, Origin
from chassis.database import Transaction
from contracts.base import Via, now, uuid7
from contracts.gateway import MemberRenamed, WorkspaceCreated, WorkspaceDeleted
from contracts.refusals import Deleted, NotFound
from contracts.tickets import (
    Author,
    AuthorKind,
    ExternalRef,
    IntakeConversation,
    MessageReceived,
    TicketRequested,
    TicketUpdated,
)
from services.tickets import domain, store
from services.tickets.domain import By, Contact, Conversation, Ticket
from services.tickets.usecases import talk
from services.tickets.usecases.meeting import meet
from services.tickets.usecases.talk import Words

_A_STRANGER_IS_HOPELESS_AFTER = 60.0
"""Seconds that a message waits for its workspace to become known here."""


async def request_ticket(message: TicketRequested, origin: Origin, tx: Transaction) -> None:
    """Open a ticket for another system, once and for ever for what it calls `external_id`."""
    await _require_workspace(tx)
    if await store.opened(tx, origin.integration, message.external_id):
        return
    by = _by(origin, message.external_id)
    conversation = await _conversation_of(message.conversation, origin, by, tx)
    number, rules = await store.next_number(tx)
    contact = await _contact_of(message, origin, by, tx)
    if conversation is None:
        ticket, facts = Ticket.open(
            id=uuid7(),
            number=number,
            subject=message.subject,
            description=message.description,
            priority=message.priority,
            contact=contact,
            tags=message.tags,
            fields=message.fields,
            external_id=message.external_id,
            caller=domain.integration(tx.workspace_id, origin.integration),
            rules=rules,
            by=by,
        )
        await store.insert(tx, ticket, facts)
        tx.announce(*facts)
    else:
        ticket = await talk.open_from_conversation(
            tx,
            conversation,
            id=uuid7(),
            numbered=(number, rules),
            subject=message.subject,
            description=message.description,
            priority=message.priority,
            contact=contact,
            tags=message.tags,
            fields=message.fields,
            external_id=message.external_id,
            by=by,
        )
    await store.asked(tx, origin.integration, message.TYPE, message.external_id, ticket.id)


async def receive_message(message: MessageReceived, origin: Origin, tx: Transaction) -> None:
    """Record what was written in another system's conversation, once and for ever, and let its tickets hear it."""
    await _require_workspace(tx)
    by = _by(origin, message.message_external_id)
    known_as = IntakeConversation(external_id=message.conversation_external_id, url=message.url)
    conversation = await _hold(known_as, origin, by, tx)
    if await store.has_heard(tx, conversation.id, message.message_external_id):
        return
    who = message.author
    words = Words(
        id=uuid7(),
        author=Author(kind=who.kind, name=who.name),
        body=message.body,
        external_id=message.message_external_id,
        written_at=message.at,
        email=who.email,
    )
    match who.kind:
        case AuthorKind.VISITOR:
            await talk.customer_wrote(tx, conversation, words, by)
        case AuthorKind.AGENT:
            await talk.agent_wrote(tx, conversation, await store.load_linked(tx, conversation.id), words, by)
        case AuthorKind.BOT | AuthorKind.SYSTEM:
            await talk.line_written(tx, conversation, words, by)


async def update_ticket(message: TicketUpdated, origin: Origin, tx: Transaction) -> None:
    """Move a ticket that the other system opened, or note something on it.

    Raises Deleted, TransitionNotAllowed for a move that nobody can make, and NotFound: a ticket that is not there is
    not waited for, since what could still open it comes from the same system and would wait behind this.
    """
    await _require_workspace(tx)
    id = await store.opened(tx, origin.integration, message.external_id)
    if id is None:
        raise NotFound("No ticket was asked for by this name.")
    ticket = await store.load(tx, str(id), for_update=True)
    if ticket.deleted:
        raise Deleted
    facts = domain.update_from_outside(
        ticket,
        status=message.status,
        priority=message.priority,
        note=(uuid7(), message.note) if message.note else None,
        by=_by(origin, message.external_id),
    )
    await store.save(tx, ticket, facts)
    tx.announce(*facts)


async def rename_member(event: MemberRenamed, tx: Transaction) -> None:
    """Have tickets show what the one who has them is called now; what was recorded keeps the name it had."""
    await store.rename_assignee(tx, event.user_id, event.new)


async def remember_workspace(event: WorkspaceCreated, tx: Transaction) -> None:
    """Know from now on that there is such a workspace."""
    await store.workspace(tx, event.name, event.slug)


async def forget_workspace(_: WorkspaceDeleted, tx: Transaction) -> None:
    """Take nothing in for a workspace that ended: what others still publish to it becomes a dead letter."""
    await store.forget_workspace(tx)


async def _require_workspace(tx: Transaction) -> None:
    if not await store.knows_workspace(tx):
        raise NotYet("this workspace is not known here", give_up_after=_A_STRANGER_IS_HOPELESS_AFTER)


def _by(origin: Origin, external_id: str) -> By:
    actor = domain.integration(origin.workspace_id, origin.integration).actor
    return By(actor=actor, via=Via.INTAKE, cause=origin.id or external_id, now=now())


async def _contact_of(message: TicketRequested, origin: Origin, by: By, tx: Transaction) -> Contact | None:
    if (who := message.contact) is None:
        return None
    called = ExternalRef(source=origin.integration, id=who.external_id) if who.external_id else None
    return await meet(tx, by, name=who.name, email=who.email, called=called)


async def _conversation_of(
    which: IntakeConversation | None, origin: Origin, by: By, tx: Transaction
) -> Conversation | None:
    return None if which is None else await _hold(which, origin, by, tx)


async def _hold(which: IntakeConversation, origin: Origin, by: By, tx: Transaction) -> Conversation:
    """Return the conversation that the other system knows so, begun if it is new; its newest address is kept."""
    known = await store.hold_external(tx, origin.integration, which.external_id)
    if known is None:
        begun = await talk.begin_conversation(
            tx,
            by,
            id=uuid7(),
            assistant_id=await _assistant(which, tx),
            integration=origin.integration,
            external_id=which.external_id,
            url=which.url,
        )
        known = begun or await store.hold_external(tx, origin.integration, which.external_id)
    if known is None:
        raise NotYet("the conversation is being begun", give_up_after=_A_STRANGER_IS_HOPELESS_AFTER)
    if which.url is not None and which.url != known.url:
        await store.keep_address(tx, known.id, which.url)
        known = replace(known, url=which.url)
    return known


async def _assistant(which: IntakeConversation, tx: Transaction) -> UUID | None:
    id = which.assistant_id
    return id if id is not None and await store.has_assistant(tx, id) else None
