"""What the record says of some days: as JSON, and as CSV for a spreadsheet."""

import datetime as dt
import re
from collections.abc import Iterator
from typing import Annotated, Any

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import BeforeValidator, Field

from contracts.activity import AgentCount, Report, ReportSnapshot
from contracts.base import now
from contracts.refusals import NotAllowed, NotFound
from contracts.texts import PersonName
from services.gateway.domain import Visitor
from services.gateway.routes.bodies import Given, query
from services.gateway.routes.operations import CSV, W, operation
from services.gateway.routes.replies import reply
from services.gateway.routes.sheets import MEDIA, sheet
from services.gateway.routes.visitors import Desk, desk_of, inside

USUAL_DAYS = 30
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _day(value: Any) -> Any:  # noqa: ANN401 - whatever a client sent
    if isinstance(value, str) and _DAY.fullmatch(value):
        return dt.date.fromisoformat(value)
    msg = "must be a day, as 2026-01-31"
    raise ValueError(msg)


Day = Annotated[dt.date, BeforeValidator(_day)]


class ReportTerms(Given):
    """Which days."""

    since: Day | None = Field(
        default=None, alias="from", description="The first day; left out, there are 30 days up to the last."
    )
    until: Day | None = Field(
        default=None, alias="to", description="The last day, at most 366 from the first; left out, it is today."
    )
    utc_offset: int = Field(
        default=0, ge=-840, le=840, description="Minutes east of Greenwich, where days begin at midnight."
    )

    @property
    def last(self) -> dt.date:
        """The last day of the report."""
        return self.until or (now() + dt.timedelta(minutes=self.utc_offset)).date()

    @property
    def first(self) -> dt.date:
        """The first day of the report."""
        many = dt.timedelta(days=USUAL_DAYS - 1)
        return self.since or (self.last - many if self.last - dt.date.min > many else dt.date.min)


class AgentRow(AgentCount):
    """What one person did, and who they are."""

    name: PersonName | None
    """Null for somebody who is a member no longer."""


class WorkspaceReport(ReportSnapshot):
    """What the record says of some days."""

    agents: tuple[AgentRow, ...]


@operation(
    "GET",
    f"{W}/reports",
    "read_report",
    scope="tickets:read",
    tag="reports",
    summary="Count what happened in some days",
    query=ReportTerms,
    answer=WorkspaceReport,
    refusals=(NotFound, NotAllowed),
)
async def read_report(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Return a report."""
    visitor = await inside(request, workspace)
    return reply(await report(desk_of(request), visitor, query(request, ReportTerms)))


@operation(
    "GET",
    f"{W}/reports.csv",
    "read_report_as_csv",
    scope="tickets:read",
    tag="reports",
    summary="Count what happened in some days, for a spreadsheet",
    query=ReportTerms,
    answer=None,
    media=CSV,
    refusals=(NotFound, NotAllowed),
)
async def read_report_as_csv(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Return the same report, a line for each number."""
    visitor = await inside(request, workspace)
    wanted = query(request, ReportTerms)
    found = await report(desk_of(request), visitor, wanted)
    name = f"report-{wanted.first}-{wanted.last}.csv"
    return ASGIResponse(
        body=sheet(lines(found)),
        media_type=MEDIA,
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


async def report(desk: Desk, visitor: Visitor, wanted: ReportTerms) -> WorkspaceReport:
    """Return what the record says, with the names of those who are members now."""
    found = await desk.bus.ask(
        Report(caller=visitor.caller, since=wanted.first, until=wanted.last, utc_offset=wanted.utc_offset)
    )
    names = await desk.people.names(visitor, [each.id for each in found.agents])
    rows = [AgentRow(**dict(each), name=names.get(each.id)) for each in found.agents]
    return WorkspaceReport(**{**dict(found), "agents": tuple(rows)})


def lines(found: WorkspaceReport) -> Iterator[tuple[str, str, str, object]]:
    """Yield what each number is about, what it counts, and the number; times are seconds."""
    yield "part", "of", "measure", "value"
    for day in found.days:
        yield "day", day.day.isoformat(), "created", day.created
        yield "day", day.day.isoformat(), "resolved", day.resolved
    for waiting in found.backlog:
        for measure, tickets in dict(waiting).items():
            if measure != "status":
                yield "backlog", waiting.status.value, measure, tickets
    for part, times in (("first_response", found.first_response), ("resolution", found.resolution)):
        for measure, value in dict(times).items():
            yield part, "all", measure, value
    for agent in found.agents:
        for measure in ("resolved", "replies", "first_responses", "median_first_response"):
            yield "agent", agent.name or str(agent.id), measure, getattr(agent, measure)


HANDLERS = (read_report, read_report_as_csv)
