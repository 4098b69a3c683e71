"""A new password for whoever forgot theirs: asked for by anybody, set by whoever reads the mail.

The wish is a row, and the row is the outbox: who asks never waits for mail, and no mail is lost while mail is away.
The link's secret is drawn when the mail is asked for, as only its hash is kept; when an answer is lost, another is
drawn for the same mail, and whichever link it holds is good.
"""

import datetime as dt
import secrets
from collections.abc import Awaitable, Callable

from chassis.database import Database
from chassis.logs import get_logger
from contracts.base import Via, now, uuid7
from contracts.notifications import MailQueued, SendPasswordReset
from contracts.refusals import Refusal
from services.gateway import domain, store
from services.gateway.domain import Cause
from services.gateway.usecases.accounts import replace_password
from services.gateway.usecases.limits import Limiter
from services.gateway.usecases.passwords import Passwords

log = get_logger()

RESET = "password reset"
"""Why a transaction may see every workspace."""
_AT_ONCE = 100


class Resets:
    """Everything about passwords that were forgotten."""

    def __init__(
        self,
        database: Database,
        passwords: Passwords,
        limiter: Limiter,
        send: Callable[[SendPasswordReset], Awaitable[MailQueued]],
        clock: Callable[[], dt.datetime] = now,
    ) -> None:
        """Keep wishes in `database`; `send` asks for a mail."""
        self._database = database
        self._passwords = passwords
        self._limiter = limiter
        self._send = send
        self._clock = clock

    async def ask(self, email: str, address: str) -> None:
        """Have a link mailed to whoever has this address; whether anybody has is told by nothing, time included."""
        await self._limiter.hit("reset_by_address", address)
        await self._limiter.hit("reset_by_account", email.lower())
        async with self._database.every_workspace(RESET) as tx:
            await store.add_reset(tx, uuid7(), email, self._clock())

    async def whose(self, token: str) -> str:
        """Return the address that the link was mailed to; raises NotFound where it sets no password."""
        async with self._database.every_workspace(RESET) as tx:
            known = domain.looks_like_a_token(token)
            found = await store.reset_of(tx, domain.token_hash(token), self._clock()) if known else None
        if found is None:
            raise domain.no_such_reset()
        return found.user.email

    async def reset(self, token: str, password: str, via: Via) -> None:
        """Set the password of whoever the link was mailed to, once; all their sessions end."""
        if not domain.looks_like_a_token(token):
            raise domain.no_such_reset()
        token_hash = domain.token_hash(token)
        async with self._database.every_workspace(RESET) as tx:
            found = await store.reset_of(tx, token_hash, self._clock())
        if found is None:
            raise domain.no_such_reset()
        domain.check_new_password(password, found.user.email)
        fresh = await self._passwords.hash(password)
        async with self._database.every_workspace(RESET) as tx:
            await store.password_hash(tx, found.user.id)
            at = self._clock()
            held = await store.reset_of(tx, token_hash, at, lock=True)
            if held is None:
                raise domain.no_such_reset()
            await replace_password(tx, held.user, fresh, Cause(uuid7(), via, at), by_reset=True)

    async def send_due(self, link: Callable[[str], str]) -> int:
        """Ask for the mails that are due; returns how many are on their way. `link` makes an address of a token."""
        sent = 0
        for _ in range(_AT_ONCE):
            if not await self._send_next(link):
                break
            sent += 1
        return sent

    async def _send_next(self, link: Callable[[str], str]) -> bool:
        token = secrets.token_urlsafe(32)
        at = self._clock()
        async with self._database.every_workspace(RESET) as tx:
            due = await store.next_reset(tx, at)
            if due is None:
                return False
            # The link must be good before the mail can arrive.
            expires_at = at + domain.RESET_LIFE
            await store.add_reset_token(tx, due, domain.token_hash(token), expires_at)
            await store.postpone_reset(tx, due, due.next_try(at))
        mail = SendPasswordReset(
            mail_id=due.id, to_email=due.user.email, to_name=due.user.name, url=link(token), expires_at=expires_at
        )
        try:
            await self._send(mail)
        except Refusal as refusal:
            log.warning("gateway.reset_mail_delayed", code=refusal.code)
            return False
        async with self._database.every_workspace(RESET) as tx:
            await store.reset_sent(tx, due, self._clock())
        return True

    async def purge(self) -> dict[str, int]:
        """Forget wishes that are over; returns how many."""
        async with self._database.every_workspace(RESET) as tx:
            return {"resets": await store.purge_resets(tx, self._clock() - 2 * domain.RESET_LIFE)}
