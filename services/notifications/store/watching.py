"""Remembers who watches a ticket: what facts say, and what people chose instead."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import text

from chassis import cursors
from chassis.database import Transaction
from contracts.notifications import Reason, Watcher

_WATCH = text(
    "insert into watchers (workspace_id, ticket_id, user_id, reason)"
    " select :ws, :ticket, person, :reason from unnest(cast(:users as uuid[])) as person order by person"
    " on conflict do nothing"
)
_UNWATCH = text("delete from watchers where workspace_id = :ws and ticket_id = :ticket and reason = :reason")
_CHOOSE = text(
    "insert into choices (workspace_id, ticket_id, user_id, watches, ticket_version)"
    " values (:ws, :ticket, :user, :watches, :version)"
    " on conflict (workspace_id, ticket_id, user_id)"
    " do update set watches = excluded.watches, ticket_version = excluded.ticket_version"
)
_ASSIGNED = text(
    "delete from choices where workspace_id = :ws and ticket_id = :ticket and user_id = :user"
    " and ticket_version < :version"
)
_WATCHING = """
    select user_id, array_agg(reason order by place) as reasons
    from (
        select user_id, reason, array_position(array['creator', 'assignee', 'mentioned'], reason) as place
        from watchers where workspace_id = :ws and ticket_id = :ticket
        union all
        select user_id, 'chosen', 4 from choices where workspace_id = :ws and ticket_id = :ticket and watches
    ) w
    where not exists (
        select 1 from choices c
        where c.workspace_id = :ws and c.ticket_id = :ticket and c.user_id = w.user_id and not c.watches
    )
"""
_WATCHERS = text(f"{_WATCHING} group by user_id")
# Somebody who is not known here yet is a member all the same; who was removed watches nothing.
_PAGE = text(f"""{_WATCHING}
    and user_id > :after
    and not exists (
        select 1 from members m where m.workspace_id = :ws and m.user_id = w.user_id and m.known and m.role is null
    )
    group by user_id order by user_id limit :many
""")  # noqa: S608 - constants
_BEGINNING = UUID(int=0)


async def watch(tx: Transaction, ticket_id: UUID, people: Iterable[UUID], reason: Reason) -> None:
    """Let people watch a ticket because of a fact."""
    where = {"ws": tx.workspace_id, "ticket": ticket_id, "users": list(people), "reason": reason.value}
    await tx.execute(_WATCH, where)


async def unwatch(tx: Transaction, ticket_id: UUID, reason: Reason) -> None:
    """Let nobody watch a ticket for this reason."""
    await tx.execute(_UNWATCH, {"ws": tx.workspace_id, "ticket": ticket_id, "reason": reason.value})


async def choose(tx: Transaction, ticket_id: UUID, person: UUID, *, watches: bool, version: int | None = None) -> None:
    """Remember that somebody watches a ticket by choice, or no more since this version of it."""
    where = {"ws": tx.workspace_id, "ticket": ticket_id, "user": person}
    await tx.execute(_CHOOSE, where | {"watches": watches, "version": version})


async def hear_again(tx: Transaction, ticket_id: UUID, person: UUID, version: int) -> None:
    """Forget that somebody chose to watch no more, if that was before this version of the ticket."""
    await tx.execute(_ASSIGNED, {"ws": tx.workspace_id, "ticket": ticket_id, "user": person, "version": version})


async def watchers(tx: Transaction, ticket_id: UUID) -> frozenset[UUID]:
    """Return who watches a ticket."""
    rows = await tx.all(_WATCHERS, {"ws": tx.workspace_id, "ticket": ticket_id})
    return frozenset(row["user_id"] for row in rows)


async def watcher_page(
    tx: Transaction, ticket_id: UUID, cursor: str | None, limit: int
) -> tuple[Sequence[Watcher], str | None]:
    """Return a page of those who watch a ticket, by id, and the cursor of the next one; raises Malformed."""
    scope = f"watchers {tx.workspace_id} {ticket_id}"
    after = cursors.decode_id(scope, cursor) if cursor is not None else _BEGINNING
    rows = await tx.all(_PAGE, {"ws": tx.workspace_id, "ticket": ticket_id, "after": after, "many": limit + 1})
    page = [Watcher(id=row["user_id"], reasons=tuple(Reason(each) for each in row["reasons"])) for row in rows[:limit]]
    return page, cursors.encode(scope, [str(page[-1].id)]) if len(rows) > limit else None
