"""Tickets: shaped here, decided and kept by the tickets service."""

import re
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import Field, StringConstraints

from contracts.base import Person, uuid7
from contracts.refusals import Invalid, NotAllowed, NotFound, StaleVersion, TransitionNotAllowed
from contracts.texts import Body, Email, Line, Name
from contracts.tickets import (
    ChangeTicket,
    CreateTicket,
    GetTicket,
    ListTickets,
    NewContact,
    Priority,
    Status,
    Tags,
    TicketChange,
    TicketPage,
    TicketSnapshot,
)
from services.gateway.domain import Visitor
from services.gateway.routes.bodies import Given, query, read
from services.gateway.routes.operations import W, operation
from services.gateway.routes.replies import expected_versions, fresh_or, reply
from services.gateway.routes.visitors import Desk, desk_of, inside
from services.gateway.routes.workspaces import Cursor

_UUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_TICKET = re.compile(rf"[1-9][0-9]{{0,8}}|{_UUID}")
_PLAIN = r"^[^\x00-\x1f\x7f]*$"

StatusOrAll = Literal["new", "open", "in_progress", "waiting_on_customer", "resolved", "closed", "spam", "all"]
Sort = Literal["updated", "-updated", "created", "-created", "priority", "-priority", "number", "-number"]


class TicketContact(Given):
    """The person who asks; one who is known by this address already is found again."""

    name: Name
    email: Email | None = None


class NewTicket(Given):
    """A ticket to be."""

    subject: Line
    description: Body = Field(default="", description="Markdown, at most 64 KiB.")
    priority: Priority = Priority.NORMAL
    assignee_id: UUID | None = None
    contact_id: UUID | None = Field(default=None, description="A contact that is known, instead of `contact`.")
    contact: TicketContact | None = None
    tags: Tags = ()


def _left_out() -> Any:  # noqa: ANN401 - stands where a value of any type was not given
    """Stand in a field that was not mentioned; `model_fields_set` tells."""
    return None


class TicketPatch(Given):
    """The fields to change; one that is left out stays as it is. Null takes the assignee or the contact away."""

    subject: Line = Field(default_factory=_left_out)
    description: Body = Field(default_factory=_left_out)
    status: Status = Field(default_factory=_left_out)
    priority: Priority = Field(default_factory=_left_out)
    assignee_id: UUID | None = None
    contact_id: UUID | None = None
    tags: Tags = Field(default_factory=_left_out)


class TicketFilter(Given):
    """Which tickets, in which order."""

    status: tuple[StatusOrAll, ...] = Field(
        default=(), description="May be repeated; `all` is every one. Without it closed and spam stay hidden."
    )
    priority: tuple[Priority, ...] = Field(default=(), description="May be repeated.")
    assignee: Annotated[str, StringConstraints(pattern=rf"^(me|none|{_UUID})$")] | None = Field(
        default=None, description="`me`, `none` or the id of a member."
    )
    tag: Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=_PLAIN)] | None = None
    q: Annotated[str, StringConstraints(max_length=200, pattern=_PLAIN)] = Field(
        default="", description="Words of the subject, or a number."
    )
    sort: Sort = Field(default="-updated", description="`priority` has critical first; `-` turns an order round.")
    cursor: Cursor | None = Field(default=None, description="`next_cursor` of the page before.")
    limit: int = Field(default=50, ge=1, le=100)


def ticket_reference(ticket: str) -> str:
    """Return an id or number as the tickets service reads it; anything else names nothing."""
    if not _TICKET.fullmatch(ticket):
        raise NotFound
    return ticket.lower()


def _wanted(visitor: Visitor, assignee: str | None) -> Literal["none"] | UUID | None:
    if assignee is None:
        return None
    if assignee == "none":
        return "none"
    return visitor.user.id if assignee == "me" else UUID(assignee)


async def _assigned(desk: Desk, visitor: Visitor, user_id: UUID | None) -> Person | None:
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
            assignee=await _assigned(desk, visitor, new.assignee_id),
            contact_id=new.contact_id,
            contact=NewContact(name=new.contact.name, email=new.contact.email) if new.contact else None,
            tags=new.tags,
        )
    )
    return reply(ticket, 201, version=ticket.version, headers={"location": f"{request.scope['path']}/{ticket.id}"})


@operation(
    "GET",
    f"{W}/tickets",
    "list_tickets",
    scope="tickets:read",
    tag="tickets",
    summary="List tickets",
    query=TicketFilter,
    answer=TicketPage,
    refusals=(NotFound,),
)
async def list_tickets(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Return one page of tickets."""
    visitor = await inside(request, workspace)
    wanted = query(request, TicketFilter)
    page = await desk_of(request).bus.ask(
        ListTickets(
            caller=visitor.caller,
            statuses=tuple(Status) if "all" in wanted.status else tuple(Status(each) for each in wanted.status),
            priorities=wanted.priority,
            assignee=_wanted(visitor, wanted.assignee),
            tag=wanted.tag,
            q=wanted.q,
            sort=wanted.sort,
            cursor=wanted.cursor,
            limit=wanted.limit,
        )
    )
    return reply(page)


@operation(
    "GET",
    f"{W}/tickets/{{ticket:str}}",
    "get_ticket",
    scope="tickets:read",
    tag="tickets",
    summary="Read a ticket",
    answer=TicketSnapshot,
    headers=("ETag",),
    refusals=(NotFound,),
    if_none_match=True,
)
async def get_ticket(request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]) -> ASGIResponse:
    """Return a ticket, and what the visitor may do with it."""
    visitor = await inside(request, workspace)
    found = await desk_of(request).bus.ask(GetTicket(caller=visitor.caller, ticket=ticket_reference(ticket)))
    return fresh_or(request, found, found.version)


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
    refusals=(NotFound, NotAllowed, TransitionNotAllowed, StaleVersion),
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
    change: dict[str, Any] = {name: getattr(patch, name) for name in patch.model_fields_set if name != "assignee_id"}
    if "assignee_id" in patch.model_fields_set:
        change["assignee"] = await _assigned(desk, visitor, patch.assignee_id)
    if not change:
        raise Invalid("There is nothing to change.", errors=[])
    changed = await desk.bus.ask(
        ChangeTicket(
            caller=visitor.caller,
            via=visitor.via,
            idempotency=sent.key,
            ticket=reference,
            expected_version=await expected_version(desk, visitor, reference, versions),
            change=TicketChange(**change),
        )
    )
    return reply(changed, version=changed.version)


async def expected_version(desk: Desk, visitor: Visitor, ticket: str, versions: tuple[int, ...]) -> int | None:
    """Return the one version to insist on; of several, the one that is current, if any is."""
    if len(versions) <= 1:
        return versions[0] if versions else None
    current = (await desk.bus.ask(GetTicket(caller=visitor.caller, ticket=ticket))).version
    return current if current in versions else max(versions)


HANDLERS = (create_ticket, list_tickets, get_ticket, change_ticket)
