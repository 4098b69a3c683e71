"""Tools that change something. Each can be tried first, and each takes effect once for its key."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from pydantic import Field

from contracts.base import Person, uuid7
from contracts.refusals import Invalid
from contracts.texts import Body, Line
from contracts.tickets import (
    AddNote,
    ChangeTicket,
    CreateTicket,
    Fields,
    GetTicket,
    NewContact,
    NoteSnapshot,
    Priority,
    Status,
    Tags,
    TicketChange,
    TicketRow,
)
from services.gateway.routes.filters import Assignee
from services.gateway.routes.mcp.calls import (
    Call,
    Difference,
    OnTicket,
    Outcome,
    Refused,
    Standing,
    Writing,
    verdict,
)
from services.gateway.routes.notes import NewNote
from services.gateway.routes.tickets import TicketContact, assigned

_COMPARED = ("subject", "description", "status", "priority", "assignee", "contact", "tags", "fields", "conversations")
_ASSIGNEE = "`me` (the member who made your token), `none`, or the id of a member."


class TicketOutcome(Outcome):
    """What came of a change of a ticket, or would come of it."""

    ticket: Standing | None = Field(default=None, description="The ticket as it is now; null where there is none.")


class NoteOutcome(Outcome):
    """What came of a note, or would come of it."""

    note: NoteSnapshot | None = None


class Create(Writing):
    """A ticket to be."""

    subject: Line
    description: Body = Field(default="", description="Markdown, at most 64 KiB.")
    priority: Priority | None = Field(default=None, description="Without it, the workspace's default.")
    assignee_id: Assignee | None = Field(default=None, description=_ASSIGNEE)
    contact_id: UUID | None = Field(default=None, description="A contact that is known, instead of `contact`.")
    contact: TicketContact | None = Field(default=None, description="The person who asks.")
    conversation_id: UUID | None = Field(default=None, description="A conversation to link.")
    tags: Tags = ()
    fields: Fields = Field(default_factory=dict, description="Anything else, by names of your own.")


async def create(call: Call, new: Create) -> TicketOutcome:
    """Open a ticket."""

    async def act() -> TicketRow:
        if new.contact is not None and new.contact_id is not None:
            raise Invalid.field("contact", "ambiguous", "give contact or contact_id, not both")
        return await call.desk.bus.ask(
            CreateTicket(
                caller=call.visitor.caller,
                via=call.visitor.via,
                idempotency=new.promise(call, "create"),
                dry_run=new.dry_run,
                ticket_id=uuid7(),
                subject=new.subject,
                description=new.description,
                priority=new.priority,
                assignee=await _person(call, new.assignee_id),
                contact_id=new.contact_id,
                contact=NewContact(name=new.contact.name, email=new.contact.email) if new.contact else None,
                conversation_id=new.conversation_id,
                tags=new.tags,
                fields=new.fields,
            )
        )

    made = await verdict(new.dry_run, act())
    if isinstance(made, Refused):
        return TicketOutcome(dry_run=True, done=False, would_succeed=False, refused=made)
    if new.dry_run:
        return TicketOutcome(dry_run=True, done=False, would_succeed=True, changes=tuple(_differences(None, made)))
    return TicketOutcome(dry_run=False, done=True, ticket=Standing.of(call, made))


class Note(OnTicket, NewNote, Writing):
    """A note to be."""


async def note(call: Call, new: Note) -> NoteOutcome:
    """Add what only the team sees."""

    async def act() -> NoteSnapshot:
        visitor = call.visitor
        return await call.desk.bus.ask(
            AddNote(
                caller=visitor.caller,
                via=visitor.via,
                idempotency=new.promise(call, "note"),
                dry_run=new.dry_run,
                ticket=new.reference,
                note_id=uuid7(),
                body=new.body,
                kind=new.kind,
                pinned=new.pinned,
                in_reply_to=new.in_reply_to,
                mentions=await call.desk.people.mentioned(visitor, new.mentions) if new.mentions else (),
            )
        )

    added = await verdict(new.dry_run, act())
    if isinstance(added, Refused):
        return NoteOutcome(dry_run=True, done=False, would_succeed=False, refused=added)
    if new.dry_run:
        said = added.model_dump(mode="json", include={"kind", "body", "pinned", "in_reply_to", "mentions"})
        changes = (Difference(field="notes", old=None, new=said),)
        return NoteOutcome(dry_run=True, done=False, would_succeed=True, changes=changes)
    return NoteOutcome(dry_run=False, done=True, note=added)


class Move(OnTicket, Writing):
    """Where a ticket is to go."""

    status: Status | None = Field(default=None, description="One of `allowed.statuses` of the ticket.")
    priority: Priority | None = None
    assignee_id: Assignee | None = Field(default=None, description=_ASSIGNEE)
    version: int | None = Field(
        default=None, ge=1, lt=2**31, description="The version that you have read: refused if it has changed since."
    )


async def move(call: Call, wanted: Move) -> TicketOutcome:
    """Change status, priority and assignee, all that are named or none."""

    async def act() -> tuple[TicketRow | None, TicketRow]:
        named = wanted.model_fields_set & {"status", "priority", "assignee_id"}
        if not named:
            raise Invalid.field("status", "missing", "name a status, a priority or an assignee_id")
        change: dict[str, Any] = {name: getattr(wanted, name) for name in named - {"assignee_id"}}
        if wanted.assignee_id is not None:
            change["assignee"] = await _person(call, wanted.assignee_id)
        caller, bus = call.visitor.caller, call.desk.bus
        before = await bus.ask(GetTicket(caller=caller, ticket=wanted.reference)) if wanted.dry_run else None
        return before, await bus.ask(
            ChangeTicket(
                caller=caller,
                via=call.visitor.via,
                idempotency=wanted.promise(call, "move"),
                dry_run=wanted.dry_run,
                ticket=wanted.reference,
                expected_version=wanted.version,
                change=TicketChange(**change),
            )
        )

    moved = await verdict(wanted.dry_run, act())
    if isinstance(moved, Refused):
        return TicketOutcome(dry_run=True, done=False, would_succeed=False, refused=moved)
    before, after = moved
    if before is not None:
        return TicketOutcome(
            dry_run=True,
            done=False,
            would_succeed=True,
            changes=tuple(_differences(before, after)),
            ticket=Standing.of(call, before),
        )
    return TicketOutcome(dry_run=False, done=True, ticket=Standing.of(call, after))


async def _person(call: Call, assignee: str | None) -> Person | None:
    """Return the member who is to work on a ticket; none where nobody is."""
    if assignee in (None, "none"):
        return None
    return await assigned(call.desk, call.visitor, call.visitor.member_id if assignee == "me" else UUID(assignee))


def _differences(before: TicketRow | None, after: TicketRow) -> Iterator[Difference]:
    told = after.model_dump(mode="json")
    known = before.model_dump(mode="json") if before else {}
    for name in _COMPARED:
        old, new = known.get(name), told.get(name)
        if (old or None) != (new or None):
            yield Difference(field=name, old=old, new=new)
