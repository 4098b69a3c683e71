"""Remembers webhooks: where they lead, what signs, and how far each book has been queued for them."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from chassis import cursors
from chassis.database import Row, Transaction
from contracts.webhooks import Replay, Trouble, Webhook

_MOST_COUNTED = 1000
# What this service has heard of a book is in its owner's log: from there on a new webhook is told.
_HEARD = """
    coalesce((select position from consumed where workspace_id = :ws and consumer = '{stream}'), 0)
"""
_TICKETS, _PEOPLE = _HEARD.format(stream="TICKETS"), _HEARD.format(stream="GATEWAY")
_ADD = text(f"""
    insert into webhooks (
        workspace_id, id, url, event_types, description, secret, tickets_after, people_after, created_at, updated_at
    ) values (:ws, :id, :url, :types, :description, :secret, {_TICKETS}, {_PEOPLE}, :at, :at)
""")  # noqa: S608 - constants
_PENDING = f"""
    (select count(*) from (
        select 1 from webhook_deliveries d
        where d.workspace_id = w.workspace_id and d.webhook_id = w.id and d.state = 'pending' limit {_MOST_COUNTED}
    ) p) as pending
"""  # noqa: S608 - constants
_WHERE = "w.workspace_id = :ws and w.id = :id"
_ONE = text(f"select w.*, {_PENDING} from webhooks w where {_WHERE}")  # noqa: S608 - constants
_ONE_LOCKED = text(f"select w.*, {_PENDING} from webhooks w where {_WHERE} for update")  # noqa: S608 - constants
_PAGE = text(
    f"select w.*, {_PENDING} from webhooks w where w.workspace_id = :ws and w.id > :after order by w.id limit :many"  # noqa: S608 - constants
)
_COUNT = text("select count(*) from webhooks where workspace_id = :ws")
# One that is turned on begins where things are now; what it missed is told by a replay.
_CHANGE = text(f"""
    update webhooks w set
        url = :url, event_types = :types, description = :description, enabled = :enabled,
        disabled_because = :because, updated_at = :at, version = version + 1,
        failing_since = case when :enabled and not enabled then null else failing_since end,
        tickets_after = case when :enabled and not enabled then {_TICKETS} else tickets_after end,
        people_after = case when :enabled and not enabled then {_PEOPLE} else people_after end
    where {_WHERE}
""")  # noqa: S608 - constants
_HURRY = text(
    "update webhook_deliveries set not_before = :at, attempts = 0"
    " where workspace_id = :ws and webhook_id = :id and state = 'pending'"
)
_DELETE = text("delete from webhooks where workspace_id = :ws and id = :id")
_DELETE_ALL = text("delete from webhooks where workspace_id = :ws")
_ROTATE = text(
    f"update webhooks w set old_secret = secret, old_secret_until = :until, secret = :secret, updated_at = :at,"  # noqa: S608 - constants
    f" version = version + 1 where {_WHERE}"
)
_BEHIND = text("""
    select w.workspace_id, w.id from webhooks w
    left join consumed t on t.workspace_id = w.workspace_id and t.consumer = 'TICKETS'
    left join consumed g on g.workspace_id = w.workspace_id and g.consumer = 'GATEWAY'
    where w.enabled and (t.position > w.tickets_after or g.position > w.people_after)
    order by least(w.tickets_after, w.people_after) limit :many
""")
_REPLAYING = text("""
    select r.workspace_id, r.webhook_id, r.id from webhook_replays r
    join webhooks w on w.workspace_id = r.workspace_id and w.id = r.webhook_id
    where w.enabled and (r.tickets_after is not null or r.people_after is not null) limit :many
""")
_PLACES = text(f"select tickets_after, people_after, event_types, enabled from webhooks w where {_WHERE} for update")  # noqa: S608 - constants
_REACHED = {
    "tickets": text(f"update webhooks w set tickets_after = :to where {_WHERE}"),  # noqa: S608 - constants
    "people": text(f"update webhooks w set people_after = :to where {_WHERE}"),  # noqa: S608 - constants
}
_ADD_REPLAY = text("""
    insert into webhook_replays (
        workspace_id, id, webhook_id, from_time, from_sequence,
        tickets_after, tickets_until, people_after, people_until
    )
    select w.workspace_id, :replay, w.id, :time, :sequence, cast(:tickets_after as bigint), w.tickets_after,
        cast(:people_after as bigint), w.people_after
    from webhooks w where w.workspace_id = :ws and w.id = :id
""")
_REPLAY = text("select * from webhook_replays where workspace_id = :ws and id = :replay for update")
_OPEN_REPLAY = text(
    "select exists (select 1 from webhook_replays where workspace_id = :ws and webhook_id = :id"
    " and (tickets_after is not null or people_after is not null))"
)
_REPLAYED = {
    "tickets": text(
        "update webhook_replays set tickets_after = :to, told = told + :told where workspace_id = :ws and id = :replay"
    ),
    "people": text(
        "update webhook_replays set people_after = :to, told = told + :told where workspace_id = :ws and id = :replay"
    ),
}
_FORGET_SECRETS = text("update webhooks set old_secret = null, old_secret_until = null where old_secret_until <= :now")


@dataclass(frozen=True, slots=True)
class Places:
    """How far a webhook has been told of each book, and of what it is told."""

    tickets: int
    people: int
    types: tuple[str, ...]
    enabled: bool

    def of(self, book: str) -> int:
        """Return how far it has been told of this one."""
        return self.tickets if book == "tickets" else self.people


@dataclass(frozen=True, slots=True)
class Span:
    """What of each book is told again: what comes after, up to the end; None: that book is through."""

    from_time: dt.datetime | None
    tickets: int | None
    tickets_until: int
    people: int | None
    people_until: int

    def of(self, book: str) -> tuple[int | None, int]:
        """Return after what this book is told, and until when."""
        return (self.tickets, self.tickets_until) if book == "tickets" else (self.people, self.people_until)


async def add_webhook(
    tx: Transaction, id: UUID, *, url: str, types: Sequence[str], description: str, secret: str, at: dt.datetime
) -> None:
    """Keep a webhook that is told of what is heard from now on."""
    values = {"url": url, "types": list(types), "description": description, "secret": secret, "at": at}
    await tx.execute(_ADD, {"ws": tx.workspace_id, "id": id} | values)


async def webhook(tx: Transaction, id: UUID, *, for_update: bool = False) -> Webhook | None:
    """Return a webhook."""
    row = await tx.one(_ONE_LOCKED if for_update else _ONE, {"ws": tx.workspace_id, "id": id})
    return _webhook(row) if row else None


async def webhook_page(tx: Transaction, cursor: str | None, limit: int) -> tuple[Sequence[Webhook], str | None]:
    """Return a page of webhooks, oldest first, and the cursor of the next one; raises Malformed."""
    scope = f"webhooks {tx.workspace_id}"
    after = cursors.decode_id(scope, cursor) if cursor is not None else UUID(int=0)
    rows = await tx.all(_PAGE, {"ws": tx.workspace_id, "after": after, "many": limit + 1})
    more = cursors.encode(scope, [str(rows[limit - 1]["id"])]) if len(rows) > limit else None
    return [_webhook(row) for row in rows[:limit]], more


async def count_webhooks(tx: Transaction) -> int:
    """Count them."""
    return int(await tx.scalar(_COUNT, {"ws": tx.workspace_id}))


async def save_webhook(tx: Transaction, changed: Webhook, at: dt.datetime) -> None:
    """Keep what may be edited of a webhook, as its next version."""
    because = changed.disabled_because
    values = {"url": changed.url, "types": list(changed.event_types), "description": changed.description}
    state = {"enabled": changed.enabled, "because": because and because.value, "at": at}
    await tx.execute(_CHANGE, {"ws": tx.workspace_id, "id": changed.id} | values | state)


async def hurry(tx: Transaction, id: UUID, at: dt.datetime) -> None:
    """Have all that waits for a webhook tried anew, from now on."""
    await tx.execute(_HURRY, {"ws": tx.workspace_id, "id": id, "at": at})


async def delete_webhook(tx: Transaction, id: UUID) -> None:
    """Forget a webhook and all that is on its way."""
    await tx.execute(_DELETE, {"ws": tx.workspace_id, "id": id})


async def delete_webhooks(tx: Transaction) -> None:
    """Forget every webhook of the workspace."""
    await tx.execute(_DELETE_ALL, {"ws": tx.workspace_id})


async def rotate_secret(tx: Transaction, id: UUID, secret: str, *, until: dt.datetime, at: dt.datetime) -> None:
    """Sign with this one, and until then with the one before too."""
    await tx.execute(_ROTATE, {"ws": tx.workspace_id, "id": id, "secret": secret, "until": until, "at": at})


async def forget_old_secrets(tx: Transaction, now: dt.datetime) -> None:
    """Forget secrets that sign no more."""
    await tx.execute(_FORGET_SECRETS, {"now": now})


async def behind(tx: Transaction, many: int) -> list[tuple[str, UUID]]:
    """Return (workspace, webhook) of those to be told of something that was heard."""
    return [(row["workspace_id"], row["id"]) for row in await tx.all(_BEHIND, {"many": many})]


async def replaying(tx: Transaction, many: int) -> list[tuple[str, UUID, UUID]]:
    """Return (workspace, webhook, replay) of what is told again and not through."""
    rows = await tx.all(_REPLAYING, {"many": many})
    return [(row["workspace_id"], row["webhook_id"], row["id"]) for row in rows]


async def places(tx: Transaction, id: UUID) -> Places | None:
    """Return how far a webhook has come, and hold it there until the commit."""
    row = await tx.one(_PLACES, {"ws": tx.workspace_id, "id": id})
    if row is None:
        return None
    return Places(row["tickets_after"], row["people_after"], tuple(row["event_types"]), row["enabled"])


async def reached(tx: Transaction, id: UUID, book: str, to: int) -> None:
    """Remember how far a book has been queued for a webhook."""
    await tx.execute(_REACHED[book], {"ws": tx.workspace_id, "id": id, "to": to})


async def add_replay(
    tx: Transaction,
    id: UUID,
    replay: UUID,
    *,
    time: dt.datetime | None,
    sequence: int | None,
) -> None:
    """Begin to tell a webhook again what it was told, up to now: since a time both books, else the tickets book."""
    starts = {"tickets_after": 0 if sequence is None else sequence - 1, "people_after": 0 if time else None}
    values = {"replay": replay, "time": time, "sequence": sequence}
    await tx.execute(_ADD_REPLAY, {"ws": tx.workspace_id, "id": id} | starts | values)


async def replays(tx: Transaction, id: UUID) -> bool:
    """Tell whether a webhook is being told something again."""
    return bool(await tx.scalar(_OPEN_REPLAY, {"ws": tx.workspace_id, "id": id}))


async def replay(tx: Transaction, replay: UUID) -> Replay | None:
    """Return a replay."""
    row = await tx.one(_REPLAY, {"ws": tx.workspace_id, "replay": replay})
    if row is None:
        return None
    return Replay(
        id=row["id"],
        webhook_id=row["webhook_id"],
        from_time=row["from_time"],
        from_sequence=row["from_sequence"],
        done=row["tickets_after"] is None and row["people_after"] is None,
        told=row["told"],
    )


async def span(tx: Transaction, replay: UUID) -> Span | None:
    """Return what is left to be told again, and hold it there until the commit."""
    row = await tx.one(_REPLAY, {"ws": tx.workspace_id, "replay": replay})
    if row is None:
        return None
    return Span(row["from_time"], row["tickets_after"], row["tickets_until"], row["people_after"], row["people_until"])


async def replayed(tx: Transaction, replay: UUID, book: str, to: int | None, told: int) -> None:
    """Remember how far a book has been told again; None: it is through."""
    await tx.execute(_REPLAYED[book], {"ws": tx.workspace_id, "replay": replay, "to": to, "told": told})


def _webhook(row: Row) -> Webhook:
    return Webhook(
        id=row["id"],
        url=row["url"],
        event_types=tuple(row["event_types"]),
        description=row["description"],
        enabled=row["enabled"],
        disabled_because=Trouble(row["disabled_because"]) if row["disabled_because"] else None,
        failing_since=row["failing_since"],
        pending=row["pending"],
        old_secret_until=row["old_secret_until"],
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
