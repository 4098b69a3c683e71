"""What every fact says beside its own: who, through which door, because of what, when, and who may see it."""

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from contracts.base import Actor, RecordEvent, Subject, TicketEvent, Via
from services.tickets.domain.policy import audience_of


@dataclass(frozen=True, slots=True)
class By:
    """Who did it, through which door, because of what, and when."""

    actor: Actor
    via: Via
    cause: str
    now: dt.datetime


def of_ticket(kind: type[TicketEvent], workspace_id: str, ticket_id: UUID, version: int, by: By) -> dict[str, Any]:
    """Return what a fact about a ticket says of itself."""
    return _said(kind, workspace_id, by) | {"ticket_id": ticket_id, "version": version}


def of_record(kind: type[RecordEvent], workspace_id: str, subject: Subject, by: By) -> dict[str, Any]:
    """Return what a fact about another record says of itself."""
    return _said(kind, workspace_id, by) | {"subject": subject}


def _said(kind: type[TicketEvent] | type[RecordEvent], workspace_id: str, by: By) -> dict[str, Any]:
    return {
        "at": by.now,
        "workspace_id": workspace_id,
        "actor": by.actor,
        "via": by.via,
        "cause": by.cause,
        "audience": audience_of(kind),
    }
