"""What is written in a conversation, and what its tickets hear of it. One message is one transaction and one cause.

Whoever writes holds the conversation (`store.hold_conversation`); then come its tickets by number, the number of a
new one, and the contact, in this order for everybody, so that nobody waits in a circle.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from uuid import UUID, uuid5

from chassis.database import Transaction
from contracts.base import Caller, Person, uuid7
from contracts.refusals import Deleted, NotFound
from contracts.tickets import Author, MessagePosted, MessageSnapshot, Priority, Status, TicketSettings
from services.tickets import store
from services.tickets.domain import By, Contact, Conversation, Ticket, talk
from services.tickets.usecases.meeting import meet

_NAMES = UUID("3d2c9a5e-41f7-4f0e-9c55-0f3f6a0b7d21")


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What somebody writes, or wrote in another system."""

    id: UUID
    author: Author
    body: str
    external_id: str | None = None
    written_at: dt.datetime | None = None
    email: str | None = None
    """The author's address, where it is told: a customer is met by it."""
    unverified_sender: str | None = None
    """Who a mail says it is from, where that is not its contact's address."""


async def begin_conversation(
    tx: Transaction,
    by: By,
    *,
    id: UUID,
    assistant_id: UUID | None = None,
    contact: Contact | None = None,
    integration: str | None = None,
    external_id: str | None = None,
    url: str | None = None,
) -> Conversation | None:
    """Begin a conversation, which is held then; None where its id, or the integration's id of it, is known already."""
    begun, fact = Conversation.start(
        id=id,
        workspace_id=tx.workspace_id,
        by=by,
        assistant_id=assistant_id,
        contact=contact,
        integration=integration,
        external_id=external_id,
        url=url,
    )
    if not await store.begin_conversation(tx, begun):
        return None
    tx.announce(fact)
    return begun


def by_mail(ticket_id: UUID, contact_id: UUID) -> UUID:
    """Return the id of the conversation by mail that a contact has on a ticket: made of both, so that there is one."""
    return uuid5(_NAMES, f"{ticket_id} {contact_id}")


async def hold_by_mail(tx: Transaction, ticket_id: UUID, contact: Contact, by: By) -> Conversation:
    """Hold the conversation by mail of a contact on a ticket, begun and tied where it is not. Raises Deleted."""
    id = by_mail(ticket_id, contact.id)
    held = await begin_conversation(tx, by, id=id, contact=contact) or await store.hold_conversation(tx, id)
    if held is None:
        raise NotFound
    if all(ticket.id != ticket_id for ticket in await store.load_linked(tx, id)):
        ticket = await store.load(tx, str(ticket_id), for_update=True)
        if ticket.deleted:
            raise Deleted
        facts = talk.tie(ticket, held, by)
        await store.save(tx, ticket, facts)
        tx.announce(*facts)
    return held


async def customer_wrote(tx: Transaction, conversation: Conversation, words: Words, by: By) -> MessageSnapshot:
    """Let the customer write in a conversation that is held: each linked ticket hears it, a closed one is followed up.

    A ticket that waited for the customer, or was resolved, is open again.
    """
    tickets = await store.load_linked(tx, conversation.id)
    closed = talk.to_be_followed_up(tickets, by.now)
    number = (await store.next_number(tx))[0] if closed else 0
    conversation, author = await _customer(tx, conversation, words, by)
    posted = await _write(tx, conversation, words, author, by)
    for ticket in tickets:
        facts = talk.hear_customer(ticket, posted, by)
        if ticket is closed:
            new, born, said = talk.follow_up(closed, conversation, posted, id=uuid7(), number=number, by=by)
            await store.insert(tx, new, born)
            facts += said
            tx.announce(*born)
        await store.save(tx, ticket, facts)
        tx.announce(*facts)
    return message(posted, words.external_id)


async def agent_wrote(
    tx: Transaction,
    conversation: Conversation,
    tickets: Iterable[Ticket],
    words: Words,
    by: By,
    *,
    status: Status | None = None,
    caller: Caller | None = None,
) -> MessageSnapshot:
    """Let an agent answer in a conversation that is held, as are its tickets; `caller` moves them to `status`."""
    posted = await _write(tx, conversation, words, words.author, by)
    for ticket in tickets:
        facts = talk.hear_agent(ticket, posted, by, status=status, caller=caller)
        await store.save(tx, ticket, facts)
        tx.announce(*facts)
    return message(posted, words.external_id)


async def line_written(tx: Transaction, conversation: Conversation, words: Words, by: By) -> MessageSnapshot:
    """Record what a bot or the system wrote in a conversation that is held; no ticket hears of it."""
    return message(await _write(tx, conversation, words, words.author, by), words.external_id)


async def open_from_conversation(
    tx: Transaction,
    conversation: Conversation,
    *,
    id: UUID,
    subject: str,
    description: str,
    by: By,
    priority: Priority | None = None,
    numbered: tuple[int, TicketSettings] | None = None,
    assignee: Person | None = None,
    contact: Contact | None = None,
    tags: Iterable[str] = (),
    fields: Mapping[str, str] | None = None,
    external_id: str | None = None,
) -> Ticket:
    """Open a ticket from a conversation that is held, linked and with its contact; whoever asks has the right to.

    `numbered` is what `store.next_number` gave where that was asked before, such as to meet `contact` after it. A
    conversation that names nobody names `contact` from now on.

    Raises Conflict when the id is taken, or too many tickets are linked.
    """
    talk.require_room(await store.links(tx, conversation.id))
    number, rules = numbered or await store.next_number(tx)
    if conversation.contact is None and contact is not None:
        await store.name_contact(tx, conversation.id, contact)
    ticket, facts = Ticket.begin(
        id=id,
        workspace_id=tx.workspace_id,
        number=number,
        subject=subject,
        description=description,
        priority=priority,
        assignee=assignee,
        contact=contact or conversation.contact,
        tags=tags,
        fields=fields,
        conversation=conversation.ref,
        external_id=external_id,
        rules=rules,
        by=by,
    )
    await store.insert(tx, ticket, facts)
    tx.announce(*facts)
    return ticket


def message(posted: MessagePosted, external_id: str | None = None) -> MessageSnapshot:
    """Return a message as it is shown."""
    return MessageSnapshot(
        id=posted.message_id,
        conversation_id=posted.conversation_id,
        seq=posted.seq,
        author=posted.author,
        body=posted.body,
        at=store.time_of(posted),
        external_id=external_id,
        via=posted.via,
        unverified_sender=posted.unverified_sender,
    )


async def _customer(tx: Transaction, conversation: Conversation, words: Words, by: By) -> tuple[Conversation, Author]:
    """Return who writes as a contact, if they can be met; the conversation is theirs if it was nobody's."""
    author, contact = words.author, conversation.contact
    if words.email is not None:
        met = await meet(tx, by, name=author.name, email=words.email)
        if contact is None:
            await store.name_contact(tx, conversation.id, met)
            conversation = replace(conversation, contact=met)
        return conversation, author.model_copy(update={"id": str(met.id)})
    if words.unverified_sender is not None:
        return conversation, author
    if author.id is None and contact is not None and contact.name == author.name:
        author = author.model_copy(update={"id": str(contact.id)})
    return conversation, author


async def _write(tx: Transaction, conversation: Conversation, words: Words, author: Author, by: By) -> MessagePosted:
    written, posted = conversation.write(
        id=words.id,
        author=author,
        body=words.body,
        by=by,
        written_at=words.written_at,
        unverified_sender=words.unverified_sender,
    )
    await store.add_message(tx, written, posted, words.external_id)
    tx.announce(posted)
    return posted
