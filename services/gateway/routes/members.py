"""Who is in a workspace, as what, and to whom it belongs."""

from typing import Any, Literal
from uuid import UUID

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.base import Role
from contracts.refusals import Conflict, NotAllowed, NotFound, StaleVersion
from services.gateway.routes.bodies import Given, path_id, promise, query, read
from services.gateway.routes.operations import W, operation
from services.gateway.routes.replies import expected_versions, nothing, reply
from services.gateway.routes.visitors import desk_of, inside
from services.gateway.routes.workspaces import Page
from services.gateway.usecases import answers


class NewRole(Given):
    """What a member is to be."""

    role: Role


class Heir(Given):
    """Whose the workspace is to be, and what the caller is to be in it."""

    user_id: UUID
    stay_as: Literal[Role.ADMIN, Role.MEMBER, Role.GUEST] = Role.ADMIN


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
    user_id = path_id(user)
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
    summary="Remove a member, or leave",
    answer=None,
    status=204,
    refusals=(NotFound, NotAllowed, Conflict, StaleVersion),
    keyed=True,
    if_match=True,
)
async def remove_member(request: Request[Any, Any, Any], workspace: FromPath[str], user: FromPath[str]) -> ASGIResponse:
    """Take a member out; what they did stays. Everybody may leave."""
    visitor = await inside(request, workspace)
    versions = expected_versions(request)
    await desk_of(request).people.remove_member(visitor, path_id(user), versions, promise(request))
    return nothing()


@operation(
    "POST",
    f"{W}/ownership",
    "hand_over_workspace",
    in_person=True,
    tag="people",
    summary="Make another member an owner in your place",
    body=Heir,
    answer=answers.Member,
    headers=("ETag",),
    refusals=(NotFound, NotAllowed, Conflict),
    keyed=True,
)
async def hand_over(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Hand the ownership over; the answer is what the caller is now."""
    visitor = await inside(request, workspace)
    sent = await read(request, Heir)
    former = await desk_of(request).people.hand_over(visitor, sent.body.user_id, sent.body.stay_as, sent.key)
    return reply(former, version=former.version)


HANDLERS = (list_members, change_role, remove_member, hand_over)
