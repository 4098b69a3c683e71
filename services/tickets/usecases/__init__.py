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
from services.tickets.usecases.bulk import change_tickets, get_bulk, go_on
from services.tickets.usecases.contacts import (
    change_contact,
    create_contact,
    delete_contact,
    get_contact,
    list_contacts,
)
from services.tickets.usecases.conversations import (
    get_conversation,
    link_conversation,
    list_conversations,
    make_ticket,
    post_message,
    reply_on_ticket,
    unlink_conversation,
)
from services.tickets.usecases.correspondence import get_correspondence
from services.tickets.usecases.intake import (
    forget_workspace,
    receive_message,
    remember_workspace,
    rename_member,
    request_ticket,
    update_ticket,
)
from services.tickets.usecases.letters import (
    drop_dead_letter,
    get_dead_letter,
    list_dead_letters,
    retry_dead_letter,
)
from services.tickets.usecases.notes import add_note, list_notes, pin_note
from services.tickets.usecases.replies import take_reply
from services.tickets.usecases.settings import change_settings, get_settings
from services.tickets.usecases.tickets import (
    change_ticket,
    count_tickets,
    create_ticket,
    delete_ticket,
    get_ticket,
    list_tags,
    list_tickets,
    mark_not_spam,
    restore_ticket,
    take_up,
)
from services.tickets.usecases.untouched import close_untouched
from services.tickets.usecases.visitors import (
    open_visitor_ticket,
    post_visitor_message,
    read_visitor_conversation,
    start_conversation,
)

__all__ = [
    "add_note",
    "change_assistant",
    "change_contact",
    "change_settings",
    "change_ticket",
    "change_tickets",
    "close_untouched",
    "count_tickets",
    "create_assistant",
    "create_contact",
    "create_ticket",
    "delete_assistant",
    "delete_contact",
    "delete_ticket",
    "drop_dead_letter",
    "find_assistant",
    "forget_workspace",
    "get_assistant",
    "get_bulk",
    "get_contact",
    "get_conversation",
    "get_correspondence",
    "get_dead_letter",
    "get_identity_secret",
    "get_settings",
    "get_ticket",
    "go_on",
    "link_conversation",
    "list_assistants",
    "list_contacts",
    "list_conversations",
    "list_dead_letters",
    "list_notes",
    "list_tags",
    "list_tickets",
    "make_ticket",
    "mark_not_spam",
    "open_visitor_ticket",
    "pin_note",
    "post_message",
    "post_visitor_message",
    "read_visitor_conversation",
    "receive_message",
    "remember_workspace",
    "rename_member",
    "reply_on_ticket",
    "request_ticket",
    "restore_ticket",
    "retry_dead_letter",
    "rotate_identity_secret",
    "start_conversation",
    "take_reply",
    "take_up",
    "unlink_conversation",
    "update_ticket",
]
