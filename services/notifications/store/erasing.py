"""Writes over somebody's words in inboxes, mail and what came in by mail."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text

from chassis.database import Transaction
from chassis.erasing import BESIDE_ID, ERASED, erase_record, literal, record_of
from contracts.base import now
from contracts.erasing import PersonKind, PersonRef

_OUR_RECORD = record_of(BESIDE_ID)
_ADDRESSES = text(
    "select distinct email from reply_addresses where workspace_id = :ws and contact_id = :person"
    " union select email from members where workspace_id = :ws and user_id = :person and email is not null"
)
_ITS_NAME = text("select name from members where workspace_id = :ws and user_id = :person and name is not null")
_CAME_IN = text(
    "select i.nth from inbound_mails i join reply_addresses r on r.workspace_id = i.workspace_id and r.token = i.token"
    " where i.workspace_id = :ws and r.contact_id = :person"
)
_MAILS = text("""
    update mails set
        to_email = null, to_name = null, letter = null,
        reason = case when state = 'pending' then 'erased' else reason end,
        settled_at = coalesce(settled_at, :at),
        state = case when state = 'pending' then 'suppressed' else state end
    where workspace_id = :ws and (letter is not null or to_email is not null) and (
        ticket_id = any(cast(:tickets as uuid[])) or recipient = :id
        or id in (
            select n.mail_id from news n where n.workspace_id = :ws and n.ticket_id = any(cast(:tickets as uuid[])))
        or lower(to_email) = any(cast(:addresses as text[]))
        or cast(letter as text) ilike any(cast(:words as text[])))
""")
_STATEMENTS = (
    text(
        "delete from inbound_mails i using reply_addresses r where i.workspace_id = :ws and r.workspace_id = :ws"
        " and r.token = i.token and r.contact_id = :person"
    ),
    text("delete from reply_addresses where workspace_id = :ws and contact_id = :person"),
    text("delete from suppressed where workspace_id = :ws and address = any(cast(:addresses as text[]))"),
    text("delete from contact_news where workspace_id = :ws and ticket_id = any(cast(:tickets as uuid[]))"),
    text("update tickets set subject = :erased where workspace_id = :ws and id = any(cast(:tickets as uuid[]))"),
    text(
        "update items set actor_name = :erased where workspace_id = :ws and (actor_id = :id"
        " or actor_kind = 'contact' and ticket_id = any(cast(:tickets as uuid[])))"
    ),
    text(
        "update news set actor_name = :erased where workspace_id = :ws and"
        " (actor_kind = 'contact' and ticket_id = any(cast(:tickets as uuid[])) or actor_name = :name)"
    ),
    text("update members set name = null, email = null where workspace_id = :ws and user_id = :person"),
)


async def erase(tx: Transaction, person: PersonRef, tickets: Sequence[UUID]) -> list[str]:
    """Erase somebody's words; return by what the dead letters that hold some are known."""
    where = {"ws": tx.workspace_id, "person": person.id, "id": str(person.id)}
    addresses = [row["email"].lower() for row in await tx.all(_ADDRESSES, where)]
    name = await tx.scalar(_ITS_NAME, where) if person.kind is PersonKind.MEMBER else None
    came_in = [row["nth"] for row in await tx.all(_CAME_IN, where)]
    values = where | {
        "tickets": list(tickets),
        "addresses": addresses,
        "words": [f"%{literal(word)}%" for word in (*addresses, *([name] if name else []))],
        "name": name,
        "erased": ERASED,
        "at": now(),
    }
    await tx.execute(_MAILS, values)
    for statement in _STATEMENTS:
        await tx.execute(statement, values)
    await tx.execute(_LETTERS_OF_MAIL, {"ws": tx.workspace_id, "came_in": came_in})
    return [*addresses, str(person.id), *map(str, tickets)]


_LETTERS_OF_MAIL = text(
    "delete from dead_letters where workspace_id = :ws and stream = 'mail'"
    " and sequence = any(cast(:came_in as bigint[]))"
)


async def erase_own_record(tx: Transaction, person: UUID) -> None:
    """Erase somebody's name from the facts that are told here."""
    await erase_record(tx, _OUR_RECORD, {"id": str(person)})
