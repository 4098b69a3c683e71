"""Records what the owners tell, reads it back, and proves it."""

import json
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any
from uuid import UUID

from chassis import erasing, inbox
from chassis.bus import NotYet, Told, Transaction
from chassis.database import Database
from chassis.inbox import advance, applied
from chassis.letters import letter_page
from contracts.activity import (
    AuditPage,
    Book,
    BookHead,
    BookLine,
    BookVerdict,
    DayCount,
    DropActivityLetter,
    Entry,
    EntryPage,
    EntryRecorded,
    ExportBook,
    ExportPage,
    Feed,
    GetActivityLetter,
    Heads,
    History,
    ListActivityLetters,
    ReadAudit,
    ReadHeads,
    Report,
    ReportSnapshot,
    RetryActivityLetter,
    SealedText,
    Verdict,
    Verify,
    is_in_scope,
)
from contracts.base import (
    Actor,
    ActorKind,
    Caller,
    DeadLetter,
    LoggedFact,
    Model,
    Role,
    Subject,
    Via,
    now,
)
from contracts.erasing import ContactErased, ErasedPart, MemberErased
from contracts.letters import DeadLetterPage
from contracts.refusals import Conflict, NotAllowed, NotFound, NotReached
from contracts.streams import stream_of
from contracts.transfer import Imported, ImportEntries
from services.activity import domain, store
from services.activity.store import Kept

_ROOM = 240 * 1024
_LINES_AT_ONCE = 500
_END = 2**53
_ITSELF = Actor(kind=ActorKind.SYSTEM, id="activity", name="Activity")


ERASED = {kind.SUBJECT: kind.OWNER for kind in (ContactErased, MemberErased)}
"""Who tells by which fact that words were erased from their record."""


class Erased(ErasedPart):
    """A part of an order, as a fact tells it."""

    subject: Subject


async def erase(tx: Transaction, owner: str, part: ErasedPart) -> None:
    """Erase the words that stand beside the entries; the entries stay, and prove themselves."""
    (book,) = (book for book, whose in domain.OWNERS.items() if whose == owner)
    await store.erase(tx, book, part.words)
    needles = [str(part.person.id), *map(str, part.ticket_ids)]
    await erasing.drop_letters(tx, needles)


class Differs(Exception):
    """What stands in the book is not what its owner tells."""


# Recording


async def record(book: Book, told: Told, tx: Transaction) -> None:
    """Write a fact down as the next entry of its book, and tell those who follow.

    What stands there already is left alone. A book with a hole is not gone on with: raises NotYet until it is filled.
    """
    head = await store.head(tx, book)
    if told.position <= head.seq:
        return
    if told.position != head.seq + 1:
        raise NotYet(f"the book {book} ends at {head.seq}; rebuild it", give_up_after=math.inf)
    entry, _ = await _write(tx, head, told)
    tx.announce(
        EntryRecorded(
            workspace_id=tx.workspace_id,
            actor=_ITSELF,
            via=Via.RULE,
            cause=str(entry["id"]),
            audience=EntryRecorded.AUDIENCE,
            subject=Subject(kind="book", id=book.value, version=told.position),
            book=book,
            seq=told.position,
            entry_type=told.type.rpartition(".")[2],
            entry_ticket_id=entry.get("ticket_id"),
            entry_audience=domain.audience_of(entry),
        )
    )


async def rebuild(tx: Transaction, book: Book, facts: Sequence[LoggedFact]) -> int:
    """Write facts of one workspace, as their owner keeps them, into a book that lacks them; return how many it lacked.

    The consumer goes on after them; nothing is announced, as it was when it happened. Raises Differs where the book
    says something else, or the log has a hole.
    """
    consumer = stream_of(f"{facts[0].type}.{tx.workspace_id}").name
    consumed = await applied(tx, consumer)
    head = await store.head(tx, book)
    lacked = 0
    for fact in facts:
        told = Told(id=str(fact.id), type=fact.type, position=fact.position, body=fact.body)
        if fact.position <= head.seq:
            entry, _ = domain.entry_of(told.id, told.type, told.position, told.body)
            if await store.entry_at(tx, book, told.position) != store.canonical(entry):
                raise Differs(f"{tx.workspace_id} {book} {fact.position}: the book says something else than the log")
            continue
        if fact.position != head.seq + 1:
            raise Differs(f"{tx.workspace_id} {book}: the log goes on at {fact.position}, the book ends at {head.seq}")
        _, head = await _write(tx, head, told)
        lacked += 1
    await advance(tx, consumer, max(consumed, facts[-1].position))
    return lacked


async def import_entries(command: ImportEntries, tx: Transaction) -> Imported:
    """Record facts that were told elsewhere; nothing is announced."""
    if command.caller.role is not Role.OWNER:
        raise NotAllowed("Only an owner may import.")
    try:
        return Imported(fresh=await rebuild(tx, Book.TICKETS, command.facts))
    except Differs as error:
        raise Conflict("The record of this workspace says something else.") from error


async def _write(tx: Transaction, head: BookHead, told: Told) -> tuple[dict[str, Any], BookHead]:
    entry, texts = domain.entry_of(told.id, told.type, told.position, told.body)
    if entry.get("workspace_id") != tx.workspace_id:
        raise NotAllowed("the body names another workspace than the subject")
    written = store.add(tx, head, entry, texts)
    if step := domain.counted(entry):
        await store.count(tx, told.position, step)
    if owner := ERASED.get(told.type):
        event = Erased.model_validate(told.body)
        await erasing.take_part(tx, UUID(event.subject.id), owner, event, erase)
    return entry, written


async def prune(database: Database) -> int:
    """Forget announcements that were sent more than thirty days ago; the books say it all. Return how many."""
    async with database.every_workspace("forget announcements") as tx:
        return await store.prune(tx)


# Reading


async def history(request: History, tx: Transaction) -> EntryPage:
    """Return what happened to a ticket; `after` and `last` count its versions."""
    reach = await store.reach(tx, request.ticket_id)
    if not request.caller.role.runs_the_desk and await store.is_deleted(tx, request.ticket_id):
        # As if nothing were known of it; its restoration may be on its way.
        reach = None
    if (reach or 0) < request.min_version:
        raise NotReached(retry_after=1)
    if reach is None:
        raise NotFound
    rows = await store.of_ticket(
        tx,
        request.ticket_id,
        types=request.types,
        audiences=domain.audiences(request.caller.role),
        after=request.after,
        reach=reach if request.until is None else min(reach, request.until),
        limit=request.limit + 1,
        backwards=request.until is not None,
    )
    items = await _put_back(tx, Book.TICKETS, rows[: request.limit])
    more = len(items) < len(rows)
    if request.until is not None:
        return EntryPage(items=tuple(reversed(items)), last=min(reach, request.until), more=more)
    last = items[-1].version if more else reach
    return EntryPage(items=tuple(items), last=last or 0, more=more)


async def feed(request: Feed, tx: Transaction) -> EntryPage:
    """Return what a book says after a sequence, but for what the caller may not see."""
    if not domain.may_read(request.caller.role, request.book):
        raise NotAllowed
    rows = await store.after(tx, request.book, request.after, request.limit + 1)
    page, allowed = rows[: request.limit], domain.audiences(request.caller.role)
    visible = [row for row in page if allowed is None or row.audience in allowed]
    if request.caller.scopes:
        visible = [
            row for row in visible if is_in_scope(request.caller.scopes, domain.subject_of(json.loads(row.entry)))
        ]
    items = await _put_back(tx, request.book, visible)
    if len(items) < len(visible):
        return EntryPage(items=tuple(items), last=visible[len(items)].seq - 1, more=True)
    # Nothing is there after `after`: the book may have grown since, so its end is not where the caller is.
    last = page[-1].seq if page else min(request.after, (await store.head(tx, request.book)).seq)
    return EntryPage(items=tuple(items), last=last, more=len(rows) > len(page))


async def report(request: Report, tx: Transaction) -> ReportSnapshot:
    """Count what happened in some days, and what is there now."""
    if request.caller.role is Role.GUEST:
        raise NotAllowed
    days = domain.days(request.since, request.until)
    begins, ends = domain.span(days, request.utc_offset)
    counts = await store.counts_by_day(tx, begins, ends)
    first_response, resolution = await store.times(tx, begins, ends)
    nothing = (0, 0)
    return ReportSnapshot(
        days=tuple(
            DayCount(day=day, created=created, resolved=resolved)
            for nth, day in enumerate(days)
            for created, resolved in [counts.get(nth, nothing)]
        ),
        backlog=await store.backlog(tx, now()),
        first_response=first_response,
        resolution=resolution,
        agents=await store.agents(tx, begins, ends),
    )


async def audit(request: ReadAudit, tx: Transaction) -> AuditPage:
    """Return what was done to people and settings, newest first."""
    _for_admins(request.caller)
    rows = await store.of_workspace_itself(
        tx,
        request.book,
        types=request.types,
        person=request.person,
        before=_END if request.before is None else request.before,
        limit=request.limit + 1,
    )
    items = await _put_back(tx, request.book, rows[: request.limit])
    return AuditPage(items=tuple(items), older=items[-1].seq if len(items) < len(rows) else None)


async def _put_back(tx: Transaction, book: Book, rows: Sequence[Kept]) -> list[Entry]:
    """Return the first of these entries with their words, as many as fit into one message, and one at least."""
    chosen: list[Kept] = []
    for row in rows:
        if chosen and sum(each.size for each in chosen) + row.size > _ROOM:
            break
        chosen.append(row)
    words = await store.words(tx, book, [row.seq for row in chosen]) if chosen else {}
    return _as_fit(
        domain.shown(
            json.loads(row.entry) | ({"audience": row.audience} if row.audience else {}),
            words[row.seq],
            row.prev_hash,
            row.hash,
        )
        for row in chosen
    )


def _as_fit[Item: Model](items: Iterable[Item]) -> list[Item]:
    """Return the first of these, as many as fit into one message as they are written there, and one at least."""
    fitting: list[Item] = []
    size = 0
    for item in items:
        size += len(item.model_dump_json().encode()) + 1
        if fitting and size > _ROOM:
            break
        fitting.append(item)
    return fitting


# Proof


async def export(request: ExportBook, tx: Transaction) -> ExportPage:
    """Return the next lines of a book as they are hashed."""
    _for_admins(request.caller)
    return ExportPage(lines=tuple(await lines(tx, request.book, request.after, request.to)))


async def lines(tx: Transaction, book: Book, after: int, to: int) -> list[BookLine]:
    """Return the lines after a seq and up to another, as many as fit into one message, and one at least."""
    chosen: list[Kept] = []
    for row in await store.after(tx, book, after, _LINES_AT_ONCE):
        if row.seq > to or (chosen and sum(each.size for each in chosen) + row.size > _ROOM):
            break
        chosen.append(row)
    words = await store.words(tx, book, [row.seq for row in chosen]) if chosen else {}
    return _as_fit(
        BookLine(
            seq=row.seq,
            entry=row.entry,
            texts=tuple(
                SealedText(pointer=pointer, salt=salt, text=text)
                for pointer, (salt, text) in sorted(words[row.seq].items())
            ),
            prev_hash=row.prev_hash,
            hash=row.hash,
        )
        for row in chosen
    )


async def read_heads(request: ReadHeads, tx: Transaction) -> Heads:
    """Return the end of each book."""
    _for_admins(request.caller)
    return Heads(items=tuple([await store.head(tx, book) for book in Book]))


async def verify(request: Verify, tx: Transaction) -> Verdict:
    """Read both books from their beginning."""
    _for_admins(request.caller)
    return await examine(tx, request.heads)


async def list_letters(request: ListActivityLetters, tx: Transaction) -> DeadLetterPage:
    """Read a page of what the record could not take."""
    _for_admins(request.caller)
    return await letter_page(tx, "activity", request)


async def get_letter(request: GetActivityLetter, tx: Transaction) -> DeadLetter:
    """Read one of them whole."""
    _for_admins(request.caller)
    if letter := await inbox.dead_letter(tx, "activity", request.id):
        return letter
    raise NotFound


async def retry_letter(
    command: RetryActivityLetter, tx: Transaction, again: Callable[[Transaction, UUID], Awaitable[DeadLetter]]
) -> DeadLetter:
    """Record now what stands in its place; `again` is how, and raises why it is refused again."""
    _for_admins(command.caller)
    return await again(tx, command.id)


async def drop_letter(command: DropActivityLetter, tx: Transaction) -> DeadLetter:
    """Forget one of them."""
    _for_admins(command.caller)
    if letter := await inbox.drop_letter(tx, "activity", command.id):
        return letter
    raise NotFound


async def examine(tx: Transaction, heads: Sequence[BookHead]) -> Verdict:
    """Check every hash and every text of both books, and that saved heads are in them."""
    books = [await _examine(tx, book, heads) for book in Book]
    return Verdict(ok=all(book.ok for book in books), books=tuple(books))


async def _examine(tx: Transaction, book: Book, heads: Sequence[BookHead]) -> BookVerdict:
    audit = domain.Audit(tx.workspace_id, book, heads)
    page = await store.lines(tx, book)
    while page and not audit.broken:
        for line in page:
            audit.read(line)
        page = await store.lines(tx, book, page[-1].seq)
    return audit.verdict()


def _for_admins(caller: Caller) -> None:
    if not caller.role.runs_the_desk:
        raise NotAllowed
