"""What the team says about a ticket among itself: shaped and rendered here, decided and kept by the tickets service."""

import asyncio
from typing import Annotated, Any
from uuid import UUID

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import Field

from chassis.markdown import rendered
from contracts.base import Model, uuid7
from contracts.refusals import NotAllowed, NotFound, StaleVersion
from contracts.texts import NonEmptyBody
from contracts.tickets import AddNote, ListNotes, NoteKind, NoteSnapshot, PinNote
from services.gateway.routes.bodies import Flag, Given, path_id, query, read
from services.gateway.routes.operations import W, operation
from services.gateway.routes.replies import expected_versions, reply
from services.gateway.routes.tickets import expected_version, ticket_reference
from services.gateway.routes.visitors import desk_of, inside
from services.gateway.routes.workspaces import Page


class NewNote(Given):
    """A note to be."""

    body: NonEmptyBody = Field(description="Markdown, at most 64 KiB.")
    kind: NoteKind = NoteKind.NOTE
    pinned: bool = False
    in_reply_to: UUID | None = None
    mentions: Annotated[tuple[UUID, ...], Field(max_length=20)] = Field(
        default=(), description="Members to be told, whether they watch the ticket or not; they watch it from then on."
    )


class NotePatch(Given):
    """What can be changed of a note."""

    pinned: bool


class NoteFilter(Page):
    """Which notes."""

    kind: NoteKind | None = None
    pinned: Flag | None = None


class Note(NoteSnapshot):
    """An internal note or comment as it is."""

    html: str = Field(description="The body, rendered: it holds nothing that could run, and links open no images.")

    @classmethod
    def of(cls, note: NoteSnapshot) -> "Note":
        """Render a note."""
        return cls(**dict(note), html=rendered(note.body))


class NotePage(Model):
    """One page of a ticket's notes, oldest first."""

    items: tuple[Note, ...]
    next_cursor: str | None


@operation(
    "POST",
    f"{W}/tickets/{{ticket:str}}/notes",
    "add_note",
    scope="tickets:write",
    tag="tickets",
    summary="Add a note or an internal comment",
    body=NewNote,
    answer=Note,
    status=201,
    refusals=(NotFound, NotAllowed),
    keyed=True,
)
async def add_note(request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]) -> ASGIResponse:
    """Add what only the team sees."""
    visitor = await inside(request, workspace)
    reference = ticket_reference(ticket)
    sent = await read(request, NewNote)
    desk = desk_of(request)
    mentions = await desk.people.mentioned(visitor, sent.body.mentions) if sent.body.mentions else ()
    note = await desk.bus.ask(
        AddNote(
            caller=visitor.caller,
            via=visitor.via,
            idempotency=sent.key,
            ticket=reference,
            note_id=uuid7(),
            body=sent.body.body,
            kind=sent.body.kind,
            pinned=sent.body.pinned,
            in_reply_to=sent.body.in_reply_to,
            mentions=mentions,
        )
    )
    return reply(await asyncio.to_thread(Note.of, note), 201)


@operation(
    "GET",
    f"{W}/tickets/{{ticket:str}}/notes",
    "list_notes",
    scope="tickets:read",
    tag="tickets",
    summary="List a ticket's notes and comments, oldest first",
    query=NoteFilter,
    answer=NotePage,
    refusals=(NotFound, NotAllowed),
)
async def list_notes(request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]) -> ASGIResponse:
    """Return one page of notes."""
    visitor = await inside(request, workspace)
    wanted = query(request, NoteFilter)
    notes = await desk_of(request).bus.ask(
        ListNotes(
            caller=visitor.caller,
            ticket=ticket_reference(ticket),
            kind=wanted.kind,
            pinned=wanted.pinned,
            cursor=wanted.cursor,
            limit=wanted.limit,
        )
    )
    items = await asyncio.to_thread(lambda: tuple(Note.of(note) for note in notes.items))
    return reply(NotePage(items=items, next_cursor=notes.next_cursor))


@operation(
    "PATCH",
    f"{W}/tickets/{{ticket:str}}/notes/{{note:str}}",
    "change_note",
    scope="tickets:write",
    tag="tickets",
    summary="Pin or unpin a standing note",
    body=NotePatch,
    answer=Note,
    refusals=(NotFound, NotAllowed, StaleVersion),
    keyed=True,
    if_match=True,
)
async def change_note(
    request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str], note: FromPath[str]
) -> ASGIResponse:
    """Pin or unpin a note; once more is no change. The version that `If-Match` names is the ticket's."""
    visitor = await inside(request, workspace)
    reference, note_id = ticket_reference(ticket), path_id(note)
    versions = expected_versions(request)
    sent = await read(request, NotePatch)
    desk = desk_of(request)
    changed = await desk.bus.ask(
        PinNote(
            caller=visitor.caller,
            via=visitor.via,
            idempotency=sent.key,
            ticket=reference,
            expected_version=await expected_version(desk, visitor, reference, versions),
            note_id=note_id,
            pinned=sent.body.pinned,
        )
    )
    return reply(await asyncio.to_thread(Note.of, changed))


HANDLERS = (add_note, list_notes, change_note)
