"""Decides: plain Python and contracts, no clock, no chance, nothing that waits."""

from services.tickets.domain.assistant import KIND as ASSISTANT
from services.tickets.domain.assistant import Assistant
from services.tickets.domain.contact import KnownContact
from services.tickets.domain.conversation import Conversation, reads_conversation, require_reply, require_team
from services.tickets.domain.facts import By
from services.tickets.domain.fields import field_values, fields_of
from services.tickets.domain.filters import require_bulk, require_filter
from services.tickets.domain.identity import check as check_identity
from services.tickets.domain.letters import settled
from services.tickets.domain.outside import update_from_outside
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
from services.tickets.domain.ticket import Ticket
from services.tickets.domain.visiting import Visitor

__all__ = [
    "ASSISTANT",
    "HIDDEN",
    "MOVES",
    "Assistant",
    "By",
    "Contact",
    "Conversation",
    "KnownContact",
    "Ticket",
    "TicketState",
    "Visitor",
    "allowed",
    "audience_of",
    "change_settings",
    "check_identity",
    "clock",
    "field_values",
    "fields_of",
    "integration",
    "moves",
    "reads_conversation",
    "require",
    "require_bulk",
    "require_creation",
    "require_desk",
    "require_filter",
    "require_reply",
    "require_sight",
    "require_team",
    "right_for",
    "sees_addresses",
    "settled",
    "update_from_outside",
]
