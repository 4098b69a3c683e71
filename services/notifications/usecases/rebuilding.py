"""Makes inboxes anew from the owners' logs: the same ones, read where they were read, and nothing is sent."""

import datetime as dt
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress

from chassis import inbox
from chassis.database import Database, Transaction
from contracts.base import LoggedFact, LogPage, ReadLog
from contracts.refusals import Refusal
from services.notifications import store
from services.notifications.store import Before

_PAGE = 500
_BOOKS = {"gateway": "GATEWAY", "tickets": "TICKETS"}
"""Whose facts are heard, people first where two are of one moment, and under which name it is kept how far."""

type Ask = Callable[[ReadLog], Awaitable[LogPage]]
type Retell = Callable[[LoggedFact, Transaction], Awaitable[None]]


async def rebuild(database: Database, ask: Ask, retell: Retell) -> AsyncGenerator[tuple[str, int]]:
    """Make the inboxes of each workspace anew, in one transaction each; yield it and how many items it has.

    The facts of both owners are heard in the order of their times. Who applies what comes meanwhile waits, and goes on
    where this ends. Raises a Refusal where an owner is away: that workspace stays as it was.
    """
    for workspace_id in await _workspaces(ask):
        async with database.transaction(workspace_id) as tx:
            yield workspace_id, await _rebuild(tx, ask, retell)


async def _workspaces(ask: Ask) -> list[str]:
    """Return every workspace that a log knows."""
    found: set[str] = set()
    for owner in _BOOKS:
        after = ""
        while facts := (await ask(ReadLog.of(owner)(after_workspace=after, after=2**62, limit=1))).items:
            after = facts[0].workspace_id
            found.add(after)
    return sorted(found)


async def _rebuild(tx: Transaction, ask: Ask, retell: Retell) -> int:
    tx.retells = True
    for book in _BOOKS.values():
        await inbox.applied(tx, book)
    before = await store.set_aside(tx)
    troubles = sorted((each for each in before if each.ticket_id is None and each.nth), key=lambda each: each.at)
    ends = dict.fromkeys(_BOOKS, 0)
    async with aclosing(_in_order(tx.workspace_id, ask)) as facts:
        async for owner, fact in facts:
            await _again(tx, troubles, before=_time(fact))
            with suppress(Refusal):  # it was refused before, and is a dead letter
                await retell(fact, tx)
            ends[owner] = fact.position
    await _again(tx, troubles, before=None)
    for owner, end in ends.items():
        await inbox.advance(tx, _BOOKS[owner], end)
    return await store.as_it_was_read(tx, before)


async def _again(tx: Transaction, troubles: list[Before], before: dt.datetime | None) -> None:
    """Tell again what no log tells and was told before then."""
    while troubles and (before is None or troubles[0].at < before):
        each = troubles.pop(0)
        await store.add_trouble(tx, each.recipient_id, each.kind, each.cause, each.at)


async def _in_order(workspace_id: str, ask: Ask) -> AsyncGenerator[tuple[str, LoggedFact]]:
    """Yield both logs as one, by time."""
    logs = {owner: _log(workspace_id, owner, ask) for owner in _BOOKS}
    heads = {owner: await anext(log, None) for owner, log in logs.items()}
    while waiting := {owner: fact for owner, fact in heads.items() if fact is not None}:
        owner = min(waiting, key=lambda each: _time(waiting[each]))
        yield owner, waiting[owner]
        heads[owner] = await anext(logs[owner], None)


async def _log(workspace_id: str, owner: str, ask: Ask) -> AsyncIterator[LoggedFact]:
    after, more = 0, True
    while more:
        page = await ask(ReadLog.of(owner)(workspace_id=workspace_id, after=after, limit=_PAGE))
        for fact in page.items:
            yield fact
        more, after = page.more, page.items[-1].position if page.items else after


def _time(fact: LoggedFact) -> dt.datetime:
    return dt.datetime.fromisoformat(fact.body["at"])
