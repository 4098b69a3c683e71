"""Mail: kept first, then handed over at most once, unless a person says so."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from chassis.database import Database, Transaction
from chassis.logs import get_logger
from chassis.telemetry import Metrics, Part, span, traced
from contracts.base import now
from contracts.mail import MailKind, MailState, SendInvitation
from contracts.notifications import MailQueued, SendPasswordReset
from contracts.refusals import Refusal
from services.notifications import domain, store
from services.notifications.channels import Outlet, Refused, Unanswered
from services.notifications.domain import Addressee, Delivery, Letter, Mail, Outgoing
from services.notifications.usecases import contacts, news
from services.notifications.usecases.counting import Counts

# Why a transaction may see every workspace.
MAIL = "mail"

_AT_ONCE = 50

log = get_logger()


async def queue(request: SendPasswordReset, tx: Transaction) -> MailQueued:
    """Keep a mail to be sent; the same id is the same mail."""
    mail = Outgoing(
        id=request.mail_id,
        kind=MailKind.PASSWORD_RESET,
        workspace_id=None,
        cause=str(request.mail_id),
        recipient="address",
        to=Addressee(request.to_email, request.to_name),
        letter=domain.password_reset(request.to_name, request.url, request.expires_at),
        expires_at=request.expires_at,
    )
    await store.queue(tx, mail, now())
    return MailQueued(mail_id=request.mail_id)


async def queue_invitation(request: SendInvitation, tx: Transaction) -> MailQueued:
    """Keep an invitation to be sent; the same id is the same mail."""
    mail = Outgoing(
        id=request.mail_id,
        kind=MailKind.INVITATION,
        workspace_id=request.workspace_id,
        cause=str(request.mail_id),
        recipient="address",
        to=Addressee(request.to_email, request.to_name),
        letter=domain.invitation(request.to_name, request.workspace, request.by, request.url, request.expires_at),
        expires_at=request.expires_at,
    )
    await store.queue(tx, mail, now())
    return MailQueued(mail_id=request.mail_id)


async def forget(database: Database, clock: Callable[[], dt.datetime] = now) -> int:
    """Wipe the words of what is over; return of how many mails."""
    async with database.every_workspace(MAIL) as tx:
        return await store.forget_words(tx, clock())


@dataclass(frozen=True, slots=True)
class Post:
    """What sends mail: its ledger, the way out, who knows what contacts may be told, where links lead, and the time."""

    database: Database
    outlet: Outlet
    scribe: contacts.Scribe
    public_url: str = "http://localhost:8080"
    clock: Callable[[], dt.datetime] = now
    counts: Counts = field(default_factory=lambda: Counts(Metrics("notifications")))


async def send_due(post: Post) -> int:
    """Send what is due, one after the other; return how many. A server that is away ends the round."""
    async with post.database.glance(MAIL) as tx:
        due = await store.due_mails(tx, post.clock(), _AT_ONCE)
    sent = 0
    try:
        for mail in due:
            with traced(mail.traceparent), span(Part.CLIENT, "SMTP send", {"counterfoil.mail": mail.kind.value}):
                delivery = await _deliver(post, mail)
            if delivery is None:
                continue
            await _settle(post.database, mail, delivery, post.clock())
            post.counts.mails.labels(delivery.state.value).inc()
            sent += delivery.state is MailState.SENT
            if delivery.away:
                break
    finally:
        await post.outlet.close()
    return sent


async def _settle(database: Database, mail: Mail, delivery: Delivery, at: dt.datetime) -> None:
    async with database.every_workspace(MAIL) as tx:
        await store.settle_delivery(tx, mail, delivery, at)
        if delivery.state is not MailState.SUPPRESSED:
            # What it says of one address says nothing of the server.
            ill = delivery.away or delivery.state is MailState.UNCERTAIN
            await store.server_said(tx, (delivery.reason if ill else None) or "ok", at)
        if delivery.bounced and mail.workspace_id:
            await store.suppress(tx, mail.workspace_id, delivery.bounced, delivery.reason or "", at)
    about = {"mail": str(mail.id), "reason": delivery.reason, "attempt": mail.attempts + 1}
    if delivery.state in (MailState.FAILED, MailState.UNCERTAIN):
        log.warning("mail.not_sent", state=delivery.state, **about)
    elif delivery.state is MailState.SUPPRESSED:
        log.info("mail.suppressed", **about)
    else:
        log.info("mail.sent" if delivery.state is MailState.SENT else "mail.delayed", **about)


async def _deliver(post: Post, mail: Mail) -> Delivery | None:
    """Hand a mail over and return how that ended; None where somebody else does it, or it has to wait."""
    to = await _addressed(post, mail)
    if not isinstance(to, Addressee):
        return to

    begun = False
    nothing_left = False

    async def ours() -> Letter | None:
        nonlocal begun, nothing_left
        if mail.expires_at <= post.clock():
            return None
        async with post.database.every_workspace(MAIL) as tx:
            letter = mail.letter or await news.write(tx, mail, post.public_url)
            if letter is None:
                nothing_left = True
                return None
            begun = await store.begin_delivery(tx, mail, post.clock())
        return letter if begun else None

    try:
        handed = await post.outlet.send(mail, to, ours)
    except Refused as refused:
        if refused.for_good:
            bounced = to.email if refused.address else None
            return Delivery(MailState.FAILED, refused.reason, begun=begun, bounced=bounced)
        again = domain.next_try(mail.attempts + 1, post.clock())
        return Delivery(MailState.PENDING, refused.reason, again, begun=begun, away=refused.away)
    except Unanswered:
        return Delivery(MailState.UNCERTAIN, "no_answer")
    if nothing_left:
        return Delivery(MailState.SUPPRESSED, "nothing_left", begun=False)
    return Delivery(MailState.SENT) if handed else None


async def _addressed(post: Post, mail: Mail) -> Addressee | Delivery | None:
    """Return whom to write to, or why not; None where the mail waits."""
    if mail.kind in domain.TO_CONTACTS:
        try:
            may_go = await post.scribe.may_still_go(mail)
        except Refusal:
            async with post.database.every_workspace(MAIL) as tx:
                await store.let_wait(tx, mail, post.clock() + contacts.OWNER_AWAY)
            return None
        if not may_go:
            return Delivery(MailState.SUPPRESSED, "nothing_left", begun=False)
    async with post.database.every_workspace(MAIL) as tx:
        return await _may_go(tx, mail, post.clock())


async def _may_go(tx: Transaction, mail: Mail, at: dt.datetime) -> Addressee | Delivery | None:
    """Return whom to write to, or why not; None where the mail waits, since they were written to so much lately."""
    to = mail.to if mail.kind is not MailKind.NEWS else await news.addressee(tx, mail)
    if to is None:
        return Delivery(MailState.SUPPRESSED, "no_member", begun=False)
    if mail.workspace_id is None:
        return to
    if await store.is_suppressed(tx, mail.workspace_id, to.email):
        return Delivery(MailState.SUPPRESSED, "address", begun=False)
    if mail.kind not in (*domain.UNTOLD, MailKind.NEWS):
        lately = await store.sent_lately(tx, mail, at - domain.MAIL_RATE_WINDOW, domain.MAIL_RATE)
        if len(lately) >= domain.MAIL_RATE:
            await store.let_wait(tx, mail, lately[-1] + domain.MAIL_RATE_WINDOW)
            return None
    return to


async def newest(database: Database, many: int) -> list[Mail]:
    """Return mails, newest first, for an operator."""
    async with database.every_workspace(MAIL) as tx:
        return list(await store.newest_mails(tx, many))


async def find(database: Database, mail_id: UUID) -> Mail | None:
    """Return one mail, for an operator."""
    async with database.every_workspace(MAIL) as tx:
        return await store.mail(tx, mail_id)


async def resend(database: Database, mail_id: UUID, clock: Callable[[], dt.datetime] = now) -> bool:
    """Let a mail be sent again that failed or may not have arrived; False where that can't be."""
    async with database.every_workspace(MAIL) as tx:
        return await store.resend_mail(tx, mail_id, clock())
