"""How a well-formed request of each operation is made, on a target of its own that the owner prepared.

A recipe is named by the operation's id; a variant of it, whose answer depends on what is asked, has `__` and a word
behind that. Together they give every field and parameter that may name a record, so that other ids can be put there.
"""

from tests.access.recipes import (
    accounts,
    contacts,
    integrations,
    mails,
    people,
    settings,
    tickets,
    views,
    webhooks,
    widget,
)
from tests.access.recipes.book import RECIPES, Call, Recipe

__all__ = [
    "RECIPES",
    "Call",
    "Recipe",
    "accounts",
    "contacts",
    "integrations",
    "mails",
    "people",
    "settings",
    "tickets",
    "views",
    "webhooks",
    "widget",
]
