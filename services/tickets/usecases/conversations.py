"""Conversations: read, answered, and tied to tickets by agents."""

from typing import Any
from uuid import UUID

from chassis.database import Transaction
from contracts.base import Caller, Person
from contracts.refusals import Conflict, Invalid, NoAddress, NotFound
from contracts.tickets import (
    Action,
    Author,
    AuthorKind,
    ConversationPage,
    ConversationRow,
    ConversationSnapshot,
    GetConversation,
    LinkConversation,
    LinkMade,
    ListConversations,
    MakeTicket,
    MessageSnapshot,
    PostMessage,
    ReplyOnTicket,
    TicketSnapshot,
    UnlinkConversation,
)
from services.tickets import domain, store
from services.tickets.domain import Conversation
from services.tickets.domain import talk as rules
from services.tickets.usecases import talk
from services.tickets.usecases.shown import by, snapshot
from services.tickets.usecases.talk import Words


async def list_conversations(query: ListConversations, tx: Transaction) -> ConversationPage:
    """Read a page of conversations."""
    domain.require_team(query.caller)
    found, more = await store.conversation_page(tx, query)
    return ConversationPage(items=tuple(found), next_cursor=more)


async def get_conversation(query: GetConversation, tx: Transaction) -> ConversationSnapshot:
    """Read a conversation and a page of its transcript."""
    row = await store.conversation_row(tx, query.conversation_id)
    if row is None or not domain.reads_conversation(query.caller, len(row.tickets)):
        raise NotFound
    messages, more = await store.transcript(tx, row.id, query.cursor, query.limit)
    if not domain.sees_addresses(query.caller):
        messages = [rules.without_address(message) for message in messages]
    return ConversationSnapshot(**_shown(row, query.caller), messages=tuple(messages), next_cursor=more)


async def post_message(command: PostMessage, tx: Transaction) -> MessageSnapshot:
    """Answer the customer, and move the linked tickets where that is asked for."""
    domain.require_team(command.caller)
    return await _answer(command, await _held(tx, command.conversation_id), tx)


async def reply_on_ticket(command: ReplyOnTicket, tx: Transaction) -> MessageSnapshot:
    """Answer the contact of a ticket by mail, in the conversation that begins with it."""
    ticket = await store.load(tx, command.ticket)
    domain.require(Action.REPLY, command.caller, ticket)
    contact = ticket.state.contact
    if contact is None or contact.email is None:
        raise NoAddress
    linked = [each.id for each in ticket.state.conversations]
    if linked and talk.by_mail(ticket.id, contact.id) not in linked:
        raise Conflict("A conversation is linked to this ticket; answer there.")
    if not (await store.settings(tx)).mail_replied:
        raise Conflict("This workspace sends no replies by mail; an admin can switch them on.")
    return await _answer(command, await talk.hold_by_mail(tx, ticket.id, contact, by(command)), tx)


async def make_ticket(command: MakeTicket, tx: Transaction) -> TicketSnapshot:
    """Open a ticket from a conversation."""
    caller = command.caller
    assignee = Person(id=UUID(caller.id), name=caller.name, role=caller.role) if command.assignee_to_caller else None
    domain.require_creation(caller, assignee)
    conversation = await _held(tx, command.conversation_id)
    domain.require_reply(caller, await store.load_linked(tx, conversation.id))
    said = await store.first_words(tx, conversation.id)
    if said is None and command.subject is None:
        raise Invalid.field("subject", "required", "nothing was said yet that could be the subject")
    ticket = await talk.open_from_conversation(
        tx,
        conversation,
        id=command.ticket_id,
        subject=command.subject or rules.subject_of(said or ""),
        description=command.description if command.description is not None else said or "",
        priority=command.priority,
        assignee=assignee,
        tags=command.tags,
        by=by(command),
    )
    return snapshot(ticket, caller)


async def link_conversation(command: LinkConversation, tx: Transaction) -> LinkMade:
    """Tie a conversation to a ticket."""
    domain.require(Action.LINK, command.caller, await store.load(tx, command.ticket))
    conversation = await store.hold_conversation(tx, command.conversation_id)
    if conversation is None:
        raise Invalid.field("conversation_id", "not_found", "there is no such conversation")
    ticket = await store.load(tx, command.ticket, for_update=True)
    facts = ticket.link_conversation(conversation.ref, command.caller, by(command))
    if facts:
        rules.require_room(await store.links(tx, conversation.id))
    await store.save(tx, ticket, facts)
    tx.announce(*facts)
    return LinkMade(ticket=snapshot(ticket, command.caller), fresh=bool(facts))


async def unlink_conversation(command: UnlinkConversation, tx: Transaction) -> TicketSnapshot:
    """Untie a conversation from a ticket."""
    domain.require(Action.LINK, command.caller, await store.load(tx, command.ticket))
    await _held(tx, command.conversation_id)
    ticket = await store.load(tx, command.ticket, for_update=True)
    facts = ticket.unlink_conversation(command.conversation_id, command.caller, by(command))
    await store.save(tx, ticket, facts)
    tx.announce(*facts)
    return snapshot(ticket, command.caller)


async def _answer(command: PostMessage | ReplyOnTicket, conversation: Conversation, tx: Transaction) -> MessageSnapshot:
    tickets = await store.load_linked(tx, conversation.id)
    domain.require_reply(command.caller, tickets)
    conversation.require_own()
    if command.set_status is not None:
        rules.require_a_move(tickets, command.set_status, command.caller)
    caller = command.caller
    words = Words(
        id=command.message_id,
        author=Author(kind=AuthorKind.AGENT, id=caller.id, name=caller.name),
        body=command.body,
    )
    return await talk.agent_wrote(
        tx, conversation, tickets, words, by(command), status=command.set_status, caller=caller
    )


async def _held(tx: Transaction, id: UUID) -> Conversation:
    if conversation := await store.hold_conversation(tx, id):
        return conversation
    raise NotFound


def _shown(row: ConversationRow, caller: Caller) -> dict[str, Any]:
    fields = dict(row)
    if row.contact is not None and not domain.sees_addresses(caller):
        fields["contact"] = row.contact.model_copy(update={"email": None})
    return fields
