"""Where a ticket may go from where it stands. Nothing comes back to `new`, but what was no spam after all."""

from collections.abc import Mapping
from types import MappingProxyType

from contracts.tickets import Action, Status

HIDDEN = (Status.CLOSED, Status.SPAM)
"""What a list leaves out unless it is asked for."""

MOVES: Mapping[Status, tuple[Status, ...]] = MappingProxyType(
    {
        Status.NEW: (
            Status.OPEN,
            Status.IN_PROGRESS,
            Status.WAITING_ON_CUSTOMER,
            Status.RESOLVED,
            Status.CLOSED,
            Status.SPAM,
        ),
        Status.OPEN: (
            Status.IN_PROGRESS,
            Status.WAITING_ON_CUSTOMER,
            Status.RESOLVED,
            Status.CLOSED,
            Status.SPAM,
        ),
        Status.IN_PROGRESS: (
            Status.OPEN,
            Status.WAITING_ON_CUSTOMER,
            Status.RESOLVED,
            Status.CLOSED,
            Status.SPAM,
        ),
        Status.WAITING_ON_CUSTOMER: (
            Status.OPEN,
            Status.IN_PROGRESS,
            Status.RESOLVED,
            Status.CLOSED,
            Status.SPAM,
        ),
        Status.RESOLVED: (
            Status.OPEN,
            Status.IN_PROGRESS,
            Status.WAITING_ON_CUSTOMER,
            Status.CLOSED,
            Status.SPAM,
        ),
        Status.CLOSED: (Status.OPEN, Status.SPAM),
        Status.SPAM: (Status.OPEN, Status.CLOSED),
    }
)


def moves(status: Status) -> tuple[Status, ...]:
    """Return the statuses that follow this one, whoever asks."""
    return MOVES[status]


def right_for(old: Status, new: Status) -> Action:
    """Return the right that a move takes: closing and reopening take their own."""
    if old is new:
        return Action.MOVE
    if new is Status.CLOSED:
        return Action.CLOSE
    return Action.REOPEN if old is Status.CLOSED else Action.MOVE
