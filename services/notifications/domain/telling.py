"""Decides who hears of a fact, and why they are told."""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping
from enum import StrEnum
from uuid import UUID, uuid5

from contracts.base import Actor, ActorKind, Audience, Caller, Role, TicketEvent, Via
from contracts.notifications import Kind
from contracts.preferences import Preferences, Wanted
from contracts.refusals import NotAllowed
from contracts.tickets import (
    Assigned,
    CommentAdded,
    CustomerMessage,
    FollowUpOpened,
    NoteAdded,
    PriorityChanged,
    StatusChanged,
    TicketCreated,
    Unassigned,
)

OURSELVES = Actor(kind=ActorKind.SYSTEM, id="notifications", name="Notifications")
"""Who tells people; what they are told of has an actor of its own."""
BY_RULE = Via.RULE


class Way(StrEnum):
    """How somebody hears of something."""

    INBOX = "inbox"
    MAIL = "mail"


STRONGEST_FIRST = (
    Kind.MENTION,
    Kind.ASSIGNED,
    Kind.UNASSIGNED,
    Kind.NOTE,
    Kind.FOLLOW_UP,
    Kind.MESSAGE,
    Kind.STATUS,
    Kind.PRIORITY,
    Kind.CREATED,
    Kind.ARRIVED,
    Kind.WEBHOOK,
    Kind.DEAD_LETTER,
)
"""Reasons to be told: of several the first is named."""
_LISTENED_TO: Mapping[type[TicketEvent], Kind] = {
    PriorityChanged: Kind.PRIORITY,
    StatusChanged: Kind.STATUS,
    CustomerMessage: Kind.MESSAGE,
    FollowUpOpened: Kind.FOLLOW_UP,
    NoteAdded: Kind.NOTE,
    CommentAdded: Kind.NOTE,
}
_CHOSEN_AS = {Kind.FOLLOW_UP: Kind.MESSAGE}
"""Kinds that people don't choose apart from another."""
_BURSTS = UUID("6d0b4c8e-2f4b-4e7e-9b0e-0c5a6a3a9a11")
_UNCHOSEN = Preferences()


def who_hears(
    reasons: Mapping[UUID, Kind], audience: Audience, members: Mapping[UUID, Role]
) -> list[tuple[UUID, Kind]]:
    """Return who is told and why, each person once: the members who want to hear of it and whose role may see it."""
    return [
        (person, kind) for person, kind in reasons.items() if person in members and audience.includes(members[person])
    ]


def concerned(event: TicketEvent, listeners: Collection[UUID]) -> dict[UUID, tuple[Kind, ...]]:
    """Return whom the fact concerns, with the reasons, strongest first, by id; never who brought it about.

    Listeners are those who watch the ticket; of a new one, those who want to hear of every new one.
    """
    ranked = sorted(_reasons(event, listeners), key=lambda reason: (reason[0], STRONGEST_FIRST.index(reason[1])))
    found: dict[UUID, tuple[Kind, ...]] = {}
    for person, kind in ranked:
        if person != user_of(event.actor):
            found[person] = (*found.get(person, ()), kind)
    return found


def wanted(
    reasons: Mapping[UUID, Collection[Kind]], preferences: Mapping[UUID, Preferences], way: Way
) -> dict[UUID, Kind]:
    """Return the strongest reason that each person wants to hear of this way; who wants none of theirs is left out."""
    found = {
        person: next((kind for kind in kinds if wants(preferences.get(person, _UNCHOSEN), kind, way)), None)
        for person, kinds in reasons.items()
    }
    return {person: kind for person, kind in found.items() if kind is not None}


def wants(preferences: Preferences, kind: Kind, way: Way) -> bool:
    """Tell whether somebody wants to hear of this in this way."""
    chosen: Wanted = getattr(preferences, _CHOSEN_AS.get(kind, kind).value)
    return chosen.mail if way is Way.MAIL else chosen.inbox


def news_kind(event: TicketCreated) -> Kind:
    """Return what a new ticket is to those who want to hear of new ones: some come from outside."""
    return Kind.ARRIVED if event.via in (Via.WIDGET, Via.INTAKE, Via.MAIL) else Kind.CREATED


def burst(workspace_id: str, at: dt.datetime) -> UUID:
    """Return the one cause that dead letters of the same hour have for those who are told."""
    return uuid5(_BURSTS, f"{workspace_id} {at.astimezone(dt.UTC):%Y-%m-%dT%H}")


def user_of(actor: Actor) -> UUID | None:
    """Return the person who acts; a contact, another system or a rule is none."""
    try:
        return UUID(actor.id) if actor.kind is ActorKind.USER else None
    except ValueError:
        return None


def owner_of_inbox(caller: Caller) -> UUID:
    """Return whose inbox the caller may read: their own, and only people have one. Raises NotAllowed."""
    if (person := user_of(caller.actor)) is None:
        raise NotAllowed("Only a person has an inbox and watches tickets; a program has none.")
    return person


def audiences_of(role: Role) -> list[Audience]:
    """Return the audiences that this role belongs to."""
    return [audience for audience in Audience if audience.includes(role)]


def codes_of(event: TicketEvent) -> tuple[str | None, str | None]:
    """Return the old and the new value that a notification shows."""
    match event:
        case StatusChanged(old=old, new=new):
            return old.value, new.value
        case PriorityChanged(old=before, new=after):
            return before.value, after.value
        case FollowUpOpened(new=ticket):
            return None, str(ticket.number)
    return None, None


def becomes_watcher(event: NoteAdded | CommentAdded) -> list[UUID]:
    """Return who watches the ticket because they were mentioned: those whose role may read where."""
    return [person.id for person in event.mentions if event.audience.includes(person.role)]


def _reasons(event: TicketEvent, listeners: Collection[UUID]) -> Iterator[tuple[UUID, Kind]]:
    kind = news_kind(event) if isinstance(event, TicketCreated) else _LISTENED_TO.get(type(event))
    if isinstance(event, StatusChanged) and event.actor.kind is ActorKind.CONTACT:
        return  # their message, which woke the ticket, is told already
    if kind is not None:
        yield from ((listener, kind) for listener in listeners)
    match event:
        case TicketCreated(assignee=assignee) if assignee is not None:
            yield assignee.id, Kind.ASSIGNED
        case Assigned(old=before, new=assignee):
            yield assignee.id, Kind.ASSIGNED
            if before is not None:
                yield before.id, Kind.UNASSIGNED
        case Unassigned(old=before):
            yield before.id, Kind.UNASSIGNED
        case NoteAdded(mentions=mentioned) | CommentAdded(mentions=mentioned):
            yield from ((person.id, Kind.MENTION) for person in mentioned)
