"""Finds where a member who left is named in this store, and writes over it."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from chassis.database import Transaction
from chassis.erasing import BESIDE_ID, ERASED, erase_record, literal, record_of
from contracts.erasing import ErasedWords
from contracts.gateway import MemberRemoved

_FORMER = text("""
    select u.id, u.name, max(e.at) as left_at from event_log e join users u on cast(u.id as text) = e.about_id
    where e.workspace_id = :ws and e.about_kind = 'member' and e.type = :removed
        and not exists (select 1 from memberships m where m.workspace_id = :ws and m.user_id = u.id)
        and not exists (select 1 from erasures r where r.workspace_id = :ws and r.person_kind = 'member'
            and r.person_id = u.id)
    group by u.id, u.name order by max(e.at) desc limit 100
""")
_USER = text("select name, email from users where id = :person")
_OF_MEMBER = record_of(
    BESIDE_ID  # noqa: S608 - constants
    + """
    or e.body ->> 'user_id' = :id and t.pointer ~ '^/(name|email|old|new)$'
    or lower(t.text) = :email
    or t.pointer = '/name' and exists (select 1 from event_texts w where w.workspace_id = t.workspace_id
        and w.event_id = t.event_id and w.pointer = '/email' and lower(w.text) = :email)
    """
)
_INVITATIONS = text("delete from invitations where workspace_id = :ws and lower(email) = :email")
_VIEWS = text(
    "update views set name = :erased, query = '' where workspace_id = :ws"
    " and (lower(name) like any(cast(:words as text[])) or lower(query) like any(cast(:words as text[])))"
)
_ELSEWHERE = text("select exists (select 1 from memberships where user_id = :person)")
_ACCOUNT = (
    text("update users set name = :erased, email = :address where id = :person"),
    text("delete from sessions where user_id = :person"),
    text("delete from password_resets where user_id = :person"),
)
_SEQS = text(
    "select w ->> 'seq' as seq from event_log e, jsonb_array_elements(e.body -> 'words') as w"
    " where e.workspace_id = :ws and e.about_kind = 'erasure' and e.about_id = :id and e.body ? 'words'"
)


@dataclass(frozen=True, slots=True)
class Former:
    """A member who left."""

    id: UUID
    name: str


async def former_members(tx: Transaction) -> list[Former]:
    """Return members who left and are not erased, the last first."""
    rows = await tx.all(_FORMER, {"ws": tx.workspace_id, "removed": MemberRemoved.SUBJECT})
    return [Former(row["id"], row["name"]) for row in rows]


async def erase_member_here(tx: Transaction, person: UUID) -> list[ErasedWords]:
    """Erase a member's name and address from this workspace's record and its invitations; return where they stood."""
    user = await tx.one(_USER, {"person": person})
    email = user["email"].lower() if user else ""
    words = await erase_record(tx, _OF_MEMBER, {"person": person, "id": str(person), "email": email})
    await tx.execute(_INVITATIONS, {"ws": tx.workspace_id, "email": email})
    return words


async def erase_account(tx: Transaction, person: UUID) -> bool:
    """Erase who somebody is, unless they are a member somewhere; needs a transaction over all workspaces."""
    if await tx.scalar(_ELSEWHERE, {"person": person}):
        return False
    for statement in _ACCOUNT:
        await tx.execute(statement, {"person": person, "erased": ERASED, "address": f"erased-{person}@erased.invalid"})
    return True


async def erase_from_views(tx: Transaction, words: Sequence[str]) -> None:
    """Write over the saved views that look for somebody."""
    values = {"ws": tx.workspace_id, "erased": ERASED, "words": [f"%{literal(word.lower())}%" for word in words]}
    await tx.execute(_VIEWS, values)


async def erased_seqs(tx: Transaction, erasure: UUID) -> set[str]:
    """Return the positions of the facts that an order took words from."""
    return {row["seq"] for row in await tx.all(_SEQS, {"ws": tx.workspace_id, "id": str(erasure)})}
