"""What activity answers and announces: the record of a workspace, in two books. Owner: services/activity."""

import datetime as dt
from collections.abc import Collection
from enum import StrEnum
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.base import Actor, Audience, Command, DeadLetter, Model, Query, RecordEvent, Subject, Via
from contracts.letters import ListLetters
from contracts.streams import Stream
from contracts.texts import formed
from contracts.tickets.shapes import Status

ACTIVITY = Stream("ACTIVITY", ("activity.events.>",), max_bytes=512 << 20, max_msg_size=64 * 1024, batches=True)

Limit = Annotated[int, Field(ge=1, le=100)]
Place = Annotated[int, Field(ge=0, le=2**53 - 1)]
TypeName = Annotated[str, formed(r"^[a-z][a-z0-9_]{0,63}$", "must be a fact's name, such as status_changed")]


FORMAT = "counterfoil ledger 1"
"""What the first line of an export says it is."""


class Book(StrEnum):
    """Each book is dense (1, 2, 3 …) and chained by itself."""

    TICKETS = "tickets"
    PEOPLE = "people"
    """The admin audit: workspaces, members, roles, settings."""


class Entry(Model):
    """One step, as it was announced by its owner. A text that was erased stands as its digest."""

    seq: int
    """The source's position: dense in its book."""
    id: UUID
    type: str
    ticket_id: UUID | None
    version: int | None
    subject: Subject | None
    """The record it is about where that is no ticket."""
    actor: Actor
    via: Via
    at: AwareDatetime
    cause: str
    audience: Audience
    """Who may see it now: what happened to a ticket that is deleted is for admins, as long as it is."""
    old: Any = None
    new: Any = None
    data: dict[str, Any]
    """What else the event says."""
    prev_hash: str
    hash: str


_SCOPES = {
    "contact": "contacts:read",
    "conversation": "conversations:read",
    "assistant": "settings:read",
    "settings": "settings:read",
}


def is_in_scope(scopes: Collection[str], subject: Subject | None) -> bool:
    """Tell whether a program of these scopes may read of this record in the book; people have none, and read of all."""
    return not scopes or subject is None or subject.kind not in _SCOPES or _SCOPES[subject.kind] in scopes


class EntryPage(Model):
    """One page of entries, oldest first; `last` is how far it was read, so that a reader can go on `after` it."""

    items: tuple[Entry, ...]
    last: int
    """The highest seq (in a ticket's history: version) that was looked at, whether its reader may see it or not.

    Less than `after` only where the book ends before it.
    """
    more: bool


class HistoryPage(Model):
    """One page of a ticket's history, oldest first."""

    items: tuple[Entry, ...]
    next_cursor: int | None
    """What `after` says for the next page; null at the end."""


class FeedPage(Model):
    """One page of a book, oldest first."""

    items: tuple[Entry, ...]
    next_cursor: int
    """What `after` says to go on from here, now or later."""
    more: bool


class History(Query[EntryPage], subject="activity.requests.v1.history"):
    """Read what happened to a ticket, oldest first.

    Refused: not_yet (the ledger has not reached `min_version`, which must be a version that the ticket is known to
    have), not_found (nothing is recorded of such a ticket, and no `min_version` was asked for).
    While a ticket is deleted, it is for all but admins as if nothing were recorded of it.

    With `until` it is the last page up to that version instead of the first after `after`, and `more` tells whether
    there is something before it.
    """

    ticket_id: UUID
    types: Annotated[tuple[TypeName, ...], Field(max_length=100)] = ()
    after: Place = 0
    """A version of the ticket."""
    min_version: Place = 0
    until: Place | None = None
    limit: Limit = 50


class Feed(Query[EntryPage], subject="activity.requests.v1.feed"):
    """Read a book after a sequence; what the caller's role may not see is left out. Refused: not_allowed (people)."""

    book: Book = Book.TICKETS
    after: Place = 0
    limit: Limit = 100


class AuditPage(Model):
    """One page of what was done to the workspace itself, newest first."""

    items: tuple[Entry, ...]
    older: int | None
    """What `before` says for the page behind this one; null at the beginning of the book."""


class ReadAudit(Query[AuditPage], subject="activity.requests.v1.audit"):
    """Read who did what to people, rights and settings, newest first. Refused: not_allowed (admins only).

    Of the people book every entry; of the tickets book those that are about no ticket and for admins alone.
    """

    book: Book = Book.PEOPLE
    types: Annotated[tuple[TypeName, ...], Field(max_length=100)] = ()
    person: UUID | None = None
    """Who did it, or to whom it was done."""
    before: Place | None = None
    limit: Limit = 50


class BookHead(Model):
    """The end of a book: keep it elsewhere, and a cut tail or a rewritten book shows."""

    book: Book
    seq: int
    hash: str


class Heads(Model):
    """The end of each book."""

    items: tuple[BookHead, ...]


class ReadHeads(Query[Heads], subject="activity.requests.v1.heads"):
    """Read the end of each book. Refused: not_allowed (admins only)."""


class BookVerdict(Model):
    """What was found when a book was read from its beginning."""

    book: Book
    ok: bool
    entries: int
    head: str
    erased: int
    """Texts whose words are gone; their digests still hold."""
    broken_at: int | None = None
    """The first seq that does not fit."""
    why: str | None = None


class Verdict(Model):
    """Whether both books are whole."""

    ok: bool
    books: tuple[BookVerdict, ...]


class Verify(Query[Verdict], subject="activity.requests.v1.verify"):
    """Check every hash and every text of both books, and that saved heads are still in them. Refused: not_allowed."""

    heads: tuple[BookHead, ...] = ()


MOST_DAYS = 366
"""Days of one report."""


class DayCount(Model):
    """What happened on one day."""

    day: dt.date
    created: int
    resolved: int


class Times(Model):
    """How long something took, in seconds; null where it did not happen."""

    count: int
    median: float | None
    p90: float | None
    """Nine of ten took no longer."""


class Backlog(Model):
    """Tickets of one status that are not done with, by how long ago they were opened."""

    status: Status
    tickets: int
    under_1_day: int
    under_3_days: int
    """A day and more, but under three; and so on."""
    under_7_days: int
    under_30_days: int
    older: int


class AgentCount(Model):
    """What one person did."""

    id: UUID
    resolved: int
    replies: int
    first_responses: int
    median_first_response: float | None
    """Seconds."""


class ReportSnapshot(Model):
    """What the record says of some days; of tickets that are deleted or spam by now it says nothing."""

    days: tuple[DayCount, ...]
    """Each of them, whether something happened or not."""
    backlog: tuple[Backlog, ...]
    """As it is now: new, open, in progress, waiting on the customer."""
    first_response: Times
    """Of tickets that were answered for the first time in these days: from their opening."""
    resolution: Times
    """Of tickets that were resolved in these days, or closed without: from their opening, waiting included."""
    agents: tuple[AgentCount, ...]
    """People who resolved or replied, busiest first; at most 500."""


class Report(Query[ReportSnapshot], subject="activity.requests.v1.report"):
    """Count what happened from one day to another, both included. Refused: not_allowed (guests), invalid (range)."""

    since: dt.date
    until: dt.date
    utc_offset: Annotated[int, Field(ge=-840, le=840)] = 0
    """Minutes east of Greenwich, where days begin at midnight."""


class SealedText(Model):
    """Words that stand in an entry as their digest: SHA-256(bytes of the salt ‖ the text in UTF-8)."""

    pointer: str
    """Where in the entry (RFC 6901)."""
    salt: str
    text: str


class BookLine(Model):
    """An entry as it is hashed: hash = SHA-256(bytes of `prev_hash` ‖ `entry` in UTF-8)."""

    seq: int
    entry: str
    """Canonical JSON (RFC 8785)."""
    texts: tuple[SealedText, ...]
    """The words that were not erased."""
    prev_hash: str
    hash: str


class ExportPage(Model):
    """The next lines of a book, as many as fit into one message; none: that was the end."""

    lines: tuple[BookLine, ...]


class ExportBook(Query[ExportPage], subject="activity.requests.v1.export"):
    """Read a book as it is hashed, to be checked elsewhere. Refused: not_allowed (admins only)."""

    book: Book
    after: Place = 0
    to: Place
    """The last seq to read, so that a book that grows ends where its reader began."""


class ListActivityLetters(ListLetters, subject="activity.requests.v1.list_dead_letters"):
    """Read what activity could not apply, bodies left out. Refused: not_allowed, malformed (cursor)."""


class GetActivityLetter(Query[DeadLetter], subject="activity.requests.v1.get_dead_letter"):
    """Read one of them whole. Refused: not_found, not_allowed."""

    id: UUID


class RetryActivityLetter(Command[DeadLetter], subject="activity.requests.v1.retry_dead_letter"):
    """Record now what its owner told in that place; recorded, it is gone. Refused: not_found, not_allowed, conflict."""

    id: UUID


class DropActivityLetter(Command[DeadLetter], subject="activity.requests.v1.drop_dead_letter"):
    """Forget one of them. Refused: not_found, not_allowed."""

    id: UUID


class EntryRecorded(RecordEvent, subject="activity.events.v1.entry_recorded"):
    """Sent when an entry stands in a book; `subject` is the book, its version the seq. The feed has the rest."""

    AUDIENCE: ClassVar[Audience] = Audience.EVERYONE

    book: Book
    seq: int
    entry_type: str
    entry_ticket_id: UUID | None
    entry_audience: Audience


class ActivityDeadLetter(DeadLetter, subject="activity.deadletters.v1.buried", followed_by=("notifications",)):
    """Kept when activity could not apply a message."""
