"""Finds tickets: pages that stay put while others write. One statement each."""

import datetime as dt
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from chassis import cursors
from chassis.database import Row, Transaction
from contracts.refusals import Malformed
from contracts.tickets import ListTickets
from services.tickets.domain import Ticket, TicketState, field_values
from services.tickets.store.filters import is_shown, where
from services.tickets.store.pages import fitting
from services.tickets.store.rows import BESIDE, CONTACT, TICKET, tickets_of
from services.tickets.store.search import FEW, GLANCE, LAST, LOOK, NEXT, OFTEN, SURE, WORDS, Search, Weeks, search
from services.tickets.store.tickets import LARGEST_NUMBER

_ROW = 1500
"""Bytes of a ticket in a list beside its subject, tags, fields and conversations, at most."""

# By their ids: among all along the order, where the planner would look for them, they may be far.
_BY_ID = "(select t.* from tickets t where t.workspace_id = :ws and t.id = any(array({})) offset 0)"

# Week by week, so that the next is not looked up once there are enough.
_BY_WEEK = """(
    select w.week, t.* from (select week, array_agg(id) as ids from found where {} group by week order by week {}) w
    cross join lateral (select t.* from tickets t where t.workspace_id = :ws and t.id = any(w.ids) offset 0) t
)"""

# Of the newest tickets only: every page of the list asks, and years of old ones would be read each time.
_TAGS = text("""
    select tag from (select tags from tickets where workspace_id = :ws and deleted_at is null
        order by updated_at desc, id desc limit 2000) t, unnest(t.tags) as tag
    group by tag order by count(*) desc, tag limit 100
""")


@dataclass(frozen=True, slots=True)
class _Sort:
    """A column to sort by, its value as JSON, and JSON as its value (ValueError or TypeError where it is none)."""

    column: str
    out: Callable[[TicketState], str | int]
    back: Callable[[str | int], dt.datetime | int]
    type: str
    weeks: str = ""
    """Where the index of words knows its week."""


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
    "updated": _Sort("updated_at", lambda state: state.updated_at.isoformat(), _time, "timestamptz", "week"),
    "created": _Sort("created_at", lambda state: state.created_at.isoformat(), _time, "timestamptz", "opened_week"),
    "priority": _Sort("priority_rank", lambda state: state.priority.rank, _whole, "int"),
    "number": _Sort("number", lambda state: state.number, _whole, "int"),
}


@dataclass(frozen=True, slots=True)
class _Asked:
    """Conditions on a ticket `t`, the order, the values of both, and how many rows are wanted."""

    conditions: Sequence[str]
    order: str
    values: Mapping[str, Any]
    place: Mapping[str, Any]
    """Where the page begins, as values."""
    many: int
    shown: bool
    """Whether none is wanted but those that are shown by default."""
    weeks: Weeks
    """Those of the time that it is ordered by."""

    async def rows(self, tx: Transaction) -> Sequence[Row]:
        """Return the rows."""
        return await tx.all(text(self._shown("tickets", self.conditions)), self._all(tx))

    async def searched(self, tx: Transaction, words: Search) -> Sequence[Row]:
        """Return the rows that have the words."""
        if not words.indexed:
            return await self._along(tx, words)
        columns = f"t.id, t.number, {WORDS} as words, {LAST} as last"
        first = await tx.all(text(self._first(columns, GLANCE)), self._all(tx, most=GLANCE))
        said = [row["id"] for row in first if words.are_in(row["words"], row["number"])]
        if len(said) >= self.many or len(first) < GLANCE:
            return await self._these(tx, said)
        if len(said) < OFTEN:
            glance = [row["words"] for row in first]
            likely = words.likelihood(glance)
            enough = math.ceil(SURE * self.many / likely)
            # What nobody says together may be rarer by far than what each says tells; and not all tickets are shown.
            sure = enough if (said or words.indexed == 1) and not self.shown else SURE * enough
            tries: Sequence[int | None] = (None,)
            if self.weeks.known:
                tries = (sure, None) if sure <= NEXT else (None, min(enough, NEXT))
            elif said and self.many / likely < likely * first[0]["last"]:  # Sooner met along the order than looked up.
                rows = await self._of_first(tx, words, enough)
                if len(rows) == self.many:
                    return rows
            words = words.rarest_first(glance)
            await words.by_index(tx)
            for most in tries:
                few = await self._few(tx, words, most)
                if few is not None and (most is None or len(few) == self.many):
                    return few
            await words.by_order(tx)
        return await self._along(tx, words)

    async def _these(self, tx: Transaction, ids: Sequence[UUID]) -> Sequence[Row]:
        """Return the first rows of these, as far as they are still wanted."""
        shown = self._shown(_BY_ID.format("select unnest(cast(:ids as uuid[]))"), self.conditions)
        return await tx.all(text(shown), self._all(tx, ids=ids)) if ids else ()

    async def _few(self, tx: Transaction, words: Search, most: int | None) -> Sequence[Row] | None:
        """Return the rows of all that have the words, or of near weeks; None where those are more than a few."""
        near = "" if most is None else self.weeks.near(placed=bool(self.place))
        found = words.found_by_index(self.weeks, shown=self.shown, near=near)
        few = f"(select count(*) from found) <= {FEW}"  # noqa: S608 - constants
        if self.place:
            few += f" and {self.weeks.not_past}"
        order = self.order.replace("order by", f"order by t.week {self.weeks.way},")
        shown = self._shown(self._chosen(_BY_WEEK.format(few, self.weeks.way), self.conditions, order))
        statement = (
            f"with found as materialized (select id, week from ({found}) f limit {FEW + 1})"  # noqa: S608 - constants
            f" select * from (select count(*) as found from found) n left join ({shown}) r on true"
        )
        rows = await tx.all(text(statement), self._all(tx, next=most, **words.values))
        if rows[0]["found"] > FEW:
            return None
        return rows if rows[0]["id"] else ()

    async def _along(self, tx: Transaction, words: Search) -> Sequence[Row]:
        """Return the rows along the order: of its first tickets, or of all where those are too few."""
        found = await self._of_first(tx, words, LOOK)
        return found if len(found) == self.many else await self._of_first(tx, words, None)

    async def _of_first(self, tx: Transaction, words: Search, most: int | None) -> Sequence[Row]:
        shown = self._shown(self._chosen(f"({self._first('t.*', most)})", [words.check]))
        return await tx.all(text(shown), self._all(tx, most=most, **words.values))

    def _first(self, columns: str, most: int | None) -> str:
        """Return the statement for the first so many of the order."""
        where = " and ".join(self.conditions)
        return f"select {columns} from tickets t where {where} {self.order} {self._limit(most=most)}"  # noqa: S608 - constants

    def _chosen(self, tickets: str, conditions: Sequence[str], order: str = "") -> str:
        """Return those of these tickets that are wanted: nothing else of the others is read than what tells that."""
        where, order = " and ".join(conditions), order or self.order
        ids = f"select t.id from {tickets} t where {where} {order} {self._limit(many=self.many)}"  # noqa: S608 - constants
        return _BY_ID.format(ids)

    def _shown(self, tickets: str, conditions: Sequence[str] = ("true",)) -> str:
        """Return the statement for the rows of these tickets."""
        return (
            f"with page as (select t.priority_rank, {TICKET} from {tickets} t"  # noqa: S608 - constants
            f" where {' and '.join(conditions)} {self.order} {self._limit(many=self.many)})"
            f" select '' as description, {TICKET}, {BESIDE} from page t {CONTACT} {self.order}"
        )

    def _limit(self, **named: int | None) -> str:
        """Return a limit; as a constant, so that one plan will do, where no value may be of few tickets or of many."""
        ((name, most),) = named.items()
        return f"limit :{name}" if self.values or most is None else f"limit {most}"

    def _all(self, tx: Transaction, **values: Any) -> Mapping[str, Any]:
        return {"ws": tx.workspace_id, "many": self.many, **self.values, **self.place, **values}


async def page(tx: Transaction, wanted: ListTickets) -> tuple[Sequence[Ticket], str | None]:
    """Return a page of tickets without their descriptions, no more than fit, and the next cursor; raises Malformed."""
    conditions, values = where(wanted.model_copy(update={"q": ""}), wanted.statuses)
    sort, down = _SORTS[wanted.sort.removeprefix("-")], wanted.sort.startswith("-")
    scope = json.dumps([tx.workspace_id, wanted.sort, wanted.q, conditions, values], default=str, sort_keys=True)
    place: Mapping[str, Any] = {}
    if wanted.cursor is not None:
        conditions.append(
            f"(t.{sort.column}, t.id) {'<' if down else '>'} (cast(:after as {sort.type}), cast(:after_id as uuid))"
        )
        place = _place(sort, cursors.decode(scope, wanted.cursor))
    way = "desc" if down else "asc"
    order = f"order by t.{sort.column} {way}, t.id {way}"
    shown = is_shown(wanted, wanted.statuses)
    weeks = Weeks(sort.column, sort.weeks, down)
    asked = _Asked(conditions, order, values, place, wanted.limit + 1, shown, weeks)
    words = search(wanted.q)
    rows = await (asked.searched(tx, words) if words else asked.rows(tx))
    tickets = tickets_of(rows[: wanted.limit])
    tickets = tickets[: fitting([_size(ticket.state) for ticket in tickets])]
    if len(rows) == len(tickets):
        return tickets, None
    last = tickets[-1].state
    return tickets, cursors.encode(scope, [sort.out(last), str(last.id)])


async def tags(tx: Transaction) -> list[str]:
    """Return the tags of the tickets that changed last, those of many tickets first."""
    return [row["tag"] for row in await tx.all(_TAGS, {"ws": tx.workspace_id})]


def _size(state: TicketState) -> int:
    links = [link.model_dump(mode="json") for link in state.conversations]
    fields = field_values(state.fields)
    return _ROW + len(json.dumps([state.subject, state.tags, fields, links], ensure_ascii=False).encode())


def _place(sort: _Sort, values: Sequence[Any]) -> Mapping[str, Any]:
    """Return where the page begins; the seal of a cursor keeps accidents out, not somebody who makes one by hand."""
    try:
        after, id = values
        return {"after": sort.back(after), "after_id": UUID(id)}
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise Malformed("the cursor is broken") from error
