"""Which tickets are meant: the same words for a list, its counts and a bulk change."""

from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import Field

from contracts.refusals import NotAllowed, NotFound
from contracts.texts import Label, SearchText, formed
from contracts.tickets import CountTickets, ListTickets, Priority, Status, TicketCounts, TicketPage
from services.gateway.domain import Visitor
from services.gateway.routes.bodies import Flag, Given, Time, query
from services.gateway.routes.operations import W, operation
from services.gateway.routes.replies import reply
from services.gateway.routes.visitors import desk_of, inside
from services.gateway.routes.workspaces import Cursor

UUID_FORM = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
StatusOrAll = Literal["new", "open", "in_progress", "waiting_on_customer", "resolved", "closed", "spam", "all"]
Sort = Literal["updated", "-updated", "created", "-created", "priority", "-priority", "number", "-number"]


Assignee = Annotated[str, formed(rf"^(me|none|{UUID_FORM})$", "must be me, none or the id of a member")]


class TicketTerms(Given):
    """Which tickets."""

    status: tuple[StatusOrAll, ...] = Field(
        default=(), description="May be repeated; `all` is every one. Without it closed and spam stay hidden."
    )
    priority: tuple[Priority, ...] = Field(default=(), description="May be repeated.")
    assignee: Assignee | None = Field(
        default=None, description="`me` (for a token, the member who made it), `none` or the id of a member."
    )
    contact: UUID | None = Field(default=None, description="The id of a contact.")
    tag: Label | None = None
    q: SearchText = Field(
        default="", description="Words of the subject, or parts of them, in any case; or a number, `42` or `#42`."
    )
    created_from: Time | None = Field(default=None, description="RFC 3339, with an offset.")
    created_to: Time | None = Field(default=None, description="Exclusive.")
    updated_from: Time | None = None
    updated_to: Time | None = Field(default=None, description="Exclusive.")


class TicketSearch(TicketTerms):
    """Which tickets, deleted ones among them."""

    deleted: Flag = Field(default=False, description="Deleted tickets instead, in every status; for admins.")


class TicketFilter(TicketSearch):
    """Which tickets, in which order."""

    sort: Sort = Field(default="-updated", description="`priority` has critical first; `-` turns an order round.")
    cursor: Cursor | None = Field(default=None, description="`next_cursor` of the page before.")
    limit: int = Field(default=50, ge=1, le=100)


def terms(visitor: Visitor, wanted: TicketTerms) -> dict[str, Any]:
    """Return a filter in the words of the tickets service."""
    return {
        "statuses": tuple(Status) if "all" in wanted.status else tuple(Status(each) for each in wanted.status),
        "priorities": wanted.priority,
        "assignee": _assignee(visitor, wanted.assignee),
        "contact": wanted.contact,
        "tag": wanted.tag,
        "q": wanted.q,
        "created_from": wanted.created_from,
        "created_to": wanted.created_to,
        "updated_from": wanted.updated_from,
        "updated_to": wanted.updated_to,
    }


def query_of(wanted: TicketFilter, **changes: Any) -> str:
    """Return a filter, with something changed, as the query string of its list; from its beginning, unless told."""
    said = wanted.model_dump(mode="json", exclude_defaults=True) | {"cursor": None} | changes
    pairs = [(name, value) for name, value in said.items() if value not in (None, "", [], ())]
    return urlencode(pairs, doseq=True)


def _assignee(visitor: Visitor, assignee: str | None) -> Literal["none"] | UUID | None:
    if assignee is None:
        return None
    if assignee == "none":
        return "none"
    return visitor.member_id if assignee == "me" else UUID(assignee)


@operation(
    "GET",
    f"{W}/tickets",
    "list_tickets",
    scope="tickets:read",
    tag="tickets",
    summary="List tickets",
    query=TicketFilter,
    answer=TicketPage,
    refusals=(NotFound, NotAllowed),
)
async def list_tickets(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Return one page of tickets."""
    visitor = await inside(request, workspace)
    wanted = query(request, TicketFilter)
    page = await desk_of(request).bus.ask(
        ListTickets(
            caller=visitor.caller,
            **terms(visitor, wanted),
            deleted=wanted.deleted,
            sort=wanted.sort,
            cursor=wanted.cursor,
            limit=wanted.limit,
        )
    )
    return reply(page)


@operation(
    "GET",
    f"{W}/tickets/counts",
    "count_tickets",
    scope="tickets:read",
    tag="tickets",
    summary="Count tickets per status under the filters of a list; `status` itself is left aside",
    query=TicketSearch,
    answer=TicketCounts,
    refusals=(NotFound, NotAllowed),
)
async def count_tickets(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Return how many tickets of each status there are."""
    visitor = await inside(request, workspace)
    wanted = query(request, TicketSearch)
    counts = await desk_of(request).bus.ask(
        CountTickets(caller=visitor.caller, **terms(visitor, wanted), deleted=wanted.deleted)
    )
    return reply(counts)


HANDLERS = (list_tickets, count_tickets)
