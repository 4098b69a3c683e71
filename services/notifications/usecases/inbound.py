"""Answers by mail: kept as they came, then delivered into their conversation, each once."""

import datetime as dt
from collections.abc import Callable

from chassis.database import Database
from contracts.base import now
from services.notifications import store
from services.notifications.domain.replies import key_of

# Why a transaction may see every workspace.
ANSWERS = "answers by mail"

_KEPT = dt.timedelta(days=30)
_STRANGERS = 500
"""How many mails for nobody known are kept for an operator."""


class Inlet:
    """What becomes of mail that came in."""

    def __init__(self, database: Database, *, clock: Callable[[], dt.datetime] = now) -> None:
        """Keep it in `database`."""
        self._database, self._clock = database, clock

    async def keep(self, token: str, sender: str, raw: bytes) -> None:
        """Keep a mail as it came; one that came before is the same mail."""
        async with self._database.every_workspace(ANSWERS) as tx:
            await store.keep_inbound(tx, token=token, known_as=key_of(raw), sender=sender, raw=raw, at=self._clock())

    async def forget(self) -> int:
        """Forget what came in a month ago, and most of what nobody is known for; return how much that was."""
        async with self._database.every_workspace(ANSWERS) as tx:
            return await store.forget_inbound(tx, self._clock() - _KEPT, _STRANGERS)
