"""Remembers what was sent: a mail's words only as long as they may be needed, that there was one for ever.

Who sends runs in a transaction over all workspaces; who looks, in that of one.
"""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import text

from chassis.database import Row, Transaction
from chassis.telemetry import traceparent
from contracts.mail import MailKind, MailState
from services.notifications.domain import Addressee, Automatic, Delivery, Letter, Mail, Outgoing

_QUEUE = text(
    "insert into mails (id, kind, workspace_id, cause, recipient, ticket_id, state, made_at, not_before, expires_at,"
    " to_email, to_name, letter, traceparent)"
    " values (:id, :kind, :ws, :cause, :recipient, :ticket, 'pending', :at, :at, :expires_at, :to_email, :to_name,"
    " cast(:letter as jsonb), :traceparent)"
    " on conflict do nothing"
)
_DUE = text(
    "select * from mails where state = 'pending' and not_before <= :now and expires_at > :now"
    " order by not_before, nth limit :many"
)
_WAITS = text(
    "select coalesce(extract(epoch from :now - min(not_before)), 0) from mails"
    " where state = 'pending' and not_before <= :now and expires_at > :now"
)
_BY_ID = text("select * from mails where id = :id")
_NEWEST = text("select * from mails order by nth desc limit :many")
# Only who finds it as it was read may hand it over: of two senders one does, and settles only what it has begun.
_BEGIN = text(
    "update mails set state = 'uncertain', reason = 'no_answer', settled_at = :now, attempts = attempts + 1"
    " where id = :id and state = 'pending' and attempts = :attempts"
)
_SENT = text(
    "update mails set state = 'sent', reason = null, settled_at = :now, to_email = null, to_name = null, letter = null"
    " where id = :id and state = :held and attempts = :seen"
)
_OVER_WITH = text(
    "update mails set state = :state, reason = :reason, settled_at = :now, attempts = :attempts"
    " where id = :id and state = :held and attempts = :seen"
)
_LATER = text(
    "update mails set state = 'pending', reason = :reason, settled_at = null, attempts = :attempts,"
    " not_before = :not_before"
    " where id = :id and state = :held and attempts = :seen and (letter is not null or kind = 'news')"
)
_WAIT = text("update mails set not_before = :until where id = :id and state = 'pending' and attempts = :attempts")
_RESEND = text(
    "update mails set state = 'pending', settled_at = null, not_before = :now"
    " where id = :id and state in ('failed', 'uncertain', 'suppressed') and expires_at > :now"
    " and (letter is not null or kind = 'news')"
)
_OVER = text("""
    update mails set
        to_email = null, to_name = null, letter = null,
        reason = case when state = 'pending' then 'expired' else reason end,
        settled_at = coalesce(settled_at, :now),
        state = case when state = 'pending' then 'failed' else state end
    where expires_at <= :now and (letter is not null or state = 'pending')
""")
_RECENT = text(
    "select settled_at from mails where workspace_id = :ws and recipient = :recipient"
    " and settled_at > :since and state in ('sent', 'uncertain')"
    " order by settled_at desc limit :many"
)


async def queue(tx: Transaction, mail: Outgoing, at: dt.datetime) -> bool:
    """Keep a mail to be sent; False: there is one for this cause and recipient, which is not repeated."""
    row = {
        "id": mail.id,
        "kind": mail.kind.value,
        "ws": mail.workspace_id,
        "cause": mail.cause,
        "recipient": mail.recipient,
        "ticket": mail.ticket_id,
        "at": at,
        "expires_at": mail.expires_at,
        "to_email": mail.to and mail.to.email,
        "to_name": mail.to and mail.to.name,
        "letter": json.dumps(asdict(mail.letter)) if mail.letter else None,
        "traceparent": traceparent(),
    }
    return bool(await tx.execute(_QUEUE, row))


async def due_mails(tx: Transaction, now: dt.datetime, many: int) -> Sequence[Mail]:
    """Return what should be sent now."""
    return [mail_of(row) for row in await tx.all(_DUE, {"now": now, "many": many})]


async def mail_waits(tx: Transaction, now: dt.datetime) -> float:
    """Return for how many seconds the mail that is longest due has waited."""
    return float(await tx.scalar(_WAITS, {"now": now}))


async def mail(tx: Transaction, mail_id: UUID) -> Mail | None:
    """Return one mail."""
    row = await tx.one(_BY_ID, {"id": mail_id})
    return mail_of(row) if row else None


async def newest_mails(tx: Transaction, many: int) -> Sequence[Mail]:
    """Return mails, newest first."""
    return [mail_of(row) for row in await tx.all(_NEWEST, {"many": many})]


async def sent_lately(tx: Transaction, mail: Mail, since: dt.datetime, many: int) -> Sequence[dt.datetime]:
    """Return when this recipient was written to since then, latest first."""
    where = {"ws": mail.workspace_id, "recipient": mail.recipient, "since": since, "many": many}
    return [row["settled_at"] for row in await tx.all(_RECENT, where)]


async def begin_delivery(tx: Transaction, mail: Mail, now: dt.datetime) -> bool:
    """Let nobody else send it, and call it uncertain until there is an answer; False: somebody else has it."""
    return bool(await tx.execute(_BEGIN, {"id": mail.id, "attempts": mail.attempts, "now": now}))


async def settle_delivery(tx: Transaction, mail: Mail, delivery: Delivery, now: dt.datetime) -> None:
    """Remember how the attempt after `mail.attempts` others ended, unless somebody else has gone on meanwhile."""
    held = MailState.UNCERTAIN if delivery.begun else MailState.PENDING
    seen = mail.attempts + delivery.begun
    where: dict[str, Any] = {"id": mail.id, "held": held.value, "seen": seen}
    match delivery.state:
        case MailState.SENT:
            await tx.execute(_SENT, where | {"now": now})
        case MailState.FAILED | MailState.SUPPRESSED:
            tried = mail.attempts + (delivery.state is MailState.FAILED)
            over = {"state": delivery.state.value, "reason": delivery.reason, "attempts": tried}
            await tx.execute(_OVER_WITH, where | over | {"now": now})
        case MailState.PENDING:
            later = {"reason": delivery.reason, "not_before": delivery.not_before, "attempts": mail.attempts + 1}
            await tx.execute(_LATER, where | later)
        case MailState.UNCERTAIN:
            pass  # it is called so since `begin_delivery`


async def let_wait(tx: Transaction, mail: Mail, until: dt.datetime) -> None:
    """Leave a mail for later without having tried it."""
    await tx.execute(_WAIT, {"id": mail.id, "attempts": mail.attempts, "until": until})


async def resend_mail(tx: Transaction, mail_id: UUID, now: dt.datetime) -> bool:
    """Let a mail that was not sent, or is uncertain, be sent again; False where there is none, or nothing to send."""
    return bool(await tx.execute(_RESEND, {"id": mail_id, "now": now}))


async def forget_words(tx: Transaction, now: dt.datetime) -> int:
    """Wipe the words of what is over, and give up what was not sent by then; return how many."""
    return await tx.execute(_OVER, {"now": now})


def mail_of(row: Row) -> Mail:
    """Return the mail in a row."""
    written = row["letter"]
    return Mail(
        id=row["id"],
        kind=MailKind(row["kind"]),
        workspace_id=row["workspace_id"],
        cause=row["cause"],
        recipient=row["recipient"],
        ticket_id=row["ticket_id"],
        state=MailState(row["state"]),
        attempts=row["attempts"],
        made_at=row["made_at"],
        expires_at=row["expires_at"],
        not_before=row["not_before"],
        settled_at=row["settled_at"],
        reason=row["reason"],
        to=Addressee(row["to_email"], row["to_name"]) if row["to_email"] is not None else None,
        letter=_letter(written) if written else None,
        traceparent=row["traceparent"],
    )


def _letter(written: dict[str, Any]) -> Letter:
    automatic = Automatic(written.get("automatic", Automatic.GENERATED))
    return Letter(**{name: value for name, value in written.items() if name != "automatic"}, automatic=automatic)
