"""Asking people in, taking it back, and coming in."""

from typing import Annotated, Any

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import Field, StringConstraints

from contracts.base import Role
from contracts.refusals import (
    AlreadyAnswered,
    Conflict,
    CsrfFailed,
    NotAllowed,
    NotFound,
    RateLimited,
    Unauthenticated,
)
from contracts.texts import Email, Name
from services.gateway.domain import PASSWORD_LEAST, PASSWORD_MOST
from services.gateway.routes.bodies import Given, path_id, promise, query, read
from services.gateway.routes.operations import API, W, operation
from services.gateway.routes.replies import nothing, reply
from services.gateway.routes.visitors import base_url, came, check_origin, desk_of, inside
from services.gateway.routes.workspaces import Page
from services.gateway.usecases import answers


class NewInvitation(Given):
    """Somebody to ask in."""

    email: Email
    name: Name
    role: Role


class Acceptance(Given):
    """The password to sign in with from now on; a person who has one already gives that."""

    password: Annotated[str, StringConstraints(min_length=1, max_length=1024)] = Field(
        description=f"A new one has {PASSWORD_LEAST} to {PASSWORD_MOST} characters."
    )
    name: Name | None = Field(
        default=None, description="What somebody new is to be called; else as the invitation says."
    )


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
    made = await desk_of(request).invitations.invite(
        visitor,
        sent.body.email,
        sent.body.name,
        sent.body.role,
        key=sent.key,
        link=lambda token: f"{base}/invitations/{token}",
    )
    return reply(made, 201)


@operation(
    "GET",
    f"{W}/invitations",
    "list_invitations",
    scope="people:read",
    tag="people",
    summary="List the invitations that nobody has followed yet, newest first",
    query=Page,
    answer=answers.InvitationPage,
    refusals=(NotFound, NotAllowed),
)
async def list_invitations(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Return one page of open invitations."""
    visitor = await inside(request, workspace)
    page = query(request, Page)
    return reply(await desk_of(request).invitations.open(visitor, page.cursor, page.limit))


@operation(
    "DELETE",
    f"{W}/invitations/{{invitation:str}}",
    "revoke_invitation",
    scope="people:write",
    tag="people",
    summary="Take an invitation back",
    answer=None,
    status=204,
    refusals=(NotFound, NotAllowed),
    keyed=True,
)
async def revoke_invitation(
    request: Request[Any, Any, Any], workspace: FromPath[str], invitation: FromPath[str]
) -> ASGIResponse:
    """Make a link that was not followed open nothing."""
    visitor = await inside(request, workspace)
    await desk_of(request).invitations.revoke(visitor, path_id(invitation), promise(request))
    return nothing()


@operation(
    "GET",
    f"{API}/invitations/{{token:str}}",
    "look_at_invitation",
    tag="people",
    summary="Look at an invitation by its link",
    answer=answers.Welcome,
    refusals=(NotFound,),
    open=True,
)
async def look_at_invitation(request: Request[Any, Any, Any], token: FromPath[str]) -> ASGIResponse:
    """Tell whoever holds the link where it leads, and whom it is for."""
    return reply(await desk_of(request).invitations.look(token))


@operation(
    "POST",
    f"{API}/invitations/{{token:str}}/accept",
    "accept_invitation",
    tag="people",
    summary="Follow an invitation",
    body=Acceptance,
    answer=answers.SignedIn,
    status=201,
    headers=("Set-Cookie",),
    refusals=(NotFound, Conflict, AlreadyAnswered, RateLimited, Unauthenticated, CsrfFailed),
    open=True,
    keyed=True,
)
async def accept_invitation(request: Request[Any, Any, Any], token: FromPath[str]) -> ASGIResponse:
    """Become a member and sign in."""
    check_origin(request)
    sent = await read(request, Acceptance)
    desk = desk_of(request)
    begun = await desk.invitations.accept(token, sent.body.password, sent.key, came(request), name=sent.body.name)
    return reply(begun, 201, headers={"set-cookie": desk.cookie_header(begun.token)})


HANDLERS = (invite, list_invitations, revoke_invitation, look_at_invitation, accept_invitation)
