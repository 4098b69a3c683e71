"""Lines of a workspace's file: each read, and checked by what its kind may hold, before anything is made of it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ValidationError

from chassis.requests import invalid
from contracts.activity import Book
from contracts.base import Event, Message
from contracts.erasing import ContactErased
from contracts.rows import NAMED, ROWS, EntryRow, RowOf, Stamp
from contracts.texts import digest, text_at, unseal
from contracts.transfer import ENTRY

LONGEST_LINE = 512 * 1024
"""Bytes: two descriptions of 64 KiB, before and after, with six bytes of ASCII for each two of UTF-8, and room."""
_LARGEST_ROW = 240 * 1024
"""Bytes: what is sent on is a message of 256 KiB, as it was where it came from."""
_GENESIS = "00" * 32

type Row = dict[str, Any]


class Wrong(Exception):
    """A line can't be taken."""


@dataclass(slots=True)
class Lines:
    """What is known of a file from the lines before."""

    workspace: str
    """Where it goes."""
    names: dict[str, str] = field(default_factory=dict)
    """Ids that are others here."""
    ends: dict[Book, tuple[int, str]] = field(default_factory=lambda: dict.fromkeys(Book, (0, _GENESIS)))
    known: dict[str, set[int]] = field(default_factory=lambda: {kind: set() for kind in NAMED})
    """Ids of the rows that others may name."""
    said: set[int] = field(default_factory=set)
    """Hashes of what only one row of a kind may say."""

    def read(self, raw: bytes) -> Row:
        """Return a line with the ids that are others here; raises Wrong."""
        if len(raw) > LONGEST_LINE:
            raise Wrong(f"is longer than {LONGEST_LINE // 1024} KiB, which no row is")
        if raw.rstrip(b"\n").endswith(b"\r"):
            raise Wrong("ends with a carriage return: the file was changed on its way")
        try:
            was = text = raw.decode()
            for old, new in self.names.items():
                text = text.replace(old, new)
            line = json.loads(text)
            if isinstance(line, dict) and line.get("kind") == ENTRY:
                line["was"] = json.loads(was).get("row")
        except (ValueError, RecursionError):
            raise Wrong("is not JSON") from None
        if not isinstance(line, dict):
            raise Wrong("is not JSON")
        return line

    def row(self, kind: str, line: Row) -> tuple[Row, int]:
        """Return what is to be put in and its size; of an entry its fact, or nothing. Raises Wrong."""
        if kind == ENTRY:
            row = self._entry(checked(EntryRow, line["was"]), checked(EntryRow, line["row"]))
            size = len(json.dumps(row, ensure_ascii=False).encode())
        else:
            if kind in NAMED:
                self._meet(kind, line["row"])
            found = checked(ROWS[kind], line["row"])
            for name, other in found.NAMES.items():
                id = getattr(found, name)
                if id is not None and id.int not in self.known[other]:
                    raise Wrong(f"{name} names no {other} that stands before it")
            self._once(kind, found)
            text = found.model_dump_json()
            row, size = json.loads(text), len(text.encode())
        if size > _LARGEST_ROW:
            raise Wrong("is larger than any row is")
        return row, size

    def _meet(self, kind: str, row: Mapping[str, Any]) -> None:
        """Remember an id, of a row that is wrong too: those that name it are not."""
        try:
            id = UUID(row["id"]).int
        except (LookupError, AttributeError, TypeError, ValueError):
            return
        if id in self.known[kind]:
            raise Wrong(f"is the {kind} of a line before it once more")
        self.known[kind].add(id)

    def _once(self, kind: str, row: RowOf) -> None:
        """Remember what no other row may say."""
        values = tuple(getattr(row, name) for name in row.ONCE)
        if not values or None in values:
            return
        if (said := hash((kind, values))) in self.said:
            raise Wrong(f"has the {', '.join(row.ONCE)} of a line before it")
        self.said.add(said)

    def _entry(self, was: EntryRow, row: EntryRow) -> Row:
        """Check the next entry of a book by its hash, and return the fact that it records; nothing for the other."""
        try:
            last, head = self.ends[was.book]
            fits = hashlib.sha256(bytes.fromhex(head) + was.entry.encode()).hexdigest() == was.hash
            if was.seq != last + 1 or was.prev_hash != head or not fits:
                raise Wrong("does not follow the entry before it: the book was changed")
            entry = json.loads(was.entry)
            if any(text_at(entry, t.pointer) != digest(t.salt, t.text) for t in was.texts):
                raise Wrong("has a text that does not fit its digest")
            self.ends[was.book] = was.seq, was.hash
            if was.book != Book.TICKETS:
                return {}
            body = json.loads(row.entry)
            id, type = body["id"], body.pop("type")
            body.pop("seq")  # the entry's place, which took that of a message's own
            unseal(body, {t.pointer: (t.salt, t.text) for t in row.texts})
            body["salts"] = {t.pointer: t.salt for t in row.texts}
            kind = Message.registry[type]
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
            raise Wrong("can't be read as an entry of a book") from None
        if not issubclass(kind, Event) or kind.OWNER != Book.TICKETS:
            raise Wrong("is no fact of this book")
        fact = checked(kind, {**body, "seq": was.seq})
        if fact.workspace_id != self.workspace:
            raise Wrong("is of another workspace")
        about = fact.about
        erasure = about.id if isinstance(fact, ContactErased) else None
        checked(Stamp, {"at": body.get("at"), "version": about.version, "erasure": erasure})
        return {"id": id, "type": type, "workspace_id": self.workspace, "position": was.seq, "body": body}


def checked[M: BaseModel](model: type[M], value: object) -> M:
    """Return what JSON says, read as strictly as it is written; raises Wrong, which says what is wrong where."""
    try:
        return model.model_validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        found = invalid(error).facts["errors"]
        raise Wrong("; ".join(f"{each['field']} {each['detail']}".strip() for each in found)) from None
    except RecursionError:
        raise Wrong("is nested too deeply") from None
