"""Inboxes made anew from the owners' logs are the same to the row, and nothing leaves meanwhile."""

import datetime as dt

import pytest

from contracts.base import Event, LogPage, ReadLog, Role, uuid7
from contracts.notifications import Kind
from contracts.refusals import Unavailable
from services.notifications.usecases import rebuilding
from services.notifications.usecases.trouble import tell_admins
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
    removed,
    wrote,
)
from tests.notifications.office import Office
from tests.notifications.post import Post


async def rebuild(office: Office, post: Post) -> list[tuple[str, int]]:
    async def ask(request: ReadLog) -> LogPage:
        if request.workspace_id is None:  # which workspaces there are
            known = post.logs[request.OWNER][:1] if request.after_workspace < office.workspace else []
            return LogPage(items=tuple(known), more=False)
        return await post.log(request)

    return [each async for each in rebuilding.rebuild(office.database, ask, office.bus.retell)]


async def test_inboxes_made_anew_are_the_same_to_the_row_with_what_was_read_and_chosen(office: Office) -> None:
    post = Post(office)
    minutes = iter(NOON + dt.timedelta(minutes=nth) for nth in range(100))

    async def happens(*facts: Event) -> None:
        for fact in facts:
            dated = fact.model_copy(update={"id": uuid7(), "at": next(minutes)})
            await office.hears(dated)
            await post.happens(dated)

    await happens(joined("Olivia", Role.OWNER), joined("Ada"), joined("Ben"), created())
    await happens(assigned("Ada"), commented("Olivia", "Ada", "Ben"), became("Ben", Role.GUEST), commented("Olivia"))
    async with office.database.transaction(office.workspace) as tx:
        await tell_admins(tx, Kind.DEAD_LETTER, id_of("burst"), next(minutes))
    await happens(assigned("Cleo", old="Ada"), joined("Cleo"), wrote(), removed("Ada"), moved())
    await happens(created(ticket_id=id_of("another"), number=2), deleted(ticket_id=id_of("another")))
    first = (await office.inbox("Cleo")).items[-1]
    await office.read("Cleo", first)
    await office.watch("Ben", Role.GUEST)
    await office.unwatch("Olivia", role=Role.OWNER)
    before = await office.everything()
    assert await office.told("Cleo") == ["assigned", "message", "status"]

    assert await rebuild(office, post) == [(office.workspace, len(before["items"]))]
    assert await office.everything() == before


async def test_where_an_owner_is_away_everything_stays_as_it_was(office: Office) -> None:
    post = Post(office)
    await office.hears(joined("Ada"), created(), assigned("Ada"))
    before = await office.everything()
    post.away = True

    async def ask(request: ReadLog) -> LogPage:
        if request.workspace_id is None and not request.after_workspace:
            await post.happens(joined("Ada"))
            return LogPage(items=tuple(post.logs["gateway"]), more=False)
        return await post.log(request) if request.workspace_id else LogPage(items=(), more=False)

    with pytest.raises(Unavailable):
        async for _ in rebuilding.rebuild(office.database, ask, office.bus.retell):
            pass
    assert await office.everything() == before
