"""What contacts answer by mail."""

from chassis import inbox
from chassis.database import Transaction
from contracts.base import Actor, ActorKind, now
from contracts.refusals import NotAllowed, NotFound
from contracts.tickets import Author, AuthorKind, ReplyTaken, TakeReply
from services.tickets import store
from services.tickets.domain import By, Contact, Conversation, visiting
from services.tickets.usecases import talk
from services.tickets.usecases.talk import Words

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
    return await talk.hold_by_mail(tx, command.ticket_id, contact, by)
