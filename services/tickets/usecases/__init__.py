"""What can be asked of tickets: load, decide, save, announce."""

from services.tickets.usecases.intake import remember_workspace, request_ticket
from services.tickets.usecases.letters import (
    drop_dead_letter,
    get_dead_letter,
    list_dead_letters,
    retry_dead_letter,
)
from services.tickets.usecases.notes import add_note, list_notes, pin_note
from services.tickets.usecases.tickets import change_ticket, create_ticket, get_ticket, list_tickets

__all__ = [
    "add_note",
    "change_ticket",
    "create_ticket",
    "drop_dead_letter",
    "get_dead_letter",
    "get_ticket",
    "list_dead_letters",
    "list_notes",
    "list_tickets",
    "pin_note",
    "remember_workspace",
    "request_ticket",
    "retry_dead_letter",
]
