"""What notifications answer about mail. Owner: services/notifications."""

from enum import StrEnum
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.base import Command, Errand, Model, Query, Token
from contracts.notifications import MailQueued
from contracts.texts import Email, FreeText, Name, PersonName, WebAddress


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


class MailRecipient(Model):
    """Who a mail goes to, as far as it is known still."""

    kind: str
    """`member`, `contact` or `address`."""
    id: UUID | None
    name: str | None
    email: str | None


class MailRow(Model):
    """A mail of a workspace, without its words."""

    id: UUID
    kind: MailKind
    state: MailState
    recipient: MailRecipient
    ticket_id: UUID | None
    ticket_number: int | None
    attempts: int
    made_at: AwareDatetime
    not_before: AwareDatetime
    """When it is tried next, while it is pending."""
    settled_at: AwareDatetime | None
    reason: str | None
    """Why it is not sent: `smtp 550`, `no_server`, `no_answer`, `expired`, `address`, `nothing_left`, …"""
    may_resend: bool
    """Whether a person may have it sent again."""


class MailServer(Model):
    """What mail leaves by."""

    configured: bool
    """Else mail is kept and not sent."""
    said: str | None
    """Its last answer in a word: `ok`, or a reason as of a mail."""
    at: AwareDatetime | None


class MailPage(Model):
    """One page of a workspace's mail, newest first."""

    items: tuple[MailRow, ...]
    next_cursor: str | None
    server: MailServer


class ListMails(Query[MailPage], subject="notifications.requests.v1.list_mails"):
    """List a workspace's mail. Refused: not_allowed, malformed (cursor)."""

    state: MailState | None = None
    cursor: str | None = None
    limit: Annotated[int, Field(ge=1, le=100)] = 50


class MailShown(MailRow):
    """A mail of a workspace, with its words while they are there and are not for the recipient alone."""

    subject: str | None
    text: str | None


class GetMail(Query[MailShown], subject="notifications.requests.v1.get_mail"):
    """Read one mail; what a link in it opens is never shown. Refused: not_allowed, not_found."""

    id: UUID


class ResendMail(Command[MailShown], subject="notifications.requests.v1.resend_mail"):
    """Have a mail sent again that was not sent or may not have arrived, as the same mail.

    Refused: not_allowed, not_found, conflict (nothing is left to send, or it is on its way).
    """

    id: UUID


class SuppressedAddress(Model):
    """An address that this workspace writes to no more, since mail was refused there for good."""

    id: UUID
    address: str
    reason: str
    since: AwareDatetime


class SuppressedAddresses(Model):
    """The latest addresses that mail was refused at."""

    items: tuple[SuppressedAddress, ...]


class ListSuppressed(Query[SuppressedAddresses], subject="notifications.requests.v1.list_suppressed"):
    """List the addresses that are not written to, latest first, at most 200. Refused: not_allowed."""


class Lifted(Model):
    """The address is written to again."""


class LiftSuppression(Command[Lifted], subject="notifications.requests.v1.lift_suppression"):
    """Write to an address again. Refused: not_allowed, not_found."""

    id: UUID


class SendInvitation(Errand[MailQueued], subject="notifications.requests.v1.send_invitation"):
    """Write to somebody who is asked into a workspace; the same `mail_id` is one mail.

    It is not sent once the link has expired. `url` opens the workspace: it is in no event and no log.
    """

    PURPOSE: ClassVar[str] = "mail"

    mail_id: UUID
    workspace_id: Token
    workspace: FreeText
    by: PersonName
    to_email: Email
    to_name: Name
    url: WebAddress
    expires_at: AwareDatetime
