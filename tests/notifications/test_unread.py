"""What is shown and counted of inboxes is what a plain reading of all rows finds, whatever happened before."""

import asyncio
import datetime as dt
from collections.abc import Callable
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from contracts.base import Caller, Event, Request, Role, uuid7
from contracts.notifications import CountUnread, ListUnreadTickets, MarkRead, MuteTicket, ReadNotices
from services.notifications.domain import audiences_of
from tests.notifications.builders import (
    NOON,
    assigned,
    became,
    commented,
    created,
    deleted,
    id_of,
    joined,
    moved,
    noted,
    removed,
    restored,
)
from tests.notifications.office import Office
from tests.notifications.post import Post
from tests.notifications.test_rebuilding import rebuild
from tests.support.eventually import eventually

PEOPLE = ("Ada", "Ben", "Gus")
TICKETS = 3
_ROWS = text("""
    select i.recipient_id, i.audience, i.ticket_id, i.first, i.nth, i.read_at, i.hidden,
        coalesce(t.deleted, false) as gone
    from items i left join tickets t on t.workspace_id = i.workspace_id and t.id = i.ticket_id
""")
_WAITING = text("select count(*) from pg_locks where not granted")
FACTS: dict[str, Callable[[str, dict[str, Any]], tuple[Event, ...]]] = {
    "told": lambda name, about: (commented("Olivia", name, **about), moved(**about)),
    "burst": lambda name, about: tuple(noted("Olivia", name, **about, cause=str(uuid7())) for _ in range(12)),
    "assigned": lambda name, about: (assigned(name, **about),),
    "deleted": lambda _, about: (deleted(**about),),
    "restored": lambda _, about: (restored(**about),),
    "joined": lambda name, _: (joined(name),),
    "removed": lambda name, _: (removed(name),),
    "demoted": lambda name, _: (became(name, Role.GUEST),),
}
COMMANDS: dict[str, Callable[[Caller, UUID], Request[Any]]] = {
    "read all": lambda caller, _: MarkRead(caller=caller),
    "read ticket": lambda caller, ticket: MarkRead(caller=caller, ticket_id=ticket),
    "mute": lambda caller, ticket: MuteTicket(caller=caller, ticket_id=ticket),
}
STEPS = st.tuples(
    st.sampled_from([*FACTS, *COMMANDS, "told", "deleted", "read", "heard again", "made anew"]),
    st.integers(0, TICKETS - 1),
    st.sampled_from(PEOPLE),
)


class Days:
    """An office in which things happen, each at a time of its own."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.post = Post(office)
        self.times = (NOON + nth * dt.timedelta(seconds=9) for nth in count())
        self.last: Event = joined("Olivia", Role.OWNER)

    async def happens(self, *facts: Event) -> None:
        for fact in facts:
            self.last = fact.model_copy(update={"id": uuid7(), "at": next(self.times)})
            await self.office.hears(self.last)
            await self.post.happens(self.last)

    async def step(self, what: str, nth: int, name: str) -> None:
        ticket, caller = id_of(f"ticket {nth}"), self.office.who(name)
        if what in FACTS:
            await self.happens(*FACTS[what](name, {"ticket_id": ticket}))
        elif what in COMMANDS:
            await self.office.ask(COMMANDS[what](caller, ticket))
        elif what == "read":
            items = (await self.office.ask(ReadNotices(caller=caller))).items[nth:]
            await self.office.ask(MarkRead(caller=caller, ids=tuple(each.id for each in items[:1])))
        elif what == "heard again":
            await self.office.hears(self.last)
        else:
            await rebuild(self.office, self.post)

    async def plain(self, name: str, role: Role) -> list[Any]:
        """All rows of somebody that this role may see of tickets that are there."""
        async with self.office.database.transaction(self.office.workspace) as tx:
            rows = await tx.all(_ROWS)
        assert [row["hidden"] for row in rows] == [row["gone"] for row in rows]
        return [
            row
            for row in rows
            if (row["recipient_id"], row["gone"]) == (id_of(name), False)
            and row["nth"] is not None
            and row["audience"] in audiences_of(role)
        ]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, min_size=5, max_size=30))
async def test_what_is_shown_and_unread_is_what_a_plain_reading_finds_after_whatever_happened(
    office: Office, steps: list[tuple[str, int, str]]
) -> None:
    days = Days(Office(office.database))
    await days.happens(joined("Olivia", Role.OWNER), joined("Ada"))
    for nth in range(TICKETS):
        await days.happens(created("Ada", assignee="Gus", ticket_id=id_of(f"ticket {nth}"), number=nth + 1))
    for step in steps:
        await days.step(*step)

    for name in PEOPLE:
        for role in (Role.MEMBER, Role.GUEST):
            rows = await days.plain(name, role)
            unread = [row for row in rows if row["read_at"] is None]
            caller = days.office.who(name, role)
            inbox = await days.office.ask(ReadNotices(caller=caller, limit=100))
            left = await days.office.ask(ReadNotices(caller=caller, limit=100, unread_only=True))
            tickets = (await days.office.ask(ListUnreadTickets(caller=caller))).ticket_ids
            assert len(inbox.items) == min(len({row["first"] for row in rows}), 100)
            assert len(left.items) == min(len({row["first"] for row in unread}), 100)
            assert inbox.unread == left.unread == len({row["first"] for row in unread})
            assert (await days.office.ask(CountUnread(caller=caller))).unread == inbox.unread
            assert set(tickets) == {row["ticket_id"] for row in unread}


@pytest.mark.parametrize("deleted_first", [False, True])
async def test_what_is_told_while_its_ticket_is_being_deleted_is_hidden_too(
    office: Office, *, deleted_first: bool
) -> None:
    await office.hears(joined("Olivia", Role.OWNER), joined("Ada"), created("Olivia", assignee="Ada"))
    facts: list[Event] = [commented("Olivia", "Ada"), deleted()]
    first, then = reversed(facts) if deleted_first else facts
    async with office.database.transaction(office.workspace) as tx:
        here = first.model_copy(update={"workspace_id": office.workspace})
        await office.bus._ears[first.SUBJECT].handler(here, tx)
        later = asyncio.create_task(office.hears(then))
        await eventually(lambda: waits_or_is_done(office, later))
    await later

    assert ((await office.inbox("Ada")).items, await office.unread("Ada")) == ((), 0)
    await office.hears(restored())
    assert await office.unread("Ada") == 2


async def waits_or_is_done(office: Office, task: asyncio.Task[None]) -> bool:
    async with office.database.transaction(office.workspace) as tx:
        return task.done() or bool(await tx.scalar(_WAITING))
