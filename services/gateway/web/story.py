"""What happened to a ticket, as its page tells it: the ledger's entries, the words of people among them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.activity import Entry
from contracts.base import Person
from contracts.refusals import NotFound, Refusal, Unavailable
from contracts.tickets import TicketSnapshot
from services.gateway.routes.ledger import HistoryFilter, history
from services.gateway.usecases.answers import Member
from services.gateway.web.shell import Here

AT_ONCE = 100
_FIELDS = {
    "subject_changed": "subject",
    "description_changed": "description",
    "status_changed": "status",
    "priority_changed": "priority",
    "assigned": "assignee",
    "unassigned": "assignee",
    "tags_changed": "tags",
    "contact_linked": "contact_id",
    "contact_unlinked": "contact_id",
}
_MOST_MENTIONS = 20


@dataclass(frozen=True, slots=True)
class Story:
    """Part of what happened, oldest first."""

    entries: tuple[Entry, ...] = ()
    earlier: int | None = None
    """Where the part before this one ends; None where there is none."""
    behind: bool = False
    """Whether the record has not reached the ticket yet."""
    away: bool = False
    """Whether the record can't be read now."""


async def story(here: Here, ticket: TicketSnapshot, before: int | None) -> Story:
    """Return the last part of what happened, or the part that ends at a version."""
    end = min(before or ticket.version, ticket.version)
    start = max(0, end - AT_ONCE)
    wanted = HistoryFilter(after=start, limit=AT_ONCE, min_version=end)
    behind = False
    try:
        try:
            page = await history(here.desk, here.visitor, str(ticket.id), wanted)
        except Unavailable:
            behind = True
            page = await history(here.desk, here.visitor, str(ticket.id), wanted.model_copy(update={"min_version": 0}))
    except NotFound:
        raise
    except Refusal:
        return Story(away=True)
    entries = tuple(entry for entry in page.items if entry.version is None or entry.version <= end)
    return Story(entries, start or None, behind)


def touched(missed: Iterable[dict[str, Any]]) -> set[str]:
    """Return which fields of a ticket these events gave another value."""
    return {_FIELDS[fact["type"]] for fact in missed if fact.get("type") in _FIELDS}


def mentioned(text: str, people: Sequence[Member]) -> list[Person]:
    """Return the members who are called in a text by an @ and their whole name."""
    if "@" not in text:
        return []
    plain = text.casefold()
    called = [each for each in people if f"@{each.name.casefold()}" in plain]
    return [Person(id=each.id, name=each.name, role=each.role) for each in called[:_MOST_MENTIONS]]
