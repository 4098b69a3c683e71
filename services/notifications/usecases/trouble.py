"""What admins are told of the desk itself: messages that could not be applied, webhooks that were turned off."""

import datetime as dt
from collections.abc import AsyncIterator, Callable
from uuid import UUID

from chassis import inbox
from chassis.database import Database, Transaction
from contracts.base import Audience, DeadLetter, now
from contracts.notifications import Kind
from contracts.streams import DEADLETTERS
from services.notifications import domain, store
from services.notifications.domain import News, Way

DEAD_LETTERS = "tell of dead letters"


class Undertaker:
    """Tells of dead letters in the order of their stream, whoever was away meanwhile."""

    def __init__(self, database: Database, letters: Callable[[int], AsyncIterator[tuple[int, DeadLetter]]]) -> None:
        """Tell the admins that `database` knows; `letters` reads what lies behind a place."""
        self._database = database
        self._letters = letters

    async def turn(self) -> None:
        """Tell of what was kept since the last turn."""
        async with self._database.every_workspace(DEAD_LETTERS) as tx:
            told = await inbox.applied(tx, DEADLETTERS.name)
        async for place, letter in self._letters(told):
            await self.buried(letter)
            # A crash before this tells once more, and the same cause is told once.
            async with self._database.every_workspace(DEAD_LETTERS) as tx:
                await inbox.advance(tx, DEADLETTERS.name, place)

    async def buried(self, letter: DeadLetter) -> None:
        """Tell admins of their workspace's letter; of a burst they hear once."""
        if letter.workspace_id is None:
            return
        async with self._database.transaction(letter.workspace_id) as tx:
            await tell_admins(tx, Kind.DEAD_LETTER, domain.burst(letter.workspace_id, letter.at), letter.at)


async def tell_admins(tx: Transaction, kind: Kind, cause: UUID, at: dt.datetime) -> None:
    """Tell those who run the desk, as each chose; the same cause is told once."""
    admins = await store.who_runs_the_desk(tx)
    preferences = await store.preferences(tx, admins, at)
    reasons = dict.fromkeys(admins, (kind,))
    for person in domain.wanted(reasons, preferences, Way.INBOX):
        await store.add_trouble(tx, person, kind, cause, at)
    news = News(
        because=cause,
        kind=kind,
        audience=Audience.ADMINS,
        at=at,
        actor_kind=domain.OURSELVES.kind,
        actor_name=domain.OURSELVES.name,
        old=None,
        new=None,
        ticket_id=None,
        number=None,
        subject=None,
        hidden=False,
    )
    for person in domain.wanted(reasons, preferences, Way.MAIL):
        await store.add_news(tx, person, cause, news, now() + domain.GATHERED)
