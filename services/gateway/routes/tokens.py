"""API tokens: the programs that may come into a workspace."""

import datetime as dt
from typing import Annotated, Any

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import Field

from contracts.base import Role
from contracts.refusals import AlreadyAnswered, NotAllowed, NotFound
from contracts.texts import Line
from services.gateway.domain import TOKEN_LIFE, TOKEN_LONGEST, Scope
from services.gateway.routes.bodies import Given, path_id, promise, query, read
from services.gateway.routes.operations import W, operation
from services.gateway.routes.replies import nothing, reply
from services.gateway.routes.visitors import desk_of, inside
from services.gateway.routes.workspaces import Page
from services.gateway.usecases import answers


class NewToken(Given):
    """A program to let in."""

    name: Line
    role: Role = Field(description="Not above your own, and never owner.")
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1, max_length=len(Scope))]
    expires_in_days: Annotated[int, Field(ge=1, le=TOKEN_LONGEST.days)] = TOKEN_LIFE.days


@operation(
    "POST",
    f"{W}/tokens",
    "make_token",
    scope="people:write",
    tag="tokens",
    summary="Make an API token; its secret is told this once",
    body=NewToken,
    answer=answers.TokenMade,
    status=201,
    refusals=(NotFound, NotAllowed, AlreadyAnswered),
    keyed=True,
)
async def make_token(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Let a program in."""
    visitor = await inside(request, workspace)
    sent = await read(request, NewToken)
    wanted = sent.body
    life = dt.timedelta(days=wanted.expires_in_days)
    made = await desk_of(request).tokens.make(
        visitor, name=wanted.name, role=wanted.role, scopes=wanted.scopes, life=life, key=sent.key
    )
    return reply(made, 201)


@operation(
    "GET",
    f"{W}/tokens",
    "list_tokens",
    scope="people:read",
    tag="tokens",
    summary="List the API tokens, newest first",
    query=Page,
    answer=answers.TokenPage,
    refusals=(NotFound, NotAllowed),
)
async def list_tokens(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Return one page of tokens, without their secrets."""
    visitor = await inside(request, workspace)
    page = query(request, Page)
    return reply(await desk_of(request).tokens.list(visitor, page.cursor, page.limit))


@operation(
    "DELETE",
    f"{W}/tokens/{{token:str}}",
    "revoke_token",
    scope="people:write",
    tag="tokens",
    summary="Revoke an API token, and those that were made with it",
    answer=None,
    status=204,
    refusals=(NotFound, NotAllowed),
    keyed=True,
)
async def revoke_token(request: Request[Any, Any, Any], workspace: FromPath[str], token: FromPath[str]) -> ASGIResponse:
    """End a token at once."""
    visitor = await inside(request, workspace)
    await desk_of(request).tokens.revoke(visitor, path_id(token), promise(request))
    return nothing()


HANDLERS = (make_token, list_tokens, revoke_token)
