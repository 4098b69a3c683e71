"""Dead letters of every service as one list; whoever keeps one settles it."""

import asyncio
from uuid import UUID

from chassis.bus import Bus
from chassis.letters import place_after
from contracts.activity import GetActivityLetter, ListActivityLetters
from contracts.base import Caller, DeadLetter, Query
from contracts.letters import DeadLetterPage
from contracts.notifications import GetNotificationLetter, ListNotificationLetters
from contracts.refusals import Conflict, NotFound, Unavailable
from contracts.tickets import GetDeadLetter, ListDeadLetters

_PATIENCE = 2.0
"""Seconds that the list waits for one of the services."""
_LISTS = {"tickets": ListDeadLetters, "activity": ListActivityLetters, "notifications": ListNotificationLetters}
_ONES = (GetDeadLetter, GetActivityLetter, GetNotificationLetter)

SETTLES = "tickets"
"""Who tries letters again and drops them: what the others could not take is no errand of anybody's."""


async def letters(bus: Bus, caller: Caller, cursor: str | None, limit: int) -> DeadLetterPage:
    """Return a page of what no service could apply, newest first; it says who could not be asked."""
    pages = await asyncio.gather(
        *(_asked(bus, kind(caller=caller, cursor=cursor, limit=limit)) for kind in _LISTS.values())
    )
    found = sorted((each for page in pages if page for each in page.items), key=lambda each: each.id, reverse=True)
    more = len(found) > limit or any(page.next_cursor for page in pages if page)
    return DeadLetterPage(
        items=tuple(found[:limit]),
        next_cursor=place_after(caller.workspace_id, found[limit - 1].id) if more else None,
        away=tuple(name for name, page in zip(_LISTS, pages, strict=True) if page is None),
    )


async def letter(bus: Bus, caller: Caller, id: UUID) -> DeadLetter:
    """Return a letter whole from whoever keeps it; raises NotFound where nobody does."""
    for kind in _ONES:
        try:
            return await bus.ask(kind(caller=caller, id=id))
        except NotFound:
            continue
    raise NotFound


async def require_settled_here(bus: Bus, caller: Caller, id: UUID) -> None:
    """Raise Conflict for a letter that can only be read, and NotFound where there is none."""
    kept = await letter(bus, caller, id)
    if kept.service != SETTLES:
        raise Conflict(f"It can only be read: {kept.service} keeps it for 30 days, and tries nothing again.")


async def _asked(bus: Bus, request: Query[DeadLetterPage]) -> DeadLetterPage | None:
    try:
        return await bus.ask(request, within=_PATIENCE)
    except Unavailable:
        return None
