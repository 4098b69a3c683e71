"""Dead letters of every service as one list; whoever keeps one settles it, and the book of people says who asked."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from chassis.bus import Bus
from chassis.database import Database
from chassis.letters import place_after
from contracts.activity import DropActivityLetter, GetActivityLetter, ListActivityLetters, RetryActivityLetter
from contracts.base import Caller, Command, DeadLetter, IdempotencyKey, now, uuid7
from contracts.gateway import LetterDropped, LetterRetried
from contracts.letters import DeadLetterPage, LetterGroup, ListLetters
from contracts.notifications import (
    DropNotificationLetter,
    GetNotificationLetter,
    ListNotificationLetters,
    RetryNotificationLetter,
)
from contracts.refusals import NotAllowed, NotFound, Refusal, Unavailable
from contracts.tickets import DropDeadLetter, GetDeadLetter, ListDeadLetters, RetryDeadLetter
from services.gateway import domain, store
from services.gateway.domain import Cause, Settled, Visitor
from services.gateway.usecases import answers
from services.gateway.usecases.acting import once

_PATIENCE = 2.0
"""Seconds that the list waits for one of the services."""
_AT_ONCE = 50
_LISTS: dict[str, type[ListLetters]] = {
    "tickets": ListDeadLetters,
    "activity": ListActivityLetters,
    "notifications": ListNotificationLetters,
}
_ONES = (GetDeadLetter, GetActivityLetter, GetNotificationLetter)
_RETRIES: dict[str, type[Command[DeadLetter]]] = {
    "tickets": RetryDeadLetter,
    "activity": RetryActivityLetter,
    "notifications": RetryNotificationLetter,
}
_DROPS: dict[str, type[Command[DeadLetter]]] = {
    "tickets": DropDeadLetter,
    "activity": DropActivityLetter,
    "notifications": DropNotificationLetter,
}


@dataclass(frozen=True, slots=True)
class Which:
    """Letters that are settled together: those that are named, or the next of a reason and a system."""

    ids: Sequence[UUID] = ()
    reason: str | None = None
    integration: str | None = None
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of them."""

    done: int
    refused: tuple[answers.LetterRefused, ...]
    next_cursor: str | None
    away: tuple[str, ...]
    """The services that could not be asked."""


class Letters:
    """What no service could apply: read, tried again, dropped."""

    def __init__(self, bus: Bus, database: Database) -> None:
        """Ask the services over `bus`; who settled what is told from `database`."""
        self._bus, self._database = bus, database

    async def page(
        self,
        caller: Caller,
        cursor: str | None,
        limit: int,
        *,
        reason: str | None = None,
        integration: str | None = None,
        oldest_first: bool = False,
    ) -> DeadLetterPage:
        """Return a page of what no service could apply, newest first; it says who could not be asked."""
        pages = await asyncio.gather(
            *(
                self._asked(
                    kind(
                        caller=caller,
                        cursor=cursor,
                        limit=limit,
                        reason=reason,
                        integration=integration,
                        oldest_first=oldest_first,
                    )
                )
                for kind in _LISTS.values()
            )
        )
        there = [page for page in pages if page]
        found = sorted(
            (each for page in there for each in page.items), key=lambda each: each.id, reverse=not oldest_first
        )
        more = len(found) > limit or any(page.next_cursor for page in there)
        return DeadLetterPage(
            items=tuple(found[:limit]),
            next_cursor=place_after(caller.workspace_id, found[limit - 1].id) if more else None,
            away=tuple(name for name, page in zip(_LISTS, pages, strict=True) if page is None),
            groups=_together(each for page in there for each in page.groups),
        )

    async def one(self, caller: Caller, id: UUID) -> DeadLetter:
        """Return a letter whole from whoever keeps it; raises NotFound where nobody does."""
        for kind in _ONES:
            try:
                return await self._bus.ask(kind(caller=caller, id=id))
            except NotFound:
                continue
        raise NotFound

    async def retry(self, visitor: Visitor, id: UUID, key: IdempotencyKey | None) -> DeadLetter:
        """Have one tried again; raises why it is refused again."""
        return await self._settle(visitor, id, key, _RETRIES, LetterRetried)

    async def drop(self, visitor: Visitor, id: UUID, key: IdempotencyKey | None) -> None:
        """Forget one."""
        await self._settle(visitor, id, key, _DROPS, LetterDropped)

    async def retry_all(self, visitor: Visitor, which: Which) -> Settlement:
        """Have those that are named, or the next fifty, tried again, the oldest first, as they were sent."""
        return await self._one_by_one(visitor, which, self.retry)

    async def drop_all(self, visitor: Visitor, which: Which) -> Settlement:
        """Forget those that are named, or the next fifty, the oldest first."""
        return await self._one_by_one(visitor, which, self.drop)

    async def settled(self, visitor: Visitor, id: UUID) -> Settled | None:
        """Return what somebody did with a letter that is there no more; None where nobody did anything."""
        async with self._database.transaction(_desk_of(visitor)) as tx:
            return await store.settled_letter(tx, id)

    async def _one_by_one(
        self,
        visitor: Visitor,
        which: Which,
        settle: Callable[[Visitor, UUID, IdempotencyKey | None], Awaitable[DeadLetter | None]],
    ) -> Settlement:
        _desk_of(visitor)
        ids, done, refused = sorted(set(which.ids)), 0, list[answers.LetterRefused]()
        page = DeadLetterPage(items=(), next_cursor=None)
        if not ids:
            page = await self.page(
                visitor.caller,
                which.cursor,
                _AT_ONCE,
                reason=which.reason,
                integration=which.integration,
                oldest_first=True,
            )
            ids = [letter.id for letter in page.items]
        for id in ids:
            try:
                await settle(visitor, id, None)
                done += 1
            except Refusal as refusal:
                refused.append(answers.LetterRefused(id=id, code=refusal.code, detail=refusal.in_full))
        return Settlement(done, tuple(refused), page.next_cursor, page.away)

    async def _settle(
        self,
        visitor: Visitor,
        id: UUID,
        key: IdempotencyKey | None,
        kinds: dict[str, type[Command[DeadLetter]]],
        fact: type[LetterRetried | LetterDropped],
    ) -> DeadLetter:
        workspace, _ = visitor.here
        letter = await self._sent(visitor, id, key, kinds)

        async def tell() -> answers.LetterSettled:
            cause = Cause(command_id=uuid7(), via=visitor.via, at=now())
            tx.announce(domain.settled_letter(fact, letter, workspace.id, visitor.actor, cause))
            return answers.LetterSettled(id=letter.id)

        async with self._database.transaction(workspace.id) as tx:
            await once(tx, visitor.id, key, answers.LetterSettled, tell)
        return letter

    async def _sent(
        self, visitor: Visitor, id: UUID, key: IdempotencyKey | None, kinds: dict[str, type[Command[DeadLetter]]]
    ) -> DeadLetter:
        """Ask each service until one has it: who answered once answers again, though the letter is gone."""
        said = dict[str, NotFound]()
        for service, kind in kinds.items():
            try:
                return await self._bus.ask(kind(caller=visitor.caller, via=visitor.via, idempotency=key, id=id))
            except NotFound as refusal:
                said[service] = refusal
        # What a letter asks for may be what is not found.
        raise said[(await self.one(visitor.caller, id)).service]

    async def _asked(self, request: ListLetters) -> DeadLetterPage | None:
        try:
            return await self._bus.ask(request, within=_PATIENCE)
        except Unavailable:
            return None


def _desk_of(visitor: Visitor) -> str:
    """Return the workspace of somebody who runs it; raises NotAllowed."""
    workspace, role = visitor.here
    if not role.runs_the_desk:
        raise NotAllowed
    return workspace.id


def _together(groups: Iterable[LetterGroup]) -> tuple[LetterGroup, ...]:
    counted = Counter[tuple[str, str | None]]()
    for group in groups:
        counted[group.reason, group.integration] += group.count
    return tuple(
        LetterGroup(reason=reason, integration=integration, count=count)
        for (reason, integration), count in counted.most_common()
    )
