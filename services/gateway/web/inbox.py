"""What somebody was told of: their own inbox."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from litestar import Request, get, post
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import Field

from contracts.notifications import MarkRead, Notice, ReadNotices
from services.gateway.routes.bodies import Given, query
from services.gateway.routes.notifications import InboxFilter
from services.gateway.web.rendering import own_path, see
from services.gateway.web.shell import enter, enter_by_form, page

_PAGE = "/w/{workspace:str}/notifications"


class Read(Given):
    """What was read; none: all."""

    ids: Annotated[tuple[UUID, ...], Field(max_length=100)] = ()


@get(_PAGE)
async def inbox_page(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Show the inbox, newest first."""
    here = await enter(request, workspace)
    wanted = query(request, InboxFilter)
    found = await here.desk.bus.ask(
        ReadNotices(
            caller=here.visitor.caller,
            unread_only=wanted.unread,
            digest=wanted.digest,
            cursor=wanted.cursor,
            limit=wanted.limit,
        )
    )
    return await page(
        request, here, "inbox.html", found=found, groups=gathered(found.items), wanted=wanted, place="notifications"
    )


@post(_PAGE)
async def read(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Mark as read, and go on to the ticket where one was opened."""
    here, form = await enter_by_form(request, workspace)
    await here.desk.bus.ask(
        MarkRead(
            caller=here.visitor.caller,
            via=here.visitor.via,
            idempotency=form.promise(request),
            ids=form.read(Read).ids,
        )
    )
    return see(own_path(form.text("next"), f"{here.base}/notifications"))


def gathered(items: Sequence[Notice]) -> list[list[Notice]]:
    """Put neighbours of one ticket into one line, what is read and what is not apart."""
    groups: list[list[Notice]] = []
    for item in items:
        last = groups[-1][-1] if groups else None
        alone = last is not None and len(item.tickets) == len(last.tickets) == item.count == last.count == 1
        same = alone and last is not None and last.ticket_id == item.ticket_id
        if same and last is not None and (last.read_at is None) is (item.read_at is None):
            groups[-1].append(item)
        else:
            groups.append([item])
    return groups


HANDLERS = (inbox_page, read)
