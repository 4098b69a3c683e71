"""News by mail: gathered per person, and written when it is sent, of what they may see then."""

import datetime as dt
import secrets
from collections.abc import Callable
from uuid import UUID

from chassis.database import Database, Transaction
from contracts.base import now
from contracts.mail import MailKind
from contracts.notifications import Left, Unsubscribe
from contracts.refusals import NotFound
from services.notifications import domain, store
from services.notifications.domain import Addressee, Letter, Mail, Outgoing
from services.notifications.store import Correspondent, Ready

MAIL = "mail"
"""Why a transaction may see every workspace."""
_AT_ONCE = 50


async def gather(database: Database, clock: Callable[[], dt.datetime] = now) -> int:
    """Make one mail for each person whom news has waited for long enough; return how many."""
    async with database.glance(MAIL) as tx:
        people = await store.ready(tx, clock(), _AT_ONCE)
    made = 0
    for who in people:
        async with database.every_workspace(MAIL) as tx:
            made += await _gather(tx, who, clock())
    return made


async def _gather(tx: Transaction, who: Ready, at: dt.datetime) -> bool:
    await store.join_mails(tx, who)
    cause = await store.first_cause(tx, who)
    if cause is None:
        return False
    reader = await store.correspondent(tx, who.workspace_id, who.recipient_id)
    if reader is None:
        # They, or their address, will be heard of; what has waited for a day is in their inbox.
        await store.drop_news(tx, who, at - domain.NEWS_LIFE)
        await store.postpone(tx, who, at + domain.GATHERED)
        return False
    if reader.role is None or reader.wishes.paused:
        await store.drop_news(tx, who, at)
        return False
    lately = await store.written_lately(tx, who, at - domain.MAIL_RATE_WINDOW, domain.MAIL_RATE)
    later = lately[-1] + domain.MAIL_RATE_WINDOW if len(lately) >= domain.MAIL_RATE else None
    if until := domain.quiet_until(reader.wishes.quiet, at) or later:
        await store.postpone(tx, who, until)
        return False
    return await _make(tx, who, cause, at)


async def _make(tx: Transaction, who: Ready, cause: UUID, at: dt.datetime) -> bool:
    recipient = f"member:{who.recipient_id}"
    id = domain.mail_id(str(cause), recipient)
    tickets = await store.take(tx, who, id)
    await store.give_token(tx, who.workspace_id, who.recipient_id, secrets.token_urlsafe(24))
    mail = Outgoing(
        id=id,
        kind=MailKind.NEWS,
        workspace_id=who.workspace_id,
        cause=str(cause),
        recipient=recipient,
        to=None,
        letter=None,
        expires_at=at + domain.MAIL_LIFE,
        ticket_id=next(iter(tickets)) if len(tickets) == 1 else None,
    )
    return await store.queue(tx, mail, at)


async def addressee(tx: Transaction, mail: Mail) -> Addressee | None:
    """Return whom this news is for, as they are called now; None where they are no member any more."""
    reader = await _reader(tx, mail)
    return Addressee(reader.email, reader.name) if reader is not None and reader.role is not None else None


async def write(tx: Transaction, mail: Mail, public_url: str, *, leave: str | None = None) -> Letter | None:
    """Write what this mail tells its reader now; None where nothing is left of it that they may see and want.

    `leave` stands in the place of what stops their mail, for who else looks at it.
    """
    reader = await _reader(tx, mail)
    if reader is None:
        return None
    now_ = domain.Reader(name=reader.name, role=reader.role, paused=reader.wishes.paused)
    news = domain.may_be_told(await store.news_of(tx, mail), now_)
    if not news:
        return None
    sender = domain.Sender(
        workspace_id=mail.workspace_id or "",
        workspace=reader.workspace,
        base=f"{public_url}/w/{reader.slug}",
        leave=f"{public_url}/unsubscribe/{leave or reader.leave_token}",
    )
    return domain.news_letter(news, sender)


async def unsubscribe(request: Unsubscribe, tx: Transaction) -> Left:
    """Send no more news to whoever has this token."""
    if not await store.leave(tx, request.token):
        raise NotFound("This link stops no mail.")
    return Left()


async def _reader(tx: Transaction, mail: Mail) -> Correspondent | None:
    kind, _, id = mail.recipient.partition(":")
    if kind != "member" or mail.workspace_id is None:
        return None
    return await store.correspondent(tx, mail.workspace_id, UUID(id))
