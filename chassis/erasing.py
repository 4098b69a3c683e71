"""Orders to erase somebody: kept by id, learned from each other, done until they are done, and done again.

Each service keeps every order, so that the store of one may be put back to an older day: the others tell it.
"""

import base64
import json
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text

from chassis.bus import Bus
from chassis.database import Database, Row, Transaction, is_weather
from chassis.logs import get_logger
from chassis.service import Service
from contracts.base import SERVICES, now
from contracts.erasing import (
    ErasedPart,
    ErasedParts,
    ErasedWords,
    Erasure,
    ErasurePage,
    ListErasures,
    PersonKind,
    PersonRef,
    ReadErasure,
)
from contracts.refusals import Refusal
from contracts.streams import Stream

log = get_logger()

ERASED = "[erased]"
"""What stands where words were."""
RECORD = "erasure"
"""The kind of record that the facts of an order are about."""

OWNERS = {PersonKind.CONTACT: ("tickets",), PersonKind.MEMBER: ("gateway", "tickets")}
"""In whose records the words of such a person stand."""

_RANGE = 20_000
_AT_ONCE = 200
_MOST_TEXTS = 500
"""Texts that one fact names: it must fit into a message of 64 KiB."""

_ORDER = text(
    "insert into erasures (workspace_id, id, owner, person_kind, person_id, asked_at)"
    " values (:ws, :id, :owner, :kind, :person, :at) on conflict do nothing"
)
_OF_PERSON = text(
    "select * from erasures where workspace_id = :ws and owner = :owner and person_kind = :kind and person_id = :person"
    " and done_at is null limit 1"
)
_LIST = text(
    "select * from erasures where (cast(:only as text) is null or workspace_id = :only)"
    " and (workspace_id, id, owner) > (:ws, :id, :owner) order by workspace_id, id, owner limit :many"
)
_DUE = text("select * from erasures where done_at is null order by asked_at limit :many")
_HOLD = text(
    "select told_at from erasures"
    " where workspace_id = :ws and id = :id and owner = :owner and done_at is null for update"
)
_TOLD = text("update erasures set told_at = :at where workspace_id = :ws and id = :id and owner = :owner")
_DONE = text("update erasures set done_at = :at where workspace_id = :ws and id = :id and owner = :owner")
_UNNUMBERED = text("select exists (select 1 from event_log where workspace_id = :ws and position is null)")
_IS_UNSENT = text("select exists (select 1 from event_log where workspace_id = :ws and sent_at is null)")
_TELL_ANEW = text(
    "update event_log set sent_at = null where workspace_id = :ws and at > :since"
    " and position = any(cast(:positions as bigint[]))"
)
_END = text("select coalesce(max(position), 0) from event_log where workspace_id = :ws")
_PARTS = text(
    "select body, version from event_log where workspace_id = :ws and about_kind = :kind and about_id = :id"
    " and body ? 'words' and version > :after order by version limit 4"
)
_BLANK = text(
    "update idempotency set answer = null, secret_of = 'erased'"
    " where workspace_id = :ws and answer like any(cast(:needles as text[]))"
)
_LETTERS = text(
    "select id, headers, body from dead_letters where workspace_id = :ws and id > :after order by id limit 100"
)
_DROP = text("delete from dead_letters where workspace_id = :ws and id = any(cast(:ids as uuid[]))")

BESIDE_ID = """
    e.body #>> (string_to_array(ltrim(regexp_replace(t.pointer, '/[^/]*$', ''), '/'), '/') || cast('id' as text))
        = :id
"""
"""That a text `t` of a fact `e` stands beside somebody's id: it is their name, or their address."""

type Do = Callable[[Erasure], Awaitable[None]]
type Take = Callable[[Transaction, str, ErasedPart], Awaitable[None]]
"""Erases the copies of what stands in an owner's record."""


def record_of(condition: str) -> TextClause:
    """Return the statement that erases texts `t` of facts `e`, between two positions, of which this holds."""
    return text(
        "delete from event_texts as t using event_log as e"  # noqa: S608 - constants
        " where t.workspace_id = :ws and e.workspace_id = :ws and e.id = t.event_id"
        f" and e.position > :after and e.position <= :upto and ({condition}) returning e.position, t.pointer"
    )


async def is_unnumbered(tx: Transaction) -> bool:
    """Tell whether a fact of this workspace has no position yet, so that nobody could be told to erase it."""
    return bool(await tx.scalar(_UNNUMBERED, {"ws": tx.workspace_id}))


async def is_unsent(tx: Transaction) -> bool:
    """Tell whether a fact of this workspace is still to be told, with the words that it had a moment ago maybe."""
    return bool(await tx.scalar(_IS_UNSENT, {"ws": tx.workspace_id}))


async def tell_anew(tx: Transaction, stream: Stream, positions: Iterable[str]) -> None:
    """Have facts told once more without the words, in place of those that were taken out of a stream.

    Who has heard of one knows its position and passes it over; who was still to read it would have missed it.
    """
    values = {"ws": tx.workspace_id, "since": now() - stream.max_age, "positions": [*map(int, positions)]}
    if await tx.execute(_TELL_ANEW, values):
        tx.wake()


async def erase_record(tx: Transaction, statement: TextClause, values: Mapping[str, Any]) -> list[ErasedWords]:
    """Erase texts of our own record by a statement of `record_of`; return which, by position."""
    found: dict[int, list[str]] = {}
    end = int(await tx.scalar(_END, {"ws": tx.workspace_id}))
    for after in range(0, end, _RANGE):
        where = {"ws": tx.workspace_id, "after": after, "upto": after + _RANGE}
        for row in await tx.all(statement, {**values, **where}):
            found.setdefault(row["position"], []).append(row["pointer"])
    return [ErasedWords(seq=seq, pointers=tuple(sorted(found[seq]))) for seq in sorted(found)]


def parts_of(person: PersonRef, words: Sequence[ErasedWords], ticket_ids: Sequence[UUID] = ()) -> list[ErasedPart]:
    """Divide what was erased into parts that fit into a message each; there is one at least."""
    parts: list[tuple[list[ErasedWords], list[UUID]]] = [([], [])]
    room = _MOST_TEXTS
    for each in words:
        if room < len(each.pointers):
            parts.append(([], []))
            room = _MOST_TEXTS
        parts[-1][0].append(each)
        room -= len(each.pointers)
    for nth, start in enumerate(range(0, len(ticket_ids), _MOST_TEXTS)):
        if nth == len(parts):
            parts.append(([], []))
        parts[nth][1].extend(ticket_ids[start : start + _MOST_TEXTS])
    return [
        ErasedPart(person=person, words=tuple(some), ticket_ids=tuple(ids), more=nth < len(parts))
        for nth, (some, ids) in enumerate(parts, 1)
    ]


async def read_erasure(request: ReadErasure, tx: Transaction) -> ErasedParts:
    """Tell again what was erased."""
    where = {"ws": request.workspace_id, "kind": RECORD, "id": str(request.id), "after": request.after}
    return ErasedParts(parts=tuple(ErasedPart.model_validate(row["body"]) for row in await tx.all(_PARTS, where)))


async def blank_answers(tx: Transaction, needles: Iterable[str]) -> None:
    """Wipe the stored answers in which one of these stands; a repeat of their requests is refused, not done again."""
    await tx.execute(_BLANK, {"ws": tx.workspace_id, "needles": [f"%{literal(each)}%" for each in needles]})


async def drop_letters(tx: Transaction, needles: Collection[str]) -> None:
    """Forget the dead letters in which one of these stands."""
    after = UUID(int=0)
    while rows := await tx.all(_LETTERS, {"ws": tx.workspace_id, "after": after}):
        theirs = [r["id"] for r in rows if mentions(json.dumps(r["headers"]).encode() + bytes(r["body"]), needles)]
        await tx.execute(_DROP, {"ws": tx.workspace_id, "ids": theirs})
        after = rows[-1]["id"]


def mentions(data: bytes, needles: Collection[str]) -> bool:
    """Tell whether one of these stands in some bytes, in whichever case, escaped as JSON escapes or not."""
    said = data.decode(errors="replace")
    if "\\" in said:
        said += re.sub(r"\\u([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)), said).replace("\\", "")
    said = said.casefold()
    return any(needle.casefold() in said for needle in needles)


def letter_mentions(letter: bytes, needles: Collection[str]) -> bool:
    """Tell whether one of these stands in a dead letter as it is told: its body is base64."""
    try:
        body = base64.b64decode(json.loads(letter)["body"])
    except (ValueError, LookupError, TypeError):
        body = b""
    return mentions(letter, needles) or mentions(body, needles)


def literal(words: str) -> str:
    """Return words as they mean themselves in `like`."""
    return words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


# Orders


async def order(tx: Transaction, erasure: Erasure) -> None:
    """Keep an order; one that is known stays as it is."""
    await tx.execute(
        _ORDER,
        {
            "ws": erasure.workspace_id,
            "id": erasure.id,
            "owner": erasure.owner,
            "kind": erasure.person.kind.value,
            "person": erasure.person.id,
            "at": erasure.asked_at,
        },
    )


async def underway(tx: Transaction, owner: str, person: PersonRef) -> Erasure | None:
    """Return the order for somebody that is not done yet."""
    where = {"ws": tx.workspace_id, "owner": owner, "kind": person.kind.value, "person": person.id}
    row = await tx.one(_OF_PERSON, where)
    return _erasure(row) if row else None


async def hold(tx: Transaction, erasure: Erasure) -> Row | None:
    """Let nobody else do it before the commit, and return `told_at`; None: it is done."""
    return await tx.one(_HOLD, _key(erasure))


async def told(tx: Transaction, erasure: Erasure) -> None:
    """Remember that our own words are erased and the others told; what streams hold of them is still to go."""
    await tx.execute(_TOLD, _key(erasure) | {"at": now()})


async def settle(tx: Transaction, erasure: Erasure) -> None:
    """Remember that it is done here."""
    await tx.execute(_DONE, _key(erasure) | {"at": now()})


async def take_part(tx: Transaction, id: UUID, owner: str, part: ErasedPart, erase: Take) -> None:
    """Erase the copies of a part that an owner tells of; the last one settles the order."""
    told = Erasure(id=id, workspace_id=tx.workspace_id, person=part.person, owner=owner, asked_at=now(), done_at=None)
    await order(tx, told)
    await erase(tx, owner, part)
    if not part.more:
        await settle(tx, told)


def copies(bus: Bus, database: Database, erase: Take) -> Do:
    """Return what does an order where only copies are: its owner is asked what was erased, part by part."""

    async def do(erasure: Erasure) -> None:
        after, more = 0, True
        while more:
            request = ReadErasure.of_owner(erasure.owner)
            asked = request(workspace_id=erasure.workspace_id, id=erasure.id, after=after)
            found = (await bus.ask(asked)).parts
            for part in found:
                async with database.transaction(erasure.workspace_id) as tx:
                    await take_part(tx, erasure.id, erasure.owner, part, erase)
            after += len(found)
            more = bool(found) and found[-1].more

    return do


class Erasing:
    """Does the orders of one service. `do` settles one, or leaves it for the next turn; it may do so twice."""

    def __init__(self, service: Service, *, owners: Mapping[PersonKind, Sequence[str]], do: Do) -> None:
        """Answer which orders there are; `owners`: in whose records the words of such a person stand."""
        self._bus, self._database, self._owners, self._do = service.bus, service.database, owners, do
        service.bus.answers(ListErasures.of(service.name))(list_erasures)
        service.every(1, "erase")(self.turn)
        service.every(30, "learn_erasures")(self.learn)

    async def turn(self) -> None:
        """Do what is due; an order that fails waits for the next turn."""
        async with self._database.glance("find orders to erase") as tx:
            due = [_erasure(row) for row in await tx.all(_DUE, {"many": _AT_ONCE})]
        for erasure in due:
            try:
                await self._do(erasure)
            except Exception as error:
                if not (is_weather(error) or isinstance(error, Refusal)):
                    log.exception("erasure.failed", erasure=str(erasure.id))
                    continue
                log.info("erasure.waits", erasure=str(erasure.id), why=repr(error))

    async def learn(self) -> None:
        """Take up the orders that other services have; who is away is asked at the next turn."""
        for service in SERVICES:
            if service == self._bus.service:
                continue
            try:
                await self._learn_of(service)
            except Refusal as refusal:
                log.info("erasures.unknown", of=service, why=refusal.code)

    async def _learn_of(self, service: str) -> None:
        kind, more = ListErasures.of(service), True
        request = kind()
        while more:
            page = await self._bus.ask(request)
            more = page.more and bool(page.items)
            if page.items:
                await take_up(self._database, page.items, self._owners)
                last = page.items[-1]
                request = kind(after_workspace=last.workspace_id, after=last.id, after_owner=last.owner)


async def take_up(database: Database, told: Iterable[Erasure], owners: Mapping[PersonKind, Sequence[str]]) -> None:
    """Keep orders that somebody else tells of; those that are known stay as they are."""
    async with database.every_workspace("take up orders to erase") as tx:
        for each in told:
            for owner in owners[each.person.kind]:
                await order(tx, each.model_copy(update={"owner": owner}))


async def list_erasures(request: ListErasures, tx: Transaction) -> ErasurePage:
    """Tell which orders this service has."""
    where = {
        "only": request.workspace_id,
        "ws": request.after_workspace,
        "id": request.after,
        "owner": request.after_owner,
        "many": request.limit + 1,
    }
    rows = await tx.all(_LIST, where)
    return ErasurePage(items=tuple(_erasure(row) for row in rows[: request.limit]), more=len(rows) > request.limit)


def _key(erasure: Erasure) -> dict[str, Any]:
    return {"ws": erasure.workspace_id, "id": erasure.id, "owner": erasure.owner}


def _erasure(row: Row) -> Erasure:
    return Erasure(
        id=row["id"],
        workspace_id=row["workspace_id"],
        person=PersonRef(kind=PersonKind(row["person_kind"]), id=row["person_id"]),
        owner=row["owner"],
        asked_at=row["asked_at"],
        done_at=row["done_at"],
    )
