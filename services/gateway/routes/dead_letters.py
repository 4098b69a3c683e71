"""Messages that could not be applied, for admins."""

from typing import Any
from uuid import UUID

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import Field

from contracts.base import DeadLetter, Token
from contracts.letters import DeadLetterPage, Reason
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
from services.gateway.routes.bodies import Given, path_id, promise, query, read
from services.gateway.routes.operations import W, operation
from services.gateway.routes.replies import nothing, reply
from services.gateway.routes.visitors import desk_of, inside
from services.gateway.routes.workspaces import Cursor, Page
from services.gateway.usecases.answers import LettersDropped, LettersRetried
from services.gateway.usecases.letters import Which


class LetterTerms(Page):
    """Which of them."""

    reason: Reason | None = Field(default=None, description="A refusal's code, such as `invalid`.")
    integration: Token | None = Field(default=None, description="The other system that sent it.")


class SomeLetters(Given):
    """Which of them: those that are named, or those of a reason and a system."""

    ids: tuple[UUID, ...] = Field(default=(), max_length=50, description="These, instead of all that match.")
    reason: Reason | None = Field(default=None, description="A refusal's code, such as `invalid`.")
    integration: Token | None = Field(default=None, description="The other system that sent them.")
    cursor: Cursor | None = Field(default=None, description="`next_cursor` of the answer before.")

    def which(self) -> Which:
        """Return them; raises Invalid where some are named and some are described."""
        if self.ids and (self.reason or self.integration or self.cursor):
            raise Invalid.field("ids", "ambiguous", "give ids, or a reason or an integration, not both")
        return Which(self.ids, self.reason, self.integration, self.cursor)


class LettersToDrop(SomeLetters):
    """Which of them to forget."""

    all: bool = Field(default=False, description="`true`: all that there are, where nothing else says which.")

    def which(self) -> Which:
        """Return them; raises Invalid where nothing says which, or where that is said twice."""
        if not (self.ids or self.reason or self.integration or self.all):
            raise Invalid.field("ids", "required", "give ids, a reason or an integration, or say all")
        return super().which()


@operation(
    "GET",
    f"{W}/dead-letters",
    "list_dead_letters",
    scope="audit:read",
    tag="dead letters",
    summary="List what could not be applied, newest first, without bodies",
    query=LetterTerms,
    answer=DeadLetterPage,
    refusals=(NotFound, NotAllowed),
)
async def list_dead_letters(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Return one page of dead letters."""
    visitor = await inside(request, workspace)
    wanted = query(request, LetterTerms)
    found = await desk_of(request).letters.page(
        visitor.caller, wanted.cursor, wanted.limit, reason=wanted.reason, integration=wanted.integration
    )
    return reply(found)


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
    return reply(await desk_of(request).letters.one(visitor.caller, path_id(letter)))


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
    return reply(await desk_of(request).letters.retry(visitor, path_id(letter), promise(request)))


@operation(
    "POST",
    f"{W}/dead-letters/retry",
    "retry_dead_letters",
    scope="audit:write",
    tag="dead letters",
    summary="Try fifty of them again, those named or of a reason or a system or all, the oldest first",
    body=SomeLetters,
    answer=LettersRetried,
    refusals=(NotFound, NotAllowed),
)
async def retry_dead_letters(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Return how many were applied, and which are refused again and why."""
    visitor = await inside(request, workspace)
    which = (await read(request, SomeLetters)).body.which()
    done = await desk_of(request).letters.retry_all(visitor, which)
    return reply(LettersRetried(retried=done.done, refused=done.refused, next_cursor=done.next_cursor, away=done.away))


@operation(
    "POST",
    f"{W}/dead-letters/drop",
    "drop_dead_letters",
    scope="audit:write",
    tag="dead letters",
    summary="Forget fifty of them, those named or of a reason or a system or all, the oldest first",
    body=LettersToDrop,
    answer=LettersDropped,
    refusals=(NotFound, NotAllowed),
)
async def drop_dead_letters(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Return how many are forgotten, and which are not and why; what they asked for is never done."""
    visitor = await inside(request, workspace)
    which = (await read(request, LettersToDrop)).body.which()
    done = await desk_of(request).letters.drop_all(visitor, which)
    return reply(LettersDropped(dropped=done.done, refused=done.refused, next_cursor=done.next_cursor, away=done.away))


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
    await desk_of(request).letters.drop(visitor, path_id(letter), promise(request))
    return nothing()


HANDLERS = (
    list_dead_letters,
    get_dead_letter,
    retry_dead_letters,
    drop_dead_letters,
    retry_dead_letter,
    drop_dead_letter,
)
