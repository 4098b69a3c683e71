"""A file of a workspace on its way in: how far it is read, and whether it is the one that is in."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from contracts.base import Model
from contracts.refusals import Conflict
from contracts.rows import Footer, Header
from services.gateway.domain import Visitor
from services.gateway.store import imports as kept
from services.gateway.usecases.lines import Lines, Row

ROOM = 120 * 1024
"""Bytes of rows that are put in at once."""


class Fault(Model):
    """What is wrong with a line."""

    line: int
    detail: str


@dataclass(frozen=True, slots=True)
class Gathered:
    """A row that is to be put in, its line, and the digest of the file up to there."""

    line: int
    row: Row
    digest: Any


@dataclass(slots=True)
class Reading:
    """A file on its way in."""

    visitor: Visitor
    dry_run: bool
    lines: Lines
    line: int = 0
    done: int = 0
    """Lines that are in, those of an earlier try among them."""
    reached: str = ""
    """The digest of those of them that this try has put in."""
    before: kept.Import | None = None
    """What another try remembers."""
    header: Header | None = None
    footer: Footer | None = None
    counts: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)
    digest: Any = field(default_factory=hashlib.sha256)
    kind: str = ""
    batch: list[Gathered] = field(default_factory=list)
    room: int = ROOM
    held: list[Gathered] = field(default_factory=list)
    """Assistants that are in, if this is the file that is."""
    known_at: int = 0
    """The line at which it is known that this is the file of an earlier try."""

    @property
    def proves(self) -> int:
        """The line at which it shows whether this is the file of the other try."""
        return (self.before and self.before.digest_lines) or 0

    def read(self, raw: bytes) -> None:
        """Count a line in; raises Conflict where those that are in are not those of this file."""
        self.digest.update(raw)
        if self.before and self.line == self.proves and self.digest.hexdigest() != self.before.digest:
            raise self.other()

    def other(self) -> Conflict:
        """Return the refusal of a file that is not the one that is in."""
        detail = (
            f"Up to line {self.proves} another file is in this workspace: send that one, or begin in a new workspace."
        )
        return Conflict(detail)
