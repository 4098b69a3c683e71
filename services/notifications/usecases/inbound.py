"""Answers by mail: kept as they came, then delivered into their conversation, each once."""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from chassis import inbox
from chassis.database import Database, Transaction, is_weather
from chassis.logs import get_logger
from contracts.base import ActorKind, Caller, Role, Via, now
from contracts.refusals import Crashed, InProgress, Refusal, Unavailable
from contracts.tickets import ReplyTaken, TakeReply
from services.notifications import domain, store
from services.notifications.channels import Full
from services.notifications.domain.replies import Bounce, Machine, Reply, Unreadable, is_from, judge, key_of
from services.notifications.store import Inbound, InboundState, ReplyAddress

# Why a transaction may see every workspace.
ANSWERS = "answers by mail"
BY_MAIL = "mail"
"""Where dead letters come from that are answers by mail."""

_KEPT = dt.timedelta(days=30)
_STRANGERS = 500
"""How many mails for nobody known are kept for an operator."""
_DAY = dt.timedelta(days=1)
_MOST_A_DAY, _MOST_BYTES_A_DAY = 500, 100 * 1024 * 1024
"""What one token may bring in a day, and all that nobody has together."""
_AT_ONCE = 50
_RATE, _RATE_WINDOW = 20, dt.timedelta(hours=1)
"""How many answers of one address are taken in an hour; what is more waits."""
_MOST_TRIES = 10
_NOBODY = "an address that is not named"
_IN_LETTER = 150 * 1024

log = get_logger()

type Ask = Callable[[TakeReply], Awaitable[ReplyTaken]]


class Inlet:
    """What becomes of mail that came in."""

    def __init__(self, database: Database, ask: Ask, *, clock: Callable[[], dt.datetime] = now) -> None:
        """Keep it in `database`, and deliver it by `ask`."""
        self._database, self._ask, self._clock = database, ask, clock

    async def keep(self, token: str, sender: str, raw: bytes) -> None:
        """Keep a mail as it came; one that came before is the same mail. Raises Full."""
        async with self._database.every_workspace(ANSWERS) as tx:
            known = await store.reply_address(tx, token) is not None
            mails, taken = await store.room_taken(tx, token, self._clock() - _DAY, known=known)
            if mails >= _MOST_A_DAY or taken + len(raw) > _MOST_BYTES_A_DAY:
                raise Full
            await store.keep_inbound(tx, token=token, known_as=key_of(raw), sender=sender, raw=raw, at=self._clock())

    async def forget(self) -> int:
        """Forget what came in a month ago, and most of what nobody is known for; return how much that was."""
        async with self._database.every_workspace(ANSWERS) as tx:
            return await store.forget_inbound(tx, self._clock() - _KEPT, _STRANGERS)

    async def deliver(self) -> int:
        """Deliver what is due, in the order in which it came; return how much. Where tickets is away, nothing is."""
        async with self._database.glance(ANSWERS) as tx:
            due = await store.due_inbound(tx, self._clock(), _AT_ONCE)
        delivered = 0
        for mail in due:
            try:
                delivered += await self._deliver(mail)
            except Unavailable:
                break
            except Exception as error:
                if is_weather(error):
                    raise
                # One that is a riddle to us must not keep the others waiting.
                log.exception("inbound.crashed", mail=str(mail.id))
                await self._wait(mail, Crashed.code, domain.next_try(mail.attempts + 1, self._clock()))
        return delivered

    async def _deliver(self, mail: Inbound) -> bool:
        async with self._database.every_workspace(ANSWERS) as tx:
            raw = await store.raw_of(tx, mail.id)
            address = await store.reply_address(tx, mail.token)
            lately = await store.delivered_lately(tx, mail.token, self._clock() - _RATE_WINDOW, _RATE)
        if raw is None:
            return False
        if address is None:
            await self._settle(mail, InboundState.IGNORED, "unknown_address")
            return False
        # A mail of 10 MiB takes its time, and nobody else should wait for it.
        match await asyncio.to_thread(judge, raw, mail.sender):
            case Machine(reason):
                await self._settle(mail, InboundState.IGNORED, reason)
            case Bounce(permanent):
                await self._came_back(mail, address, permanent=permanent)
            case Unreadable(detail):
                await self._bury(mail, address, raw, "unreadable", detail)
            case Reply() if len(lately) >= _RATE:
                await self._wait(mail, "rate", lately[-1] + _RATE_WINDOW)
            case Reply() as reply:
                return await self._hand_on(mail, address, raw, reply)
        return False

    async def _hand_on(self, mail: Inbound, address: ReplyAddress, raw: bytes, reply: Reply) -> bool:
        try:
            await self._ask(_command(mail, address, reply))
        except Unavailable:
            raise
        except (InProgress, Crashed) as refusal:
            if mail.attempts + 1 >= _MOST_TRIES:
                await self._bury(mail, address, raw, refusal.code, refusal.detail)
            else:
                await self._wait(mail, refusal.code, domain.next_try(mail.attempts + 1, self._clock()))
            return False
        except Refusal as refusal:
            await self._bury(mail, address, raw, refusal.code, refusal.detail)
            return False
        await self._settle(mail, InboundState.DELIVERED, None)
        return True

    async def _came_back(self, mail: Inbound, address: ReplyAddress, *, permanent: bool) -> None:
        async with self._database.every_workspace(ANSWERS) as tx:
            if permanent:
                await store.suppress(tx, address.workspace_id, address.email, "bounced", self._clock())
            await self._note(tx, mail, InboundState.IGNORED, "bounced" if permanent else "delayed")

    async def _bury(self, mail: Inbound, address: ReplyAddress, raw: bytes, reason: str, detail: str) -> None:
        """Leave it to the workspace's admins."""
        async with self._database.transaction(address.workspace_id) as tx:
            if await self._note(tx, mail, InboundState.BURIED, reason):
                await inbox.bury(
                    tx,
                    stream=BY_MAIL,
                    sequence=mail.nth,
                    subject="mail.reply",
                    reason=reason,
                    detail=detail,
                    headers={},
                    body=raw[:_IN_LETTER],
                    stored=mail.received_at,
                )

    async def _wait(self, mail: Inbound, reason: str, until: dt.datetime) -> None:
        async with self._database.every_workspace(ANSWERS) as tx:
            await store.let_inbound_wait(tx, mail.id, reason, until)
        log.info("inbound.waits", mail=str(mail.id), reason=reason)

    async def _settle(self, mail: Inbound, state: InboundState, reason: str | None) -> None:
        async with self._database.every_workspace(ANSWERS) as tx:
            await self._note(tx, mail, state, reason)

    async def _note(self, tx: Transaction, mail: Inbound, state: InboundState, reason: str | None) -> bool:
        log.info("inbound.settled", mail=str(mail.id), state=state.value, reason=reason)
        return await store.settle_inbound(tx, mail.id, state, reason, self._clock())


async def newest(database: Database, many: int) -> Sequence[Inbound]:
    """Return what came in last, newest first, for an operator."""
    async with database.every_workspace(ANSWERS) as tx:
        return await store.newest_inbound(tx, many)


async def find(database: Database, id: UUID) -> tuple[Inbound, bytes] | None:
    """Return one mail as it came, for an operator."""
    async with database.every_workspace(ANSWERS) as tx:
        mail, raw = await store.inbound(tx, id), await store.raw_of(tx, id)
    return (mail, raw) if mail is not None and raw is not None else None


def _command(mail: Inbound, address: ReplyAddress, reply: Reply) -> TakeReply:
    return TakeReply(
        caller=Caller(
            workspace_id=address.workspace_id,
            kind=ActorKind.CONTACT,
            id=str(address.contact_id),
            name="",
            role=Role.GUEST,
        ),
        command_id=mail.id,
        via=Via.MAIL,
        ticket_id=address.ticket_id,
        conversation_id=address.conversation_id,
        contact_id=address.contact_id,
        message_id=mail.id,
        body=reply.body,
        written_to=address.email,
        unverified_sender=None if is_from(reply, address.email) else reply.email or _NOBODY,
    )
