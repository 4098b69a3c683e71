"""Sign in, sign out, who am I, and where else am I signed in."""

from typing import Annotated, Any

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import StringConstraints

from contracts.refusals import CsrfFailed, NotFound, RateLimited, Unauthenticated
from contracts.texts import Email, Name
from services.gateway.routes.bodies import Given, path_id, promise, query, read
from services.gateway.routes.operations import API, operation
from services.gateway.routes.replies import nothing, reply
from services.gateway.routes.visitors import came, check_origin, desk_of, signed_in
from services.gateway.routes.workspaces import Page
from services.gateway.usecases import answers


class Credentials(Given):
    """Who signs in."""

    email: Email
    password: Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class NewSelf(Given):
    """What somebody is to be called."""

    name: Name


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
    refusals=(RateLimited, Unauthenticated, CsrfFailed),
    open=True,
)
async def sign_in(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Begin a session. A new one each time: a token that a stranger planted is never taken over."""
    check_origin(request)
    sent = await read(request, Credentials)
    desk = desk_of(request)
    begun = await desk.accounts.sign_in(sent.body.email, sent.body.password, came(request))
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
    await desk.accounts.sign_out((await signed_in(request)).visitor)
    return nothing(headers={"set-cookie": desk.cookie_header("")})


@operation(
    "GET",
    f"{API}/sessions",
    "list_sessions",
    in_person=True,
    tag="people",
    summary="List where you are signed in, newest first",
    query=Page,
    answer=answers.SessionPage,
)
async def list_sessions(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Return one page of the visitor's sessions."""
    visitor = (await signed_in(request)).visitor
    page = query(request, Page)
    return reply(await desk_of(request).accounts.sessions(visitor, page.cursor, page.limit))


@operation(
    "DELETE",
    f"{API}/sessions",
    "end_other_sessions",
    in_person=True,
    tag="people",
    summary="Sign out everywhere else",
    answer=None,
    status=204,
)
async def end_other_sessions(request: Request[Any, Any, Any]) -> ASGIResponse:
    """End every session of the visitor's but the one that the request came with."""
    promise(request)
    visitor = (await signed_in(request)).visitor
    await desk_of(request).accounts.end_other_sessions(visitor)
    return nothing()


@operation(
    "DELETE",
    f"{API}/sessions/{{session:str}}",
    "end_session",
    in_person=True,
    tag="people",
    summary="Sign out somewhere else",
    answer=None,
    status=204,
    refusals=(NotFound,),
)
async def end_session(request: Request[Any, Any, Any], session: FromPath[str]) -> ASGIResponse:
    """End one of the visitor's sessions."""
    promise(request)
    visitor = (await signed_in(request)).visitor
    await desk_of(request).accounts.end_session(visitor, path_id(session))
    return nothing()


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
    here = await signed_in(request)
    return reply(await desk_of(request).accounts.me(here.visitor, here.token))


@operation(
    "PATCH",
    f"{API}/me",
    "rename_me",
    in_person=True,
    tag="people",
    summary="Be called something else",
    body=NewSelf,
    answer=answers.User,
)
async def rename_me(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Take another name, in every workspace; what was recorded keeps the one it had."""
    visitor = (await signed_in(request)).visitor
    _ = visitor.session
    sent = await read(request, NewSelf)
    return reply(await desk_of(request).accounts.rename(visitor, sent.body.name))


HANDLERS = (sign_in, sign_out, list_sessions, end_other_sessions, end_session, who_am_i, rename_me)
