"""Views: lists of tickets by name."""

from typing import Annotated, Any

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import Field, StringConstraints

from contracts.refusals import Conflict, Invalid, Malformed, NotAllowed, NotFound, StaleVersion
from contracts.texts import Line
from services.gateway.domain import VIEW_NAME
from services.gateway.routes.bodies import Given, left_out, path_id, promise, query, read, read_query
from services.gateway.routes.filters import TicketFilter, query_of
from services.gateway.routes.operations import W, operation
from services.gateway.routes.replies import expected_versions, nothing, reply
from services.gateway.routes.visitors import desk_of, inside
from services.gateway.routes.workspaces import Page
from services.gateway.usecases import answers

ViewName = Annotated[Line, StringConstraints(max_length=VIEW_NAME)]
ViewQuery = Annotated[
    str,
    StringConstraints(max_length=2000),
    Field(description="The query string of a list of tickets, `status=new&assignee=me`; kept in its shortest form."),
]


class NewView(Given):
    """A list to keep under a name."""

    name: ViewName
    query: ViewQuery
    shared: bool = Field(default=False, description="With everybody in the workspace; for owners and admins.")


class ViewPatch(Given):
    """What to change of a view; what is left out stays as it is."""

    name: ViewName = Field(default_factory=left_out)
    query: ViewQuery = Field(default_factory=left_out)
    shared: bool = Field(default_factory=left_out)


@operation(
    "GET",
    f"{W}/views",
    "list_views",
    in_person=True,
    tag="views",
    summary="List your own views and the shared ones by name",
    query=Page,
    answer=answers.ViewPage,
    refusals=(NotFound, NotAllowed),
)
async def list_views(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Return one page of views."""
    visitor = await inside(request, workspace)
    page = query(request, Page)
    return reply(await desk_of(request).views.list(visitor, page.cursor, page.limit))


@operation(
    "POST",
    f"{W}/views",
    "save_view",
    in_person=True,
    tag="views",
    summary="Keep a list of tickets under a name",
    body=NewView,
    answer=answers.View,
    status=201,
    headers=("ETag",),
    refusals=(NotFound, NotAllowed, Conflict),
    keyed=True,
)
async def save_view(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Keep a list under a name."""
    visitor = await inside(request, workspace)
    sent = await read(request, NewView)
    new = sent.body
    made = await desk_of(request).views.save(
        visitor, name=new.name, query=short(new.query), shared=new.shared, key=sent.key
    )
    return reply(made, 201, version=made.version)


@operation(
    "PATCH",
    f"{W}/views/{{view:str}}",
    "change_view",
    in_person=True,
    tag="views",
    summary="Rename a view of yours, share it, or have it look for something else",
    body=ViewPatch,
    answer=answers.View,
    headers=("ETag",),
    refusals=(NotFound, NotAllowed, StaleVersion),
    keyed=True,
    if_match=True,
)
async def change_view(request: Request[Any, Any, Any], workspace: FromPath[str], view: FromPath[str]) -> ASGIResponse:
    """Give a view other values."""
    visitor = await inside(request, workspace)
    versions = expected_versions(request)
    sent = await read(request, ViewPatch)
    patch = sent.body
    if not patch.model_fields_set:
        raise Invalid("There is nothing to change.", errors=[])
    changed = await desk_of(request).views.change(
        visitor,
        path_id(view),
        versions,
        name=patch.name,
        query=short(patch.query) if "query" in patch.model_fields_set else None,
        shared=patch.shared,
        key=sent.key,
    )
    return reply(changed, version=changed.version)


@operation(
    "DELETE",
    f"{W}/views/{{view:str}}",
    "delete_view",
    in_person=True,
    tag="views",
    summary="Forget a view of yours",
    answer=None,
    status=204,
    refusals=(NotFound, NotAllowed, StaleVersion),
    keyed=True,
    if_match=True,
)
async def delete_view(request: Request[Any, Any, Any], workspace: FromPath[str], view: FromPath[str]) -> ASGIResponse:
    """Forget a view."""
    visitor = await inside(request, workspace)
    versions = expected_versions(request)
    await desk_of(request).views.delete(visitor, path_id(view), versions, promise(request))
    return nothing()


def short(text: str) -> str:
    """Return the query string of a list in its one shortest form, from the beginning; raises Invalid for any other."""
    try:
        return query_of(read_query(text.removeprefix("?"), TicketFilter))
    except (Invalid, Malformed):
        raise Invalid.field("query", "not_a_list", "is no query string of a list of tickets") from None


HANDLERS = (list_views, save_view, change_view, delete_view)
