"""Decides what of a told fact is recorded, how entries are chained, who may read them, and whether a book is whole."""

import datetime as dt
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from contracts.activity import MOST_DAYS, Book, BookHead, BookVerdict, Entry
from contracts.base import ActorKind, Audience, Role, Subject
from contracts.refusals import Invalid
from contracts.texts import seal, unseal
from contracts.tickets import AgentReplied, StatusChanged, TicketCreated, TicketDeleted, TicketRestored

OWNERS = {Book.TICKETS: "tickets", Book.PEOPLE: "gateway"}
"""Whose facts each book holds."""

GENESIS = "00" * 32
"""What the first entry of a book follows."""

_LARGEST_INTEGER = 2**53 - 1
_SALT = re.compile(r"[0-9a-f]{32}")
_DIGEST = re.compile(r'(?<!\\)"sha256:[0-9a-f]{64}"')
_ENVELOPE = frozenset(Entry.model_fields) - {"data", "subject"} | {"workspace_id"}

type Texts = dict[str, tuple[str, str]]
"""Salt and text by JSON pointer."""


def entry_of(id: str, type: str, position: int, body: Mapping[str, Any]) -> tuple[dict[str, Any], Texts]:
    """Return what is recorded of a fact, and beside it its words: they stand in the entry as digests.

    All of it is the source's; a fact of an unknown type is kept as it is. Only a number that every reader of JSON can't
    hold (2^53 and more) is kept as text. Raises Invalid for a fact without a text where a salt says that there is one.
    """
    entry: dict[str, Any] = {key: _portable(value) for key, value in body.items() if key != "salts"}
    entry = {"id": id, **entry, "type": type, "seq": position}
    texts = {pointer: (salt, _text_at(entry, pointer)) for pointer, salt in _salts(body)}
    seal(entry, texts)
    return entry, texts


def _salts(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    salts = body.get("salts", {})
    if not isinstance(salts, dict) or not all(
        isinstance(salt, str) and _SALT.fullmatch(salt) for salt in salts.values()
    ):
        raise Invalid.field("salts", "pattern", "must be 32 hexadecimal digits each")
    return list(salts.items())


def _text_at(entry: Mapping[str, Any], pointer: str) -> str:
    try:
        text = value_at(entry, pointer) if pointer.startswith("/") else None
    except (LookupError, ValueError, TypeError):
        text = None
    if not isinstance(text, str):
        raise Invalid.field("salts", "not_found", "must each point to a text")
    return text


def _portable(value: object) -> object:
    match value:
        case dict():
            return {key: _portable(each) for key, each in value.items()}
        case list():
            return [_portable(each) for each in value]
        case int() | float() if not abs(value) <= _LARGEST_INTEGER:  # nor is what is not a number
            return str(value)
        case _:
            return value


def value_at(document: object, pointer: str) -> object:
    """Return what a JSON pointer points to; raises LookupError, ValueError or TypeError where there is nothing."""
    for step in pointer.removeprefix("/").split("/"):
        document = document[int(step)] if isinstance(document, list) else cast(dict[str, object], document)[step]
    return document


def chain(prev_hash: str, entry: str) -> str:
    """Return the hash of an entry in canonical JSON: SHA-256(bytes of the hash before it ‖ the entry in UTF-8)."""
    return hashlib.sha256(bytes.fromhex(prev_hash) + entry.encode()).hexdigest()


# Reading


def audiences(role: Role) -> list[str] | None:
    """Return the audiences that a role belongs to; None: whatever it is, of types to come too."""
    if role.runs_the_desk:
        return None
    return [audience.value for audience in Audience if audience.includes(role)]


def subject_of(entry: Mapping[str, Any]) -> Subject | None:
    """Return the record that an entry is about, if that is no ticket."""
    return Subject.model_validate(entry["subject"]) if entry.get("ticket_id") is None else None


def audience_of(entry: Mapping[str, Any]) -> Audience:
    """Return who may see an entry; one that is not known here is for admins."""
    return next((audience for audience in Audience if audience == entry.get("audience")), Audience.ADMINS)


def may_read(role: Role, book: Book) -> bool:
    """Tell whether a role may read a book at all."""
    return book is Book.TICKETS or role.runs_the_desk


def shown(entry: dict[str, Any], texts: Texts, prev_hash: str, own_hash: str) -> Entry:
    """Return an entry as its readers see it: words put back, and what only its type has under `data`."""
    unseal(entry, texts)
    about = entry.get("subject") if entry.get("ticket_id") is None else None
    apart = _ENVELOPE | ({"subject"} if about is not None else set())
    return Entry.model_validate(
        entry
        | {
            "type": entry["type"].rpartition(".")[2],
            "ticket_id": entry.get("ticket_id"),
            "version": entry.get("version"),
            "subject": about,
            "data": {key: value for key, value in entry.items() if key not in apart},
            "prev_hash": prev_hash,
            "hash": own_hash,
        }
    )


# Proof


@dataclass(frozen=True, slots=True)
class Line:
    """An entry as it lies in its book: what it says in canonical JSON, and the digests of the words beside it."""

    seq: int
    entry: str
    prev_hash: str
    hash: str
    digests: Mapping[str, str]
    """By JSON pointer, computed from the words that are still there: `sha256:…`."""


class Audit:
    """Reads a book from its beginning, line by line, up to the first that does not fit."""

    def __init__(self, workspace_id: str, book: Book, heads: Iterable[BookHead] = ()) -> None:
        """Begin; `heads` were saved earlier and elsewhere, and must still be in the book."""
        self._workspace_id, self._book = workspace_id, book
        self._saved = [head for head in heads if head.book is book]
        self._entries, self._erased, self._head = 0, 0, GENESIS
        self._fault: tuple[int, str] | None = None
        self._compare(0)

    @property
    def head(self) -> BookHead:
        """How far the book is whole."""
        return BookHead(book=self._book, seq=self._entries, hash=self._head)

    @property
    def broken(self) -> bool:
        """Whether something was found; what follows is not looked at."""
        return self._fault is not None

    def read(self, line: Line) -> None:
        """Look at the next line."""
        if self.broken:
            return
        expected = self._entries + 1
        if line.seq != expected:
            self._break(min(line.seq, expected), "an entry is missing" if line.seq > expected else "an entry too many")
        elif why := self._odd(line):
            self._break(line.seq, why)
        else:
            self._entries, self._head = line.seq, line.hash
            self._erased += len(_DIGEST.findall(line.entry)) - len(line.digests)
            self._compare(line.seq)

    def verdict(self) -> BookVerdict:
        """Say what was found, now that there are no more lines."""
        if not self.broken and any(head.seq > self._entries for head in self._saved):
            self._break(self._entries + 1, "the book is shorter than the saved head says")
        at, why = self._fault or (None, None)
        return BookVerdict(
            book=self._book,
            ok=not self.broken,
            entries=self._entries,
            head=self._head,
            erased=self._erased,
            broken_at=at,
            why=why,
        )

    def _odd(self, line: Line) -> str | None:
        if line.prev_hash != self._head:
            return "it does not follow the entry before it"
        if line.hash != chain(self._head, line.entry):
            return "its hash does not fit what it says"
        try:
            entry = json.loads(line.entry)
            owner = entry["type"].partition(".")[0]
            if (entry["workspace_id"], owner, entry["seq"]) != (self._workspace_id, OWNERS[self._book], line.seq):
                return "it belongs to another book"
            if any(value_at(entry, pointer) != digest for pointer, digest in line.digests.items()):
                return "a text does not fit its digest"
        except (LookupError, ValueError, TypeError, AttributeError):
            return "it can't be read, or a text belongs to no place in it"
        return None

    def _compare(self, seq: int) -> None:
        # A head before the beginning is compared with the beginning, so that nonsense is never agreed with.
        if any(max(head.seq, 0) == seq and head.hash != self._head for head in self._saved):
            self._break(seq, "the book is not the one whose head was saved: it was rewritten")

    def _break(self, seq: int, why: str) -> None:
        self._fault = self._fault or (seq, why)


def check(workspace_id: str, book: Book, lines: Iterable[Line], heads: Iterable[BookHead] = ()) -> BookVerdict:
    """Tell whether a book is whole, and that saved heads are in it."""
    audit = Audit(workspace_id, book, heads)
    for line in lines:
        audit.read(line)
    return audit.verdict()


# Reports


@dataclass(frozen=True, slots=True)
class Counted:
    """What reports keep of a step in a ticket's life: no word of anybody's."""

    ticket_id: UUID
    at: dt.datetime
    type: str
    status: str | None = None
    """Where it stands afterwards, if this moved it."""
    agent: UUID | None = None
    """Which member did it, if one did."""


_COUNTED = {
    kind.SUBJECT: kind.TYPE for kind in (TicketCreated, StatusChanged, AgentReplied, TicketDeleted, TicketRestored)
}


def counted(entry: Mapping[str, Any]) -> Counted | None:
    """Return what reports count of an entry, if they do; what can't be read counts nowhere."""
    type = _COUNTED.get(entry["type"])
    if type is None:
        return None
    status = {"ticket_created": entry.get("status"), "status_changed": entry.get("new")}.get(type)
    actor = entry.get("actor")
    agent = None
    if isinstance(actor, dict) and actor.get("kind") == ActorKind.USER:
        with suppress(ValueError):
            agent = UUID(str(actor.get("id")))
    try:
        at = dt.datetime.fromisoformat(entry["at"])
        step = Counted(ticket_id=UUID(str(entry["ticket_id"])), at=at, type=type, status=status, agent=agent)
    except (KeyError, TypeError, ValueError):
        return None
    return step if at.tzinfo is not None and isinstance(status, str | None) else None


def days(since: dt.date, until: dt.date) -> list[dt.date]:
    """Return each day of a report. Raises Invalid for a range that ends before it begins, or is too long."""
    many = (until - since).days + 1
    if many < 1:
        raise Invalid.field("to", "range", "must not be before the first day")
    if many > MOST_DAYS:
        raise Invalid.field("to", "range", f"must be at most {MOST_DAYS} days, both included")
    return [since + dt.timedelta(days=n) for n in range(many)]


def span(days: Sequence[dt.date], utc_offset: int) -> tuple[dt.datetime, dt.datetime]:
    """Return when these days begin and end, so many minutes east of Greenwich. Raises Invalid outside the calendar."""
    try:
        begins = dt.datetime.combine(days[0], dt.time(), dt.timezone(dt.timedelta(minutes=utc_offset)))
        return begins.astimezone(dt.UTC), begins.astimezone(dt.UTC) + dt.timedelta(days=len(days))
    except OverflowError:
        raise Invalid.field("to", "range", "is a day that no calendar has") from None
