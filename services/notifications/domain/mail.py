"""Decides what a mail is, and when it is tried again."""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid5

from contracts.mail import MailKind, MailState

_FIRST_DELAY, _LONGEST_DELAY = dt.timedelta(seconds=15), dt.timedelta(minutes=15)
_NAMES = UUID("0f6a3c52-5f0e-4c3b-9f5d-6f1f7f0a4a10")

MAIL_LIFE: Final = dt.timedelta(days=2)
"""How long a mail without a link in it is tried, and may be sent again by a person."""
MAIL_RATE: Final = 20
"""How many mails one recipient is sent in an hour; what is more waits."""
MAIL_RATE_WINDOW: Final = dt.timedelta(hours=1)
UNTOLD: Final = frozenset({MailKind.PASSWORD_RESET, MailKind.INVITATION})
"""Whose words open an account or a workspace: shown to nobody but the recipient, and to who runs the desk."""


class Automatic(StrEnum):
    """What RFC 3834 calls a mail that no person wrote."""

    GENERATED = "auto-generated"
    REPLIED = "auto-replied"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What a mail says, and what it tells the recipient's program."""

    subject: str
    text: str
    html: str
    thread: str | None = None
    """What all mails of one conversation name, such as a ticket's id: a program shows them together."""
    list_id: str | None = None
    reply_to: str | None = None
    unsubscribe: str | None = None
    """Where one click ends mail of this sort (RFC 8058)."""
    automatic: Automatic = Automatic.GENERATED
    fixed: bool = False
    """Whether it holds no word of anybody, and may go to an address that may be somebody else's."""


@dataclass(frozen=True, slots=True)
class Addressee:
    """Who is written to."""

    email: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A mail to be kept: the same cause and recipient are the same mail, whatever else is said."""

    id: UUID
    """In its Message-ID: `mail_id` makes the same of the same cause and recipient."""
    kind: MailKind
    workspace_id: str | None
    cause: str
    recipient: str
    """`member:<id>` or `contact:<id>`; `address` where the cause is the mail's alone."""
    to: Addressee | None
    """Nobody yet: asked for when it is sent, as of news."""
    letter: Letter | None
    expires_at: dt.datetime
    ticket_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail in the ledger; its words are gone once it is sent or may not be sent any more."""

    id: UUID
    kind: MailKind
    workspace_id: str | None
    cause: str
    recipient: str
    ticket_id: UUID | None
    state: MailState
    attempts: int
    made_at: dt.datetime
    expires_at: dt.datetime
    not_before: dt.datetime
    settled_at: dt.datetime | None
    reason: str | None
    to: Addressee | None
    letter: Letter | None
    traceparent: str | None = None
    """Of whatever asked for it."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """How an attempt ended."""

    state: MailState
    reason: str | None = None
    not_before: dt.datetime | None = None
    """When it is tried again."""
    begun: bool = True
    """Whether the mail was handed over, which one alone may do."""
    bounced: str | None = None
    """The address, where it was refused for good."""
    away: bool = False
    """Whether the server takes no mail at all."""


def mail_id(cause: str, recipient: str) -> UUID:
    """Return the id of the one mail that goes to this recipient for this cause."""
    return uuid5(_NAMES, f"{cause} {recipient}")


def next_try(attempts: int, now: dt.datetime) -> dt.datetime:
    """Return when to try again after so many attempts: twice as late each time, up to a quarter of an hour."""
    return now + min(_LONGEST_DELAY, _FIRST_DELAY * (1 << min(attempts - 1, 10)))
