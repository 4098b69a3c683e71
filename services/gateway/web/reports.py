"""What happened in some days: numbers, charts drawn by hand, and the table behind each."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from litestar import Request, get
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import ValidationError

from contracts.base import Role
from contracts.refusals import Invalid, NotAllowed
from services.gateway.routes.bodies import fault_of
from services.gateway.routes.reports import ReportTerms, WorkspaceReport, report
from services.gateway.web.forms import Form, from_address
from services.gateway.web.shell import enter, page

RANGES = (7, 30, 90)
_HIGH = 100
_WIDE = 10
"""Of one day in a chart, in its own units."""
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


@dataclass(frozen=True, slots=True)
class Bar:
    """One day of a chart."""

    day: dt.date
    many: int
    x: int
    height: float


@dataclass(frozen=True, slots=True)
class Chart:
    """How often something happened, day by day."""

    name: str
    mark: str
    bars: Sequence[Bar]

    @classmethod
    def of(cls, name: str, mark: str, counts: Sequence[tuple[dt.date, int]]) -> "Chart":
        """Draw it as high as its highest day."""
        most = max([1, *(many for _, many in counts)])
        bars = [Bar(day, many, nth * _WIDE, many * _HIGH / most) for nth, (day, many) in enumerate(counts)]
        return cls(name, mark, bars)

    @property
    def total(self) -> int:
        """How often in all."""
        return sum(bar.many for bar in self.bars)

    @property
    def highest(self) -> Bar:
        """The day on which it happened most."""
        return max(self.bars, key=lambda bar: bar.many)

    @property
    def width(self) -> int:
        """How wide it is, in its own units."""
        return len(self.bars) * _WIDE


@get("/w/{workspace:str}/reports")
async def reports_page(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Show a report; a range that is none comes back as it was typed."""
    here = await enter(request, workspace)
    if here.role is Role.GUEST:
        raise NotAllowed
    form = from_address(request)
    found: WorkspaceReport | None = None
    wanted = ReportTerms()
    try:
        wanted = _read(form)
        found = await report(here.desk, here.visitor, wanted)
    except Invalid as refusal:
        form.refusal = refusal
    charts = () if found is None else _charts(found)
    return await page(
        request,
        here,
        "reports.html",
        status=form.status,
        place="reports",
        form=form,
        wanted=wanted,
        found=found,
        charts=charts,
        waiting=sum(each.tickets for each in found.backlog) if found else 0,
        empty=found is not None and not any(chart.total for chart in charts) and not found.agents,
        ranges=[(days, _address(wanted, days), _is(wanted, days)) for days in RANGES],
        csv=urlencode(_terms(wanted)),
        lasted=lasted,
        day_of=day_of,
    )


def _read(form: Form) -> ReportTerms:
    try:
        return ReportTerms.model_validate(
            {name: form.text(name) for name in ("from", "to", "utc_offset") if form.text(name)}
        )
    except ValidationError as error:
        raise fault_of(error) from None


def _charts(found: WorkspaceReport) -> tuple[Chart, ...]:
    return (
        Chart.of("Created", "created", [(day.day, day.created) for day in found.days]),
        Chart.of("Resolved", "resolved", [(day.day, day.resolved) for day in found.days]),
    )


def _terms(wanted: ReportTerms) -> dict[str, str]:
    terms = {"from": wanted.first.isoformat(), "to": wanted.last.isoformat()}
    return terms | ({"utc_offset": str(wanted.utc_offset)} if wanted.utc_offset else {})


def _address(wanted: ReportTerms, days: int) -> str:
    today = ReportTerms(utc_offset=wanted.utc_offset).last
    return urlencode(
        _terms(
            ReportTerms.model_validate(
                {
                    "from": (today - dt.timedelta(days=days - 1)).isoformat(),
                    "to": today.isoformat(),
                    "utc_offset": wanted.utc_offset,
                }
            )
        )
    )


def _is(wanted: ReportTerms, days: int) -> bool:
    today = ReportTerms(utc_offset=wanted.utc_offset).last
    return wanted.last == today and (wanted.last - wanted.first).days == days - 1


def lasted(seconds: float | None) -> str:
    """Return how long something took, in few words."""
    if seconds is None:
        return "none"
    if seconds < _HOUR:
        return f"{max(1, round(seconds / _MINUTE))} min"
    if seconds < _DAY:
        return f"{seconds / _HOUR:.1f} h"
    return f"{seconds / _DAY:.1f} d"


def day_of(day: dt.date) -> str:
    """Return a day in few characters."""
    return f"{day.day} {day:%b %Y}"


HANDLERS = (reports_page,)
