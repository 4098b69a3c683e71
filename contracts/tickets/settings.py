"""A workspace's ticket settings: what tickets answers and announces about them."""

from typing import Annotated

from pydantic import AwareDatetime, Field

from contracts.base import Change, Command, Model, Query, RecordEvent
from contracts.tickets.shapes import Priority

Days = Annotated[int, Field(ge=1, le=3650)]


class TicketSettings(Model):
    """How a workspace handles its tickets."""

    members_may_claim: bool = False
    """Whether a member may take a ticket that nobody has."""
    members_may_note_any: bool = False
    """Whether a member may add notes and comments to every ticket."""
    default_priority: Priority = Priority.NORMAL
    """Of a ticket whose maker names none."""
    auto_close_days: Days | None = None
    """How long a resolved ticket lies untouched, by anything, before the clock closes it; None: for ever."""
    follow_up_days: Days | None = None
    """How long after its closing a customer's message to a ticket opens a follow-up; None: always.

    Later, the message is one of its conversation alone.
    """
    mail_received: bool = True
    """Whether a contact is told by mail that their ticket has come."""
    mail_replied: bool = True
    """Whether a contact is sent what agents answer."""
    mail_resolved: bool = True
    """Whether a contact is told by mail that their ticket is resolved."""


class SettingsSnapshot(TicketSettings):
    """The settings as they are; version 1 before they were ever changed."""

    version: int
    updated_at: AwareDatetime | None


class GetSettings(Query[SettingsSnapshot], subject="tickets.requests.v1.get_settings"):
    """Read the ticket settings. Refused: not_allowed (members and guests)."""


class SettingsChange(Change):
    """Which settings get another value; null means "for ever" or "always"."""

    members_may_claim: bool | None = None
    members_may_note_any: bool | None = None
    default_priority: Priority | None = None
    auto_close_days: Days | None = None
    follow_up_days: Days | None = None
    mail_received: bool | None = None
    mail_replied: bool | None = None
    mail_resolved: bool | None = None


class ChangeSettings(Command[SettingsSnapshot], subject="tickets.requests.v1.change_settings"):
    """Change ticket settings. Refused: not_allowed, stale_version, invalid."""

    expected_version: int | None = None
    change: SettingsChange


class SettingsChanged(RecordEvent, subject="tickets.events.v1.settings_changed", heard_by=("activity",)):
    """Sent when the ticket settings of the workspace were changed; both values are whole."""

    old: TicketSettings
    new: TicketSettings
