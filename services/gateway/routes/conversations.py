"""Conversations: their transcripts, answers to them, and the tickets that they are tied to."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import Field, StringConstraints

from contracts.base import uuid7
from contracts.refusals import Conflict, Deleted, NoAddress, NotAllowed, NotFound, TransitionNotAllowed
from contracts.texts import Body, Line, NonEmptyBody, SearchText
from contracts.tickets import (
    ConversationPage,
    ConversationSnapshot,
    GetConversation,
    LinkConversation,
    ListConversations,
    MakeTicket,
    MessagePage,
    MessageSnapshot,
    PostMessage,
    Priority,
    ReplyOnTicket,
    Status,
    Tags,
    TicketSnapshot,
    UnlinkConversation,
)
from services.gateway.routes.bodies import Flag, Given, path_id, promise, query, read
from services.gateway.routes.operations import API, W, operation
from services.gateway.routes.replies import nothing, reply
from services.gateway.routes.tickets import ticket_reference
from services.gateway.routes.visitors import desk_of, inside
from services.gateway.routes.workspaces import Cursor, Page


class ConversationFilter(Given):
    """Which conversations, last written to first."""

    contact: UUID | None = None
    assistant: UUID | None = None
    ticket: Annotated[str, StringConstraints(min_length=1, max_length=36)] | None = Field(
        default=None, description="Id or number of a ticket that is linked."
    )
    linked: Flag | None = Field(default=None, description="Whether any ticket is linked.")
    awaits_reply: Flag | None = Field(default=None, description="Whether the customer wrote last.")
    q: SearchText = Field(
        default="", description="Words, or parts of words, of the contact's name or address or of what was written."
    )
    cursor: Cursor | None = Field(default=None, description="`next_cursor` of the page before.")
    limit: int = Field(default=50, ge=1, le=100)


class NewMessage(Given):
    """An answer to the customer."""

    body: NonEmptyBody
    set_status: Status | None = Field(default=None, description="Moves the linked tickets there as well.")


class TicketToMake(Given):
    """A ticket to be made of a conversation."""

    subject: Line | None = Field(default=None, description="Else the beginning of the customer's first message.")
    description: Body | None = Field(default=None, description="Else the customer's first message.")
    priority: Priority | None = None
    assign_to_me: bool = False
    tags: Tags = ()


class NewLink(Given):
    """A conversation to be tied to a ticket."""

    conversation_id: UUID


@operation(
    "GET",
    f"{W}/conversations",
    "list_conversations",
    tag="conversations",
    summary="List conversations",
    scope="conversations:read",
    query=ConversationFilter,
    answer=ConversationPage,
    refusals=(NotFound, NotAllowed),
)
async def list_conversations(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Return one page of conversations."""
    visitor = await inside(request, workspace)
    wanted = query(request, ConversationFilter)
    given = dict(wanted) | {"ticket": None if wanted.ticket is None else ticket_reference(wanted.ticket)}
    page = await desk_of(request).bus.ask(ListConversations(caller=visitor.caller, **given))
    return reply(page)


@operation(
    "GET",
    f"{W}/conversations/{{conversation:str}}",
    "get_conversation",
    tag="conversations",
    summary="Read a conversation and its transcript",
    scope="conversations:read",
    answer=ConversationSnapshot,
    refusals=(NotFound,),
)
async def get_conversation(
    request: Request[Any, Any, Any], workspace: FromPath[str], conversation: FromPath[str]
) -> ASGIResponse:
    """Return a conversation with as many of its messages as fit, oldest first."""
    visitor = await inside(request, workspace)
    found = await desk_of(request).bus.ask(
        GetConversation(caller=visitor.caller, conversation_id=path_id(conversation))
    )
    return reply(found)


@operation(
    "GET",
    f"{W}/conversations/{{conversation:str}}/messages",
    "list_messages",
    tag="conversations",
    summary="List a conversation's messages",
    scope="conversations:read",
    query=Page,
    answer=MessagePage,
    refusals=(NotFound,),
)
async def list_messages(
    request: Request[Any, Any, Any], workspace: FromPath[str], conversation: FromPath[str]
) -> ASGIResponse:
    """Return one page of a transcript, oldest first."""
    visitor = await inside(request, workspace)
    page = query(request, Page)
    read_on = await desk_of(request).bus.ask(
        GetConversation(
            caller=visitor.caller, conversation_id=path_id(conversation), cursor=page.cursor, limit=page.limit
        )
    )
    return reply(MessagePage(items=read_on.messages, next_cursor=read_on.next_cursor))


@operation(
    "POST",
    f"{W}/conversations/{{conversation:str}}/messages",
    "post_message",
    tag="conversations",
    summary="Answer the customer",
    scope="conversations:write",
    body=NewMessage,
    answer=MessageSnapshot,
    status=201,
    refusals=(NotFound, NotAllowed, TransitionNotAllowed, Conflict),
    keyed=True,
)
async def post_message(
    request: Request[Any, Any, Any], workspace: FromPath[str], conversation: FromPath[str]
) -> ASGIResponse:
    """Write to the customer, and move the linked tickets in the same command."""
    visitor = await inside(request, workspace)
    sent = await read(request, NewMessage)
    posted = await desk_of(request).bus.ask(
        PostMessage(
            caller=visitor.caller,
            via=visitor.via,
            idempotency=sent.key,
            conversation_id=path_id(conversation),
            message_id=uuid7(),
            body=sent.body.body,
            set_status=sent.body.set_status,
        )
    )
    return reply(posted, 201)


@operation(
    "POST",
    f"{W}/tickets/{{ticket:str}}/reply",
    "reply_on_ticket",
    tag="conversations",
    summary="Write to the contact of a ticket without a conversation",
    scope="conversations:write",
    body=NewMessage,
    answer=MessageSnapshot,
    status=201,
    refusals=(NotFound, NotAllowed, TransitionNotAllowed, Conflict, Deleted, NoAddress),
    keyed=True,
)
async def reply_on_ticket(
    request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]
) -> ASGIResponse:
    """Write to them by mail: a conversation with them begins, linked to the ticket, and takes the answer."""
    visitor = await inside(request, workspace)
    reference = ticket_reference(ticket)
    sent = await read(request, NewMessage)
    posted = await desk_of(request).bus.ask(
        ReplyOnTicket(
            caller=visitor.caller,
            via=visitor.via,
            idempotency=sent.key,
            ticket=reference,
            message_id=uuid7(),
            body=sent.body.body,
            set_status=sent.body.set_status,
        )
    )
    return reply(posted, 201)


@operation(
    "POST",
    f"{W}/conversations/{{conversation:str}}/ticket",
    "make_ticket",
    tag="conversations",
    summary="Open a ticket from a conversation",
    scope="tickets:write",
    body=TicketToMake,
    answer=TicketSnapshot,
    status=201,
    headers=("ETag", "Location"),
    refusals=(NotFound, NotAllowed, Conflict),
    keyed=True,
)
async def make_ticket(
    request: Request[Any, Any, Any], workspace: FromPath[str], conversation: FromPath[str]
) -> ASGIResponse:
    """Open a ticket that the conversation is linked to, for the same contact."""
    visitor = await inside(request, workspace)
    sent = await read(request, TicketToMake)
    new = sent.body
    ticket = await desk_of(request).bus.ask(
        MakeTicket(
            caller=visitor.caller,
            via=visitor.via,
            idempotency=sent.key,
            conversation_id=path_id(conversation),
            ticket_id=uuid7(),
            subject=new.subject,
            description=new.description,
            priority=new.priority,
            assignee_to_caller=new.assign_to_me,
            tags=new.tags,
        )
    )
    where = f"{API}/workspaces/{workspace}/tickets/{ticket.id}"
    return reply(ticket, 201, version=ticket.version, headers={"location": where})


@operation(
    "POST",
    f"{W}/tickets/{{ticket:str}}/conversations",
    "link_conversation",
    tag="conversations",
    summary="Tie a conversation to a ticket",
    scope="tickets:write",
    body=NewLink,
    answer=TicketSnapshot,
    status=201,
    also=(200,),
    headers=("ETag",),
    refusals=(NotFound, NotAllowed, Conflict, Deleted),
    keyed=True,
)
async def link_conversation(
    request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]
) -> ASGIResponse:
    """Tie them; where they are tied already nothing happens, and the answer is 200."""
    visitor = await inside(request, workspace)
    reference = ticket_reference(ticket)
    sent = await read(request, NewLink)
    made = await desk_of(request).bus.ask(
        LinkConversation(
            caller=visitor.caller,
            via=visitor.via,
            idempotency=sent.key,
            ticket=reference,
            conversation_id=sent.body.conversation_id,
        )
    )
    return reply(made.ticket, 201 if made.fresh else 200, version=made.ticket.version)


@operation(
    "DELETE",
    f"{W}/tickets/{{ticket:str}}/conversations/{{conversation:str}}",
    "unlink_conversation",
    tag="conversations",
    summary="Untie a conversation from a ticket",
    scope="tickets:write",
    answer=None,
    status=204,
    refusals=(NotFound, NotAllowed, Deleted),
    keyed=True,
)
async def unlink_conversation(
    request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str], conversation: FromPath[str]
) -> ASGIResponse:
    """Untie them; both go on by themselves."""
    visitor = await inside(request, workspace)
    await desk_of(request).bus.ask(
        UnlinkConversation(
            caller=visitor.caller,
            via=visitor.via,
            idempotency=promise(request),
            ticket=ticket_reference(ticket),
            conversation_id=path_id(conversation),
        )
    )
    return nothing()


HANDLERS = (
    list_conversations,
    get_conversation,
    list_messages,
    post_message,
    reply_on_ticket,
    make_ticket,
    link_conversation,
    unlink_conversation,
)
