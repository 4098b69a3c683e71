"""Puts what people are told into their inboxes, each fact once; what is told together is one item."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text

from chassis.database import Row, Transaction
from contracts.base import Audience, TicketEvent, uuid7
from contracts.notifications import Kind
from services.notifications.domain import OURSELVES, Place, Window, because, codes_of, place

_COLUMNS = """
    workspace_id, id, recipient_id, cause, because, kind, audience, ticket_id, actor_kind, actor_id, actor_name, at,
    old, new
"""
_VALUES = """
    :ws, :id, :recipient, :cause, :because, :kind, :audience, cast(:ticket as uuid), :actor_kind, :actor_id,
    :actor_name, :at, :old, :new
"""
_PERSON = "workspace_id = :ws and user_id = :recipient"
# Whoever adds to an inbox holds its owner's row; what is there is looked at after that.
_HOLD = text(f"select told, opened, opened_at, causes from members where {_PERSON} for update")  # noqa: S608 - constants
_BEFORE = text("""
    select s.first, s.opened, exists (
        select 1 from items where workspace_id = :ws and cause = :cause and recipient_id = :recipient
    ) as heard
    from (values (1)) as once left join lateral (
        select first, opened from items
        where workspace_id = :ws and recipient_id = :recipient and because = :because and nth is not null limit 1
    ) as s on true
""")
_TAKE = f"""
    with taken as (
        update members set told = :nth, opened = :window, opened_at = :since, causes = :causes where {_PERSON}
    )
"""  # noqa: S608 - constants
_ITS_ID = """
    coalesce((
        select f.id from items f where f.workspace_id = :ws and f.recipient_id = :recipient and f.nth = :first
    ), :id) as item_id
"""
_ADD = text(f"""
    {_TAKE} insert into items ({_COLUMNS}, nth, first, opened) values ({_VALUES}, :nth, :first, :opened)
    returning {_ITS_ID}
""")  # noqa: S608 - constants
_ADD_WAITING = text(f"insert into items ({_COLUMNS}) values ({_VALUES}) on conflict do nothing")  # noqa: S608 - as above
_FOLD = text(
    "update items set first = :opened where workspace_id = :ws and recipient_id = :recipient and opened = :opened"
)
_DROP = text(
    "delete from items where workspace_id = :ws and recipient_id = :recipient and nth is null"
    " and audience <> all(cast(:audiences as text[]))"
)
# Ids are made in the order in which facts are heard.
_WAITING = text(
    "select * from items where workspace_id = :ws and recipient_id = :recipient and nth is null order by id"
)
_RELEASE = text(f"""
    {_TAKE} update items set nth = :nth, first = :first, opened = :opened where workspace_id = :ws and id = :id
    returning {_ITS_ID}
""")  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class Told:
    """What has come into an inbox, at its `nth` place."""

    item_id: UUID
    """The item that it is part of."""
    recipient_id: UUID
    nth: int
    kind: Kind
    cause: UUID
    ticket_id: UUID


async def add(tx: Transaction, event: TicketEvent, person: UUID, kind: Kind) -> Told | None:
    """Put a fact into a member's inbox; None where they were told of it before."""
    row = _values(event, person, kind)
    held, before = await _look(tx, row)
    return None if before["heard"] else await _enter(tx, _ADD, held, before, row)


async def add_waiting(tx: Transaction, event: TicketEvent, person: UUID, kind: Kind) -> None:
    """Keep a fact for somebody whom `expect` kept a place for."""
    await tx.execute(_ADD_WAITING, _values(event, person, kind))


async def release(tx: Transaction, person: UUID, audiences: Iterable[Audience]) -> list[Told]:
    """Put what has waited for somebody into their inbox, but for what these audiences leave out, which is forgotten."""
    where = {"ws": tx.workspace_id, "recipient": person}
    await tx.execute(_DROP, where | {"audiences": [audience.value for audience in audiences]})
    told = []
    for waiting in await tx.all(_WAITING, where):
        row = where | {name: waiting[name] for name in ("id", "because", "at", "kind", "cause", "ticket_id")}
        held, before = await _look(tx, row)
        told.append(await _enter(tx, _RELEASE, held, before, row | {"ticket": waiting["ticket_id"]}))
    return told


async def add_trouble(tx: Transaction, person: UUID, kind: Kind, cause: UUID, at: dt.datetime) -> bool:
    """Put something of no ticket into an admin's inbox, always by itself; False where they were told of it before."""
    row = {
        "ws": tx.workspace_id,
        "id": uuid7(),
        "recipient": person,
        "cause": cause,
        "because": cause,
        "kind": kind.value,
        "audience": Audience.ADMINS.value,
        "ticket": None,
        "actor_kind": OURSELVES.kind.value,
        "actor_id": OURSELVES.id,
        "actor_name": OURSELVES.name,
        "at": at,
        "old": None,
        "new": None,
    }
    held, before = await _look(tx, row)
    if before["heard"]:
        return False
    nth = held["told"] + 1
    alone = Place(nth=nth, first=nth, opened=None, window=_window(held), folds=False)
    await tx.execute(_ADD, row | _written(alone))
    return True


async def _look(tx: Transaction, row: dict[str, Any]) -> tuple[Row, Row]:
    """Keep others from an inbox; return how far it is, and what it says of the same cause."""
    (held,) = await tx.all(_HOLD, row)
    (before,) = await tx.all(_BEFORE, row)
    return held, before


async def _enter(tx: Transaction, statement: TextClause, held: Row, before: Row, row: dict[str, Any]) -> Told:
    told_before = None if before["first"] is None else (before["first"], before["opened"])
    at = place(held["told"] + 1, row["at"], _window(held), told_before)
    item_id = await tx.scalar(statement, row | _written(at))
    if at.folds:
        await tx.execute(_FOLD, row | {"opened": at.opened})
    return Told(
        item_id=item_id,
        recipient_id=row["recipient"],
        nth=at.nth,
        kind=Kind(row["kind"]),
        cause=row["cause"],
        ticket_id=row["ticket"],
    )


def _written(at: Place) -> dict[str, Any]:
    return {
        "nth": at.nth,
        "first": at.first,
        "opened": at.opened,
        "window": at.window and at.window.opened,
        "since": at.window and at.window.since,
        "causes": at.window.causes if at.window else 0,
    }


def _window(held: Row) -> Window | None:
    if held["opened"] is None:
        return None
    return Window(opened=held["opened"], since=held["opened_at"], causes=held["causes"])


def _values(event: TicketEvent, person: UUID, kind: Kind) -> dict[str, Any]:
    old, new = codes_of(event)
    return {
        "ws": event.workspace_id,
        "id": uuid7(),
        "recipient": person,
        "cause": event.id,
        "because": because(event),
        "kind": kind.value,
        "audience": event.audience.value,
        "ticket": event.ticket_id,
        "actor_kind": event.actor.kind.value,
        "actor_id": event.actor.id,
        "actor_name": event.actor.name,
        "at": event.at,
        "old": old,
        "new": new,
    }
