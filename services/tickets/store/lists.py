"""Finds tickets: filters, search and pages that stay put while others write. One statement for a page."""

import datetime as dt
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from chassis import cursors
from chassis.database import Transaction
from contracts.refusals import Malformed
from contracts.tickets import ACTIVE, ListTickets
from services.tickets.domain import TicketState
from services.tickets.store.pages import fitting
from services.tickets.store.rows import BESIDE, CONTACT, TICKET, state_of
from services.tickets.store.tickets import LARGEST_NUMBER, folded

_A_NUMBER = re.compile(r"#?([1-9][0-9]{0,9})")
_ROW = 1500
"""Bytes of a ticket in a list beside its subject, tags and conversations, at most."""
_WILDCARDS = str.maketrans({"\\": r"\\", "%": r"\%", "_": r"\_"})


@dataclass(frozen=True, slots=True)
class _Sort:
    """A column to sort by, its value as JSON, and JSON as its value (ValueError or TypeError where it is none)."""

    column: str
    out: Callable[[TicketState], str | int]
    back: Callable[[str | int], dt.datetime | int]
    type: str


def _time(value: str | int) -> dt.datetime:
    time = dt.datetime.fromisoformat(str(value))
    if time.tzinfo is None:
        raise ValueError(value)
    return time


def _whole(value: str | int) -> int:
    if not isinstance(value, int) or not 0 <= value <= LARGEST_NUMBER:
        raise ValueError(value)
    return value


_SORTS = {
    "updated": _Sort("updated_at", lambda state: state.updated_at.isoformat(), _time, "timestamptz"),
    "created": _Sort("created_at", lambda state: state.created_at.isoformat(), _time, "timestamptz"),
    "priority": _Sort("priority_rank", lambda state: state.priority.rank, _whole, "int"),
    "number": _Sort("number", lambda state: state.number, _whole, "int"),
}

_STATUSES = "t.status = any(cast(:statuses as text[]))"
_PRIORITIES = "t.priority = any(cast(:priorities as text[]))"
_NOBODYS = "t.assignee_id is null"
_ASSIGNEE = "t.assignee_id = :assignee"
_TAG = ":tag = any(t.tags)"
# The trigram index answers first; its ids are then looked up in `tickets`, under the policy.
_FOUND = "select s.ticket_id from ticket_search s where s.workspace_id = :ws"
_NUMBERED = "union all select n.id from tickets n where n.workspace_id = :ws and n.number = :number"


async def page(tx: Transaction, wanted: ListTickets) -> tuple[Sequence[TicketState], str | None]:
    """Return a page of tickets without their descriptions, no more than fit, and the next cursor; raises Malformed."""
    conditions, values = _filters(wanted)
    sort, down = _SORTS[wanted.sort.removeprefix("-")], wanted.sort.startswith("-")
    scope = json.dumps([tx.workspace_id, wanted.sort, conditions, values], default=str, sort_keys=True)
    if wanted.cursor is not None:
        conditions.append(
            f"(t.{sort.column}, t.id) {'<' if down else '>'} (cast(:after as {sort.type}), cast(:after_id as uuid))"
        )
        values |= _place(sort, cursors.decode(scope, wanted.cursor))
    way = "desc" if down else "asc"
    order = f"order by t.{sort.column} {way}, t.id {way}"
    statement = (
        *(
            "with page as (select t.priority_rank,",
            TICKET,
            "from tickets t where",
            " and ".join(["t.workspace_id = :ws", *conditions]),
        ),
        *(order, "limit :many) select", TICKET, ",", BESIDE, "from page t", CONTACT, order),
    )
    rows = await tx.all(text(" ".join(statement)), {"ws": tx.workspace_id, "many": wanted.limit + 1, **values})
    states = [state_of(row) for row in rows[: wanted.limit]]
    states = states[: fitting([_size(state) for state in states])]
    more = len(rows) > len(states)
    return states, cursors.encode(scope, [sort.out(states[-1]), str(states[-1].id)]) if more else None


def _size(state: TicketState) -> int:
    links = [link.model_dump(mode="json") for link in state.conversations]
    return _ROW + len(json.dumps([state.subject, state.tags, links], ensure_ascii=False).encode())


def _filters(wanted: ListTickets) -> tuple[list[str], dict[str, Any]]:
    conditions, values = [_STATUSES], {"statuses": sorted({status.value for status in wanted.statuses or ACTIVE})}
    more: dict[str, Any] = {}
    if wanted.priorities:
        conditions.append(_PRIORITIES)
        more["priorities"] = sorted({priority.value for priority in wanted.priorities})
    if wanted.assignee == "none":
        conditions.append(_NOBODYS)
    elif wanted.assignee is not None:
        conditions.append(_ASSIGNEE)
        more["assignee"] = wanted.assignee
    if wanted.tag is not None:
        conditions.append(_TAG)
        more["tag"] = wanted.tag
    if words := folded(wanted.q).split():
        likes = {f"word{nth}": f"%{word.translate(_WILDCARDS)}%" for nth, word in enumerate(dict.fromkeys(words))}
        found = [_FOUND, *(f"and s.words like :{name}" for name in likes)]
        number = _A_NUMBER.fullmatch(wanted.q.strip())
        if number and int(number[1]) <= LARGEST_NUMBER:
            found.append(_NUMBERED)
            more["number"] = int(number[1])
        conditions.append(f"t.id in ({' '.join(found)})")
        more |= likes
    return conditions, values | more


def _place(sort: _Sort, values: Sequence[Any]) -> Mapping[str, Any]:
    """Return where the page begins; the seal of a cursor keeps accidents out, not somebody who makes one by hand."""
    try:
        after, id = values
        return {"after": sort.back(after), "after_id": UUID(id)}
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise Malformed("the cursor is broken") from error
