"""Remembers what is on its way to webhooks: each event once per webhook, in order, and what came of each try."""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import UUID

from sqlalchemy import text

from chassis import cursors
from chassis.database import Row, Transaction
from contracts.base import LoggedFact, uuid7
from contracts.webhooks import Delivery, DeliveryState, Trouble, Try
from services.notifications.domain import Due, Endpoint, Outcome

_TRIES_SHOWN = 10

_QUEUE = """
    insert into webhook_deliveries (
        workspace_id, id, webhook_id, event_id, book, position, type, about_kind, about_id, version, event_at,
        not_before
    ) values (:ws, :id, :webhook, :event, :book, :position, :type, :kind, :about, :version, :event_at, :now)
    on conflict (workspace_id, webhook_id, event_id)
"""
_QUEUE_ONCE = text(f"{_QUEUE} do nothing")
_QUEUE_AGAIN = text(
    f"{_QUEUE} do update set state = 'pending', attempts = 0, not_before = excluded.not_before, settled_at = null"
)
# Of the events about one record the first goes first: the others wait, also while it is being tried again.
_DUE = text("""
    select d.*, w.url, w.secret, case when w.old_secret_until > :now then w.old_secret end as old_secret
    from webhooks w
    cross join lateral (
        select * from webhook_deliveries d
        where d.workspace_id = w.workspace_id and d.webhook_id = w.id and d.state = 'pending' and d.not_before <= :now
            and d.id <> all(cast(:busy as uuid[]))
            and not exists (
                select 1 from webhook_deliveries e
                where e.workspace_id = d.workspace_id and e.webhook_id = d.webhook_id and e.state = 'pending'
                    and e.book = d.book and e.about_id = d.about_id and e.position < d.position
            )
        order by d.not_before, d.position limit greatest(
            case when w.id = any(cast(:proven as uuid[])) then :each else 1 end
                - (select count(*) from unnest(cast(:busy_with as uuid[])) as b(webhook_id) where b.webhook_id = w.id),
            0
        )
    ) d
    where w.enabled
    order by d.not_before limit :many
""")
_WAITS = text("""
    select coalesce(extract(epoch from :now - min(d.not_before)), 0)
    from webhook_deliveries d join webhooks w on w.workspace_id = d.workspace_id and w.id = d.webhook_id
    where d.state = 'pending' and d.not_before <= :now and w.enabled
""")
_FAILING = text("select count(*) from webhooks where enabled and failing_since is not null")
_IS_DUE = text("""
    select 1 from webhook_deliveries d join webhooks w on w.workspace_id = d.workspace_id and w.id = d.webhook_id
    where d.workspace_id = :ws and d.id = :id and d.state = 'pending' and w.enabled
    for update of d
""")
_TRIED = text(
    "insert into webhook_tries (workspace_id, delivery_id, at, status, reason, latency_ms)"
    " values (:ws, :id, :at, :status, :reason, :latency)"
)
_SETTLE = text(
    "update webhook_deliveries set state = :state, attempts = attempts + 1, settled_at = :at"
    " where workspace_id = :ws and id = :id and state = 'pending'"
)
_AGAIN = text(
    "update webhook_deliveries set attempts = attempts + 1, not_before = :not_before"
    " where workspace_id = :ws and id = :id and state = 'pending'"
)
_WAIT = text(
    "update webhook_deliveries set not_before = :not_before where workspace_id = :ws and id = :id and state = 'pending'"
)
_WORKS = text(
    "update webhooks set failing_since = null where workspace_id = :ws and id = :webhook and failing_since is not null"
)
_FAILS = text(
    "update webhooks set failing_since = :at where workspace_id = :ws and id = :webhook and failing_since is null"
)
_DISABLE = text(
    "update webhooks set enabled = false, disabled_because = :because, updated_at = :at, version = version + 1"
    " where workspace_id = :ws and id = :webhook and enabled returning version, url"
)
_SHOWN = f"""
    select d.*, (
        select coalesce(json_agg(t order by t.nth), '[]') from (
            select nth, at, status, reason, latency_ms from webhook_tries t
            where t.workspace_id = d.workspace_id and t.delivery_id = d.id order by nth desc limit {_TRIES_SHOWN}
        ) t
    ) as tries
    from webhook_deliveries d where d.workspace_id = :ws and d.webhook_id = :webhook
"""  # noqa: S608 - constants
_ONE = text(f"{_SHOWN} and d.id = :id")
_PAGE = text(
    f"{_SHOWN} and d.id < :before and (cast(:state as text) is null or d.state = :state) order by d.id desc limit :many"
)
_REDELIVER = text(
    "update webhook_deliveries set state = 'pending', attempts = 0, not_before = :now, settled_at = null"
    " where workspace_id = :ws and webhook_id = :webhook and id = :id"
)
_FORGET = text("delete from webhook_deliveries where state <> 'pending' and settled_at < :before")
_NEWEST = UUID(int=2**128 - 1)


async def queue_facts(
    tx: Transaction, webhook: UUID, book: str, facts: Iterable[LoggedFact], now: dt.datetime, *, again: bool = False
) -> None:
    """Have these sent to a webhook: once each, or `again` also those that were."""
    rows = []
    for fact in facts:
        kind, about, version = _about(fact)
        rows.append(
            {
                "ws": tx.workspace_id,
                "id": uuid7(),
                "webhook": webhook,
                "event": fact.id,
                "book": book,
                "position": fact.position,
                "type": fact.type,
                "kind": kind,
                "about": about,
                "version": version,
                "event_at": dt.datetime.fromisoformat(fact.body["at"]),
                "now": now,
            }
        )
    if rows:
        await tx.each(_QUEUE_AGAIN if again else _QUEUE_ONCE, rows)


async def queue_test(tx: Transaction, webhook: UUID, event: UUID, type: str, now: dt.datetime) -> None:
    """Have an event sent that means nothing; each is about itself, and waits for no other."""
    await tx.execute(
        _QUEUE_ONCE,
        {
            "ws": tx.workspace_id,
            "id": event,
            "webhook": webhook,
            "event": event,
            "book": "test",
            "position": 0,
            "type": type,
            "kind": "webhook",
            "about": str(event),
            "version": 1,
            "event_at": now,
            "now": now,
        },
    )


async def due(
    tx: Transaction, now: dt.datetime, busy: Mapping[UUID, UUID], proven: Collection[UUID], *, each: int, many: int
) -> list[Due]:
    """Return what is to be sent now, the longest due first.

    `busy` are deliveries that are being sent, with their webhooks: with them so many for each webhook that is `proven`,
    and one for each other.
    """
    where = {"now": now, "busy": list(busy), "busy_with": list(busy.values()), "proven": list(proven)}
    rows = await tx.all(_DUE, where | {"each": each, "many": many})
    return [_due(row) for row in rows]


async def webhooks_wait(tx: Transaction, now: dt.datetime) -> tuple[float, int]:
    """Return for how many seconds the call that is longest due has waited, and how many webhooks fail now."""
    return float(await tx.scalar(_WAITS, {"now": now})), int(await tx.scalar(_FAILING))


async def still_due(tx: Transaction, id: UUID) -> bool:
    """Tell whether an event is to be sent after all, and hold it until the commit."""
    return bool(await tx.scalar(_IS_DUE, {"ws": tx.workspace_id, "id": id}))


async def note_try(tx: Transaction, id: UUID, outcome: Outcome) -> None:
    """Remember what came of a try."""
    latency = round(outcome.latency * 1000)
    values = {"at": outcome.at, "status": outcome.status, "reason": outcome.reason, "latency": latency}
    await tx.execute(_TRIED, {"ws": tx.workspace_id, "id": id} | values)


async def settle(tx: Transaction, id: UUID, state: DeliveryState, at: dt.datetime) -> None:
    """Remember how it ended."""
    await tx.execute(_SETTLE, {"ws": tx.workspace_id, "id": id, "state": state.value, "at": at})


async def try_again(tx: Transaction, id: UUID, at: dt.datetime) -> None:
    """Have it tried again then; it was tried once more."""
    await tx.execute(_AGAIN, {"ws": tx.workspace_id, "id": id, "not_before": at})


async def wait_until(tx: Transaction, id: UUID, at: dt.datetime) -> None:
    """Have it tried then; it was not tried."""
    await tx.execute(_WAIT, {"ws": tx.workspace_id, "id": id, "not_before": at})


async def works(tx: Transaction, webhook: UUID) -> None:
    """Remember that the receiver takes what it is told."""
    await tx.execute(_WORKS, {"ws": tx.workspace_id, "webhook": webhook})


async def fails(tx: Transaction, webhook: UUID, at: dt.datetime) -> None:
    """Remember since when it does not."""
    await tx.execute(_FAILS, {"ws": tx.workspace_id, "webhook": webhook, "at": at})


async def disable(tx: Transaction, webhook: UUID, trouble: Trouble, at: dt.datetime) -> tuple[int, str] | None:
    """Turn a webhook off; return its version and URL, None where it was off."""
    row = await tx.one(_DISABLE, {"ws": tx.workspace_id, "webhook": webhook, "because": trouble.value, "at": at})
    return (row["version"], row["url"]) if row else None


async def delivery(tx: Transaction, webhook: UUID, id: UUID) -> Delivery | None:
    """Return one."""
    row = await tx.one(_ONE, {"ws": tx.workspace_id, "webhook": webhook, "id": id})
    return _delivery(row) if row else None


async def delivery_page(
    tx: Transaction, webhook: UUID, state: DeliveryState | None, cursor: str | None, limit: int
) -> tuple[Sequence[Delivery], str | None]:
    """Return a page of what is and was sent, newest first, and the cursor of the next one; raises Malformed."""
    scope = f"deliveries {tx.workspace_id} {webhook} {state}"
    where = {"ws": tx.workspace_id, "webhook": webhook, "state": state and state.value}
    before = cursors.decode_id(scope, cursor) if cursor is not None else _NEWEST
    rows = await tx.all(_PAGE, where | {"before": before, "many": limit + 1})
    more = cursors.encode(scope, [str(rows[limit - 1]["id"])]) if len(rows) > limit else None
    return [_delivery(row) for row in rows[:limit]], more


async def redeliver(tx: Transaction, webhook: UUID, id: UUID, now: dt.datetime) -> None:
    """Have it sent again, whatever became of it."""
    await tx.execute(_REDELIVER, {"ws": tx.workspace_id, "webhook": webhook, "id": id, "now": now})


async def forget_deliveries(tx: Transaction, before: dt.datetime) -> int:
    """Forget what was over before then; return how much that was."""
    return await tx.execute(_FORGET, {"before": before})


def _about(fact: LoggedFact) -> tuple[str, str, int]:
    if fact.body.get("ticket_id"):
        return "ticket", str(fact.body["ticket_id"]), int(fact.body["version"])
    record = fact.body["subject"]
    return str(record["kind"]), str(record["id"]), int(record["version"])


def _due(row: Row) -> Due:
    secrets = (row["secret"], row["old_secret"]) if row["old_secret"] else (row["secret"],)
    return Due(
        id=row["id"],
        event_id=row["event_id"],
        type=row["type"],
        book=row["book"],
        position=row["position"],
        about=row["about_id"],
        attempts=row["attempts"],
        event_at=row["event_at"],
        endpoint=Endpoint(id=row["webhook_id"], workspace_id=row["workspace_id"], url=row["url"], secrets=secrets),
    )


def _delivery(row: Row) -> Delivery:
    pending = row["state"] == DeliveryState.PENDING
    return Delivery(
        id=row["id"],
        webhook_id=row["webhook_id"],
        event_id=row["event_id"],
        type=row["type"].rpartition(".")[2],
        about=row["about_kind"],
        about_id=row["about_id"],
        version=row["version"],
        state=DeliveryState(row["state"]),
        attempts=row["attempts"],
        tries=tuple(Try.model_validate(each) for each in row["tries"]),
        next_try_at=row["not_before"] if pending else None,
        event_at=row["event_at"],
        settled_at=row["settled_at"],
    )
