"""Who looks at a page and where they are: what the frame around every page shows."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from litestar import Request
from litestar.response.base import ASGIResponse

from contracts.base import Role
from contracts.notifications import CountUnread
from contracts.refusals import Refusal, Unauthenticated
from contracts.tickets import CountTickets, Status
from services.gateway.domain import Visitor, Workspace, csrf_token
from services.gateway.routes.visitors import Desk, SignedIn, desk_of, signed_in
from services.gateway.usecases.answers import View, WorkspaceRef
from services.gateway.usecases.briefly import Briefly
from services.gateway.web.forms import Form, masked, read_form
from services.gateway.web.rendering import html


@dataclass(frozen=True, slots=True)
class Someone:
    """Somebody who is signed in, wherever they are."""

    visitor: Visitor
    token: str
    desk: Desk
    csrf: str = field(init=False)
    """What the forms of this page must say."""

    def __post_init__(self) -> None:
        """Mask it once for all of them."""
        object.__setattr__(self, "csrf", masked(csrf_token(self.token)))


@dataclass(frozen=True, slots=True)
class Here(Someone):
    """Somebody at a desk of theirs."""

    workspace: Workspace
    role: Role

    @property
    def base(self) -> str:
        """Where this workspace's pages begin."""
        return f"/w/{self.workspace.slug}"


@dataclass(frozen=True, slots=True)
class Shell:
    """What the frame shows: where one may go and what waits there. What can't be told now is None."""

    here: Here
    workspaces: tuple[WorkspaceRef, ...]
    counts: Mapping[Status, int] | None
    unread: int | None
    views: tuple[View, ...] = ()

    @property
    def tickets(self) -> int | None:
        """How many tickets are shown unless others are asked for."""
        return None if self.counts is None else sum(n for each, n in self.counts.items() if each not in HIDDEN)


_AROUND: Briefly[tuple[str, UUID, Role], tuple[tuple[WorkspaceRef, ...], tuple[View, ...]]] = Briefly(2, most=1024)
PATIENCE = 0.5
"""Seconds that a page waits for the numbers in its frame."""

_MOST_VIEWS = 100

HIDDEN = (Status.CLOSED, Status.SPAM)
"""What a list shows only where it is asked for."""


async def recognise(request: Request[Any, Any, Any], proof: str | None = None) -> Someone:
    """Return who asks for a page outside of workspaces. Pages are for browsers: only the cookie counts."""
    came = await _signed_in(request, None, proof)
    return Someone(came.visitor, came.token, desk_of(request))


async def enter(request: Request[Any, Any, Any], workspace: str, proof: str | None = None) -> Here:
    """Return who asks for a page of a workspace."""
    came = await _signed_in(request, workspace, proof)
    at, role = came.visitor.here
    return Here(came.visitor, came.token, desk_of(request), at, role)


async def enter_by_form(request: Request[Any, Any, Any], workspace: str) -> tuple[Here, Form]:
    """Return who posted a form, and the form."""
    form = await read_form(request)
    return await enter(request, workspace, form.csrf), form


async def _signed_in(request: Request[Any, Any, Any], workspace: str | None, proof: str | None) -> SignedIn:
    if "authorization" in request.headers:
        raise Unauthenticated
    return await signed_in(request, workspace, proof)


async def shell(here: Here, *, count: bool = True, lately: bool = False) -> Shell:
    """Gather what the frame shows; without `count` somebody else puts the numbers of tickets in.

    `lately`: which workspaces and saved views there are may be what they were a moment ago.
    """
    caller = here.visitor.caller
    (workspaces, views), counts, unread = await asyncio.gather(
        _around(here, lately=lately),
        or_none(here.desk.bus.ask, CountTickets(caller=caller), within=PATIENCE) if count else nothing(),
        or_none(here.desk.bus.ask, CountUnread(caller=caller), within=PATIENCE),
    )
    return Shell(here, workspaces, counts.counts if counts else None, unread.unread if unread else None, views)


@asynccontextmanager
async def framed(here: Here) -> AsyncIterator[Awaitable[Shell]]:
    """Gather what the frame shows, as it was a moment ago, while the page is; who needs none lets go of it."""
    frame = asyncio.create_task(shell(here, lately=True))
    try:
        yield frame
    finally:
        frame.cancel()
        await asyncio.wait([frame])
        _ = frame.cancelled() or frame.exception()


async def _around(here: Here, *, lately: bool) -> tuple[tuple[WorkspaceRef, ...], tuple[View, ...]]:
    key = (here.workspace.id, here.visitor.user.id, here.role)
    if lately and (kept := _AROUND.of(key)):
        return kept
    me, views = await asyncio.gather(here.desk.accounts.me(here.visitor, here.token), saved(here))
    return _AROUND.keep(key, (me.workspaces, views))


async def saved(here: Here) -> tuple[View, ...]:
    """Return the lists of tickets that have a name."""
    return (await here.desk.views.list(here.visitor, None, _MOST_VIEWS)).items


async def nothing() -> None:
    """Stand where there is nothing to ask for."""


async def page(
    request: Request[Any, Any, Any],
    here: Here,
    template: str,
    *,
    status: int = 200,
    tried: Form | None = None,
    frame: Shell | None = None,
    address: str | None = None,
    **context: Any,
) -> ASGIResponse:
    """Return a page in the frame, gathered beforehand or now.

    `tried` is the form that a refusal comes from, `address` where the page is where it was asked for at another.
    """
    # What was posted and comes back as a page has no address of its own.
    address = "false" if request.method == "POST" else address
    return html(
        request,
        template,
        {"shell": frame or await shell(here), "here": here, "base": here.base, **context},
        status=status,
        headers={**(tried.headers if tried else {}), **({"hx-replace-url": address} if address else {})},
    )


async def or_none[**P, T](ask: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """Ask, and return what was asked for; a part that is away must not take the page with it."""
    try:
        return await ask(*args, **kwargs)
    except Refusal:
        return None
