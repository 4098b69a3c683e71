"""Decides who hears of a fact and what is written to whom: plain Python and contracts."""

from services.notifications.domain.mail import Delivery, Letter, Mail, MailState, Words, letter, next_try
from services.notifications.domain.telling import (
    BY_RULE,
    OURSELVES,
    audiences_of,
    becomes_watcher,
    codes_of,
    concerned,
    owner_of_inbox,
    user_of,
    wanted,
    wants,
    who_hears,
)

__all__ = [
    "BY_RULE",
    "OURSELVES",
    "Delivery",
    "Letter",
    "Mail",
    "MailState",
    "Words",
    "audiences_of",
    "becomes_watcher",
    "codes_of",
    "concerned",
    "letter",
    "next_try",
    "owner_of_inbox",
    "user_of",
    "wanted",
    "wants",
    "who_hears",
]
