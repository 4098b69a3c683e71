"""Sends what webhooks are told: queued from the owners' logs, in order for each record, at least once, under one id."""

import asyncio
import datetime as dt
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from uuid import UUID

from chassis.database import Database, Transaction
from chassis.logs import get_logger
from chassis.telemetry import Metrics, Part, span, traced
from contracts.base import Audience, LoggedFact, LogPage, ReadLog, Subject, now
from contracts.notifications import Kind
from contracts.refusals import Refusal
from contracts.webhooks import ANY, DeliveryState, Trouble, WebhookDisabled
from services.notifications import domain, store
from services.notifications.channels import Forbidden, NotAnswered, Way
from services.notifications.domain import Due, Outcome
from services.notifications.usecases.counting import Counts
from services.notifications.usecases.trouble import tell_admins
from services.notifications.usecases.webhooks import host_of

# Why a transaction may see every workspace.
WEBHOOKS = "webhooks"

_OWNERS = {"tickets": "tickets", "people": "gateway"}
"""Who keeps each book's log."""
_AT_ONCE, _EACH, _PAGE, _BOOKS_AT_ONCE = 500, 5, 100, 50
_BEAT = 0.5
_OWNER_AWAY = dt.timedelta(seconds=5)
_KEPT = dt.timedelta(days=30)

log = get_logger()

type Ask = Callable[[ReadLog], Awaitable[LogPage]]


class Sender:
    """Whatever is due goes out, a few at once for each webhook; one that hangs delays no other."""

    def __init__(
        self,
        database: Database,
        ask: Ask,
        way: Way,
        counts: Counts | None = None,
        *,
        clock: Callable[[], dt.datetime] = now,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Read the owners' logs by `ask`, and send by `way`."""
        self._database, self._ask, self._way, self._clock, self._chance = database, ask, way, clock, chance
        self._counts = counts or Counts(Metrics("notifications"))
        self._busy: dict[UUID, UUID] = {}
        """What is being sent, and to which webhook."""
        self._proven: set[UUID] = set()
        """Webhooks whose last answer was good: they get several calls at once, others, which may hang, one."""
        self._freed = asyncio.Event()

    async def run(self) -> None:
        """Queue and send until cancelled; what is cut off is sent again under the same id."""
        self._busy.clear()
        async with asyncio.TaskGroup() as group:
            while True:
                queued = await self.queue()
                beat = asyncio.get_running_loop().time() + (0 if queued else _BEAT)
                await self._begin(group)
                # Whoever has been answered gets the next at once; what is new is looked for at every beat.
                while await self._is_freed(beat):
                    await self._begin(group)

    async def queue(self) -> int:
        """Queue a page for each webhook that is behind, and for each that is told the past; return how many pages."""
        async with self._database.glance(WEBHOOKS) as tx:
            behind = await store.behind(tx, _BOOKS_AT_ONCE)
            again = await store.replaying(tx, _BOOKS_AT_ONCE)
        pages = 0
        for workspace, webhook in behind:
            with suppress(Refusal):  # an owner that is away is asked again
                pages += await self._catch_up(workspace, webhook)
        for workspace, webhook, replay in again:
            with suppress(Refusal):
                pages += await self._tell_again(workspace, webhook, replay)
        return pages

    async def send(self, due: Due) -> None:
        """Try once, and remember what came of it."""
        fact = None
        if due.book in _OWNERS:
            try:
                fact = await self._fact(due)
            except Refusal:
                async with self._database.transaction(due.endpoint.workspace_id) as tx:
                    await store.wait_until(tx, due.id, self._clock() + _OWNER_AWAY)
                return
        outcome = await self._attempt(due, fact)
        (self._proven.add if outcome.taken else self._proven.discard)(due.endpoint.id)
        self._counts.webhooks.labels("taken" if outcome.taken else "failed").observe(outcome.latency)
        if outcome.reason is not None:
            self._counts.webhook_failures.labels(outcome.reason).inc()
        async with self._database.transaction(due.endpoint.workspace_id) as tx:
            # It may have been deleted or turned off meanwhile.
            if not await store.still_due(tx, due.id):
                return
            await store.note_try(tx, due.id, outcome)
            if outcome.taken:
                await store.settle(tx, due.id, DeliveryState.DELIVERED, outcome.at)
                await store.works(tx, due.endpoint.id)
                return
            await self._failed(tx, due, outcome)

    async def _send_guarded(self, due: Due) -> None:
        try:
            await self.send(due)
        except Exception:
            log.exception("webhook.crashed", webhook=str(due.endpoint.id), event_id=str(due.event_id))
        finally:
            self._busy.pop(due.id, None)
            self._freed.set()

    async def _is_freed(self, until: float) -> bool:
        """Wait until something was sent; False: nothing was by then."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                return await self._freed.wait()
        return False

    async def _begin(self, group: asyncio.TaskGroup) -> None:
        self._freed.clear()
        for due in await self._due():
            self._busy[due.id] = due.endpoint.id
            group.create_task(self._send_guarded(due))

    async def _due(self) -> list[Due]:
        room = _AT_ONCE - len(self._busy)
        async with self._database.glance(WEBHOOKS) as tx:
            return await store.due(tx, self._clock(), self._busy, self._proven, each=_EACH, many=room)

    async def _fact(self, due: Due) -> LoggedFact | None:
        request = ReadLog.of(_OWNERS[due.book])
        page = await self._ask(request(workspace_id=due.endpoint.workspace_id, after=due.position - 1, limit=1))
        return next((fact for fact in page.items if fact.id == due.event_id), None)

    async def _attempt(self, due: Due, fact: LoggedFact | None) -> Outcome:
        at = self._clock()
        if fact is None and due.book in _OWNERS:
            return Outcome(at=at, status=None, reason=domain.NOT_KEPT, latency=0)
        body = domain.told(due.type, fact.body if fact else domain.test_body(due))
        try:
            with traced(None), span(Part.CLIENT, "POST webhook", {"counterfoil.event": due.type}):
                answer = await self._way.post(due.endpoint.url, domain.headers(due, body, at), body)
        except Forbidden as refused:
            return Outcome(at=at, status=None, reason=refused.code, latency=0)
        except NotAnswered as failed:
            return Outcome(at=at, status=None, reason=failed.reason, latency=failed.latency)
        return Outcome(
            at=at,
            status=answer.status,
            reason=domain.judge(answer.status),
            latency=answer.latency,
            retry_after=answer.retry_after,
        )

    async def _failed(self, tx: Transaction, due: Due, outcome: Outcome) -> None:
        if outcome.reason == domain.NOT_KEPT:
            await store.settle(tx, due.id, DeliveryState.FAILED, outcome.at)
            return
        then = domain.after(outcome, due.attempts + 1, self._chance())
        about = {"webhook": str(due.endpoint.id), "status": outcome.status, "reason": outcome.reason}
        log.info("webhook.failed", attempt=due.attempts + 1, **about)
        await store.fails(tx, due.endpoint.id, outcome.at)
        if then.at is not None:
            await store.try_again(tx, due.id, then.at)
            return
        await store.settle(tx, due.id, DeliveryState.FAILED, outcome.at)
        if then.trouble is not None:
            await self._disable(tx, due.endpoint.id, then.trouble, outcome.at)

    async def _disable(self, tx: Transaction, webhook: UUID, trouble: Trouble, at: dt.datetime) -> None:
        """Turn a webhook off, and let it be known."""
        off = await store.disable(tx, webhook, trouble, at)
        if off is None:
            return
        version, url = off
        self._counts.webhooks_disabled.labels(trouble.value).inc()
        log.warning("webhook.disabled", webhook=str(webhook), reason=trouble.value)
        off_now = WebhookDisabled(
            workspace_id=tx.workspace_id,
            actor=domain.OURSELVES,
            via=domain.BY_RULE,
            cause=str(webhook),
            audience=Audience.ADMINS,
            subject=Subject(kind="webhook", id=str(webhook), version=version),
            at=at,
            host=host_of(url),
            reason=trouble,
        )
        tx.announce(off_now)
        await tell_admins(tx, Kind.WEBHOOK, off_now.id, at)

    async def _catch_up(self, workspace: str, webhook: UUID) -> int:
        async with self._database.transaction(workspace) as tx:
            places = await store.places(tx, webhook)
        if places is None or not places.enabled:
            return 0
        # Nobody's transaction waits for another service.
        found = {book: (await self._read(workspace, book, places.of(book))).items for book in _OWNERS}
        async with self._database.transaction(workspace) as tx:
            if await store.places(tx, webhook) != places:
                return 0
            for book, facts in found.items():
                if facts:
                    await store.queue_facts(tx, webhook, book, _wanted(facts, places.types), self._clock())
                    await store.reached(tx, webhook, book, facts[-1].position)
        return sum(1 for facts in found.values() if facts)

    async def _tell_again(self, workspace: str, webhook: UUID, replay: UUID) -> int:
        async with self._database.transaction(workspace) as tx:
            places, span = await store.places(tx, webhook), await store.span(tx, replay)
        if places is None or span is None:
            return 0
        found = {
            book: await self._read(workspace, book, after, span.from_time)
            for book in _OWNERS
            if (after := span.of(book)[0]) is not None
        }
        async with self._database.transaction(workspace) as tx:
            if await store.span(tx, replay) != span or await store.places(tx, webhook) is None:
                return 0
            for book, page in found.items():
                until = span.of(book)[1]
                facts = [fact for fact in page.items if fact.position <= until]
                wanted = _wanted(facts, places.types)
                await store.queue_facts(tx, webhook, book, wanted, self._clock(), again=True)
                through = not page.more or len(facts) < len(page.items) or facts[-1].position == until
                await store.replayed(tx, replay, book, None if through else facts[-1].position, len(wanted))
        return len(found)

    async def _read(self, workspace: str, book: str, after: int, since: dt.datetime | None = None) -> LogPage:
        request = ReadLog.of(_OWNERS[book])
        return await self._ask(request(workspace_id=workspace, after=after, since=since, limit=_PAGE))


async def forget(database: Database, clock: Callable[[], dt.datetime] = now) -> int:
    """Forget old secrets, and what was over a month ago; return how much that was."""
    async with database.every_workspace(WEBHOOKS) as tx:
        await store.forget_old_secrets(tx, clock())
        return await store.forget_deliveries(tx, clock() - _KEPT)


def _wanted(facts: Sequence[LoggedFact], types: Sequence[str]) -> list[LoggedFact]:
    return [fact for fact in facts if ANY in types or fact.type.rpartition(".")[2] in types]
