"""Erasing people: contacts, and members who left."""

from typing import Any, Literal

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.refusals import Conflict, NotAllowed, NotFound
from services.gateway.routes.bodies import Given, path_id, read
from services.gateway.routes.operations import W, operation
from services.gateway.routes.replies import reply
from services.gateway.routes.visitors import desk_of, inside
from services.gateway.usecases.erasing import ErasureList, ErasureState, FormerMembers


class Confirmation(Given):
    """That somebody is to be erased, for good."""

    confirm: Literal["erase"]


@operation(
    "POST",
    f"{W}/contacts/{{contact:str}}/erase",
    "erase_contact",
    scope="audit:write",
    tag="export",
    summary="Erase a contact's name, addresses and words, everywhere and for good",
    body=Confirmation,
    answer=ErasureState,
    status=202,
    refusals=(NotFound, NotAllowed),
    keyed=True,
)
async def erase_contact(
    request: Request[Any, Any, Any], workspace: FromPath[str], contact: FromPath[str]
) -> ASGIResponse:
    """Have a contact erased; it is done a moment later."""
    visitor = await inside(request, workspace)
    sent = await read(request, Confirmation)
    state = await desk_of(request).erasures.contact(visitor, path_id(contact), sent.body.confirm, sent.key)
    return reply(state, 202)


@operation(
    "GET",
    f"{W}/former-members",
    "list_former_members",
    scope="people:read",
    tag="export",
    summary="List members who left and are not erased",
    answer=FormerMembers,
    refusals=(NotFound, NotAllowed),
)
async def list_former_members(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Return them, the last first."""
    visitor = await inside(request, workspace)
    return reply(await desk_of(request).erasures.former(visitor))


@operation(
    "POST",
    f"{W}/former-members/{{user:str}}/erase",
    "erase_former_member",
    scope="audit:write",
    tag="export",
    summary="Erase the name and address of a member who left, everywhere and for good",
    body=Confirmation,
    answer=ErasureState,
    status=202,
    refusals=(NotFound, NotAllowed, Conflict),
    keyed=True,
)
async def erase_former_member(
    request: Request[Any, Any, Any], workspace: FromPath[str], user: FromPath[str]
) -> ASGIResponse:
    """Have a member who left erased; it is done a moment later."""
    visitor = await inside(request, workspace)
    sent = await read(request, Confirmation)
    state = await desk_of(request).erasures.member(visitor, path_id(user), sent.body.confirm, sent.key)
    return reply(state, 202)


@operation(
    "GET",
    f"{W}/erasures",
    "list_erasures",
    scope="audit:read",
    tag="export",
    summary="List who was erased, by id, and which services have yet to do it",
    answer=ErasureList,
    refusals=(NotFound, NotAllowed),
)
async def list_erasures(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Return the orders, newest first."""
    visitor = await inside(request, workspace)
    return reply(await desk_of(request).erasures.page(visitor))


HANDLERS = (erase_contact, list_former_members, erase_former_member, list_erasures)
