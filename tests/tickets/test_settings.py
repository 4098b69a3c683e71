"""What a workspace settles about its tickets, and what the clock does about it, on a real PostgreSQL."""

import asyncio
import datetime as dt
from typing import Any

import pytest
from sqlalchemy import text

from contracts.base import Role, uuid7
from contracts.refusals import Invalid, NotAllowed, Refusal, StaleVersion
from contracts.tickets import AddNote, GetSettings, Priority, SettingsSnapshot, Status, TicketRequested
from services.tickets import timers
from tests.contracts.test_samples import SAMPLES
from tests.tickets.builders import person
from tests.tickets.desk import Desk, types_of


async def read(desk: Desk, role: Role = Role.OWNER) -> SettingsSnapshot:
    return await desk.ask(GetSettings(caller=desk.who("Olivia", role)))


async def told(desk: Desk) -> list[dict[str, Any]]:
    async with desk.database.transaction(desk.workspace) as tx:
        rows = await tx.all(
            text("select type, version, audience, body from event_log where about_kind = 'settings' order by version")
        )
    return [dict(row) for row in rows]


async def test_nothing_is_settled_at_first(desk: Desk) -> None:
    assert (await read(desk)).model_dump() == {
        "members_may_claim": False,
        "members_may_note_any": False,
        "default_priority": "normal",
        "auto_close_days": None,
        "follow_up_days": None,
        "mail_received": True,
        "mail_replied": True,
        "mail_resolved": True,
        "version": 1,
        "updated_at": None,
    }


async def test_a_change_is_answered_read_and_told_whole(desk: Desk) -> None:
    await desk.settle(members_may_claim=True, auto_close_days=14)
    changed = await desk.settle(auto_close_days=None, follow_up_days=30, expected=2)

    assert changed == await read(desk, Role.ADMIN)
    assert (changed.version, changed.members_may_claim, changed.auto_close_days, changed.follow_up_days) == (
        3,
        True,
        None,
        30,
    )
    first, second = await told(desk)
    assert (first["type"], first["version"], first["audience"]) == ("tickets.events.v1.settings_changed", 2, "admins")
    assert second["body"]["old"] == first["body"]["new"]
    assert second["body"]["new"]["follow_up_days"] == 30


async def test_what_stays_is_no_event_and_no_version(desk: Desk) -> None:
    before = await desk.settle(default_priority="high")

    assert await desk.settle(default_priority="high", auto_close_days=None) == before
    assert len(await told(desk)) == 1


@pytest.mark.parametrize("role", [Role.MEMBER, Role.GUEST])
async def test_settings_are_for_those_who_run_the_desk(desk: Desk, role: Role) -> None:
    with pytest.raises(NotAllowed):
        await read(desk, role)
    with pytest.raises(NotAllowed):
        await desk.settle(who=desk.who("Max", role), members_may_claim=True)


async def test_a_stale_change_is_told_what_it_missed(desk: Desk) -> None:
    await desk.settle(members_may_claim=True)

    with pytest.raises(StaleVersion) as refused:
        await desk.settle(expected=1, members_may_note_any=True)
    assert refused.value.facts["version"] == 2
    assert types_of(refused.value.facts["missed"]) == ["settings_changed"]
    with pytest.raises(Invalid):
        await desk.settle(members_may_claim=None)
    assert not (await read(desk)).members_may_note_any


async def test_h16_of_ten_first_changes_at_once_one_is_made(desk: Desk) -> None:
    outcomes = await asyncio.gather(
        *(desk.settle(expected=1, auto_close_days=days) for days in range(1, 11)), return_exceptions=True
    )

    assert sum(isinstance(outcome, SettingsSnapshot) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, StaleVersion) for outcome in outcomes) == 9
    assert len(await told(desk)) == 1


async def test_settings_are_a_workspaces_own(desk: Desk) -> None:
    await desk.settle(members_may_claim=True, default_priority="critical")
    other = Desk(desk.database)

    assert (await read(other)).version == 1
    assert (await other.create()).priority is Priority.NORMAL


# What they mean


async def test_a_ticket_without_a_priority_has_the_workspaces(desk: Desk) -> None:
    await desk.settle(default_priority="high")
    sample = next(path for path in SAMPLES if path.stem == TicketRequested.SUBJECT)
    await desk.opens()
    requested = TicketRequested.model_validate_json(sample.read_bytes())
    await desk.hears(requested.model_copy(update={"priority": None, "workspace_id": None}))

    assert (await desk.get("1")).priority is Priority.HIGH
    assert (await desk.create()).priority is Priority.HIGH
    assert (await desk.create(priority="low")).priority is Priority.LOW


async def test_a_member_takes_what_nobody_has_where_that_is_settled(desk: Desk) -> None:
    created, max_ = await desk.create(), desk.who("Max", Role.MEMBER)
    with pytest.raises(NotAllowed):
        await desk.change(created, who=max_, assignee=person("Max"))
    await desk.settle(members_may_claim=True)

    assert "claim" in (await desk.get(created, who=max_)).allowed.actions
    assert "claim" in (await desk.find(who=max_)).items[0].allowed.actions
    claims = await asyncio.gather(
        *(
            desk.change(created, who=desk.who(name, Role.MEMBER), assignee=person(name))
            for name in ("Max", "Mia", "Mo", "Moe")
        ),
        return_exceptions=True,
    )
    assert sum(not isinstance(claim, Refusal) for claim in claims) == 1
    assert types_of(await desk.told(created)) == ["ticket_created", "assigned"]


async def test_a_member_notes_on_every_ticket_where_that_is_settled(desk: Desk) -> None:
    created, max_ = await desk.create(assignee=person("Ann")), desk.who("Max", Role.MEMBER)
    note = AddNote(caller=max_, ticket=str(created.id), note_id=uuid7(), body="x")
    with pytest.raises(NotAllowed):
        await desk.ask(note)
    await desk.settle(members_may_note_any=True)

    await desk.ask(note)
    with pytest.raises(NotAllowed):
        await desk.change(created, who=max_, subject="x")


# The clock


LATER = dt.timedelta(days=3, seconds=5)


async def resolved(desk: Desk, many: int) -> None:
    await desk.opens()
    for nth in range(many):
        await desk.change(await desk.create(f"T{nth}"), status="resolved")


def later() -> dt.datetime:
    return dt.datetime.now(dt.UTC) + LATER


async def test_what_lies_resolved_is_closed_once_by_any_number_of_clocks(desk: Desk) -> None:
    await desk.settle(auto_close_days=3)
    await resolved(desk, 12)
    at = later()
    await asyncio.gather(*(timers.close_untouched(desk.database, at) for _ in range(4)))
    await timers.close_untouched(desk.database, at)

    for nth in range(1, 13):
        ticket = await desk.get(str(nth))
        facts = await desk.told(ticket)
        assert (ticket.status, ticket.closed_at) == (Status.CLOSED, at)
        assert types_of(facts) == ["ticket_created", "status_changed", "status_changed"]
        last = facts[-1]
        assert (last["actor"]["kind"], last["via"]) == ("system", "timer")
        assert last["cause"] == f"auto_close:{ticket.id}:2"


async def test_what_is_not_due_or_not_settled_stays(desk: Desk) -> None:
    other = Desk(desk.database)
    await resolved(desk, 2)
    await resolved(other, 1)
    await timers.close_untouched(desk.database, later())
    assert (await desk.get("1")).status is Status.RESOLVED

    await desk.settle(auto_close_days=4)
    await timers.close_untouched(desk.database, later())
    assert (await desk.get("1")).status is Status.RESOLVED

    await desk.settle(auto_close_days=3)
    await desk.delete("2")
    await timers.close_untouched(desk.database, later())
    assert (await desk.get("1")).status is Status.CLOSED
    assert (await desk.get("2")).status is Status.RESOLVED
    assert (await other.get("1")).status is Status.RESOLVED


async def test_more_than_a_hundred_are_closed_in_one_turn(desk: Desk) -> None:
    await desk.settle(auto_close_days=3)
    await resolved(desk, 1)
    async with desk.database.transaction(desk.workspace) as tx:
        await tx.execute(
            text(
                "insert into tickets (workspace_id, id, number, version, subject, description, status, priority, tags,"
                "  created_at, updated_at, resolved_at)"
                " select :ws, gen_random_uuid(), n, 1, 'T', '', 'resolved', 'normal', '{}', now(), now(), now()"
                " from generate_series(1000, 1229) as n"
            ),
            {"ws": desk.workspace},
        )
    await timers.close_untouched(desk.database, later())

    assert len((await desk.find(statuses=("resolved",))).items) == 0


async def test_a_ticket_that_somebody_is_at_work_on_is_left_to_them(desk: Desk) -> None:
    await desk.settle(auto_close_days=3)
    await resolved(desk, 2)
    async with desk.database.transaction(desk.workspace) as tx:
        await tx.execute(text("select 1 from tickets where number = 1 for update"))
        await timers.close_untouched(desk.database, later())

    assert ((await desk.get("1")).status, (await desk.get("2")).status) == (Status.RESOLVED, Status.CLOSED)


async def test_the_clock_leaves_a_workspace_alone_that_has_ended(desk: Desk) -> None:
    await desk.settle(auto_close_days=3)
    await resolved(desk, 1)
    await desk.ends()
    await timers.close_untouched(desk.database, later())

    assert (await desk.get("1")).status is Status.RESOLVED
