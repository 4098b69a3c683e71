"""Decides what a contact is written, and writes it: no word of anybody to an address that may be somebody else's."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import groupby
from typing import Final
from uuid import UUID

from contracts.base import ActorKind, TicketEvent
from contracts.mail import MailKind
from contracts.tickets import AgentReplied, Correspondence, Status, StatusChanged, TicketCreated
from services.notifications.domain.letters import Words, compose, one_line
from services.notifications.domain.mail import Automatic, Letter

TO_CONTACTS: Final = frozenset({MailKind.RECEIVED, MailKind.REPLIED, MailKind.RESOLVED})
STRANGER_RESTS: Final = dt.timedelta(days=1)
"""How long an address that nobody vouches for is not written to again, by any workspace."""
TOLD_FOR: Final = dt.timedelta(days=2)
"""How long it is known what was written of: longer than anything is written of after it happened."""

_FROM_OUTSIDE = (ActorKind.CONTACT, ActorKind.INTEGRATION)
_NOT_YOU = "If it was not you, do nothing: somebody typed your address, and can have us write to it once a day at most."
_FIXED = {
    MailKind.RECEIVED: ("We have received your request", "We have received a request for help from you."),
    MailKind.REPLIED: ("There is an answer to your request", "There is an answer to your request for help."),
    MailKind.RESOLVED: ("Your request is resolved", "Your request for help is resolved."),
}
_IS_RESOLVED = "With this, your request is resolved."


@dataclass(frozen=True, slots=True, kw_only=True)
class ToTell:
    """Something that a contact is to be written of, once."""

    workspace_id: str
    kind: MailKind
    cause: UUID
    """The fact, or the agent's message: one on three tickets is one."""
    ticket_id: UUID
    at: dt.datetime

    @property
    def message_id(self) -> UUID | None:
        """The agent's message that it begins with."""
        return self.cause if self.kind is MailKind.REPLIED else None


def to_tell(event: TicketEvent) -> ToTell | None:
    """Return what the ticket's contact is to be written of this fact, if anything.

    Of a new ticket where it came from outside, of an answer where an agent gave it here: those who answer in another
    system are read there.
    """
    match event:
        case TicketCreated(actor=actor) if actor.kind in _FROM_OUTSIDE:
            kind, cause = MailKind.RECEIVED, event.id
        case AgentReplied(actor=actor, message_id=message) if actor.kind not in _FROM_OUTSIDE:
            kind, cause = MailKind.REPLIED, message
        case StatusChanged(new=Status.RESOLVED):
            kind, cause = MailKind.RESOLVED, event.id
        case _:
            return None
    return ToTell(workspace_id=event.workspace_id, kind=kind, cause=cause, ticket_id=event.ticket_id, at=event.at)


def contact_letter(
    kind: MailKind,
    found: Correspondence,
    workspace: str,
    reply_to: str | None,
    *,
    render: Callable[[str], str],
    resolved: bool = False,
) -> Letter:
    """Write to a contact; `resolved`: an answer says as well that the ticket is. `render` makes Markdown safe HTML."""
    said = _said(found, render, resolved=resolved) if found.verified else ()
    letter = _letter(kind, found, workspace, reply_to, said) if found.verified else _fixed(kind, reply_to)
    automatic = Automatic.REPLIED if kind is MailKind.RECEIVED else Automatic.GENERATED
    return replace(letter, thread=str(found.ticket_id), reply_to=reply_to, automatic=automatic)


def address_key(address: str) -> bytes:
    """Return what an address is known by that is not written to again today; a `+tag` makes no other mailbox."""
    local, _, domain = address.strip().casefold().rpartition("@")
    return sha256(f"{local.partition('+')[0] or local}@{domain}".encode()).digest()


def _fixed(kind: MailKind, reply_to: str | None) -> Letter:
    subject, says = _FIXED[kind]
    where = "Answer this mail, or look where you asked." if reply_to else "Look for the answer where you asked."
    return replace(compose(subject, [says, where], after=[_NOT_YOU]), fixed=True)


def _letter(
    kind: MailKind, found: Correspondence, workspace: str, reply_to: str | None, said: Sequence[str | Words]
) -> Letter:
    number = f"[#{found.number}]"
    how = "To answer, reply to this mail." if reply_to else "To answer, write where you asked."
    foot = [how, " · ".join(filter(None, (one_line(workspace, 80), f"#{found.number}")))]
    match kind:
        case MailKind.REPLIED:
            return compose(f"Re: {number} {found.subject}", said, after=foot)
        case MailKind.RESOLVED:
            says = [
                f"Your request “{one_line(found.subject)}” is resolved.",
                "If it is not, answer and it is open again.",
            ]
            return compose(f"{number} Your request is resolved", says, after=foot)
    # Nobody has read yet what it is called.
    subject, fixed = _FIXED[kind]
    says = [f"{fixed} Its number is #{found.number}.", "We answer as soon as we can."]
    return compose(f"{number} {subject}", says, after=foot)


def _said(found: Correspondence, render: Callable[[str], str], *, resolved: bool) -> Sequence[str | Words]:
    lines: list[str | Words] = []
    for name, words in groupby(found.replies, key=lambda reply: reply.name):
        lines += [f"{one_line(name, 80)} wrote:", *(Words(reply.body, render(reply.body)) for reply in words)]
    if found.more:
        lines.append("There is more than fits into this mail: read on where you asked.")
    return [*lines, _IS_RESOLVED] if resolved else lines
