"""What was heard before, how far each book has been applied, and what could not be applied."""

import base64
import datetime as dt
import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text

from chassis.database import EVERY, Row, Transaction
from contracts.base import DeadLetter, now, uuid7
from contracts.letters import LetterGroup

_MOST_HEADERS, _LONGEST_HEADER = 32, 500
_LONGEST_BODY = 150 * 1024  # base64 makes four bytes of three, and a message holds 256 KiB

_FIRST = text(
    "insert into inbox (workspace_id, source, message_id) values (:ws, :source, :id) on conflict do nothing returning 1"
)
_APPLIED = text("select position from consumed where workspace_id = :ws and consumer = :consumer for update")
_BEGIN = text(
    "insert into consumed (workspace_id, consumer, position) values (:ws, :consumer, 0) on conflict do nothing"
)
_ADVANCE = text("update consumed set position = :position where workspace_id = :ws and consumer = :consumer")
_BURY = text(
    "insert into dead_letters"
    " (id, workspace_id, at, stream, sequence, stored_at, subject, reason, detail, headers, body) values"
    " (:id, :ws, :at, :stream, :sequence, :stored, :subject, :reason, :detail, cast(:headers as jsonb), :body)"
    " on conflict (stream, sequence, stored_at) do nothing"
)
_INTEGRATION = "case when split_part(subject, '.', 2) = 'intake' then split_part(subject, '.', 6) end"
_LETTERS, _OLDEST_LETTERS = (
    text(
        "select id, workspace_id, at, stream, sequence, subject, reason, detail, headers,"  # noqa: S608 - constants
        " octet_length(body) as size, ''::bytea as body"
        f" from dead_letters where workspace_id = :ws and (cast(:place as uuid) is null or id {beyond} :place)"
        " and (cast(:reason as text) is null or reason = :reason)"
        f" and (cast(:integration as text) is null or {_INTEGRATION} = :integration)"
        f" order by id {order} limit :many"
    )
    for beyond, order in (("<", "desc"), (">", "asc"))
)
_GROUPS = text(
    f"select reason, {_INTEGRATION} as integration, count(*) as count from"  # noqa: S608 - constants
    " (select reason, subject from dead_letters where workspace_id = :ws order by id desc limit 10000) as newest"
    " group by 1, 2 order by 3 desc, 1, 2"
)
_LETTER = text("select *, octet_length(body) as size from dead_letters where workspace_id = :ws and id = :id")
_TAKE = text(_LETTER.text + " for update")
_FORGET = text("delete from dead_letters where workspace_id = :ws and id = :id")

LEFT_OUT = "counterfoil-left-out"
"""A header of a dead letter: names those of its envelope that were not kept, or not as they came."""


async def first_sight(tx: Transaction, source: str, message_id: str) -> bool:
    """Remember this message of this source for ever; False if it took effect before."""
    return bool(await tx.scalar(_FIRST, {"ws": tx.workspace_id, "source": source, "id": message_id}))


async def applied(tx: Transaction, consumer: str) -> int:
    """Return how far the book has been applied in this workspace, and keep others from going on until the commit."""
    where = {"ws": tx.workspace_id, "consumer": consumer}
    if (position := await tx.scalar(_APPLIED, where)) is None:
        await tx.execute(_BEGIN, where)
        position = await tx.scalar(_APPLIED, where)
    return int(position or 0)


async def advance(tx: Transaction, consumer: str, position: int) -> None:
    """Remember that the book has been applied up to here."""
    await tx.execute(_ADVANCE, {"ws": tx.workspace_id, "consumer": consumer, "position": position})


async def bury(
    tx: Transaction,
    *,
    stream: str,
    sequence: int,
    subject: str,
    reason: str,
    detail: str,
    headers: Mapping[str, str],
    body: bytes,
    stored: dt.datetime | None = None,
) -> None:
    """Keep a message that can't be applied, with why; the relay tells `DEADLETTERS`.

    Overlong headers are left out; if they belong to the envelope, `LEFT_OUT` says so.

    `stored` is when its stream got it (else now): with it the same message is kept once.
    """
    kept = {
        _storable(key): _storable(value)
        for key, value in list(headers.items())[:_MOST_HEADERS]
        if len(key) + len(value) <= _LONGEST_HEADER
    }
    if lost := [key.lower() for key, value in headers.items() if _counts(key) and kept.get(key) != value]:
        kept[LEFT_OUT] = " ".join(lost)[:_LONGEST_HEADER].replace("\0", "")
    tx.wake()
    await tx.execute(
        _BURY,
        {
            "id": uuid7(),
            "ws": None if tx.workspace_id == EVERY else tx.workspace_id,
            "at": now(),
            "stream": stream,
            "sequence": sequence,
            "stored": stored or now(),
            "subject": subject,
            "reason": reason,
            "detail": _storable(detail[:1000]),
            "headers": json.dumps(kept),
            "body": body,
        },
    )


def _counts(header: str) -> bool:
    return header.lower() == "content-type" or header.lower().startswith("ce-")


def _storable(words: str) -> str:
    # PostgreSQL keeps no NUL, and what can't be buried would block its lane for ever.
    return words.replace("\0", "\N{REPLACEMENT CHARACTER}")


def dead_letter_of(service: str, row: Row | Mapping[str, Any]) -> DeadLetter:
    """Return a row as the message that tells of it."""
    kind = DeadLetter.of_kind(service)[0]
    return kind(
        id=row["id"],
        at=row["at"],
        service=service,
        workspace_id=row["workspace_id"],
        stream=row["stream"],
        sequence=row["sequence"],
        subject=row["subject"],
        reason=row["reason"],
        detail=row["detail"],
        headers=row["headers"],
        size=row["size"],
        body=base64.b64encode(row["body"][:_LONGEST_BODY]).decode(),
    )


async def dead_letters(
    tx: Transaction,
    service: str,
    place: uuid.UUID | None,
    limit: int,
    *,
    reason: str | None = None,
    integration: str | None = None,
    oldest_first: bool = False,
) -> Sequence[DeadLetter]:
    """Return this workspace's dead letters that lie beyond a place, newest first, without their bodies."""
    wanted = {"ws": tx.workspace_id, "place": place, "many": limit, "reason": reason, "integration": integration}
    rows = await tx.all(_OLDEST_LETTERS if oldest_first else _LETTERS, wanted)
    return [dead_letter_of(service, row) for row in rows]


async def letter_groups(tx: Transaction) -> Sequence[LetterGroup]:
    """Return how many dead letters there are of each reason and sender, the most first."""
    return [LetterGroup(**row) for row in await tx.all(_GROUPS, {"ws": tx.workspace_id})]


async def take_letter(tx: Transaction, id: uuid.UUID) -> Row | None:
    """Return the row of a dead letter of this workspace; nobody else takes it before the commit."""
    return await tx.one(_TAKE, {"ws": tx.workspace_id, "id": id})


async def forget_letter(tx: Transaction, id: uuid.UUID) -> None:
    """Forget a dead letter."""
    await tx.execute(_FORGET, {"ws": tx.workspace_id, "id": id})


async def drop_letter(tx: Transaction, service: str, id: uuid.UUID) -> DeadLetter | None:
    """Forget a dead letter and return what it was."""
    row = await take_letter(tx, id)
    if row is not None:
        await forget_letter(tx, id)
    return dead_letter_of(service, row) if row else None


async def dead_letter(tx: Transaction, service: str, id: uuid.UUID) -> DeadLetter | None:
    """Return one dead letter whole."""
    row = await tx.one(_LETTER, {"ws": tx.workspace_id, "id": id})
    return dead_letter_of(service, row) if row else None
