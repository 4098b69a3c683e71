"""Messages that could not be applied, for admins."""

from typing import Any

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.base import DeadLetter
from contracts.letters import DeadLetterPage
from contracts.refusals import (
    Conflict,
    Deleted,
    Invalid,
    Malformed,
    NotAllowed,
    NotFound,
    TransitionNotAllowed,
    UnknownMessage,
)
from contracts.tickets import DropDeadLetter, RetryDeadLetter
from services.gateway.routes.bodies import path_id, promise, query
from services.gateway.routes.operations import W, operation
from services.gateway.routes.replies import nothing, reply
from services.gateway.routes.visitors import desk_of, inside
from services.gateway.routes.workspaces import Page
from services.gateway.usecases import letters


@operation(
    "GET",
    f"{W}/dead-letters",
    "list_dead_letters",
    scope="audit:read",
    tag="dead letters",
    summary="List what could not be applied, newest first, without bodies",
    query=Page,
    answer=DeadLetterPage,
    refusals=(NotFound, NotAllowed),
)
async def list_dead_letters(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Return one page of dead letters."""
    visitor = await inside(request, workspace)
    page = query(request, Page)
    return reply(await letters.letters(desk_of(request).bus, visitor.caller, page.cursor, page.limit))


@operation(
    "GET",
    f"{W}/dead-letters/{{letter:str}}",
    "get_dead_letter",
    scope="audit:read",
    tag="dead letters",
    summary="Read one of them whole",
    answer=DeadLetter,
    refusals=(NotFound, NotAllowed),
)
async def get_dead_letter(
    request: Request[Any, Any, Any], workspace: FromPath[str], letter: FromPath[str]
) -> ASGIResponse:
    """Return a dead letter with its body, as it came."""
    visitor = await inside(request, workspace)
    return reply(await letters.letter(desk_of(request).bus, visitor.caller, path_id(letter)))


@operation(
    "POST",
    f"{W}/dead-letters/{{letter:str}}/retry",
    "retry_dead_letter",
    scope="audit:write",
    tag="dead letters",
    summary="Try one of them again as it came; applied, it is gone, and refused again, it stays",
    answer=DeadLetter,
    refusals=(NotFound, NotAllowed, Conflict, TransitionNotAllowed, Deleted, Malformed, Invalid, UnknownMessage),
    keyed=True,
)
async def retry_dead_letter(
    request: Request[Any, Any, Any], workspace: FromPath[str], letter: FromPath[str]
) -> ASGIResponse:
    """Return the letter that was applied now, or why it is refused again."""
    visitor = await inside(request, workspace)
    bus, id = desk_of(request).bus, path_id(letter)
    command = RetryDeadLetter(caller=visitor.caller, via=visitor.via, idempotency=promise(request), id=id)
    try:
        applied = await bus.ask(command)
    except NotFound:
        await letters.require_settled_here(bus, visitor.caller, id)
        raise
    return reply(applied)


@operation(
    "DELETE",
    f"{W}/dead-letters/{{letter:str}}",
    "drop_dead_letter",
    scope="audit:write",
    tag="dead letters",
    summary="Forget one of them",
    answer=None,
    status=204,
    refusals=(NotFound, NotAllowed, Conflict),
    keyed=True,
)
async def drop_dead_letter(
    request: Request[Any, Any, Any], workspace: FromPath[str], letter: FromPath[str]
) -> ASGIResponse:
    """Forget it; what it asked for is never done."""
    visitor = await inside(request, workspace)
    bus, id = desk_of(request).bus, path_id(letter)
    try:
        await bus.ask(DropDeadLetter(caller=visitor.caller, via=visitor.via, idempotency=promise(request), id=id))
    except NotFound:
        await letters.require_settled_here(bus, visitor.caller, id)
        raise
    return nothing()


HANDLERS = (list_dead_letters, get_dead_letter, retry_dead_letter, drop_dead_letter)
