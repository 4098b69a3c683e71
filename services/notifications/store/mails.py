"""Remembers what was sent: a mail's words only as long as they may be needed, that there was one for ever.

Mail belongs to no workspace: these statements run in a transaction over all of them.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text

from chassis.database import Transaction
from services.notifications.domain import Delivery, Mail, MailState, Words

_QUEUE = text(
    "insert into mails (id, kind, state, made_at, not_before, expires_at, to_email, to_name, url)"
    " values (:id, 'password_reset', 'pending', :at, :at, :expires_at, :to_email, :to_name, :url)"
    " on conflict (id) do nothing"
)
_DUE = text(
    "select * from mails where state = 'pending' and not_before <= :now and expires_at > :now"
    " order by not_before, id limit :many"
)
_BY_ID = text("select * from mails where id = :id")
_NEWEST = text("select * from mails order by made_at desc, id desc limit :many")
# Only who finds it as it was read may hand it over: of two senders one does, and settles only what it has begun.
_BEGIN = text(
    "update mails set state = 'uncertain', reason = 'no_answer', settled_at = :now, attempts = attempts + 1"
    " where id = :id and state = 'pending' and attempts = :attempts"
)
_SENT = text(
    "update mails set state = 'sent', reason = null, settled_at = :now, to_email = null, to_name = null, url = null"
    " where id = :id and state = :held and attempts = :seen"
)
_FAILED = text(
    "update mails set state = 'failed', reason = :reason, settled_at = :now, attempts = :attempts"
    " where id = :id and state = :held and attempts = :seen"
)
_LATER = text(
    "update mails set state = 'pending', reason = :reason, settled_at = null, attempts = :attempts,"
    " not_before = :not_before"
    " where id = :id and state = :held and attempts = :seen and url is not null"
)
_RESEND = text(
    "update mails set state = 'pending', settled_at = null, not_before = :now"
    " where id = :id and state in ('failed', 'uncertain') and expires_at > :now and url is not null"
)
_OVER = text("""
    update mails set
        to_email = null, to_name = null, url = null,
        reason = case when state = 'pending' then 'expired' else reason end,
        settled_at = coalesce(settled_at, :now),
        state = case when state = 'pending' then 'failed' else state end
    where expires_at <= :now and url is not null
""")


async def queue_mail(tx: Transaction, mail_id: UUID, words: Words, expires_at: dt.datetime, at: dt.datetime) -> None:
    """Keep a mail to be sent, unless there is one of this id."""
    await tx.execute(
        _QUEUE,
        {
            "id": mail_id,
            "at": at,
            "expires_at": expires_at,
            "to_email": words.to_email,
            "to_name": words.to_name,
            "url": words.url,
        },
    )


async def due_mails(tx: Transaction, now: dt.datetime, many: int) -> Sequence[Mail]:
    """Return what should be sent now."""
    return [_mail(row) for row in await tx.all(_DUE, {"now": now, "many": many})]


async def mail(tx: Transaction, mail_id: UUID) -> Mail | None:
    """Return one mail."""
    row = await tx.one(_BY_ID, {"id": mail_id})
    return _mail(row) if row else None


async def newest_mails(tx: Transaction, many: int) -> Sequence[Mail]:
    """Return mails, newest first."""
    return [_mail(row) for row in await tx.all(_NEWEST, {"many": many})]


async def begin_delivery(tx: Transaction, mail: Mail, now: dt.datetime) -> bool:
    """Let nobody else send it, and call it uncertain until there is an answer; False: somebody else has it."""
    return bool((await tx.execute(_BEGIN, {"id": mail.id, "attempts": mail.attempts, "now": now})).rowcount)


async def settle_delivery(tx: Transaction, mail: Mail, delivery: Delivery, now: dt.datetime) -> None:
    """Remember how the attempt after `mail.attempts` others ended, unless somebody else has gone on meanwhile."""
    held = MailState.UNCERTAIN if delivery.begun else MailState.PENDING
    seen = mail.attempts + delivery.begun
    where: dict[str, Any] = {"id": mail.id, "held": held.value, "seen": seen}
    match delivery.state:
        case MailState.SENT:
            await tx.execute(_SENT, where | {"now": now})
        case MailState.FAILED:
            await tx.execute(_FAILED, where | {"now": now, "reason": delivery.reason, "attempts": mail.attempts + 1})
        case MailState.PENDING:
            later = {"reason": delivery.reason, "not_before": delivery.not_before, "attempts": mail.attempts + 1}
            await tx.execute(_LATER, where | later)
        case MailState.UNCERTAIN:
            pass  # it is called so since `begin_delivery`


async def resend_mail(tx: Transaction, mail_id: UUID, now: dt.datetime) -> bool:
    """Let a mail that failed or is uncertain be sent again; False where there is none, or nothing left to send."""
    return bool((await tx.execute(_RESEND, {"id": mail_id, "now": now})).rowcount)


async def forget_words(tx: Transaction, now: dt.datetime) -> int:
    """Wipe the words of what is over, and give up what was not sent by then; return how many."""
    return (await tx.execute(_OVER, {"now": now})).rowcount


def _mail(row: RowMapping) -> Mail:
    words = Words(row["to_email"], row["to_name"], row["url"]) if row["url"] is not None else None
    return Mail(
        id=row["id"],
        state=MailState(row["state"]),
        attempts=row["attempts"],
        made_at=row["made_at"],
        expires_at=row["expires_at"],
        not_before=row["not_before"],
        reason=row["reason"],
        words=words,
    )
