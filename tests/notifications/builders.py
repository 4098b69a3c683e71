"""Nouns for stories about notifications: people, and facts about a ticket."""

import datetime as dt
from typing import Any
from uuid import UUID, uuid5

from contracts.base import Actor, ActorKind, Event, Person, RecordEvent, Role, Subject, TicketEvent, Via, uuid7
from contracts.gateway import MemberJoined, MemberRemoved, RoleChanged, WorkspaceDeleted, WorkspaceNames
from contracts.tickets import (
    AgentReplied,
    Assigned,
    CommentAdded,
    CustomerMessage,
    FollowUpOpened,
    NoteAdded,
    Priority,
    PriorityChanged,
    Status,
    StatusChanged,
    SubjectChanged,
    TicketCreated,
    TicketDeleted,
    TicketRef,
    TicketRestored,
    Unassigned,
)

NOON = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
_NAMES = UUID("6f1d0c1e-0d5c-4b0a-9d3b-2f6c3f6a7e10")


def id_of(name: str) -> UUID:
    """The same name has the same id."""
    return uuid5(_NAMES, name)


def person(name: str, role: Role = Role.MEMBER) -> Person:
    return Person(id=id_of(name), name=name, role=role)


def user(name: str) -> Actor:
    return Actor(kind=ActorKind.USER, id=str(id_of(name)), name=name)


MONITORING = Actor(kind=ActorKind.INTEGRATION, id="integration:monitoring", name="monitoring")


def _fact[E: Event](kind: type[E], by: str | Actor, **words: Any) -> E:
    actor = user(by) if isinstance(by, str) else by
    common = {"workspace_id": "acme", "at": NOON, "actor": actor, "via": Via.WEB, "cause": str(uuid7())}
    if issubclass(kind, TicketEvent):
        common |= {"ticket_id": id_of("ticket"), "version": 1}
    elif issubclass(kind, RecordEvent):
        common |= {"subject": Subject(kind="member", id="someone", version=1)}
    return kind.model_validate({"audience": kind.AUDIENCE} | common | words)


def created(by: str | Actor = "Olivia", assignee: str | None = None, **words: Any) -> TicketCreated:
    given: dict[str, Any] = {
        "number": 1,
        "subject": "Printer on fire",
        "description": "It smokes.",
        "status": Status.NEW,
        "priority": Priority.NORMAL,
        "assignee": person(assignee) if assignee else None,
        "contact": None,
        "tags": (),
    }
    return _fact(TicketCreated, by, **given | words)


def assigned(new: str, by: str | Actor = "Olivia", old: str | None = None, **words: Any) -> Assigned:
    return _fact(Assigned, by, old=person(old) if old else None, new=person(new), **words)


def unassigned(old: str, by: str | Actor = "Olivia", **words: Any) -> Unassigned:
    return _fact(Unassigned, by, old=person(old), **words)


def moved(by: str | Actor = "Olivia", **words: Any) -> StatusChanged:
    return _fact(StatusChanged, by, **{"old": Status.NEW, "new": Status.OPEN} | words)


def noted(by: str | Actor = "Olivia", *mentioned: str, **words: Any) -> NoteAdded:
    mentions = tuple(person(name) for name in mentioned)
    given = {"note_id": id_of("note"), "body": "Call back.", "pinned": False, "mentions": mentions}
    return _fact(NoteAdded, by, **given | words)


def commented(by: str | Actor = "Olivia", *mentioned: str, **words: Any) -> CommentAdded:
    mentions = tuple(person(name) for name in mentioned)
    given = {"note_id": id_of("note"), "body": "Who does it?", "in_reply_to": None, "mentions": mentions}
    return _fact(CommentAdded, by, **given | words)


def prioritised(by: str | Actor = "Olivia", **words: Any) -> PriorityChanged:
    return _fact(PriorityChanged, by, old=Priority.LOW, new=Priority.HIGH, **words)


def renamed(new: str, by: str | Actor = "Olivia", **words: Any) -> SubjectChanged:
    return _fact(SubjectChanged, by, old="Printer on fire", new=new, **words)


MARIA = Actor(kind=ActorKind.CONTACT, id=str(id_of("Maria")), name="Maria")


def wrote(by: Actor = MARIA, **words: Any) -> CustomerMessage:
    given = {"conversation_id": id_of("conversation"), "message_id": id_of("message"), "body": "Still dark."}
    return _fact(CustomerMessage, by, **given | words)


def agent_replied(by: str | Actor = "Olivia", **words: Any) -> AgentReplied:
    given = {"conversation_id": id_of("conversation"), "message_id": id_of("message"), "body": "Soon."}
    return _fact(AgentReplied, by, **given | words)


def followed_up(number: int = 2, **words: Any) -> FollowUpOpened:
    return _fact(FollowUpOpened, MARIA, new=TicketRef(id=id_of("another"), number=number), **words)


def deleted(by: str = "Olivia", **words: Any) -> TicketDeleted:
    return _fact(TicketDeleted, by, **words)


def restored(by: str = "Olivia", **words: Any) -> TicketRestored:
    return _fact(TicketRestored, by, **words)


def joined(name: str, role: Role = Role.MEMBER, **words: Any) -> MemberJoined:
    given = {"user_id": id_of(name), "name": name, "email": f"{name.lower()}@example.com", "role": role}
    return _fact(MemberJoined, name, **given | words)


def became(name: str, role: Role, **words: Any) -> RoleChanged:
    return _fact(RoleChanged, "Olivia", user_id=id_of(name), name=name, old=Role.MEMBER, new=role, **words)


def removed(name: str, **words: Any) -> MemberRemoved:
    return _fact(MemberRemoved, "Olivia", user_id=id_of(name), name=name, old=Role.MEMBER, **words)


def ended(**words: Any) -> WorkspaceDeleted:
    return _fact(WorkspaceDeleted, "Olivia", old=WorkspaceNames(name="Northwind", slug="northwind"), **words)
