"""What reports count is what a plain reading of the entries gives."""

import datetime as dt
import importlib
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from sqlalchemy import text

from chassis.database import Database
from contracts.activity import Report, ReportSnapshot
from contracts.base import ActorKind, Role
from contracts.refusals import Invalid, NotAllowed
from contracts.tickets import Status
from tests.activity.ledger import Fact, Ledger, Owner, a_caller, a_workspace

FIRST = dt.date(2026, 3, 1)
LAST = dt.date(2026, 3, 7)
_AGENTS = [UUID(int=n) for n in (1, 2)]
_TICKETS = [UUID(int=n) for n in range(10, 14)]
_OVER = ("resolved", "closed", "spam")


def fact(workspace: str, seq: int, ticket: UUID, minute: int, **what: Any) -> Fact:
    at = dt.datetime(2026, 2, 28, tzinfo=dt.UTC) + dt.timedelta(minutes=minute)
    agent = what.pop("agent", None)
    body = {
        "id": str(uuid5(ticket, f"{workspace} {seq}")),
        "workspace_id": workspace,
        "ticket_id": str(ticket),
        "version": seq,
        "at": at.isoformat(),
        "actor": {"kind": ActorKind.USER if agent else ActorKind.CONTACT, "id": str(agent or ticket), "name": "N"},
        "audience": "everyone",
        **what,
    }
    return Fact(f"tickets.events.v1.{body.pop('type')}", seq, body)


STEPS = some.lists(
    some.tuples(
        some.sampled_from(_TICKETS),
        some.integers(0, 2_000),
        some.sampled_from(
            [
                {"type": "agent_replied"},
                {"type": "ticket_deleted"},
                {"type": "ticket_restored"},
                {"type": "note_added"},
                *({"type": "status_changed", "new": status.value} for status in Status),
            ]
        ),
        some.sampled_from([None, *_AGENTS]),
    ),
    max_size=40,
)


def told(workspace: str, steps: Sequence[tuple[UUID, int, dict[str, str], UUID | None]]) -> list[Fact]:
    """Facts in the order of time, of tickets that begin with their creation."""
    facts: list[Fact] = []
    opened: set[UUID] = set()
    minute = 0
    for ticket, later, what, agent in steps:
        minute += later
        if ticket not in opened:
            opened.add(ticket)
            facts.append(fact(workspace, len(facts) + 1, ticket, minute, type="ticket_created", status="new"))
        facts.append(fact(workspace, len(facts) + 1, ticket, minute, **what, agent=agent))
    return facts


def share(values: list[float], part: float) -> float | None:
    """The value that this part of all does not exceed, between two where it lies between them."""
    if not values:
        return None
    place = part * (len(values) - 1)
    ordered = [*sorted(values), max(values)]
    below = int(place)
    return ordered[below] + (place - below) * (ordered[below + 1] - ordered[below])


def read(facts: list[Fact], begins: dt.datetime, days: int, now: dt.datetime) -> dict[str, Any]:
    """A report, read from the entries by hand."""
    created_at: dict[str, dt.datetime] = {}
    status: dict[str, str] = {}
    deleted: dict[str, bool] = defaultdict(bool)
    steps: list[tuple[str, str, dt.datetime, float, str | None]] = []
    answered: set[str] = set()
    for each in facts:
        body, type = each.body, each.type.rpartition(".")[2]
        ticket, at = body["ticket_id"], dt.datetime.fromisoformat(body["at"])
        agent = body["actor"]["id"] if body["actor"]["kind"] == "user" else None
        waited = (at - created_at.setdefault(ticket, at)).total_seconds()
        if type == "ticket_created":
            status[ticket] = "new"
            steps.append((ticket, "created", at, 0, agent))
        elif type == "agent_replied":
            steps.append((ticket, "replied" if ticket in answered else "answered", at, waited, agent))
            answered.add(ticket)
        elif type == "status_changed":
            if body["new"] in ("resolved", "closed") and status[ticket] not in _OVER:
                steps.append((ticket, "resolved", at, waited, agent))
            status[ticket] = body["new"]
        elif type in ("ticket_deleted", "ticket_restored"):
            deleted[ticket] = type == "ticket_deleted"
    shown = [
        step
        for step in steps
        if not deleted[step[0]] and status[step[0]] != "spam" and begins <= step[2] < begins + dt.timedelta(days=days)
    ]

    def of(kind: str, agent: str | None = None) -> list[float]:
        return [step[3] for step in shown if step[1] == kind and agent in (None, step[4])]

    per_day = [[0, 0] for _ in range(days)]
    for _, kind, at, _, _ in shown:
        if kind in ("created", "resolved"):
            per_day[(at - begins).days][kind == "resolved"] += 1
    agents = {step[4] for step in shown if step[4] and step[1] != "created"}
    waiting = {each: when for each, when in created_at.items() if not deleted[each] and status[each] not in _OVER}
    ages = [now, *(now - dt.timedelta(days=n) for n in (1, 3, 7, 30)), dt.datetime.min.replace(tzinfo=dt.UTC)]
    return {
        "days": per_day,
        "times": [(len(of(kind)), share(of(kind), 0.5), share(of(kind), 0.9)) for kind in ("answered", "resolved")],
        "agents": {
            each: (
                len(of("resolved", each)),
                len(of("answered", each)) + len(of("replied", each)),
                len(of("answered", each)),
                share(of("answered", each), 0.5),
            )
            for each in agents
        },
        "backlog": {
            name: [
                sum(status[each] == name and older < when <= younger for each, when in waiting.items())
                for younger, older in pairwise(ages)
            ]
            for name in ("new", "open", "in_progress", "waiting_on_customer")
        },
    }


def rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def plain(report: ReportSnapshot) -> dict[str, Any]:
    return {
        "days": [[day.created, day.resolved] for day in report.days],
        "times": [
            (each.count, rounded(each.median), rounded(each.p90)) for each in (report.first_response, report.resolution)
        ],
        "agents": {
            str(each.id): (each.resolved, each.replies, each.first_responses, rounded(each.median_first_response))
            for each in report.agents
        },
        "backlog": {
            each.status.value: [
                each.under_1_day,
                each.under_3_days,
                each.under_7_days,
                each.under_30_days,
                each.older,
            ]
            for each in report.backlog
        },
    }


async def report(ledger: Ledger, workspace: str, role: Role = Role.MEMBER, **asked: Any) -> ReportSnapshot:
    given = {"since": FIRST, "until": LAST} | asked
    return await ledger.ask(Report(caller=a_caller(workspace, role), **given))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, offset=some.sampled_from([0, 120, -570]))
async def test_a_report_is_what_the_entries_say(
    ledger: Ledger, steps: list[tuple[UUID, int, dict[str, str], UUID | None]], offset: int
) -> None:
    workspace = a_workspace()
    facts = told(workspace, steps)
    if facts:
        await ledger.record(*facts)

    found = await report(ledger, workspace, utc_offset=offset)

    begins = dt.datetime(2026, 3, 1, tzinfo=dt.UTC) - dt.timedelta(minutes=offset)
    expected = read(facts, begins, 7, dt.datetime.now(dt.UTC))
    expected["times"] = [(count, rounded(median), rounded(p90)) for count, median, p90 in expected["times"]]
    expected["agents"] = {who: (*counts, rounded(median)) for who, (*counts, median) in expected["agents"].items()}
    assert plain(found) == expected
    assert [day.day for day in found.days] == [FIRST + dt.timedelta(days=n) for n in range(7)]
    assert [each.tickets for each in found.backlog] == [sum(ages) for ages in expected["backlog"].values()]


class Undo(Exception):
    """Ends a transaction without a trace."""


async def test_a_ledger_that_is_older_than_reports_is_counted_when_it_is_migrated(
    ledger: Ledger, owners: Database
) -> None:
    workspace = a_workspace()
    kinds = [{"type": "agent_replied"}, {"type": "status_changed", "new": "resolved"}, {"type": "ticket_deleted"}]
    kinds += [{"type": "status_changed", "new": "open"}, {"type": "ticket_restored"}, {"type": "agent_replied"}]
    kinds += [{"type": "status_changed", "new": "spam"}, {"type": "status_changed", "new": "closed"}]
    steps = [(ticket, 77, what, _AGENTS[n % 2]) for n, what in enumerate(kinds * 2) for ticket in _TICKETS[: 1 + n % 4]]
    await ledger.record(*told(workspace, steps))
    tables = {"report_tickets": "ticket_id", "report_steps": "seq"}

    async def rows() -> list[list[Any]]:
        return [
            list(
                await tx.all(text(f"select * from {table} where workspace_id = :ws order by {key}"), {"ws": workspace})
            )
            for table, key in tables.items()
        ]

    said: list[str] = []
    for name in ("0004_reports", "0005_counted_steps"):
        migration = importlib.import_module(f"services.activity.migrations.versions.{name}")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(migration.op, "execute", said.append)
            migration._fill()
    with suppress(Undo):
        async with owners.every_workspace("test") as tx:
            before = await rows()
            assert len(before[0]) == len(_TICKETS)
            assert {row["kind"] for row in before[1]} == {"created", "answered", "replied", "resolved"}
            for table in tables:
                await tx.execute(text(f"delete from {table}"))
            for statement in said[:-1]:
                await tx.execute(text(statement))
            after = await rows()
            raise Undo
    assert after == before


async def test_guests_get_no_report_and_nobody_a_range_without_a_day_or_with_too_many(ledger: Ledger) -> None:
    workspace = Owner().workspace
    with pytest.raises(NotAllowed):
        await report(ledger, workspace, Role.GUEST)
    with pytest.raises(Invalid):
        await report(ledger, workspace, until=FIRST - dt.timedelta(days=1))
    with pytest.raises(Invalid):
        await report(ledger, workspace, until=FIRST + dt.timedelta(days=366))
    with pytest.raises(Invalid):
        await report(ledger, workspace, since=dt.date.max, until=dt.date.max, utc_offset=-840)
    assert len((await report(ledger, workspace, until=FIRST + dt.timedelta(days=365))).days) == 366


async def test_a_fact_that_can_not_be_counted_is_written_down_all_the_same(ledger: Ledger) -> None:
    workspace, ticket = a_workspace(), _TICKETS[0]
    odd = fact(workspace, 1, ticket, 0, type="ticket_created", status=["new"])
    other = fact(workspace, 2, ticket, 0, type="agent_replied", at="yesterday")

    await ledger.record(odd, other)

    assert len(await ledger.rows(workspace)) == 2
    assert sum(each.tickets for each in (await report(ledger, workspace)).backlog) == 0
