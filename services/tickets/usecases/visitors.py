"""What visitors do in their own conversation, and in nobody else's."""

from uuid import UUID

from chassis.database import Transaction
from contracts.base import Caller, Command, now
from contracts.refusals import AssistantNotFound, Conflict, Invalid, NotAllowed, NotFound
from contracts.tickets import (
    ExternalRef,
    Identity,
    MessageSnapshot,
    OpenVisitorTicket,
    PostVisitorMessage,
    ReadVisitorConversation,
    StartConversation,
    VisitorConversation,
    VisitorTicket,
    VisitorTranscript,
)
from services.tickets import store
from services.tickets.domain import Assistant, By, Contact, Conversation, Visitor, check_identity, visiting
from services.tickets.domain.talk import subject_of
from services.tickets.usecases import talk
from services.tickets.usecases.meeting import meet
from services.tickets.usecases.talk import Words

type _Said = Command[VisitorConversation] | Command[MessageSnapshot] | Command[VisitorTicket]

_WITHOUT_WORDS = "Conversation"
"""The subject of a ticket whose first message has nothing that can be read in one line."""


async def start_conversation(command: StartConversation, tx: Transaction) -> VisitorConversation:
    """Begin a conversation with what its visitor says first, if anything."""
    visiting.require_visitor(command.caller, command.assistant_id)
    assistant = await _assistant(tx, command.assistant_id)
    identity = command.identity
    visiting.require_identity(assistant.widget, identity)
    if identity is not None:
        await _vouched(tx, assistant, identity)
    visitor = Visitor.arriving(command.conversation_id, assistant.id, identity, command.contact)
    by = _by(command, visitor)
    contact = await (_met(tx, visitor, by) if identity is None else _known(tx, identity, by))
    if identity is not None and contact is not None:
        visitor = visitor.met(contact, identity)
    conversation = await talk.begin_conversation(
        tx, by, id=command.conversation_id, assistant_id=assistant.id, contact=contact
    )
    if conversation is None:
        raise Conflict("There is a conversation with this id already.")
    await store.remember_visitor(tx, visitor)
    messages: tuple[MessageSnapshot, ...] = ()
    if command.body is not None:
        words = Words(id=command.message_id, author=visitor.author, body=command.body)
        messages = (visiting.as_visitors_see(await talk.customer_wrote(tx, conversation, words, by)),)
    return VisitorConversation(
        conversation_id=conversation.id, identified=visitor.identified, known=visitor.known, messages=messages
    )


async def post_visitor_message(command: PostVisitorMessage, tx: Transaction) -> MessageSnapshot:
    """Write in the visitor's conversation; its tickets hear it."""
    conversation, visitor = await _hold(tx, command.caller, command.conversation_id)
    await _assistant(tx, visitor.assistant_id)
    visiting.require_a_place(conversation)
    words = Words(id=command.message_id, author=visitor.author, body=command.body)
    return visiting.as_visitors_see(await talk.customer_wrote(tx, conversation, words, _by(command, visitor)))


async def open_visitor_ticket(command: OpenVisitorTicket, tx: Transaction) -> VisitorTicket:
    """Make a ticket of the visitor's conversation, unless one of it is being worked on."""
    conversation, visitor = await _hold(tx, command.caller, command.conversation_id)
    assistant = await _assistant(tx, visitor.assistant_id)
    visitor = visitor.saying(command.contact)
    visitor.require_ticket(assistant.widget)
    if there := visiting.open_ticket_of(await store.visitor_tickets(tx, conversation.id)):
        raise Conflict(f"Ticket #{there.number} is open for this conversation.", number=there.number, id=str(there.id))
    first = await store.first_words(tx, conversation.id)
    if first is None:
        raise Invalid.field("conversation", "empty", "write a message first")
    by = _by(command, visitor)
    await store.remember_visitor(tx, visitor)
    numbered = await store.next_number(tx)
    nobody_yet = conversation.contact is None
    contact = None if visitor.identified else await _met(tx, visitor, by, by_name=nobody_yet)
    ticket = await talk.open_from_conversation(
        tx,
        conversation,
        id=command.ticket_id,
        numbered=numbered,
        subject=command.subject or subject_of(first) or _WITHOUT_WORDS,
        description=first,
        contact=contact,
        by=by,
    )
    return VisitorTicket(
        id=ticket.id,
        number=ticket.state.number,
        subject=ticket.state.subject,
        status=ticket.status,
        created_at=ticket.state.created_at,
    )


async def read_visitor_conversation(query: ReadVisitorConversation, tx: Transaction) -> VisitorTranscript:
    """Read what the visitor has not seen yet."""
    visiting.require_visitor(query.caller, query.conversation_id)
    visitor = await store.visitor(tx, query.conversation_id)
    if visitor is None or await store.assistant(tx, visitor.assistant_id) is None:
        raise NotFound
    messages, more = await store.messages_after(tx, query.conversation_id, query.after, query.limit)
    tickets = await store.visitor_tickets(tx, query.conversation_id)
    return VisitorTranscript(
        messages=tuple(visiting.as_visitors_see(message) for message in messages),
        tickets=tuple(visiting.ticket_as_visitors_see(ticket) for ticket in tickets),
        more=more,
    )


async def _assistant(tx: Transaction, id: UUID) -> Assistant:
    if assistant := await store.assistant(tx, id):
        return assistant
    raise AssistantNotFound


async def _hold(tx: Transaction, caller: Caller, id: UUID) -> tuple[Conversation, Visitor]:
    visiting.require_visitor(caller, id)
    conversation = await store.hold_conversation(tx, id)
    visitor = await store.visitor(tx, id)
    if conversation is None or visitor is None:
        raise NotFound
    return conversation, visitor


async def _vouched(tx: Transaction, assistant: Assistant, identity: Identity) -> None:
    """Raise NotAllowed unless the site vouches for this visitor now and for the first time with this signature."""
    secret = await store.identity_secret(tx, assistant.id)
    if secret is None:
        raise AssistantNotFound
    ends = check_identity(identity, secret, assistant.id, now())
    if not await store.use_nonce(tx, assistant.id, identity.nonce, ends):
        raise NotAllowed("The identity was used before; sign a new one.")


async def _known(tx: Transaction, identity: Identity, by: By) -> Contact:
    """Return whom the site vouches for. What they type themselves counts for nothing here."""
    await store.one_by_one(tx, identity.user_id)
    called = ExternalRef(source=visiting.SITE, id=identity.user_id)
    name = identity.name or visiting.stand_in(identity)
    return await meet(tx, by, name=name, email=identity.email, called=called, verified=True)


async def _met(tx: Transaction, visitor: Visitor, by: By, *, by_name: bool = False) -> Contact | None:
    """Return who has the address that the visitor typed, known or new; whether it is theirs, nobody knows.

    A mere name is nobody to be met, but `by_name`: enough for the contact of a ticket.
    """
    if visitor.email is None and not (by_name and visitor.name):
        return None
    return await meet(tx, by, name=visitor.called, email=visitor.email)


def _by(command: _Said, visitor: Visitor) -> By:
    return By(actor=visitor.actor, via=command.via, cause=str(command.command_id), now=now())
