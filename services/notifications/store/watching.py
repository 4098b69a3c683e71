"""Remembers who watches a ticket: what facts say, and what people chose instead."""

import datetime as dt
from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import text

from chassis import cursors
from chassis.database import Transaction
from contracts.notifications import Reason, Watcher
from contracts.refusals import NotFound
from services.notifications.store.known import NOTHING_KNOWN

_WATCH = text(
    "insert into watchers (workspace_id, ticket_id, user_id, reason)"
    " select :ws, :ticket, person, :reason from unnest(cast(:users as uuid[])) as person order by person"
    " on conflict do nothing"
)
_UNWATCH = text("delete from watchers where workspace_id = :ws and ticket_id = :ticket and reason = :reason")
_CHOOSE = text(
    "insert into choices (workspace_id, ticket_id, user_id, since, watches, ticket_version)"
    " select :ws, :ticket, :user, cast(:at as timestamptz), cast(:watches as boolean), cast(:version as int)"
    " where (cast(:watches as boolean), coalesce(cast(:version as int), 0)) is distinct from ("
    "  select (watches, coalesce(ticket_version, 0)) from choices"
    "  where workspace_id = :ws and ticket_id = :ticket and user_id = :user order by since desc limit 1"
    " )"
    " on conflict (workspace_id, ticket_id, user_id, since)"
    " do update set watches = excluded.watches, ticket_version = excluded.ticket_version"
)
_CALL_BACK = text(
    "insert into called_back (workspace_id, ticket_id, user_id, version) values (:ws, :ticket, :user, :version)"
    " on conflict (workspace_id, ticket_id, user_id) do update set version = excluded.version"
)
_WATCHING = """
    with chosen as (
        select distinct on (user_id) user_id, watches, ticket_version from choices
        where workspace_id = :ws and ticket_id = :ticket and since <= :at order by user_id, since desc
    )
    select user_id, array_agg(reason order by place) as reasons
    from (
        select user_id, reason, array_position(array['creator', 'assignee', 'mentioned'], reason) as place
        from watchers where workspace_id = :ws and ticket_id = :ticket
        union all
        select user_id, 'chosen', 4 from chosen where watches
    ) w
    where not exists (
        select 1 from chosen c
        left join called_back b on b.workspace_id = :ws and b.ticket_id = :ticket and b.user_id = c.user_id
        where c.user_id = w.user_id and not c.watches and coalesce(b.version, 0) <= c.ticket_version
    )
"""
_WATCHERS = text(f"""
    select w.user_id from tickets t left join ({_WATCHING} group by user_id) w on true
    where t.workspace_id = :ws and t.id = :ticket
""")  # noqa: S608 - constants
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


async def choose(
    tx: Transaction, ticket_id: UUID, person: UUID, at: dt.datetime, *, watches: bool, version: int | None = None
) -> None:
    """Remember that somebody watches a ticket by choice from that time on, or no more since this version of it.

    The same once more changes nothing.
    """
    where = {"ws": tx.workspace_id, "ticket": ticket_id, "user": person, "at": at}
    await tx.execute(_CHOOSE, where | {"watches": watches, "version": version})


async def hear_again(tx: Transaction, ticket_id: UUID, person: UUID, version: int) -> None:
    """Let somebody watch again who chose to watch no more, if that was before this version of the ticket."""
    await tx.execute(_CALL_BACK, {"ws": tx.workspace_id, "ticket": ticket_id, "user": person, "version": version})


async def watchers(tx: Transaction, ticket_id: UUID, at: dt.datetime) -> frozenset[UUID]:
    """Return who watched a ticket at that time, as far as facts were heard; raises NotFound for one of which none was.

    The fact that made it could not be applied then.
    """
    rows = await tx.all(_WATCHERS, {"ws": tx.workspace_id, "ticket": ticket_id, "at": at})
    if not rows:
        raise NotFound(NOTHING_KNOWN)
    return frozenset(row["user_id"] for row in rows if row["user_id"])


async def watcher_page(
    tx: Transaction, ticket_id: UUID, cursor: str | None, limit: int, at: dt.datetime
) -> tuple[Sequence[Watcher], str | None]:
    """Return a page of those who watched a ticket at that time, by id, and the next cursor; raises Malformed."""
    scope = f"watchers {tx.workspace_id} {ticket_id}"
    after = cursors.decode_id(scope, cursor) if cursor is not None else _BEGINNING
    rows = await tx.all(
        _PAGE, {"ws": tx.workspace_id, "ticket": ticket_id, "after": after, "many": limit + 1, "at": at}
    )
    page = [Watcher(id=row["user_id"], reasons=tuple(Reason(each) for each in row["reasons"])) for row in rows[:limit]]
    return page, cursors.encode(scope, [str(page[-1].id)]) if len(rows) > limit else None
