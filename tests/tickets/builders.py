"""Nouns for stories about tickets: people, callers, tickets."""

import datetime as dt
from typing import Any
from uuid import UUID, uuid5

from contracts.base import Actor, ActorKind, Caller, Person, Role, TicketEvent, Via
from contracts.tickets import Priority, Status, TicketChange
from services.tickets.domain import By, Contact, Ticket

ACME, GLOBEX = "acme", "globex"
NOON = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
NAMES = UUID("6f1d0c1e-0d5c-4b0a-9d3b-2f6c3f6a7e10")


def id_of(name: str) -> UUID:
    """The same name has the same id."""
    return uuid5(NAMES, name)


def person(name: str, role: Role = Role.MEMBER) -> Person:
    return Person(id=id_of(name), name=name, role=role)


def caller(name: str = "Olivia", role: Role = Role.OWNER, workspace: str = ACME) -> Caller:
    return Caller(workspace_id=workspace, kind=ActorKind.USER, id=str(id_of(name)), name=name, role=role)


def by(who: Caller | None = None, minute: int = 0) -> By:
    who = who or caller()
    return By(actor=who.actor, via=Via.WEB, cause="a command", now=NOON + dt.timedelta(minutes=minute))


def the_clock() -> By:
    actor = Actor(kind=ActorKind.SYSTEM, id="timer", name="Timer")
    return By(actor=actor, via=Via.TIMER, cause="noon", now=NOON)


def a_contact(name: str = "Casey", email: str | None = "casey@example.com") -> Contact:
    return Contact(id=id_of(name), name=name, email=email)


def opened(**fields: Any) -> tuple[Ticket, list[TicketEvent]]:
    """A new ticket and its facts."""
    who = fields.pop("caller", caller())
    given = {
        "id": id_of("ticket"),
        "number": 1,
        "subject": "Printer on fire",
        "description": "It smokes.",
        "priority": Priority.NORMAL,
        "caller": who,
        "by": by(who),
    }
    return Ticket.open(**given | fields)


PATHS = {
    Status.NEW: (),
    Status.OPEN: (Status.OPEN,),
    Status.IN_PROGRESS: (Status.IN_PROGRESS,),
    Status.WAITING_ON_CUSTOMER: (Status.WAITING_ON_CUSTOMER,),
    Status.RESOLVED: (Status.RESOLVED,),
    Status.CLOSED: (Status.CLOSED,),
    Status.SPAM: (Status.SPAM,),
}


def a_ticket(status: Status = Status.NEW, **fields: Any) -> Ticket:
    """A ticket that got to this status at one minute past noon."""
    ticket, _ = opened(**fields)
    for step in PATHS[status]:
        ticket.change(TicketChange(status=step), caller(), by(minute=1))
    return ticket
