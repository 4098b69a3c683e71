"""What another system may do to the tickets that it opened: move them, rank them, and note something."""

from uuid import UUID

from contracts.base import TicketEvent
from contracts.refusals import TransitionNotAllowed
from contracts.tickets import NoteAdded, Priority, PriorityChanged, Status, StatusChanged
from services.tickets.domain.facts import By
from services.tickets.domain.status import moves
from services.tickets.domain.ticket import Step, Ticket


def update_from_outside(
    ticket: Ticket,
    *,
    by: By,
    status: Status | None = None,
    priority: Priority | None = None,
    note: tuple[UUID, str] | None = None,
) -> list[TicketEvent]:
    """Change what is given, all or nothing; the system that opened the ticket asks, and needs no other right.

    Raises TransitionNotAllowed for a move that nobody can make.
    """
    steps: list[Step] = []
    if priority not in (None, ticket.state.priority):
        steps.append((PriorityChanged, {"old": ticket.state.priority, "new": priority}))
    if status not in (None, ticket.status):
        if status not in moves(ticket.status):
            raise TransitionNotAllowed(allowed=[each.value for each in moves(ticket.status)])
        steps.append((StatusChanged, {"old": ticket.status, "new": status}))
    if note is not None:
        id, body = note
        steps.append((NoteAdded, {"note_id": id, "body": body, "pinned": False}))
    return ticket.record(steps, by)
