"""Tickets: shaped here, decided and kept by the tickets service."""

import datetime as dt
import re
from typing import Annotated, Any
from uuid import UUID

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import AfterValidator, Field

from contracts.base import Person, uuid7
from contracts.refusals import Deleted, Invalid, NotAllowed, NotFound, StaleVersion, TransitionNotAllowed
from contracts.texts import Body, Email, Line, Name
from contracts.tickets import (
    ChangeTicket,
    CreateTicket,
    FieldChanges,
    Fields,
    GetTicket,
    NewContact,
    Priority,
    Status,
    Tags,
    TicketChange,
    TicketSnapshot,
)
from services.gateway.domain import Visitor
from services.gateway.routes.bodies import Given, is_time, left_out, query, read
from services.gateway.routes.filters import UUID_FORM
from services.gateway.routes.operations import W, operation
from services.gateway.routes.replies import expected_versions, fresh_or, reply
from services.gateway.routes.visitors import Desk, desk_of, inside

_TICKET = re.compile(rf"[1-9][0-9]{{0,8}}|{UUID_FORM}")
_VERSION = re.compile(r"[1-9][0-9]{0,8}")


class TicketContact(Given):
    """The person who asks; one who is known by this address already is found again."""

    name: Name
    email: Email | None = None


class NewTicket(Given):
    """A ticket to be."""

    subject: Line
    description: Body = Field(default="", description="Markdown, at most 64 KiB.")
    priority: Priority | None = Field(default=None, description="Without it, the workspace's default.")
    assignee_id: UUID | None = None
    contact_id: UUID | None = Field(default=None, description="A contact that is known, instead of `contact`.")
    contact: TicketContact | None = None
    conversation_id: UUID | None = Field(
        default=None, description="A conversation to link; its contact is the ticket's where none is given."
    )
    tags: Tags = ()
    fields: Fields = Field(default_factory=dict, description="Anything else, by names of your own.")


def _time_or_version(value: str) -> str:
    if not (_VERSION.fullmatch(value) or is_time(value)):
        msg = "must be a version such as 7, or a time such as 2026-03-02T09:00:00Z"
        raise ValueError(msg)
    return value


class TicketPatch(Given):
    """The fields to change; one that is left out stays as it is. Null takes the assignee or the contact away."""

    subject: Line = Field(default_factory=left_out)
    description: Body = Field(default_factory=left_out)
    status: Status = Field(default_factory=left_out)
    priority: Priority = Field(default_factory=left_out)
    assignee_id: UUID | None = None
    contact_id: UUID | None = None
    tags: Tags = Field(default_factory=left_out)
    add_tags: Tags = Field(default_factory=left_out, description="Beside those that it has.")
    remove_tags: Tags = Field(default_factory=left_out)
    fields: FieldChanges = Field(
        default_factory=left_out, description="Those that are named get another value; null takes one away."
    )


_EITHER: dict[str, Any] = {"anyOf": [{"pattern": f"^{_VERSION.pattern}$"}, {"format": "date-time"}]}


class AsOf(Given):
    """At which time or version."""

    as_of: Annotated[str, AfterValidator(_time_or_version), Field(json_schema_extra=_EITHER)] | None = Field(
        default=None, description="A version, or a time by RFC 3339: the ticket as it was then."
    )


def ticket_reference(ticket: str) -> str:
    """Return an id or number as the tickets service reads it; anything else names nothing."""
    if not _TICKET.fullmatch(ticket):
        raise NotFound
    return ticket.lower()


async def assigned(desk: Desk, visitor: Visitor, user_id: UUID | None) -> Person | None:
    """Return the member who is to work on a ticket, as the tickets service is told of them."""
    return None if user_id is None else await desk.people.assignee(visitor, user_id)


@operation(
    "POST",
    f"{W}/tickets",
    "create_ticket",
    scope="tickets:write",
    tag="tickets",
    summary="Open a ticket",
    body=NewTicket,
    answer=TicketSnapshot,
    status=201,
    headers=("ETag", "Location"),
    refusals=(NotFound, NotAllowed),
    keyed=True,
)
async def create_ticket(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Open a ticket."""
    visitor = await inside(request, workspace)
    sent = await read(request, NewTicket)
    desk, new = desk_of(request), sent.body
    if new.contact is not None and new.contact_id is not None:
        raise Invalid.field("contact", "ambiguous", "give contact or contact_id, not both")
    ticket = await desk.bus.ask(
        CreateTicket(
            caller=visitor.caller,
            via=visitor.via,
            idempotency=sent.key,
            ticket_id=uuid7(),
            subject=new.subject,
            description=new.description,
            priority=new.priority,
            assignee=await assigned(desk, visitor, new.assignee_id),
            contact_id=new.contact_id,
            contact=NewContact(name=new.contact.name, email=new.contact.email) if new.contact else None,
            conversation_id=new.conversation_id,
            tags=new.tags,
            fields=new.fields,
        )
    )
    return reply(ticket, 201, version=ticket.version, headers={"location": f"{request.scope['path']}/{ticket.id}"})


@operation(
    "GET",
    f"{W}/tickets/{{ticket:str}}",
    "get_ticket",
    scope="tickets:read",
    tag="tickets",
    summary="Read a ticket, as it is or as it was",
    query=AsOf,
    answer=TicketSnapshot,
    headers=("ETag",),
    refusals=(NotFound,),
    if_none_match=True,
)
async def get_ticket(request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]) -> ASGIResponse:
    """Return a ticket, and what the visitor may do with it: nothing with what is past, which has no ETag either."""
    visitor = await inside(request, workspace)
    then = query(request, AsOf).as_of
    asked = GetTicket(caller=visitor.caller, ticket=ticket_reference(ticket), **then_of(then))
    found = await desk_of(request).bus.ask(asked)
    return fresh_or(request, found, found.version) if then is None else reply(found)


def then_of(then: str | None) -> dict[str, Any]:
    """Return a time or version as the tickets service is asked for it; raises Invalid for a time that is none."""
    if then is None:
        return {}
    if _VERSION.fullmatch(then):
        return {"as_of_version": int(then)}
    try:
        return {"as_of_time": dt.datetime.fromisoformat(then.upper()).astimezone(dt.UTC)}
    except (ValueError, OverflowError):
        raise Invalid.field("as_of", "time", "is a time that no calendar has") from None


@operation(
    "PATCH",
    f"{W}/tickets/{{ticket:str}}",
    "change_ticket",
    scope="tickets:write",
    tag="tickets",
    summary="Change a ticket",
    body=TicketPatch,
    answer=TicketSnapshot,
    headers=("ETag",),
    refusals=(NotFound, NotAllowed, TransitionNotAllowed, Deleted, StaleVersion),
    keyed=True,
    if_match=True,
)
async def change_ticket(
    request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]
) -> ASGIResponse:
    """Change any fields at once: all of them or none."""
    visitor = await inside(request, workspace)
    reference = ticket_reference(ticket)
    versions = expected_versions(request)
    sent = await read(request, TicketPatch)
    desk, patch = desk_of(request), sent.body
    if not patch.model_fields_set:
        raise Invalid("There is nothing to change.", errors=[])
    changed = await desk.bus.ask(
        ChangeTicket(
            caller=visitor.caller,
            via=visitor.via,
            idempotency=sent.key,
            ticket=reference,
            expected_version=await expected_version(desk, visitor, reference, versions),
            change=await changes(desk, visitor, patch),
        )
    )
    return reply(changed, version=changed.version)


async def changes(desk: Desk, visitor: Visitor, patch: TicketPatch) -> TicketChange:
    """Return the fields that a patch names, in the words of the tickets service."""
    named = patch.model_fields_set & TicketPatch.model_fields.keys()
    change: dict[str, Any] = {name: getattr(patch, name) for name in named - {"assignee_id"}}
    if "assignee_id" in named:
        change["assignee"] = await assigned(desk, visitor, patch.assignee_id)
    return TicketChange(**change)


async def expected_version(desk: Desk, visitor: Visitor, ticket: str, versions: tuple[int, ...]) -> int | None:
    """Return the one version to insist on; of several, the one that is current, if any is."""
    if len(versions) <= 1:
        return versions[0] if versions else None
    current = (await desk.bus.ask(GetTicket(caller=visitor.caller, ticket=ticket))).version
    return current if current in versions else max(versions)


HANDLERS = (create_ticket, get_ticket, change_ticket)
