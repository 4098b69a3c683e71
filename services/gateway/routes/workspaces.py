"""Workspaces, their members and the invitations to them."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import Field, StringConstraints

from contracts.base import Role
from contracts.refusals import AlreadyAnswered, Conflict, NotAllowed, NotFound, StaleVersion, Taken
from contracts.texts import Email, Line, Name
from services.gateway.routes.bodies import Given, promise, query, read
from services.gateway.routes.operations import API, W, operation
from services.gateway.routes.replies import expected_versions, fresh_or, nothing, reply
from services.gateway.routes.visitors import base_url, desk_of, inside, signed_in
from services.gateway.usecases import answers

Cursor = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[A-Za-z0-9_-]+$")]


class NewWorkspace(Given):
    """A workspace to be."""

    name: Line
    slug: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{2,40}$")] = Field(
        description="Its name in addresses; must not look like an id."
    )


class NewInvitation(Given):
    """Somebody to ask in."""

    email: Email
    name: Name
    role: Role


class NewRole(Given):
    """What a member is to be."""

    role: Role


class Page(Given):
    """Which part of a list."""

    cursor: Cursor | None = Field(default=None, description="`next_cursor` of the page before.")
    limit: int = Field(default=50, ge=1, le=100)


@operation(
    "POST",
    f"{API}/workspaces",
    "create_workspace",
    in_person=True,
    tag="workspaces",
    summary="Make a workspace, and be its owner",
    body=NewWorkspace,
    answer=answers.Workspace,
    status=201,
    headers=("ETag", "Location"),
    refusals=(Taken,),
    keyed=True,
)
async def create_workspace(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Make a workspace."""
    visitor = (await signed_in(request)).visitor
    sent = await read(request, NewWorkspace)
    made = await desk_of(request).people.found_workspace(visitor, sent.body.name, sent.body.slug, sent.key)
    return reply(made, 201, version=made.version, headers={"location": f"{API}/workspaces/{made.id}"})


@operation(
    "GET",
    W,
    "get_workspace",
    scope="settings:read",
    tag="workspaces",
    summary="Read a workspace",
    answer=answers.Workspace,
    headers=("ETag",),
    refusals=(NotFound,),
    if_none_match=True,
)
async def get_workspace(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Describe the workspace to a member."""
    here, role = (await inside(request, workspace)).here
    return fresh_or(request, answers.Workspace.of(here, role), here.version)


@operation(
    "GET",
    f"{W}/members",
    "list_members",
    scope="people:read",
    tag="people",
    summary="List the members by name",
    query=Page,
    answer=answers.MemberPage,
    refusals=(NotFound,),
)
async def list_members(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Return one page of members."""
    visitor = await inside(request, workspace)
    page = query(request, Page)
    return reply(await desk_of(request).people.members(visitor, page.cursor, page.limit))


@operation(
    "POST",
    f"{W}/invitations",
    "invite",
    scope="people:write",
    tag="people",
    summary="Ask somebody in",
    body=NewInvitation,
    answer=answers.InvitationMade,
    status=201,
    refusals=(NotFound, NotAllowed, Conflict, AlreadyAnswered),
    keyed=True,
)
async def invite(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Make a link that lets somebody in."""
    visitor = await inside(request, workspace)
    sent = await read(request, NewInvitation)
    base = base_url(request)
    made = await desk_of(request).people.invite(
        visitor,
        sent.body.email,
        sent.body.name,
        sent.body.role,
        key=sent.key,
        link=lambda token: f"{base}/invitations/{token}",
    )
    return reply(made, 201)


@operation(
    "PATCH",
    f"{W}/members/{{user:str}}",
    "change_role",
    scope="people:write",
    tag="people",
    summary="Give a member another role",
    body=NewRole,
    answer=answers.Member,
    headers=("ETag",),
    refusals=(NotFound, NotAllowed, Conflict, StaleVersion),
    keyed=True,
    if_match=True,
)
async def change_role(request: Request[Any, Any, Any], workspace: FromPath[str], user: FromPath[str]) -> ASGIResponse:
    """Make a member something else."""
    visitor = await inside(request, workspace)
    user_id = _user(user)
    versions = expected_versions(request)
    sent = await read(request, NewRole)
    changed = await desk_of(request).people.change_role(visitor, user_id, sent.body.role, versions, sent.key)
    return reply(changed, version=changed.version)


@operation(
    "DELETE",
    f"{W}/members/{{user:str}}",
    "remove_member",
    scope="people:write",
    tag="people",
    summary="Remove a member",
    answer=None,
    status=204,
    refusals=(NotFound, NotAllowed, Conflict, StaleVersion),
    keyed=True,
    if_match=True,
)
async def remove_member(request: Request[Any, Any, Any], workspace: FromPath[str], user: FromPath[str]) -> ASGIResponse:
    """Take a member out; what they did stays."""
    visitor = await inside(request, workspace)
    versions = expected_versions(request)
    await desk_of(request).people.remove_member(visitor, _user(user), versions, promise(request))
    return nothing()


def _user(id: str) -> UUID:
    try:
        return UUID(id)
    except ValueError:
        raise NotFound from None


HANDLERS = (create_workspace, get_workspace, list_members, invite, change_role, remove_member)
