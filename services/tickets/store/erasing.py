"""Finds where somebody's words stand in this store, and writes over them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from chassis.database import Transaction
from chassis.erasing import BESIDE_ID, ERASED, erase_record, literal, record_of
from contracts.base import now
from contracts.erasing import ErasedWords
from contracts.tickets import (
    CustomerMessage,
    DescriptionChanged,
    FieldsChanged,
    SubjectChanged,
    TicketCreated,
)
from services.tickets.store.tickets import folded

_A_WORD = re.compile(r"(?=\w*[^\W\d_])\w{3,}")
_LONG = 6

_NAMES = text("""
    select name as said, false as is_id from contacts where workspace_id = :ws and id = :person
    union select email, false from contacts where workspace_id = :ws and id = :person
    union select external_id, true from contact_sources where workspace_id = :ws and contact_id = :person
    union select v.name, false from visitors v join conversations c using (workspace_id)
        where v.workspace_id = :ws and v.conversation_id = c.id and c.contact_id = :person
    union select v.email, false from visitors v join conversations c using (workspace_id)
        where v.workspace_id = :ws and v.conversation_id = c.id and c.contact_id = :person
    union select t.text, t.pointer like '%/external_ids/%'
        from event_log e join event_texts t on t.workspace_id = e.workspace_id and t.event_id = e.id
        where e.workspace_id = :ws and e.about_kind = 'contact' and e.about_id = :id
        and t.pointer ~ '^/(old|new)'
""")
_TICKETS = text("""
    select id, null as called from tickets where workspace_id = :ws and contact_id = :person
    union select cast(e.about_id as uuid), null from event_log e where e.workspace_id = :ws and e.type = :created
        and e.body #>> '{actor,kind}' = 'contact' and e.body #>> '{actor,id}' = :id
    order by id
""")
_CALLED = text(
    "select external_id from intake_sources where workspace_id = :ws and ticket_id = any(cast(:tickets as uuid[]))"
)
_TALKS = text("select id, external_id from conversations where workspace_id = :ws and contact_id = :person")

_ON_TICKET = "e.about_kind = 'ticket' and e.about_id = any(cast(:tickets as text[]))"
_IN_TALK = (
    "(e.about_kind = 'conversation' and e.about_id = any(cast(:talks as text[]))"
    " or e.body ->> 'conversation_id' = any(cast(:talks as text[])))"
)
_NAMED = "(lower({0}) like any(cast(:named as text[])) or coalesce(lower({0}) ~ :parts, false))"
_ADDRESSED = "lower({0}) like any(cast(:addresses as text[]))"
_OF_CONTACT = record_of(f"""
    {BESIDE_ID}
    or e.about_kind = 'contact' and e.about_id = :id and t.pointer ~ '^/(old|new)'
    or {_ON_TICKET} and (
        t.pointer ~ '^/(subject|description|fields)'
        or e.type = any(cast(:edits as text[])) and t.pointer ~ '^/(old|new)'
    )
    or {_IN_TALK} and (
        e.type = :message and t.pointer = '/body'
        or e.body #>> '{{author,kind}}' = 'visitor' and t.pointer in ('/body', '/author/name', '/unverified_sender')
        or e.body #>> '{{actor,kind}}' = 'contact' and t.pointer = '/actor/name'
    )
    or ({_ON_TICKET} or {_IN_TALK}) and {_NAMED.format("t.text")}
    or {_ADDRESSED.format("t.text")}
""")
_OF_MEMBER = record_of(BESIDE_ID)

_STATE_OF_CONTACT = (
    text(
        "update contacts set name = :erased, email = null, email_key = null, words = '', verified = false,"
        " updated_at = :at where workspace_id = :ws and id = :person"
    ),
    text("delete from contact_sources where workspace_id = :ws and contact_id = :person"),
    text(
        "update visitors set name = null, email = null"
        " where workspace_id = :ws and conversation_id = any(cast(:talks as uuid[]))"
    ),
    text("update conversations set url = null where workspace_id = :ws and id = any(cast(:talks as uuid[]))"),
    text(
        "update messages set body = :erased, author_name = :erased, unverified_sender = null"
        " where workspace_id = :ws and conversation_id = any(cast(:talks as uuid[])) and author_kind = 'visitor'"
    ),
    text(f"""
        update messages set body = :erased where workspace_id = :ws and body <> :erased and (
            {_ADDRESSED.format("body")}
            or conversation_id = any(cast(:talks as uuid[])) and {_NAMED.format("body")})
    """),  # noqa: S608 - constants
    text(f"""
        update messages set unverified_sender = null
        where workspace_id = :ws and unverified_sender is not null and {_ADDRESSED.format("unverified_sender")}
    """),  # noqa: S608 - constants
    text(f"""
        update notes set body = :erased where workspace_id = :ws and (
            {_ADDRESSED.format("body")} or ticket_id = any(cast(:tickets as uuid[])) and {_NAMED.format("body")})
    """),  # noqa: S608 - constants
    text("""
        update tickets set subject = :erased, description = case description when '' then '' else :erased end,
            fields = coalesce(
                (select jsonb_object_agg(key, cast(:erased as text)) from jsonb_object_keys(fields) as key), '{}')
        where workspace_id = :ws and id = any(cast(:tickets as uuid[]))
    """),
    text(
        "update ticket_search set words = :erased"
        " where workspace_id = :ws and ticket_id = any(cast(:tickets as uuid[]))"
    ),
)
# What others wrote keeps the rest of its words.
_ADDRESS_GOES = (
    text("""
        update ticket_search s set words = regexp_replace(s.words, :address, :erased, 'gi') from tickets t
        where s.workspace_id = :ws and t.workspace_id = :ws and t.id = s.ticket_id and s.words ~* :address
    """),
    text("""
        update tickets set subject = left(regexp_replace(subject, :address, :erased, 'gi'), 200)
        where workspace_id = :ws and subject ~* :address
    """),
    text("""
        update tickets set description = case
            when octet_length(regexp_replace(description, :address, :erased, 'gi')) > 65536 then :erased
            else regexp_replace(description, :address, :erased, 'gi') end
        where workspace_id = :ws and description ~* :address
    """),
    text("""
        update tickets set fields = (
            select jsonb_object_agg(key, case when value ~* :address then :erased else value end)
            from jsonb_each_text(fields))
        where workspace_id = :ws and cast(fields as text) ~* :address
    """),
)
_STATE_OF_MEMBER = (
    text("update tickets set assignee_name = :erased where workspace_id = :ws and assignee_id = :person"),
    text("update notes set author_name = :erased where workspace_id = :ws and author_id = :id"),
    text("update messages set author_name = :erased where workspace_id = :ws and author_id = :id"),
    text("""
        update notes set mentions = (
            select jsonb_agg(case when m ->> 'id' = :id
                then jsonb_set(m, '{name}', to_jsonb(cast(:erased as text))) else m end)
            from jsonb_array_elements(mentions) as m)
        where workspace_id = :ws and mentions @> jsonb_build_array(jsonb_build_object('id', cast(:id as text)))
    """),
)
_SEQS = text(
    "select w ->> 'seq' as seq from event_log e, jsonb_array_elements(e.body -> 'words') as w"
    " where e.workspace_id = :ws and e.about_kind = 'erasure' and e.about_id = :id and e.body ? 'words'"
)


@dataclass(frozen=True, slots=True)
class Trace:
    """What is known of somebody: what they are called, and what is theirs."""

    person: UUID
    names: tuple[str, ...]
    """Names and addresses, as they were at any time."""
    ids: tuple[str, ...]
    """What other systems call them."""
    tickets: tuple[UUID, ...]
    talks: tuple[UUID, ...]
    called: tuple[str, ...]
    """What other systems call their tickets and conversations."""

    @property
    def needles(self) -> tuple[str, ...]:
        """Words by which a message is known to be about them; what is short counts only as a whole value of JSON."""
        ids = (self.person, *self.tickets, *self.talks)
        said = (*self.names, *self.ids)
        exact = (*self.called, *(each for each in said if len(each) < _LONG))
        return (*self.long, *(f'"{each}"' for each in exact), *map(str, ids))

    @property
    def long(self) -> tuple[str, ...]:
        """What can be looked for as a part of other words."""
        return tuple(each for each in (*self.names, *self.ids) if len(each) >= _LONG)

    @property
    def addresses(self) -> tuple[str, ...]:
        """What is theirs alone, wherever it stands."""
        return tuple(name for name in self.names if "@" in name)


async def trace(tx: Transaction, person: UUID) -> Trace:
    """Find out what is known of a contact."""
    where = {"ws": tx.workspace_id, "person": person, "id": str(person)}
    said = [row for row in await tx.all(_NAMES, where) if row["said"] and row["said"] != ERASED]
    tickets = [row["id"] for row in await tx.all(_TICKETS, where | {"created": TicketCreated.SUBJECT})]
    talks = await tx.all(_TALKS, where)
    called = await tx.all(_CALLED, {"ws": tx.workspace_id, "tickets": tickets})
    return Trace(
        person=person,
        names=tuple(sorted({row["said"] for row in said if not row["is_id"]})),
        ids=tuple(sorted({row["said"] for row in said if row["is_id"]})),
        tickets=tuple(tickets),
        talks=tuple(row["id"] for row in talks),
        called=tuple(name for row in (*talks, *called) if (name := row["external_id"])),
    )


async def erase_contact_record(tx: Transaction, known: Trace) -> list[ErasedWords]:
    """Erase a contact's words from the record; return which."""
    return await erase_record(
        tx,
        _OF_CONTACT,
        {
            **_values(tx, known),
            "tickets": list(map(str, known.tickets)),
            "talks": list(map(str, known.talks)),
            "edits": [kind.SUBJECT for kind in (SubjectChanged, DescriptionChanged, FieldsChanged)],
            "message": CustomerMessage.SUBJECT,
        },
    )


async def erase_contact_state(tx: Transaction, known: Trace) -> None:
    """Write over a contact's words in tickets, conversations, notes and search."""
    values = _values(tx, known) | {"tickets": list(known.tickets), "talks": list(known.talks)}
    for statement in _STATE_OF_CONTACT:
        await tx.execute(statement, values)
    for address in known.addresses:
        for statement in _ADDRESS_GOES:
            await tx.execute(statement, values | {"address": re.escape(folded(address))})


async def erase_member_record(tx: Transaction, person: UUID) -> list[ErasedWords]:
    """Erase the name of a member who left from the record; return where it stood."""
    return await erase_record(tx, _OF_MEMBER, {"id": str(person)})


async def erase_member_state(tx: Transaction, person: UUID) -> None:
    """Write over the name of a member who left."""
    for statement in _STATE_OF_MEMBER:
        values = {"ws": tx.workspace_id, "person": person, "id": str(person), "erased": ERASED}
        await tx.execute(statement, values)


async def erased_seqs(tx: Transaction, erasure: UUID) -> Sequence[str]:
    """Return the positions of the facts that an order took words from."""
    return [row["seq"] for row in await tx.all(_SEQS, {"ws": tx.workspace_id, "id": str(erasure)})]


def _values(tx: Transaction, known: Trace) -> dict[str, Any]:
    parts = {word for name in known.names if "@" not in name for word in _A_WORD.findall(name.lower())}
    return {
        "ws": tx.workspace_id,
        "person": known.person,
        "id": str(known.person),
        "named": [f"%{literal(name.lower())}%" for name in known.long],
        "addresses": [f"%{literal(address.lower())}%" for address in known.addresses],
        "parts": rf"\m({'|'.join(sorted(parts))})\M" if parts else None,
        "erased": ERASED,
        "at": now(),
    }
