"""Sign in, sign out, and who am I."""

from typing import Annotated, Any

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import Field, StringConstraints

from contracts.base import Via
from contracts.refusals import Conflict, NotFound
from contracts.texts import Email
from services.gateway.domain import PASSWORD_LEAST, PASSWORD_MOST
from services.gateway.routes.bodies import Given, promise, read
from services.gateway.routes.operations import API, operation
from services.gateway.routes.replies import nothing, reply
from services.gateway.routes.visitors import check_origin, desk_of, signed_in
from services.gateway.usecases import answers


class Credentials(Given):
    """Who signs in."""

    email: Email
    password: Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class Acceptance(Given):
    """The password to sign in with from now on; a person who has one already gives that."""

    password: Annotated[str, StringConstraints(min_length=1, max_length=1024)] = Field(
        description=f"A new one has {PASSWORD_LEAST} to {PASSWORD_MOST} characters."
    )


@operation(
    "POST",
    f"{API}/sessions",
    "sign_in",
    tag="people",
    summary="Sign in",
    body=Credentials,
    answer=answers.SignedIn,
    status=201,
    headers=("Set-Cookie",),
    open=True,
)
async def sign_in(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Begin a session. A new one each time: a token that a stranger planted is never taken over."""
    check_origin(request)
    sent = await read(request, Credentials)
    desk = desk_of(request)
    begun = await desk.people.sign_in(sent.body.email, sent.body.password)
    return reply(begun, 201, headers={"set-cookie": desk.cookie_header(begun.token)})


@operation(
    "DELETE",
    f"{API}/sessions/current",
    "sign_out",
    in_person=True,
    tag="people",
    summary="Sign out",
    answer=None,
    status=204,
    headers=("Set-Cookie",),
)
async def sign_out(request: Request[Any, Any, Any]) -> ASGIResponse:
    """End the session that the request came with."""
    promise(request)
    desk = desk_of(request)
    await desk.people.sign_out((await signed_in(request)).visitor)
    return nothing(headers={"set-cookie": desk.cookie_header("")})


@operation(
    "GET",
    f"{API}/me",
    "who_am_i",
    in_person=True,
    tag="people",
    summary="Who is signed in, and where",
    answer=answers.Me,
)
async def who_am_i(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Tell the visitor who they are."""
    came = await signed_in(request)
    return reply(await desk_of(request).people.me(came.visitor, came.token))


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
    refusals=(NotFound, Conflict),
    open=True,
    keyed=True,
)
async def accept_invitation(request: Request[Any, Any, Any], token: FromPath[str]) -> ASGIResponse:
    """Become a member and sign in."""
    check_origin(request)
    sent = await read(request, Acceptance)
    desk = desk_of(request)
    via = Via.WEB if "sec-fetch-site" in request.headers else Via.API
    begun = await desk.people.accept(token, sent.body.password, sent.key, via)
    return reply(begun, 201, headers={"set-cookie": desk.cookie_header(begun.token)})


HANDLERS = (sign_in, sign_out, who_am_i, accept_invitation)
