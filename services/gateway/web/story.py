"""What happened to a ticket, as its page tells it: the ledger's entries, the words of people among them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from contracts.activity import Entry, History
from contracts.base import ActorKind, Person, Role, TicketEvent, Via
from contracts.refusals import Refusal
from contracts.tickets import TicketSnapshot
from services.gateway.routes.ledger import last_part
from services.gateway.usecases.answers import Member
from services.gateway.usecases.briefly import Briefly
from services.gateway.web.rendering import unsealed
from services.gateway.web.shell import Here

AT_ONCE = 50
_CONVERSATION = ("customer_message", "agent_replied")
_NOTES = ("note_added", "comment_added")
_WORDS = (*_CONVERSATION, *_NOTES)
SHOWN: Mapping[str, tuple[str, ...]] = {
    "all": (),
    "conversation": _CONVERSATION,
    "notes": _NOTES,
    "changes": tuple(kind.TYPE for kind in TicketEvent.of_kind("tickets") if kind.TYPE not in _WORDS),
}
"""What of it can be shown alone."""
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
    shown: str = "all"
    until: int | None = None
    """The version that this part ends at; None: it goes to the end."""
    earlier: int | None = None
    """Where the part before this one ends; None where there is none."""
    reach: int = 0
    """The last version of the ticket that the record has."""
    behind: int = 0
    """How many steps of the ticket the record has not reached yet."""
    away: bool = False
    """Whether the record can't be read now."""
    why: Mapping[int, str] = field(default_factory=dict)
    """Because of what an entry came to be, by its seq."""
    authors: Mapping[str, str] = field(default_factory=dict)
    """Who wrote each note and comment of this part."""


_TOLD: Briefly[tuple[UUID, int, Role, str, int | None], Story] = Briefly(seconds=2, most=64)
"""What happened to a ticket up to a version does not change, but for words that are erased: nobody tells us of that."""


async def story(here: Here, ticket: TicketSnapshot, shown: str = "all", until: int | None = None) -> Story:
    """Return the last part of what happened, or the part that ends at a version; all of it or one kind."""
    key = (ticket.id, ticket.version, here.role, shown, until)
    if kept := _TOLD.of(key):
        return kept
    told = await _read(here, ticket, shown, until)
    return told if told.behind or told.away else _TOLD.keep(key, told)


async def _read(here: Here, ticket: TicketSnapshot, shown: str, until: int | None) -> Story:
    end = min(until or ticket.version, ticket.version)
    asked = History(
        caller=here.visitor.caller, ticket_id=ticket.id, types=SHOWN[shown], min_version=end, until=end, limit=AT_ONCE
    )
    try:
        page = await last_part(here.desk, asked)
    except Refusal:
        return Story(away=True, shown=shown, until=until)
    return Story(
        page.items,
        shown,
        until,
        (page.items[0].version or 1) - 1 if page.more and page.items else None,
        page.last,
        end - page.last,
        why=_reasons(page.items),
        authors={_note_of(entry): entry.actor.name for entry in page.items if entry.type in _NOTES},
    )


def _reasons(entries: Sequence[Entry]) -> dict[int, str]:
    """Tell why things happened that nobody did by themselves."""
    causes: dict[str, str] = {}
    for entry in entries:
        if entry.type == "customer_message":
            causes[entry.cause] = f"because {unsealed(entry.actor.name)} wrote"
        elif entry.type == "agent_replied":
            causes[entry.cause] = "with the reply"
    changes = [entry for entry in entries if entry.type not in _WORDS]
    return {entry.seq: why for entry in changes if (why := causes.get(entry.cause) or _reason(entry))}


def _reason(entry: Entry) -> str | None:
    if entry.type == "ticket_created" and (old := entry.data.get("follow_up_of")):
        return f"because {unsealed(entry.actor.name)} wrote to #{old['number']}, which is closed"
    if entry.type == "status_changed" and entry.actor.kind is ActorKind.CONTACT:
        return f"because {unsealed(entry.actor.name)} wrote"
    return {Via.TIMER: "because nothing happened for long", Via.RULE: "by a rule"}.get(entry.via)


def _note_of(entry: Entry) -> str:
    return str(entry.data["note_id"])


def touched(missed: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return which fields of a ticket these events gave another value."""
    found: set[str] = set()
    for fact in missed:
        if fact.get("type") == "fields_changed":
            old, new = ({each["name"]: each["value"] for each in fact[name]} for name in ("old", "new"))
            found |= {f"fields.{name}" for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
        elif fact.get("type") in _FIELDS:
            found.add(_FIELDS[fact["type"]])
    return found


def mentioned(text: str, people: Sequence[Member]) -> list[Person]:
    """Return the members who are called in a text by an @ and their whole name."""
    if "@" not in text:
        return []
    plain = text.casefold()
    called = [each for each in people if f"@{each.name.casefold()}" in plain]
    return [Person(id=each.id, name=each.name, role=each.role) for each in called[:_MOST_MENTIONS]]
