"""What notifications answer about mail. Owner: services/notifications."""

from enum import StrEnum


class MailKind(StrEnum):
    """What a mail is for."""

    PASSWORD_RESET = "password_reset"  # noqa: S105 - a kind
    INVITATION = "invitation"
    NEWS = "news"
    """What a member hears of, one thing or many."""
    RECEIVED = "received"
    """To a contact: their ticket has come."""
    REPLIED = "replied"
    """To a contact: an agent has answered."""
    RESOLVED = "resolved"
    """To a contact: their ticket is resolved."""


class MailState(StrEnum):
    """What became of a mail."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    """Refused for good, or not sent in time."""
    UNCERTAIN = "uncertain"
    """Handed over, and the answer was lost: only a person may have it sent again."""
    SUPPRESSED = "suppressed"
    """Not sent on purpose: the recipient may not see it any more, or their address takes no mail."""
