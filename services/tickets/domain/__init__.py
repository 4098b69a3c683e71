"""Decides: plain Python and contracts, no clock, no chance, nothing that waits."""

from services.tickets.domain.policy import (
    allowed,
    audience_of,
    integration,
    require,
    require_creation,
    require_desk,
    sees_addresses,
)
from services.tickets.domain.state import Contact, TicketState
from services.tickets.domain.status import HIDDEN, MOVES, moves, right_for
from services.tickets.domain.ticket import By, Ticket

__all__ = [
    "HIDDEN",
    "MOVES",
    "By",
    "Contact",
    "Ticket",
    "TicketState",
    "allowed",
    "audience_of",
    "integration",
    "moves",
    "require",
    "require_creation",
    "require_desk",
    "right_for",
    "sees_addresses",
]
