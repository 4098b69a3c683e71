"""A ticket as it was: at a version or a moment, with what had happened until then. Nothing can be changed there."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from litestar import Request
from litestar.response.base import ASGIResponse
from pydantic import ValidationError

from contracts.tickets import TicketSnapshot
from services.gateway.routes.bodies import fault_of
from services.gateway.routes.tickets import AsOf, then_of
from services.gateway.web.shell import Here, Shell, page
from services.gateway.web.story import story
from services.gateway.web.ticket_page import find


async def as_it_was(
    request: Request[Any, Any, Any], here: Here, now: TicketSnapshot, then: str, around: Awaitable[Shell]
) -> ASGIResponse:
    """Return the page of a ticket as it was; raises NotFound where it was not there then, and Invalid."""
    try:
        said = AsOf(as_of=then).as_of
    except ValidationError as error:
        raise fault_of(error) from None
    past = await find(here, str(now.id), **then_of(said))
    told, frame = await asyncio.gather(story(here, now, until=past.version), around)
    return await page(
        request,
        here,
        "ticket_past.html",
        ticket=past,
        newest=now.version,
        at=past.updated_at,
        told=told,
        place="tickets",
        frame=frame,
    )
