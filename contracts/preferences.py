"""What people choose to hear of, and when. Owner: services/notifications."""

from typing import Annotated

from pydantic import StringConstraints

from contracts.base import Change, Command, Model, Query
from contracts.texts import formed

Clock = Annotated[str, formed(r"^([01][0-9]|2[0-3]):[0-5][0-9]$", "must be a time of day, such as 22:30")]
"""A time of day, such as `22:30`."""


class Wanted(Model):
    """By which way somebody wants to hear of something; another way is another field."""

    inbox: bool = True
    mail: bool = False


class WantedChange(Model):
    """By which way somebody wants to hear of something otherwise: what is not said stays as it is."""

    inbox: bool | None = None
    mail: bool | None = None


class QuietHours(Model):
    """When no mail is sent: each day from one time to another, which may be on the next day."""

    start: Clock
    end: Clock
    zone: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    """An IANA time zone, such as `Europe/Berlin`."""


class Preferences(Model):
    """What somebody wants to hear of: what they never chose stays as it is here."""

    assigned: Wanted = Wanted(mail=True)
    """A ticket was given to them."""
    unassigned: Wanted = Wanted()
    """A ticket was taken from them."""
    mention: Wanted = Wanted(mail=True)
    """They were called by name."""
    message: Wanted = Wanted()
    """The customer wrote on a ticket that they watch, closed ones included."""
    note: Wanted = Wanted()
    """A note or comment on a ticket that they watch."""
    status: Wanted = Wanted()
    """A ticket that they watch was moved."""
    priority: Wanted = Wanted(inbox=False)
    """A ticket that they watch became more or less urgent."""
    created: Wanted = Wanted(inbox=False)
    """Somebody of the workspace, or a program, opened a ticket that they may see."""
    arrived: Wanted = Wanted(inbox=False)
    """A ticket that they may see came by the widget or from another system."""
    dead_letter: Wanted = Wanted()
    """A message could not be applied; told to owners and admins."""
    webhook: Wanted = Wanted()
    """A webhook was turned off; told to owners and admins."""
    mail_paused: bool = False
    """No mail at all, whatever else is chosen."""
    quiet_hours: QuietHours | None = None
    """When mail waits."""
    version: int = 1
    """Grows with each change of any of it."""


class GetPreferences(Query[Preferences], subject="notifications.requests.v1.get_preferences"):
    """Read what the caller wants to hear of. Refused: not_allowed (programs)."""


class PreferencesChange(Change):
    """What the caller wants to hear of otherwise than before."""

    assigned: WantedChange | None = None
    unassigned: WantedChange | None = None
    mention: WantedChange | None = None
    message: WantedChange | None = None
    note: WantedChange | None = None
    status: WantedChange | None = None
    priority: WantedChange | None = None
    created: WantedChange | None = None
    arrived: WantedChange | None = None
    dead_letter: WantedChange | None = None
    webhook: WantedChange | None = None
    mail_paused: bool | None = None
    quiet_hours: QuietHours | None = None
    """Null: none any more."""


class ChangePreferences(Command[Preferences], subject="notifications.requests.v1.change_preferences"):
    """Change what the caller hears of from now on: what is in their inbox stays.

    Refused: not_allowed (programs), invalid (time zone), stale_version.
    """

    expected_version: int | None = None
    change: PreferencesChange
