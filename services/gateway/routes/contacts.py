"""Contacts: the people who ask."""

from typing import Annotated, Any

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import Field, StringConstraints

from contracts.base import uuid7
from contracts.refusals import Conflict, Invalid, NotAllowed, NotFound, StaleVersion, Taken
from contracts.texts import Email, ExternalId, Name, SearchText, formed
from contracts.tickets import (
    ChangeContact,
    ContactChange,
    ContactPage,
    ContactSnapshot,
    ConversationPage,
    CreateContact,
    DeleteContact,
    ExternalRef,
    ExternalRefs,
    GetContact,
    ListContacts,
    ListConversations,
    ListTickets,
    Source,
    Status,
    TicketPage,
)
from services.gateway.domain import Visitor
from services.gateway.routes.bodies import Given, path_id, promise, query, read
from services.gateway.routes.operations import W, operation
from services.gateway.routes.replies import expected_versions, fresh_or, nothing, reply
from services.gateway.routes.visitors import Desk, desk_of, inside
from services.gateway.routes.workspaces import Cursor, Page

AnyAddress = Annotated[
    str,
    StringConstraints(min_length=1),
    formed(r"^[^\x00-\x1f\x7f]*$", "line breaks and control characters are not allowed here", max_length=254),
]


class NameElsewhere(Given):
    """What another system calls a contact."""

    source: Source = Field(description="An integration's name, `widget`, or any you choose.")
    id: ExternalId


NamesElsewhere = Annotated[tuple[NameElsewhere, ...], Field(max_length=20)]


class NewContact(Given):
    """A contact to be."""

    name: Name
    email: Email | None = None
    external_ids: NamesElsewhere = ()


def _left_out() -> Any:  # noqa: ANN401 - stands where a value of any type was not given
    return None


class ContactPatch(Given):
    """The fields to change; one that is left out stays as it is. Null takes the address away."""

    name: Name = Field(default_factory=_left_out)
    email: Email | None = None
    external_ids: NamesElsewhere = Field(default_factory=_left_out)


class ContactFilter(Given):
    """Which contacts."""

    q: SearchText = Field(default="", description="Words, or parts of words, of name or address.")
    email: AnyAddress | None = Field(default=None, description="The whole address, in any case.")
    source: Source | None = None
    external_id: ExternalId | None = Field(default=None, description="What `source` calls the contact.")
    cursor: Cursor | None = Field(default=None, description="`next_cursor` of the page before.")
    limit: int = Field(default=50, ge=1, le=100)


@operation(
    "GET",
    f"{W}/contacts",
    "list_contacts",
    tag="contacts",
    summary="Find contacts by name",
    scope="contacts:read",
    query=ContactFilter,
    answer=ContactPage,
    refusals=(NotFound, NotAllowed),
)
async def list_contacts(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Return one page of contacts."""
    visitor = await inside(request, workspace)
    wanted = query(request, ContactFilter)
    page = await desk_of(request).bus.ask(ListContacts(caller=visitor.caller, **dict(wanted)))
    return reply(page)


@operation(
    "POST",
    f"{W}/contacts",
    "create_contact",
    tag="contacts",
    summary="Add a contact",
    scope="contacts:write",
    body=NewContact,
    answer=ContactSnapshot,
    status=201,
    headers=("ETag", "Location"),
    refusals=(NotFound, NotAllowed, Taken),
    keyed=True,
)
async def create_contact(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Add somebody."""
    visitor = await inside(request, workspace)
    sent = await read(request, NewContact)
    made = await desk_of(request).bus.ask(
        CreateContact(
            caller=visitor.caller,
            via=visitor.via,
            idempotency=sent.key,
            contact_id=uuid7(),
            name=sent.body.name,
            email=sent.body.email,
            external_ids=_names(sent.body.external_ids),
        )
    )
    return reply(made, 201, version=made.version, headers={"location": f"{request.scope['path']}/{made.id}"})


@operation(
    "GET",
    f"{W}/contacts/{{contact:str}}",
    "get_contact",
    tag="contacts",
    summary="Read a contact",
    scope="contacts:read",
    answer=ContactSnapshot,
    headers=("ETag",),
    refusals=(NotFound,),
    if_none_match=True,
)
async def get_contact(
    request: Request[Any, Any, Any], workspace: FromPath[str], contact: FromPath[str]
) -> ASGIResponse:
    """Return a contact; to a guest by name only."""
    visitor = await inside(request, workspace)
    found = await _contact(desk_of(request), visitor, contact)
    return fresh_or(request, found, found.version)


@operation(
    "PATCH",
    f"{W}/contacts/{{contact:str}}",
    "change_contact",
    tag="contacts",
    summary="Change a contact",
    scope="contacts:write",
    body=ContactPatch,
    answer=ContactSnapshot,
    headers=("ETag",),
    refusals=(NotFound, NotAllowed, Taken, StaleVersion),
    keyed=True,
    if_match=True,
)
async def change_contact(
    request: Request[Any, Any, Any], workspace: FromPath[str], contact: FromPath[str]
) -> ASGIResponse:
    """Change any fields at once: all of them or none."""
    visitor = await inside(request, workspace)
    versions = expected_versions(request)
    sent = await read(request, ContactPatch)
    desk, patch = desk_of(request), sent.body
    change: dict[str, Any] = {name: getattr(patch, name) for name in patch.model_fields_set}
    if not change:
        raise Invalid("There is nothing to change.", errors=[])
    if "external_ids" in change:
        change["external_ids"] = _names(patch.external_ids)
    changed = await desk.bus.ask(
        ChangeContact(
            caller=visitor.caller,
            via=visitor.via,
            idempotency=sent.key,
            contact_id=path_id(contact),
            expected_version=await _expected(desk, visitor, contact, versions),
            change=ContactChange(**change),
        )
    )
    return reply(changed, version=changed.version)


@operation(
    "DELETE",
    f"{W}/contacts/{{contact:str}}",
    "delete_contact",
    tag="contacts",
    summary="Forget a contact whom nothing names",
    scope="contacts:write",
    answer=None,
    status=204,
    refusals=(NotFound, NotAllowed, Conflict, StaleVersion),
    keyed=True,
    if_match=True,
)
async def delete_contact(
    request: Request[Any, Any, Any], workspace: FromPath[str], contact: FromPath[str]
) -> ASGIResponse:
    """Forget somebody."""
    visitor = await inside(request, workspace)
    desk, versions = desk_of(request), expected_versions(request)
    await desk.bus.ask(
        DeleteContact(
            caller=visitor.caller,
            via=visitor.via,
            idempotency=promise(request),
            contact_id=path_id(contact),
            expected_version=await _expected(desk, visitor, contact, versions),
        )
    )
    return nothing()


@operation(
    "GET",
    f"{W}/contacts/{{contact:str}}/tickets",
    "list_contact_tickets",
    tag="contacts",
    summary="List a contact's tickets",
    scope="tickets:read",
    query=Page,
    answer=TicketPage,
    refusals=(NotFound,),
)
async def list_contact_tickets(
    request: Request[Any, Any, Any], workspace: FromPath[str], contact: FromPath[str]
) -> ASGIResponse:
    """Return one page of what somebody asked, in every status, last changed first."""
    visitor = await inside(request, workspace)
    page = query(request, Page)
    desk = desk_of(request)
    known = await _contact(desk, visitor, contact)
    tickets = await desk.bus.ask(
        ListTickets(
            caller=visitor.caller,
            contact=known.id,
            statuses=tuple(Status),
            cursor=page.cursor,
            limit=page.limit,
        )
    )
    return reply(tickets)


@operation(
    "GET",
    f"{W}/contacts/{{contact:str}}/conversations",
    "list_contact_conversations",
    tag="contacts",
    summary="List a contact's conversations",
    scope="conversations:read",
    query=Page,
    answer=ConversationPage,
    refusals=(NotFound, NotAllowed),
)
async def list_contact_conversations(
    request: Request[Any, Any, Any], workspace: FromPath[str], contact: FromPath[str]
) -> ASGIResponse:
    """Return one page of somebody's conversations, last written to first."""
    visitor = await inside(request, workspace)
    page = query(request, Page)
    desk = desk_of(request)
    known = await _contact(desk, visitor, contact)
    conversations = await desk.bus.ask(
        ListConversations(caller=visitor.caller, contact=known.id, cursor=page.cursor, limit=page.limit)
    )
    return reply(conversations)


async def _contact(desk: Desk, visitor: Visitor, contact: str) -> ContactSnapshot:
    return await desk.bus.ask(GetContact(caller=visitor.caller, contact_id=path_id(contact)))


async def _expected(desk: Desk, visitor: Visitor, contact: str, versions: tuple[int, ...]) -> int | None:
    """Return the one version to insist on; of several, the one that is current, if any is."""
    if len(versions) <= 1:
        return versions[0] if versions else None
    current = (await _contact(desk, visitor, contact)).version
    return current if current in versions else max(versions)


def _names(given: tuple[NameElsewhere, ...]) -> ExternalRefs:
    return tuple(ExternalRef(source=each.source, id=each.id) for each in given)


HANDLERS = (
    list_contacts,
    create_contact,
    get_contact,
    change_contact,
    delete_contact,
    list_contact_tickets,
    list_contact_conversations,
)
