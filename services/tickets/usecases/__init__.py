"""What can be asked of tickets: load, decide, save, announce."""

from services.tickets.usecases.assistants import (
    change_assistant,
    create_assistant,
    delete_assistant,
    find_assistant,
    get_assistant,
    get_identity_secret,
    list_assistants,
    rotate_identity_secret,
)
from services.tickets.usecases.intake import (
    end_workspace,
    receive_message,
    remember_workspace,
    request_ticket,
    update_ticket,
)
from services.tickets.usecases.letters import get_dead_letter, list_dead_letters
from services.tickets.usecases.notes import add_note, list_notes
from services.tickets.usecases.tickets import change_ticket, create_ticket, get_ticket, list_tickets
from services.tickets.usecases.visitors import (
    forget_nonces,
    open_visitor_ticket,
    post_visitor_message,
    read_visitor_conversation,
    start_conversation,
)

__all__ = [
    "add_note",
    "change_assistant",
    "change_ticket",
    "create_assistant",
    "create_ticket",
    "delete_assistant",
    "end_workspace",
    "find_assistant",
    "forget_nonces",
    "get_assistant",
    "get_dead_letter",
    "get_identity_secret",
    "get_ticket",
    "list_assistants",
    "list_dead_letters",
    "list_notes",
    "list_tickets",
    "open_visitor_ticket",
    "post_visitor_message",
    "read_visitor_conversation",
    "receive_message",
    "remember_workspace",
    "request_ticket",
    "rotate_identity_secret",
    "start_conversation",
    "update_ticket",
]
