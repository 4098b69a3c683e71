"""Decides who hears of a fact, and why they are told."""

from collections.abc import Collection, Iterator, Mapping
from uuid import UUID

from contracts.base import Actor, ActorKind, Audience, Caller, Role, TicketEvent, Via
from contracts.notifications import Kind
from contracts.refusals import NotAllowed
from contracts.tickets import (
    Assigned,
    CommentAdded,
    CustomerMessage,
    FollowUpOpened,
    NoteAdded,
    StatusChanged,
    TicketCreated,
)

OURSELVES = Actor(kind=ActorKind.SYSTEM, id="notifications", name="Notifications")
"""Who tells people; what they are told of has an actor of its own."""
BY_RULE = Via.RULE

_STRONGEST_LAST = (Kind.STATUS, Kind.MESSAGE, Kind.FOLLOW_UP, Kind.NOTE, Kind.ASSIGNED, Kind.MENTION)


def who_hears(event: TicketEvent, watchers: Collection[UUID], members: Mapping[UUID, Role]) -> list[tuple[UUID, Kind]]:
    """Return who is told and why, each person once: the members whom it concerns and whose role may see it."""
    return [
        (person, kind)
        for person, kind in concerned(event, watchers).items()
        if person in members and event.audience.includes(members[person])
    ]


def concerned(event: TicketEvent, watchers: Collection[UUID]) -> dict[UUID, Kind]:
    """Return whom the fact concerns, with the strongest reason, in the order of ids; never who brought it about."""
    ranked = sorted(_reasons(event, watchers), key=lambda reason: (reason[0], _STRONGEST_LAST.index(reason[1])))
    return {person: kind for person, kind in ranked if person != user_of(event.actor)}


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
        case FollowUpOpened(new=ticket):
            return None, str(ticket.number)
    return None, None


def becomes_watcher(event: NoteAdded | CommentAdded) -> list[UUID]:
    """Return who watches the ticket because they were mentioned: those whose role may read where."""
    return [person.id for person in event.mentions if event.audience.includes(person.role)]


def _reasons(event: TicketEvent, watchers: Collection[UUID]) -> Iterator[tuple[UUID, Kind]]:
    match event:
        case TicketCreated(assignee=assignee) if assignee is not None:
            yield assignee.id, Kind.ASSIGNED
        case Assigned(new=assignee):
            yield assignee.id, Kind.ASSIGNED
        case StatusChanged():
            yield from ((watcher, Kind.STATUS) for watcher in watchers)
        case CustomerMessage():
            yield from ((watcher, Kind.MESSAGE) for watcher in watchers)
        case FollowUpOpened():
            yield from ((watcher, Kind.FOLLOW_UP) for watcher in watchers)
        case NoteAdded(mentions=mentioned) | CommentAdded(mentions=mentioned):
            yield from ((watcher, Kind.NOTE) for watcher in watchers)
            yield from ((person.id, Kind.MENTION) for person in mentioned)
