"""Remembers: tickets and what lies beside them, one workspace at a time."""

from services.tickets.store.bulks import (
    Done,
    add_bulk,
    bulk,
    choose_filtered,
    choose_ids,
    finish,
    others_in,
    record,
    running,
    take_up,
)
from services.tickets.store.intake import asked, forget_workspace, standing, workspace
from services.tickets.store.lists import count, page
from services.tickets.store.notes import has_note, note_page
from services.tickets.store.people import behind, contact, conversation, meet
from services.tickets.store.settings import save_settings, settings, settings_since
from services.tickets.store.tickets import insert, life, load, load_all, missed, next_number, save
from services.tickets.store.untouched import untouched, workspaces_with_untouched

__all__ = [
    "Done",
    "add_bulk",
    "asked",
    "behind",
    "bulk",
    "choose_filtered",
    "choose_ids",
    "contact",
    "conversation",
    "count",
    "finish",
    "forget_workspace",
    "has_note",
    "insert",
    "life",
    "load",
    "load_all",
    "meet",
    "missed",
    "next_number",
    "note_page",
    "others_in",
    "page",
    "record",
    "running",
    "save",
    "save_settings",
    "settings",
    "settings_since",
    "standing",
    "take_up",
    "untouched",
    "workspace",
    "workspaces_with_untouched",
]
