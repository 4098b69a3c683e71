"""Another password: by the one before, or by a link in a mail."""

from typing import Annotated, Any

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import Field, StringConstraints

from contracts.refusals import CsrfFailed, NotFound, RateLimited
from contracts.texts import Email
from services.gateway.domain import PASSWORD_LEAST, PASSWORD_MOST
from services.gateway.routes.bodies import Given, read
from services.gateway.routes.operations import API, operation
from services.gateway.routes.replies import nothing, reply
from services.gateway.routes.visitors import came, check_origin, desk_of, signed_in
from services.gateway.usecases import answers

_Typed = Annotated[str, StringConstraints(min_length=1, max_length=1024)]
_New = Annotated[_Typed, Field(json_schema_extra={"minLength": PASSWORD_LEAST, "maxLength": PASSWORD_MOST})]
_NEW = f"{PASSWORD_LEAST} to {PASSWORD_MOST} characters."


class NewPassword(Given):
    """The password before, and the one from now on."""

    current: _Typed
    new: _New = Field(description=_NEW)


class Forgotten(Given):
    """Whose password was forgotten."""

    email: Email


class Replacement(Given):
    """The password from now on."""

    password: _New = Field(description=_NEW)


@operation(
    "POST",
    f"{API}/password",
    "change_password",
    in_person=True,
    tag="people",
    summary="Change your password; you are signed out everywhere else",
    body=NewPassword,
    answer=answers.SignedIn,
    headers=("Set-Cookie",),
    refusals=(RateLimited,),
)
async def change_password(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Take another password; what the request came with opens nothing any more."""
    visitor = (await signed_in(request)).visitor
    _ = visitor.session
    sent = await read(request, NewPassword)
    desk = desk_of(request)
    begun = await desk.accounts.change_password(visitor, sent.body.current, sent.body.new, came(request))
    return reply(begun, headers={"set-cookie": desk.cookie_header(begun.token)})


@operation(
    "POST",
    f"{API}/password-resets",
    "forget_password",
    tag="people",
    summary="Have a link mailed that sets a new password",
    body=Forgotten,
    answer=None,
    status=202,
    refusals=(RateLimited, CsrfFailed),
    open=True,
)
async def forget_password(request: Request[Any, Any, Any]) -> ASGIResponse:
    """Say the same whoever asks, and for whom."""
    check_origin(request)
    sent = await read(request, Forgotten)
    await desk_of(request).resets.ask(sent.body.email, came(request).address)
    return nothing(202)


@operation(
    "POST",
    f"{API}/password-resets/{{token:str}}",
    "reset_password",
    tag="people",
    summary="Set a new password by the link in the mail; you are signed out everywhere",
    body=Replacement,
    answer=None,
    status=204,
    refusals=(NotFound, CsrfFailed),
    open=True,
)
async def reset_password(request: Request[Any, Any, Any], token: FromPath[str]) -> ASGIResponse:
    """Set a password, once per link."""
    check_origin(request)
    sent = await read(request, Replacement)
    await desk_of(request).resets.reset(token, sent.body.password, came(request).via)
    return nothing()


HANDLERS = (change_password, forget_password, reset_password)
