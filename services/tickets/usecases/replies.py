"""What contacts answer by mail."""

from uuid import UUID, uuid5

from chassis import inbox
from chassis.database import Transaction
from contracts.base import Actor, ActorKind, now
from contracts.refusals import Deleted, NotAllowed, NotFound
from contracts.tickets import Author, AuthorKind, ReplyTaken, TakeReply
from services.tickets import store
from services.tickets.domain import By, Contact, Conversation, visiting
from services.tickets.domain import talk as rules
from services.tickets.usecases import talk
from services.tickets.usecases.talk import Words

_NAMES = UUID("3d2c9a5e-41f7-4f0e-9c55-0f3f6a0b7d21")
_SOURCE = "mail"


async def take_reply(command: TakeReply, tx: Transaction) -> ReplyTaken:
    """Let the contact write in the conversation that they were written to from; its tickets hear it."""
    taken = ReplyTaken(message_id=command.message_id)
    if command.caller.kind is not ActorKind.CONTACT or command.caller.id != str(command.contact_id):
        raise NotAllowed
    if not await inbox.first_sight(tx, _SOURCE, str(command.message_id)):
        return taken
    contact = await store.contact(tx, command.contact_id)
    if contact is None:
        raise NotFound
    actor = Actor(kind=ActorKind.CONTACT, id=str(contact.id), name=contact.name)
    by = By(actor=actor, via=command.via, cause=str(command.command_id), now=now())
    conversation = await _hold(command, contact, by, tx)
    visiting.require_a_place(conversation)
    vouched = command.unverified_sender is None
    words = Words(
        id=command.message_id,
        author=Author(kind=AuthorKind.VISITOR, id=str(contact.id) if vouched else None, name=contact.name),
        body=command.body,
        unverified_sender=command.unverified_sender,
    )
    await talk.customer_wrote(tx, conversation, words, by)
    if vouched and command.written_to is not None:
        await store.vouch(tx, contact.id, command.written_to)
    return taken


async def _hold(command: TakeReply, contact: Contact, by: By, tx: Transaction) -> Conversation:
    if command.conversation_id is not None:
        if conversation := await store.hold_conversation(tx, command.conversation_id):
            return conversation
        raise NotFound
    # Made of both, so that two mails at once begin one.
    id = uuid5(_NAMES, f"{command.ticket_id} {contact.id}")
    held = await talk.begin_conversation(tx, by, id=id, contact=contact) or await store.hold_conversation(tx, id)
    if held is None:
        raise NotFound
    if all(ticket.id != command.ticket_id for ticket in await store.load_linked(tx, id)):
        ticket = await store.load(tx, str(command.ticket_id), for_update=True)
        if ticket.deleted:
            raise Deleted
        facts = rules.tie(ticket, held, by)
        await store.save(tx, ticket, facts)
        tx.announce(*facts)
    return held
