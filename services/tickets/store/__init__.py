"""Remembers: tickets and what lies beside them, one workspace at a time."""

from services.tickets.store.intake import asked, standing, workspace
from services.tickets.store.lists import page
from services.tickets.store.notes import has_note, note, note_page
from services.tickets.store.people import contact, conversation, meet
from services.tickets.store.tickets import insert, load, missed, next_number, save

__all__ = [
    "asked",
    "contact",
    "conversation",
    "has_note",
    "insert",
    "load",
    "meet",
    "missed",
    "next_number",
    "note",
    "note_page",
    "page",
    "save",
    "standing",
    "workspace",
]
