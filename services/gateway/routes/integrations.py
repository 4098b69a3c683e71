"""Integrations: other systems that enter NATS."""

from typing import Annotated, Any

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import Field

from contracts.refusals import AlreadyAnswered, Conflict, NotAllowed, NotFound, Taken
from contracts.texts import formed
from services.gateway.routes.bodies import Given, Moment, path_id, promise, query, read
from services.gateway.routes.operations import W, operation
from services.gateway.routes.replies import nothing, reply
from services.gateway.routes.visitors import desk_of, inside
from services.gateway.routes.workspaces import Page
from services.gateway.usecases import answers

_NAME_WORDS = "must be 1 to 64 lower-case letters, digits, _ and -, a letter or digit first"
IntegrationName = Annotated[str, formed(r"^[a-z0-9][a-z0-9_-]{0,63}$", _NAME_WORDS)]


class NewIntegration(Given):
    """Another system to let in."""

    name: IntegrationName = Field(description="Who it is, in its subjects and in the record; nobody else's ever after.")
    internal: bool = Field(default=False, description="Whether it reads notes, comments and what else is the team's.")


class ReplayFrom(Given):
    """From where it reads again."""

    from_: Moment = Field(alias="from", description="A time; or a sequence of the stream.")


@operation(
    "POST",
    f"{W}/integrations",
    "make_integration",
    scope="settings:write",
    tag="integrations",
    summary="Let another system into NATS; its password is told this once",
    body=NewIntegration,
    answer=answers.IntegrationMade,
    status=201,
    refusals=(NotFound, NotAllowed, Conflict, Taken, AlreadyAnswered),
    keyed=True,
)
async def make_integration(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Let another system in."""
    visitor = await inside(request, workspace)
    sent = await read(request, NewIntegration)
    wanted = sent.body
    made = await desk_of(request).integrations.make(visitor, wanted.name, sent.key, internal=wanted.internal)
    return reply(made, 201)


@operation(
    "GET",
    f"{W}/integrations",
    "list_integrations",
    scope="settings:read",
    tag="integrations",
    summary="List the other systems that enter NATS, newest first",
    query=Page,
    answer=answers.IntegrationPage,
    refusals=(NotFound, NotAllowed),
)
async def list_integrations(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Return one page of integrations, without their passwords."""
    visitor = await inside(request, workspace)
    page = query(request, Page)
    return reply(await desk_of(request).integrations.list(visitor, page.cursor, page.limit))


@operation(
    "GET",
    f"{W}/integrations/{{integration:str}}",
    "get_integration",
    scope="settings:read",
    tag="integrations",
    summary="Read one, and how much it has still to read",
    answer=answers.Integration,
    refusals=(NotFound, NotAllowed),
)
async def get_integration(
    request: Request[Any, Any, Any], workspace: FromPath[str], integration: FromPath[str]
) -> ASGIResponse:
    """Return one integration, without its password."""
    visitor = await inside(request, workspace)
    return reply(await desk_of(request).integrations.one(visitor, path_id(integration)))


@operation(
    "POST",
    f"{W}/integrations/{{integration:str}}/replay",
    "replay_integration",
    scope="settings:write",
    tag="integrations",
    summary="Have another system read again, from a time or a sequence on",
    body=ReplayFrom,
    answer=answers.Integration,
    refusals=(NotFound, NotAllowed),
)
async def replay_integration(
    request: Request[Any, Any, Any], workspace: FromPath[str], integration: FromPath[str]
) -> ASGIResponse:
    """Set its consumer there; asked again, it is set there again."""
    visitor = await inside(request, workspace)
    sent = await read(request, ReplayFrom)
    return reply(await desk_of(request).integrations.replay(visitor, path_id(integration), sent.body.from_))


@operation(
    "DELETE",
    f"{W}/integrations/{{integration:str}}",
    "revoke_integration",
    scope="settings:write",
    tag="integrations",
    summary="Shut another system out of NATS: what it holds open is cut",
    answer=None,
    status=204,
    refusals=(NotFound, NotAllowed, Conflict),
    keyed=True,
)
async def revoke_integration(
    request: Request[Any, Any, Any], workspace: FromPath[str], integration: FromPath[str]
) -> ASGIResponse:
    """End it, on every server at once."""
    visitor = await inside(request, workspace)
    await desk_of(request).integrations.revoke(visitor, path_id(integration), promise(request))
    return nothing()


HANDLERS = (make_integration, list_integrations, get_integration, replay_integration, revoke_integration)
