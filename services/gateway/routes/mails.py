"""A workspace's mail, for admins: what became of it, and which addresses take none."""

from typing import Any

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import Field

from contracts.mail import (
    GetMail,
    LiftSuppression,
    ListMails,
    ListSuppressed,
    MailPage,
    MailShown,
    MailState,
    ResendMail,
    SuppressedAddresses,
)
from contracts.refusals import Conflict, NotAllowed, NotFound
from services.gateway.routes.bodies import path_id, promise, query
from services.gateway.routes.operations import W, operation
from services.gateway.routes.replies import nothing, reply
from services.gateway.routes.visitors import desk_of, inside
from services.gateway.routes.workspaces import Page


class MailFilter(Page):
    """Which mail."""

    state: MailState | None = Field(default=None, description="Only what is in this state.")


@operation(
    "GET",
    f"{W}/mails",
    "list_mails",
    scope="audit:read",
    tag="mail",
    summary="List the workspace's mail, newest first, and how its server does",
    query=MailFilter,
    answer=MailPage,
    refusals=(NotFound, NotAllowed),
)
async def list_mails(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Return one page of mail, without its words."""
    visitor = await inside(request, workspace)
    wanted = query(request, MailFilter)
    found = await desk_of(request).bus.ask(
        ListMails(caller=visitor.caller, state=wanted.state, cursor=wanted.cursor, limit=wanted.limit)
    )
    return reply(found)


@operation(
    "GET",
    f"{W}/mails/suppressed",
    "list_suppressed_addresses",
    scope="audit:read",
    tag="mail",
    summary="List the addresses that are not written to, since mail was refused there for good",
    answer=SuppressedAddresses,
    refusals=(NotFound, NotAllowed),
)
async def list_suppressed_addresses(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Return the latest of them."""
    visitor = await inside(request, workspace)
    found = await desk_of(request).bus.ask(ListSuppressed(caller=visitor.caller))
    return reply(found)


@operation(
    "DELETE",
    f"{W}/mails/suppressed/{{address:str}}",
    "lift_suppressed_address",
    scope="audit:write",
    tag="mail",
    summary="Write to an address again, by the id of its entry",
    answer=None,
    status=204,
    refusals=(NotFound, NotAllowed),
    keyed=True,
)
async def lift_suppressed_address(
    request: Request[Any, Any, Any], workspace: FromPath[str], address: FromPath[str]
) -> ASGIResponse:
    """Take it off the list; what was not sent meanwhile may be sent again by hand."""
    visitor = await inside(request, workspace)
    command = LiftSuppression(caller=visitor.caller, via=visitor.via, idempotency=promise(request), id=path_id(address))
    await desk_of(request).bus.ask(command)
    return nothing()


@operation(
    "GET",
    f"{W}/mails/{{mail:str}}",
    "get_mail",
    scope="audit:read",
    tag="mail",
    summary="Read one mail, with its words while they are kept and open nothing",
    answer=MailShown,
    refusals=(NotFound, NotAllowed),
)
async def get_mail(request: Request[Any, Any, Any], workspace: FromPath[str], mail: FromPath[str]) -> ASGIResponse:
    """Return a mail; an invitation's link is never shown."""
    visitor = await inside(request, workspace)
    found = await desk_of(request).bus.ask(GetMail(caller=visitor.caller, id=path_id(mail)))
    return reply(found)


@operation(
    "POST",
    f"{W}/mails/{{mail:str}}/resend",
    "resend_mail",
    scope="audit:write",
    tag="mail",
    summary="Have a mail sent again that was not sent or may not have arrived, under the same Message-ID",
    answer=MailShown,
    refusals=(NotFound, NotAllowed, Conflict),
    keyed=True,
)
async def resend_mail(request: Request[Any, Any, Any], workspace: FromPath[str], mail: FromPath[str]) -> ASGIResponse:
    """Put it back among what is sent."""
    visitor = await inside(request, workspace)
    command = ResendMail(caller=visitor.caller, via=visitor.via, idempotency=promise(request), id=path_id(mail))
    again = await desk_of(request).bus.ask(command)
    return reply(again)


HANDLERS = (
    list_mails,
    list_suppressed_addresses,
    lift_suppressed_address,
    get_mail,
    resend_mail,
)
