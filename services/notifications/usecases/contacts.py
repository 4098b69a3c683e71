"""Mail to contacts: gathered for a minute, allowed by tickets when it is written and once more when it is sent."""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from chassis.database import Database, Transaction
from chassis.markdown import rendered
from contracts.base import Caller, Role, TicketEvent, now
from contracts.mail import MailKind
from contracts.refusals import NotFound, Refusal
from contracts.tickets import ContactMail, Correspondence, GetCorrespondence
from services.notifications import domain, store
from services.notifications.domain import Addressee, Mail, Outgoing, ToTell

MAIL = "mail"
"""Why a transaction may see every workspace."""
_AT_ONCE = 50
OWNER_AWAY = dt.timedelta(seconds=15)
"""How long mail waits that tickets can't be asked about."""

type Ask = Callable[[GetCorrespondence], Awaitable[Correspondence]]


async def hear(event: TicketEvent, tx: Transaction) -> None:
    """Keep what the ticket's contact is to be written of, unless it is old; answers are gathered for a minute."""
    news = domain.to_tell(event)
    if news is not None and not tx.retells and now() - event.at <= domain.NEWS_LIFE:
        at_once = news.kind is MailKind.RECEIVED
        await store.keep_to_tell(tx, news, now() if at_once else now() + domain.GATHERED)


@dataclass(frozen=True, slots=True)
class Scribe:
    """Who writes to contacts what tickets allows."""

    database: Database
    ask: Ask
    reply_domain: str = ""
    """Where answers come in, if they do."""
    clock: Callable[[], dt.datetime] = now

    async def write_due(self) -> int:
        """Write of all that has waited long enough; return how many mails that made. Ends where tickets is away."""
        async with self.database.glance(MAIL) as tx:
            due = await store.to_tell_now(tx, self.clock(), _AT_ONCE)
        made = 0
        for news in due:
            try:
                found = await self._allowed(news.workspace_id, news.kind, news.ticket_id, news.message_id)
            except Refusal:
                async with self.database.transaction(news.workspace_id) as tx:
                    await store.tell_later(tx, news, self.clock() + OWNER_AWAY)
                break
            async with self.database.transaction(news.workspace_id) as tx:
                made += await self._write(tx, news, found)
        return made

    async def may_still_go(self, mail: Mail) -> bool:
        """Tell whether this mail may go to its address now; raises a Refusal where tickets does not say."""
        if mail.workspace_id is None or mail.ticket_id is None or mail.to is None or mail.letter is None:
            return False
        message = UUID(mail.cause) if mail.kind is MailKind.REPLIED else None
        found = await self._allowed(mail.workspace_id, mail.kind, mail.ticket_id, message)
        return found is not None and found.email == mail.to.email and (found.verified or mail.letter.fixed)

    async def forget(self) -> int:
        """Forget what was written of, and which strangers were written to, long enough ago."""
        async with self.database.every_workspace(MAIL) as tx:
            strangers = await store.forget_strangers(tx, self.clock() - domain.STRANGER_RESTS)
            return strangers + await store.forget_told(tx, self.clock() - domain.TOLD_FOR)

    async def _allowed(
        self, workspace_id: str, kind: MailKind, ticket_id: UUID, message_id: UUID | None
    ) -> Correspondence | None:
        ourselves = domain.OURSELVES
        caller = Caller(
            workspace_id=workspace_id, kind=ourselves.kind, id=ourselves.id, name=ourselves.name, role=Role.GUEST
        )
        about = ContactMail(kind.value)
        try:
            return await self.ask(
                GetCorrespondence(caller=caller, kind=about, ticket_id=ticket_id, message_id=message_id)
            )
        except NotFound:
            return None

    async def _write(self, tx: Transaction, news: ToTell, found: Correspondence | None) -> bool:
        at = self.clock()
        if not await store.hold_to_tell(tx, news):
            return False
        causes = {news.cause, *(reply.message_id for reply in found.replies)} if found else {news.cause}
        await store.told(tx, news, sorted(causes), at)
        if found is None or not (found.verified or await _claim(tx, found.email, at)):
            return False
        answers = news.kind is MailKind.REPLIED
        resolved = answers and found.resolved and await store.told_resolved(tx, found.ticket_id, at)
        recipient = f"contact:{found.contact_id}"
        workspace, reply_to = await store.workspace_name(tx) or "", await self._reply_to(tx, found)
        letter = await asyncio.to_thread(
            domain.contact_letter, news.kind, found, workspace, reply_to, render=rendered, resolved=resolved
        )
        mail = Outgoing(
            id=domain.mail_id(str(news.cause), recipient),
            kind=news.kind,
            workspace_id=tx.workspace_id,
            cause=str(news.cause),
            recipient=recipient,
            to=Addressee(found.email, found.name if found.verified else ""),
            letter=letter,
            expires_at=at + domain.MAIL_LIFE,
            ticket_id=found.ticket_id,
        )
        return await store.queue(tx, mail, at)

    async def _reply_to(self, tx: Transaction, found: Correspondence) -> str | None:
        if not self.reply_domain:
            return None
        token = await store.reply_token(tx, found.ticket_id, found.conversation_id, found.contact_id, found.email)
        return f"reply+{token}@{self.reply_domain}"


async def _claim(tx: Transaction, address: str, at: dt.datetime) -> bool:
    """Take the one mail of the day to an address that nobody vouches for; False: it had one."""
    return await store.claim_stranger(tx, domain.address_key(address), at, at - domain.STRANGER_RESTS)
