"""Remembers: tickets and what lies beside them, one workspace at a time."""

from services.tickets.store.assistants import (
    add_assistant,
    assistant,
    assistant_page,
    assistant_since,
    find_assistant,
    forget_nonces,
    identity_secret,
    save_assistant,
    use_nonce,
)
from services.tickets.store.intake import asked, standing, workspace
from services.tickets.store.lists import page
from services.tickets.store.notes import has_note, note_page
from services.tickets.store.people import contact, conversation, meet
from services.tickets.store.tickets import insert, load, missed, next_number, save

__all__ = [
    "add_assistant",
    "asked",
    "assistant",
    "assistant_page",
    "assistant_since",
    "contact",
    "conversation",
    "find_assistant",
    "forget_nonces",
    "has_note",
    "identity_secret",
    "insert",
    "load",
    "meet",
    "missed",
    "next_number",
    "note_page",
    "page",
    "save",
    "save_assistant",
    "standing",
    "use_nonce",
    "workspace",
]
