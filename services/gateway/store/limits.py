"""Remembers how often something was tried. Of who tried only a hash is kept."""

import datetime as dt

from sqlalchemy import text

from chassis.database import Transaction
from services.gateway.domain import Limit

_WINDOW = text("select count(*) as many, min(at) as oldest from tries where key = :key and at > :since")
_LOCK = text("select pg_advisory_xact_lock(hashtextextended(encode(cast(:key as bytea), 'hex'), 0))")
_ADD = text("insert into tries (key, at, ends_at) values (:key, :at, :ends_at)")
_TAKE_BACK = text("""
    delete from tries where ctid = (select ctid from tries where key = :key order by at desc limit 1)
""")
_PURGE = text("delete from tries where ends_at <= :now")


async def wait(tx: Transaction, key: bytes, limit: Limit, now: dt.datetime) -> dt.timedelta | None:
    """Return how long whoever this is must wait before they may try; None: not at all."""
    row = await tx.one(_WINDOW, {"key": key, "since": now - limit.within})
    if row is None or row["many"] < limit.amount:
        return None
    oldest: dt.datetime = row["oldest"]
    return oldest + limit.within - now


async def count_hit(tx: Transaction, key: bytes, limit: Limit, now: dt.datetime) -> dt.timedelta | None:
    """Count a try, as `wait`; one that is too many is not counted, so that nobody is kept out for ever."""
    await tx.execute(_LOCK, {"key": key})
    if (left := await wait(tx, key, limit, now)) is None:
        await tx.execute(_ADD, {"key": key, "at": now, "ends_at": now + limit.within})
    return left


async def take_back_hit(tx: Transaction, key: bytes) -> None:
    """Let the last try not have been one."""
    await tx.execute(_LOCK, {"key": key})
    await tx.execute(_TAKE_BACK, {"key": key})


async def purge_hits(tx: Transaction, now: dt.datetime) -> int:
    """Forget tries that no limit looks at any more; returns how many."""
    return await tx.execute(_PURGE, {"now": now})
