"""Decides what a mail says, and when it is tried again."""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from html import escape
from uuid import UUID

_FIRST_DELAY, _LONGEST_DELAY = dt.timedelta(seconds=15), dt.timedelta(minutes=15)
_SUBJECT = "Choose a new password"
_TEXT = """\
Hello {name},

somebody asked for a new password for this address. If it was you, choose one here:

{url}

The link works once, until {until}.
If it was not you, do nothing: your password stays as it is.
"""
_HTML = """\
<!doctype html>
<html lang="en">
<body>
<p>Hello {name},</p>
<p>somebody asked for a new password for this address. If it was you, <a href="{url}">choose one here</a>:</p>
<p>{url}</p>
<p>The link works once, until {until}.<br>
If it was not you, do nothing: your password stays as it is.</p>
</body>
</html>
"""


class MailState(StrEnum):
    """What became of a mail."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    """Refused, or not sent before its link expired."""
    UNCERTAIN = "uncertain"
    """Handed over, and the answer was lost: only a person may have it sent again."""


@dataclass(frozen=True, slots=True)
class Words:
    """Who is written to, and what opens their account."""

    to_email: str
    to_name: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail in the ledger; its words are gone once it is sent or its link has expired."""

    id: UUID
    state: MailState
    attempts: int
    made_at: dt.datetime
    expires_at: dt.datetime
    not_before: dt.datetime
    reason: str | None
    words: Words | None


@dataclass(frozen=True, slots=True)
class Letter:
    """What a mail says."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """How an attempt ended."""

    state: MailState
    reason: str | None = None
    not_before: dt.datetime | None = None
    """When it is tried again."""
    begun: bool = True
    """Whether the mail was handed over, which one alone may do."""


def letter(words: Words, expires_at: dt.datetime) -> Letter:
    """Return what somebody is told who forgot their password."""
    until = f"{expires_at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
    return Letter(
        subject=_SUBJECT,
        text=_TEXT.format(name=words.to_name, url=words.url, until=until),
        html=_HTML.format(name=escape(words.to_name), url=escape(words.url), until=until),
    )


def next_try(attempts: int, now: dt.datetime) -> dt.datetime:
    """Return when to try again after so many attempts: twice as late each time, up to a quarter of an hour."""
    return now + min(_LONGEST_DELAY, _FIRST_DELAY * (1 << min(attempts - 1, 10)))
