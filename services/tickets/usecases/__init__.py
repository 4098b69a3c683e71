"""What can be asked of tickets: load, decide, save, announce."""

from services.tickets.usecases.bulk import change_tickets, get_bulk, go_on
from services.tickets.usecases.intake import forget_workspace, remember_workspace, request_ticket
from services.tickets.usecases.letters import get_dead_letter, list_dead_letters
from services.tickets.usecases.notes import add_note, list_notes
from services.tickets.usecases.settings import change_settings, get_settings
from services.tickets.usecases.tickets import (
    change_ticket,
    count_tickets,
    create_ticket,
    delete_ticket,
    get_ticket,
    list_tickets,
    mark_not_spam,
    restore_ticket,
)
from services.tickets.usecases.untouched import close_untouched

__all__ = [
    "add_note",
    "change_settings",
    "change_ticket",
    "change_tickets",
    "close_untouched",
    "count_tickets",
    "create_ticket",
    "delete_ticket",
    "forget_workspace",
    "get_bulk",
    "get_dead_letter",
    "get_settings",
    "get_ticket",
    "go_on",
    "list_dead_letters",
    "list_notes",
    "list_tickets",
    "mark_not_spam",
    "remember_workspace",
    "request_ticket",
    "restore_ticket",
]
