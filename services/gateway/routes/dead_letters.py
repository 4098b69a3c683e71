"""Messages of other systems that could not be applied, for admins."""

from typing import Any
from uuid import UUID

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse

from contracts.base import DeadLetter
from contracts.refusals import NotAllowed, NotFound
from contracts.tickets import DeadLetterPage, GetDeadLetter, ListDeadLetters
from services.gateway.routes.bodies import query
from services.gateway.routes.operations import W, operation
from services.gateway.routes.replies import reply
from services.gateway.routes.visitors import desk_of, inside
from services.gateway.routes.workspaces import Page


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
    letters = await desk_of(request).bus.ask(
        ListDeadLetters(caller=visitor.caller, cursor=page.cursor, limit=page.limit)
    )
    return reply(letters)


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
    try:
        id = UUID(letter)
    except ValueError:
        raise NotFound from None
    found = await desk_of(request).bus.ask(GetDeadLetter(caller=visitor.caller, id=id))
    return reply(found)


HANDLERS = (list_dead_letters, get_dead_letter)
