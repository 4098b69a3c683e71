"""Where one can go from every page: what the frame, the settings' own list and the tests of every page are made of."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from contracts.base import Role

_EVERYBODY = frozenset(Role)
_TEAM = frozenset(Role) - {Role.GUEST}
_DESK = frozenset(role for role in Role if role.runs_the_desk)


class Part(StrEnum):
    """Which list a place stands in."""

    MAIN = "main"
    YOU = "you"
    SETTINGS = "settings"


@dataclass(frozen=True, slots=True)
class Place:
    """A page that a link leads to: its name, what it is called, and who is let in."""

    part: Part
    name: str
    label: str
    path: str
    icon: str
    roles: Collection[Role] = _EVERYBODY
    key: str = ""
    """What goes there after `g`."""
    short: str = ""
    """What the settings' own list calls it, where that is shorter."""


PLACES = (
    Place(Part.MAIN, "tickets", "Tickets", "tickets", "tickets", key="t"),
    Place(Part.MAIN, "conversations", "Conversations", "conversations", "speech", _TEAM, "i"),
    Place(Part.MAIN, "contacts", "Contacts", "contacts", "contacts", _TEAM, "c"),
    Place(Part.MAIN, "assistants", "Assistants", "settings/widget", "widget", _DESK),
    Place(Part.MAIN, "reports", "Reports", "reports", "chart", _TEAM, "e"),
    Place(Part.YOU, "mine", "Assigned to me", "tickets?assignee=me", "person", key="m"),
    Place(Part.YOU, "notifications", "Notifications", "notifications", "bell", key="n"),
    Place(Part.SETTINGS, "account", "Your account", "settings/account", "person"),
    Place(
        Part.SETTINGS,
        "notification-preferences",
        "Notification settings",
        "settings/notifications",
        "bell",
        short="Notifications",
    ),
    Place(Part.SETTINGS, "workspace", "Workspace", "settings/workspace", "building"),
    Place(Part.SETTINGS, "members", "Members", "settings/members", "people"),
    Place(Part.SETTINGS, "widget", "Widget", "settings/widget", "widget", _DESK),
    Place(Part.SETTINGS, "ticket-settings", "Ticket settings", "settings/tickets", "tickets", _DESK),
    Place(Part.SETTINGS, "tokens", "API tokens", "settings/tokens", "key", _DESK),
    Place(Part.SETTINGS, "webhooks", "Webhooks", "settings/webhooks", "webhook", _DESK),
    Place(Part.SETTINGS, "integrations", "Integrations", "settings/integrations", "integration", _DESK),
    Place(Part.SETTINGS, "mail", "Mail", "settings/mail", "send", _DESK),
    Place(Part.SETTINGS, "audit", "Audit", "settings/audit", "seal", _DESK),
    Place(Part.SETTINGS, "export", "Export and erase", "settings/export", "download", _DESK),
    Place(Part.SETTINGS, "dead-letters", "Dead letters", "settings/dead-letters", "buried", _DESK),
)


@cache
def places(part: Part, role: Role) -> tuple[Place, ...]:
    """Return where somebody with this role may go from a list."""
    return tuple(place for place in PLACES if place.part == part and role in place.roles)
