"""Workspaces: made, read, renamed and deleted."""

from typing import Annotated, Any

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import Field, StringConstraints

from contracts.refusals import Invalid, NotAllowed, NotFound, StaleVersion, Taken
from contracts.texts import Line, formed
from services.gateway.routes.bodies import Given, left_out, read
from services.gateway.routes.operations import API, W, operation
from services.gateway.routes.replies import expected_versions, fresh_or, nothing, reply
from services.gateway.routes.visitors import desk_of, inside, signed_in
from services.gateway.usecases import answers

Slug = Annotated[str, formed(r"^[a-z0-9-]{2,40}$", "must be 2 to 40 lower-case letters, digits and -")]
Cursor = Annotated[
    str,
    StringConstraints(min_length=1),
    formed(r"^[A-Za-z0-9_-]+$", "must be the next_cursor of the page before", max_length=1000),
]


class NewWorkspace(Given):
    """A workspace to be."""

    name: Line
    slug: Slug = Field(description="Its name in addresses; must not look like an id.")


class NewNames(Given):
    """What a workspace is to be called; what is left out stays."""

    name: Line = Field(default_factory=left_out)
    slug: Slug = Field(default_factory=left_out)


class Ending(Given):
    """Which workspace is meant."""

    confirm: Annotated[str, StringConstraints(max_length=100)] = Field(description="The slug of the workspace.")


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
    made = await desk_of(request).workspaces.found(visitor, sent.body.name, sent.body.slug, sent.key)
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
    "PATCH",
    W,
    "change_workspace",
    scope="settings:write",
    tag="workspaces",
    summary="Rename a workspace",
    body=NewNames,
    answer=answers.Workspace,
    headers=("ETag",),
    refusals=(NotFound, NotAllowed, Taken, StaleVersion),
    keyed=True,
    if_match=True,
)
async def change_workspace(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Call a workspace something else."""
    visitor = await inside(request, workspace)
    versions = expected_versions(request)
    sent = await read(request, NewNames)
    if not sent.body.model_fields_set:
        raise Invalid("There is nothing to change.", errors=[])
    changed = await desk_of(request).workspaces.change(visitor, sent.body.name, sent.body.slug, versions, sent.key)
    return reply(changed, version=changed.version)


@operation(
    "DELETE",
    W,
    "delete_workspace",
    in_person=True,
    tag="workspaces",
    summary="Delete a workspace, for everybody in it",
    body=Ending,
    answer=None,
    status=204,
    refusals=(NotFound, NotAllowed, StaleVersion),
    if_match=True,
)
async def delete_workspace(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """End a workspace. A repeat finds nothing there."""
    visitor = await inside(request, workspace)
    versions = expected_versions(request)
    sent = await read(request, Ending)
    await desk_of(request).workspaces.delete(visitor, sent.body.confirm, versions)
    return nothing()


HANDLERS = (create_workspace, get_workspace, change_workspace, delete_workspace)
