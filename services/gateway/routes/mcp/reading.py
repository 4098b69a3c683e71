"""Tools that read: tickets that fit some terms, and one ticket with everything that belongs to it."""

import asyncio
from typing import Any, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.activity import Entry, History
from contracts.base import Actor, Model, Via
from contracts.refusals import NotFound
from contracts.tickets import (
    Author,
    ContactRef,
    GetConversation,
    GetTicket,
    ListTickets,
    MessageSnapshot,
    TicketSnapshot,
)
from services.gateway.domain import Scope
from services.gateway.routes.filters import Sort, TicketTerms, terms
from services.gateway.routes.ledger import last_part
from services.gateway.routes.mcp.calls import Call, Found, OnTicket, Untrusted
from services.gateway.routes.workspaces import Cursor

_STEPS = 100
_MESSAGES = 100
_TRANSCRIPTS = 10


class Search(TicketTerms):
    """Which tickets, in which order."""

    deleted: bool = Field(default=False, description="Deleted tickets instead, in every status; for admins.")
    sort: Sort = Field(default="-updated", description="`priority` has critical first; `-` turns an order round.")
    cursor: Cursor | None = Field(default=None, description="`next_cursor` of the answer before.")
    limit: int = Field(default=20, ge=1, le=100)


class Results(Model):
    """One page of tickets."""

    untrusted: Untrusted = Untrusted(fields=tuple(f"items[].{name}" for name in Found.UNTRUSTED))
    items: tuple[Found, ...]
    next_cursor: str | None


async def search(call: Call, wanted: Search) -> Results:
    """Return one page of tickets."""
    page = await call.desk.bus.ask(
        ListTickets(
            caller=call.visitor.caller,
            **terms(call.visitor, wanted),
            deleted=wanted.deleted,
            sort=wanted.sort,
            cursor=wanted.cursor,
            limit=wanted.limit,
        )
    )
    return Results(items=tuple(Found.of(call, row) for row in page.items), next_cursor=page.next_cursor)


class Read(OnTicket):
    """Which ticket, and where to read on in what is long."""

    history_until: int | None = Field(
        default=None, ge=1, le=10**9, description="Earlier history: the part that ends at this version; `earlier`."
    )
    conversation_id: UUID | None = Field(default=None, description="Of the ticket's conversations, this one alone.")
    messages_cursor: Cursor | None = Field(
        default=None, description="With `conversation_id`: the messages behind those; its `next_cursor`."
    )


class Step(Model):
    """Something that happened to a ticket. Words that were erased stand as `sha256:…`."""

    version: int | None
    type: str
    at: AwareDatetime
    actor: Actor
    via: Via
    old: Any = None
    new: Any = None
    data: dict[str, Any]

    @classmethod
    def of(cls, entry: Entry) -> "Step":
        """Return an entry of the ledger without what proves it."""
        return cls(**{name: getattr(entry, name) for name in cls.model_fields})


class Message(Model):
    """One message of a conversation."""

    seq: int
    author: Author
    body: str
    at: AwareDatetime
    unverified_sender: str | None
    """Who a mail says it is from, where that is not the address that was written to: it may be anybody."""

    @classmethod
    def of(cls, message: MessageSnapshot) -> "Message":
        """Return what was said, by whom and when."""
        return cls(**{name: getattr(message, name) for name in cls.model_fields})


class Transcript(Model):
    """What a customer and the team said to each other, oldest first."""

    id: UUID
    contact: ContactRef | None
    identified: bool
    """Whether the site vouched for the visitor; else name and address are what they typed."""
    awaits_reply: bool
    messages: tuple[Message, ...]
    next_cursor: str | None = Field(description="For the messages behind these, as `messages_cursor`.")


class Whole(Model):
    """A ticket with its history and its conversations, as far as the caller may see them."""

    UNTRUSTED: ClassVar[tuple[str, ...]] = (
        *(f"ticket.{name}" for name in (*Found.UNTRUSTED, "description", "fields")),
        *(f"history[].{name}" for name in ("actor.name", "old", "new", "data")),
        *(f"conversations[].{name}" for name in ("contact", "messages[].author.name", "messages[].body")),
    )

    untrusted: Untrusted = Untrusted(fields=UNTRUSTED)
    url: str = Field(description="The ticket's page, for a person.")
    ticket: TicketSnapshot
    history: tuple[Step, ...] = Field(description="What happened, oldest first; notes and comments are among it.")
    earlier: int | None = Field(description="Where the history before this part ends, as `history_until`; else null.")
    behind: int = Field(description="How many steps of the ticket the ledger has not reached yet.")
    conversations: tuple[Transcript, ...]
    left_out: tuple[str, ...] = Field(description="What belongs to the ticket and is not here, and why.")


async def read(call: Call, wanted: Read) -> Whole:
    """Return a ticket whole."""
    caller, bus = call.visitor.caller, call.desk.bus
    ticket = await bus.ask(GetTicket(caller=caller, ticket=wanted.reference))
    end = min(wanted.history_until or ticket.version, ticket.version)
    asked = History(caller=caller, ticket_id=ticket.id, min_version=end, until=end, limit=_STEPS)
    part, (conversations, left_out) = await asyncio.gather(
        last_part(call.desk, asked), _conversations(call, ticket, wanted)
    )
    first = part.items[0].version or 1 if part.items else 1
    return Whole(
        url=call.page_of(ticket.number),
        ticket=ticket,
        history=tuple(Step.of(entry) for entry in part.items),
        earlier=first - 1 if part.more else None,
        behind=end - part.last,
        conversations=conversations,
        left_out=left_out,
    )


async def _conversations(
    call: Call, ticket: TicketSnapshot, wanted: Read
) -> tuple[tuple[Transcript, ...], tuple[str, ...]]:
    """Return the transcripts that the caller may read, and what is left out."""
    ids = [each.id for each in ticket.conversations]
    if wanted.conversation_id is not None:
        if wanted.conversation_id not in ids:
            raise NotFound("The ticket has no such conversation.")
        ids = [wanted.conversation_id]
    if ids and Scope.CONVERSATIONS_READ not in call.visitor.caller.scopes:
        return (), (f"Conversations ({len(ids)}): this token lacks the scope {Scope.CONVERSATIONS_READ}.",)
    read_now = ids[:_TRANSCRIPTS]
    found = await asyncio.gather(*(_transcript(call, id, wanted.messages_cursor) for id in read_now))
    late = (f"Conversation {id}: ask for it by conversation_id." for id in ids[_TRANSCRIPTS:])
    return tuple(found), tuple(late)


async def _transcript(call: Call, id: UUID, cursor: str | None) -> Transcript:
    asked = GetConversation(caller=call.visitor.caller, conversation_id=id, cursor=cursor, limit=_MESSAGES)
    found = await call.desk.bus.ask(asked)
    return Transcript(
        id=found.id,
        contact=found.contact,
        identified=found.identified,
        awaits_reply=found.awaits_reply,
        messages=tuple(Message.of(message) for message in found.messages),
        next_cursor=found.next_cursor,
    )
