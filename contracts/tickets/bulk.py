"""One change for many tickets, done beside other work."""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.base import Command, Model, Query
from contracts.tickets.requests import TicketChange, TicketFilter
from contracts.tickets.shapes import Limit

MOST_TICKETS = 10_000
MOST_IDS = 1_000
"""A request is one NATS message of 256 KiB; a filter reaches further."""


class BulkOutcome(StrEnum):
    """What became of one ticket of a bulk change."""

    PENDING = "pending"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    """It had these values already."""
    REFUSED = "refused"


class BulkItem(Model):
    """One ticket of a bulk change."""

    ticket_id: UUID
    number: int
    """The ticket's."""
    outcome: BulkOutcome
    code: str | None = None
    """Why it was refused."""
    detail: str | None = None
    version: int | None = None
    """Of the ticket, after it."""


class BulkState(StrEnum):
    """Whether a bulk change goes on."""

    RUNNING = "running"
    DONE = "done"


class BulkSnapshot(Model):
    """How far a bulk change is."""

    id: UUID
    state: BulkState
    total: int
    changed: int
    unchanged: int
    refused: int
    created_at: AwareDatetime
    finished_at: AwareDatetime | None
    items: tuple[BulkItem, ...]
    """By number; one page of them."""
    next_cursor: str | None


class ChangeTickets(Command[BulkSnapshot], subject="tickets.requests.v1.change_tickets"):
    """Change many tickets, each by the same rules as alone; which ones, and in whose right, is settled now.

    Refused: not_found (an id that is not there; nothing is done then), not_allowed (guests; members, unless every
    ticket is theirs), invalid (neither or both of ids and filter, nothing to change, more than 10,000 tickets).
    """

    bulk_id: UUID
    ids: Annotated[tuple[UUID, ...], Field(max_length=MOST_IDS)] = ()
    filter: TicketFilter | None = None
    change: TicketChange
    delete: bool = False
    """Delete them instead."""


class GetBulk(Query[BulkSnapshot], subject="tickets.requests.v1.get_bulk"):
    """Read how far a bulk change is. Refused: not_found (also: somebody else's, unless an admin asks)."""

    bulk_id: UUID
    cursor: str | None = None
    limit: Limit = 100
