"""Mail: kept first, then handed over at most once, unless a person says so."""

import datetime as dt
from collections.abc import Callable
from uuid import UUID

from chassis.database import Database, Transaction
from chassis.logs import get_logger
from contracts.base import now
from contracts.notifications import MailQueued, SendPasswordReset
from services.notifications import domain, store
from services.notifications.channels import Outlet, Refused, Unanswered
from services.notifications.domain import Delivery, Mail, MailState, Words

# Why a transaction may see every workspace.
MAIL = "mail"

_AT_ONCE = 20

log = get_logger()


async def queue(request: SendPasswordReset, tx: Transaction) -> MailQueued:
    """Keep a mail to be sent; the same id is the same mail."""
    words = Words(request.to_email, request.to_name, request.url)
    await store.queue_mail(tx, request.mail_id, words, request.expires_at, now())
    return MailQueued(mail_id=request.mail_id)


async def forget(database: Database, clock: Callable[[], dt.datetime] = now) -> int:
    """Wipe the words of what is over; return of how many mails."""
    async with database.every_workspace(MAIL) as tx:
        return await store.forget_words(tx, clock())


async def send_due(database: Database, outlet: Outlet, clock: Callable[[], dt.datetime] = now) -> int:
    """Send what is due, one after the other; return how many. A server that is away ends the round."""
    async with database.every_workspace(MAIL) as tx:
        due = await store.due_mails(tx, clock(), _AT_ONCE)
    sent = 0
    for mail in due:
        delivery = await _deliver(database, outlet, mail, clock)
        if delivery is None:
            continue
        async with database.every_workspace(MAIL) as tx:
            await store.settle_delivery(tx, mail, delivery, clock())
        about = {"mail": str(mail.id), "reason": delivery.reason, "attempt": mail.attempts + 1}
        if delivery.state in (MailState.FAILED, MailState.UNCERTAIN):
            log.warning("mail.not_sent", state=delivery.state, **about)
        else:
            log.info("mail.sent" if delivery.state is MailState.SENT else "mail.delayed", **about)
        sent += delivery.state is MailState.SENT
        if delivery.state is MailState.PENDING:
            break
    return sent


async def _deliver(database: Database, outlet: Outlet, mail: Mail, clock: Callable[[], dt.datetime]) -> Delivery | None:
    """Hand a mail over and return how that ended; None where somebody else does it."""
    if mail.words is None:
        return None

    begun = False

    async def ours() -> bool:
        nonlocal begun
        if mail.expires_at > clock():
            async with database.every_workspace(MAIL) as tx:
                begun = await store.begin_delivery(tx, mail, clock())
        return begun

    try:
        handed = await outlet.send(mail, domain.letter(mail.words, mail.expires_at), ours)
    except Refused as refused:
        if refused.for_good:
            return Delivery(MailState.FAILED, refused.reason, begun=begun)
        again = domain.next_try(mail.attempts + 1, clock())
        return Delivery(MailState.PENDING, refused.reason, again, begun=begun)
    except Unanswered:
        return Delivery(MailState.UNCERTAIN, "no_answer")
    return Delivery(MailState.SENT) if handed else None


async def newest(database: Database, many: int) -> list[Mail]:
    """Return mails, newest first, for an operator."""
    async with database.every_workspace(MAIL) as tx:
        return list(await store.newest_mails(tx, many))


async def find(database: Database, mail_id: UUID) -> Mail | None:
    """Return one mail, for an operator."""
    async with database.every_workspace(MAIL) as tx:
        return await store.mail(tx, mail_id)


async def resend(database: Database, mail_id: UUID) -> bool:
    """Let a mail be sent again that failed or may not have arrived; False where that can't be."""
    async with database.every_workspace(MAIL) as tx:
        return await store.resend_mail(tx, mail_id, now())
