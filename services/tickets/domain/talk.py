"""What a conversation does to the tickets that are linked to it."""

import datetime as dt
from collections.abc import Iterable, Sequence
from uuid import UUID

from contracts.base import Caller, TicketEvent
from contracts.refusals import Conflict, NotAllowed, TransitionNotAllowed
from contracts.tickets import (
    Action,
    AgentReplied,
    ConversationLinked,
    CustomerMessage,
    FollowUpOpened,
    MessagePosted,
    MessageSnapshot,
    Status,
    StatusChanged,
    TicketRef,
)
from services.tickets.domain.conversation import MOST_LINKS, Conversation
from services.tickets.domain.facts import By
from services.tickets.domain.status import moves
from services.tickets.domain.ticket import Step, Ticket

_WOKEN = (Status.WAITING_ON_CUSTOMER, Status.RESOLVED)
"""Where a ticket stands that the customer's next word moves to open."""

_LONGEST_SUBJECT = 200
_SOMEBODY = "another address"


def require_room(links: int) -> None:
    """Raise Conflict when a conversation that so many tickets are linked to can't take one more."""
    if links >= MOST_LINKS:
        raise Conflict(f"The conversation is linked to {MOST_LINKS} tickets; unlink one first.")


def hear_customer(ticket: Ticket, message: MessagePosted, by: By) -> list[TicketEvent]:
    """Let a linked ticket hear its customer: one that waited for them, or was resolved, is open again."""
    steps: list[Step] = [(CustomerMessage, _words(message) | {"unverified": message.unverified_sender is not None})]
    if ticket.status in _WOKEN:
        steps.append((StatusChanged, {"old": ticket.status, "new": Status.OPEN}))
    return ticket.record(steps, by)


def tie(ticket: Ticket, conversation: Conversation, by: By) -> list[TicketEvent]:
    """Tie a conversation by mail to the ticket that it is about; no fact when it is tied already."""
    if any(known.id == conversation.id for known in ticket.state.conversations):
        return []
    return ticket.record([(ConversationLinked, {"new": conversation.ref})], by)


def hear_agent(
    ticket: Ticket, message: MessagePosted, by: By, *, status: Status | None = None, caller: Caller | None = None
) -> list[TicketEvent]:
    """Let a linked ticket hear an answer to its customer, and move it to `status` if this caller may do that."""
    steps: list[Step] = [(AgentReplied, _words(message))]
    if status is not None and caller is not None and status in ticket.allowed(caller).statuses:
        steps.append((StatusChanged, {"old": ticket.status, "new": status}))
    return ticket.record(steps, by)


def require_a_move(tickets: Iterable[Ticket], status: Status, caller: Caller) -> None:
    """Raise unless the caller may move one of these there, or one that is theirs stands there.

    NotAllowed for a move that others may make, TransitionNotAllowed for one that nobody can.
    """
    open_to_caller: set[Status] = set()
    open_to_others = False
    for ticket in tickets:
        allowed = ticket.allowed(caller)
        if status in allowed.statuses or (ticket.status is status and Action.MOVE in allowed.actions):
            return
        open_to_caller.update(allowed.statuses)
        open_to_others = open_to_others or status in moves(ticket.status)
    if open_to_others:
        raise NotAllowed
    raise TransitionNotAllowed(allowed=[each.value for each in Status if each in open_to_caller])


def to_be_followed_up(tickets: Sequence[Ticket], now: dt.datetime) -> Ticket | None:
    """Return which of a conversation's tickets a new one must follow when its customer writes, if one must.

    That is the one closed last, within the days that the workspace has settled. While a follow-up is linked that is
    not closed itself, that one hears the customer, and nothing more is opened.
    """
    known = {ticket.id for ticket in tickets}
    for ticket in tickets:
        old = ticket.state.follow_up_of
        if old is not None and old.id in known and ticket.status is not Status.CLOSED:
            return None
    closed = [ticket for ticket in tickets if ticket.status is Status.CLOSED and _is_within(ticket, now)]
    return max(closed, key=lambda ticket: (ticket.state.closed_at, ticket.state.number), default=None)


def follow_up(
    old: Ticket, conversation: Conversation, message: MessagePosted, *, id: UUID, number: int, by: By
) -> tuple[Ticket, list[TicketEvent], list[TicketEvent]]:
    """Open the ticket that follows a closed one; return it, its facts, and what the old one says of it."""
    state = old.state
    new, facts = Ticket.begin(
        id=id,
        workspace_id=old.workspace_id,
        number=number,
        subject=state.subject,
        description=message.body,
        priority=state.priority,
        contact=state.contact or conversation.contact,
        conversation=conversation.ref,
        follow_up_of=TicketRef(id=old.id, number=state.number),
        rules=old.rules,
        by=by,
    )
    return new, facts, old.record([(FollowUpOpened, {"new": TicketRef(id=id, number=number)})], by)


def without_address(message: MessageSnapshot) -> MessageSnapshot:
    """Return a message as it is shown to whoever sees no addresses."""
    if message.unverified_sender is None:
        return message
    return message.model_copy(update={"unverified_sender": _SOMEBODY})


def subject_of(body: str) -> str:
    """Return the subject of a ticket that is made of this message: its first words in one line."""
    line = " ".join("".join(" " if not each.isprintable() else each for each in body).split())
    if 0 < len(line) <= _LONGEST_SUBJECT:
        return line
    return line[: _LONGEST_SUBJECT - 1].rstrip() + "…"


def _words(message: MessagePosted) -> dict[str, object]:
    return {"conversation_id": message.conversation_id, "message_id": message.message_id, "body": message.body}


def _is_within(ticket: Ticket, now: dt.datetime) -> bool:
    days, closed_at = ticket.rules.follow_up_days, ticket.state.closed_at
    return days is None or (closed_at is not None and now - closed_at <= dt.timedelta(days=days))
