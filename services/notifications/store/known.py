"""Remembers members and tickets as far as an inbox needs them."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from sqlalchemy import text

from chassis.database import Row, Transaction
from contracts.base import Role
from contracts.notifications import Reason
from contracts.refusals import NotFound

# Members

_STANDING = text(
    "select user_id, role from members where workspace_id = :ws and known and user_id = any(cast(:users as uuid[]))"
)
# The update that changes nothing locks the row until the commit: whoever makes this person known waits for what is
# stored for them, or has committed before, and is returned here.
_EXPECT = text(
    "insert into members as m (workspace_id, user_id, known)"
    " select :ws, stranger, false from unnest(cast(:users as uuid[])) as stranger order by stranger"
    " on conflict (workspace_id, user_id) do update set known = m.known"
    " returning user_id, known, role"
)
_REMEMBER = text(
    "insert into members (workspace_id, user_id, known, role) values (:ws, :user, true, :role)"
    " on conflict (workspace_id, user_id) do update set known = true, role = excluded.role"
)
_FORGET_MEMBERS = text("update members set role = null where workspace_id = :ws and known")

# Tickets

_TICKET = text("""
    with told as materialized (
        select * from json_to_recordset(cast(:rows as json)) as told (
            ticket uuid, number int, subject text, watchers json
        )
    ), named as (
        insert into tickets (workspace_id, id, number, subject) select :ws, ticket, number, subject from told
        on conflict (workspace_id, id) do update set subject = excluded.subject
    )
    insert into watchers (workspace_id, ticket_id, user_id, reason)
    select :ws, ticket, cast(who as uuid), why from told, json_each_text(watchers) as watching (why, who)
    order by ticket, who, why on conflict do nothing
""")
_KNOWN = text("select exists (select 1 from tickets where workspace_id = :ws and id = :ticket)")
_SUBJECT = text("update tickets set subject = :subject where workspace_id = :ws and id = :ticket")
_DELETED = text("update tickets set deleted = :deleted where workspace_id = :ws and id = :ticket")

NOTHING_KNOWN = "Nothing is known of this ticket."

# Who is there

_DESK = text("select user_id, role from members where workspace_id = :ws and known and role in ('owner', 'admin')")


async def standing(tx: Transaction, people: Iterable[UUID]) -> dict[UUID, Role | None]:
    """Return the role of those who are known; None for who was removed."""
    rows = await tx.all(_STANDING, {"ws": tx.workspace_id, "users": list(people)})
    return {row["user_id"]: _role(row) for row in rows}


async def expect(tx: Transaction, strangers: Iterable[UUID]) -> dict[UUID, Role | None]:
    """Keep a place for each until the commit; return the role of those who became known in this very moment."""
    rows = await tx.all(_EXPECT, {"ws": tx.workspace_id, "users": list(strangers)})
    return {row["user_id"]: _role(row) for row in rows if row["known"]}


async def remember(tx: Transaction, person: UUID, role: Role | None) -> None:
    """Know what somebody is now; None: no member any more."""
    await tx.execute(_REMEMBER, {"ws": tx.workspace_id, "user": person, "role": role and role.value})


async def forget_members(tx: Transaction) -> None:
    """Know that nobody is a member any more."""
    await tx.execute(_FORGET_MEMBERS, {"ws": tx.workspace_id})


def ticket(tx: Transaction, id: UUID, number: int, subject: str, watchers: Mapping[Reason, UUID]) -> None:
    """Know a ticket, and who watches it from the beginning."""
    tx.later(_TICKET, {"ticket": id, "number": number, "subject": subject, "watchers": watchers})


async def require_ticket(tx: Transaction, id: UUID) -> None:
    """Refuse a fact about a ticket that nothing is known of: the fact that made it could not be applied."""
    if not await tx.scalar(_KNOWN, {"ws": tx.workspace_id, "ticket": id}):
        raise NotFound(NOTHING_KNOWN)


async def subject(tx: Transaction, ticket_id: UUID, subject: str) -> None:
    """Know what a ticket is called now."""
    await tx.execute(_SUBJECT, {"ws": tx.workspace_id, "ticket": ticket_id, "subject": subject})


async def deleted(tx: Transaction, ticket_id: UUID, *, deleted: bool) -> None:
    """Know whether a ticket is hidden, and its items with it."""
    await tx.execute(_DELETED, {"ws": tx.workspace_id, "ticket": ticket_id, "deleted": deleted})


async def who_runs_the_desk(tx: Transaction) -> dict[UUID, Role]:
    """Return the owners and admins."""
    return {row["user_id"]: Role(row["role"]) for row in await tx.all(_DESK, {"ws": tx.workspace_id})}


def _role(row: Row) -> Role | None:
    return Role(row["role"]) if row["role"] else None
