"""Decides: plain Python and contracts, no clock, no chance, nothing that waits."""

from services.tickets.domain.filters import require_bulk, require_filter
from services.tickets.domain.policy import (
    allowed,
    audience_of,
    clock,
    integration,
    require,
    require_creation,
    require_desk,
    require_sight,
    sees_addresses,
)
from services.tickets.domain.settings import change_settings
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
    "change_settings",
    "clock",
    "integration",
    "moves",
    "require",
    "require_bulk",
    "require_creation",
    "require_desk",
    "require_filter",
    "require_sight",
    "right_for",
    "sees_addresses",
]
