"""The counterfoil over HTTP: a ticket's history, the feed of a workspace, and the proof that nothing was changed."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

from litestar import Request
from litestar.params import FromPath
from litestar.response.base import ASGIResponse
from pydantic import Field

from contracts.activity import (
    FORMAT,
    Book,
    BookHead,
    BookLine,
    BookVerdict,
    EntryPage,
    ExportBook,
    Feed,
    FeedPage,
    Heads,
    History,
    HistoryPage,
    ReadHeads,
)
from contracts.base import Model
from contracts.refusals import NotAllowed, NotFound, NotReached
from contracts.texts import formed
from contracts.tickets import GetTicket
from services.gateway.domain import Visitor
from services.gateway.routes.bodies import Given, query
from services.gateway.routes.downloads import Download, as_lines
from services.gateway.routes.operations import LINES, W, operation
from services.gateway.routes.replies import reply
from services.gateway.routes.tickets import ticket_reference
from services.gateway.routes.visitors import Desk, desk_of, inside

PATIENCE = 2.0
"""Seconds that a reader waits for a version that the ledger has not reached."""
_PAUSE = 0.075
_VERIFYING = 60.0

Seq = Annotated[int, Field(ge=0, le=2**53 - 1)]
EntryType = Annotated[str, formed(r"^[a-z][a-z_]{0,63}$", "must be a fact's name, such as status_changed")]
SavedHead = Annotated[
    str, formed(r"^(tickets|people):[0-9]{1,18}:[0-9a-f]{64}$", "must be BOOK:SEQ:HASH, as audit/head tells them")
]


class HistoryFilter(Given):
    """Which part of a ticket's history."""

    type: tuple[EntryType, ...] = Field(default=(), max_length=50, description="May be repeated.")
    after: int = Field(
        default=0, ge=0, le=10**9, description="The last version you have: `next_cursor` of the page before."
    )
    limit: int = Field(default=50, ge=1, le=100)
    min_version: int = Field(
        default=0, ge=0, le=10**9, description="Wait, at most 2 seconds, until the ledger has this version."
    )


class FeedFilter(Given):
    """Which part of a book."""

    after: Seq = Field(default=0, description="The last seq you have.")
    limit: int = Field(default=100, ge=1, le=100)


class SavedHeads(Given):
    """Ends of books that were kept elsewhere."""

    head: tuple[SavedHead, ...] = Field(
        default=(), max_length=20, description="`book:seq:hash`, as `audit/head` told it once; may be repeated."
    )


class Proof(Model):
    """Whether each book is whole, as it was when it was written."""

    ok: bool
    tickets: BookVerdict
    people: BookVerdict
    books: tuple[BookVerdict, ...]


@operation(
    "GET",
    f"{W}/tickets/{{ticket:str}}/activity",
    "read_history",
    scope="tickets:read",
    tag="ledger",
    summary="Read what happened to a ticket",
    query=HistoryFilter,
    answer=HistoryPage,
    refusals=(NotFound, NotReached),
)
async def read_history(
    request: Request[Any, Any, Any], workspace: FromPath[str], ticket: FromPath[str]
) -> ASGIResponse:
    """Return one page of a ticket's history; whoever may see the ticket may see it, but for what is the team's own."""
    visitor = await inside(request, workspace)
    wanted = query(request, HistoryFilter)
    page = await history(desk_of(request), visitor, ticket_reference(ticket), wanted)
    return reply(HistoryPage(items=page.items, next_cursor=page.last if page.more else None))


async def history(desk: Desk, visitor: Visitor, ticket: str, wanted: HistoryFilter) -> EntryPage:
    """Ask again and again until the ledger is there: nobody holds anything meanwhile."""
    until = time.monotonic() + PATIENCE
    found = await desk.bus.ask(GetTicket(caller=visitor.caller, ticket=ticket))
    history = History(
        caller=visitor.caller,
        ticket_id=found.id,
        types=wanted.type,
        after=wanted.after,
        min_version=wanted.min_version,
        limit=wanted.limit,
    )
    while True:
        try:
            return await desk.bus.ask(history)
        except NotFound:
            # The ticket is there, so its entries are on their way.
            if not wanted.min_version:
                return EntryPage(items=(), last=wanted.after, more=False)
            late = NotReached(retry_after=1)
        except NotReached as refusal:
            late = refusal
        if time.monotonic() + _PAUSE > until:
            raise late
        await asyncio.sleep(_PAUSE)


async def last_part(desk: Desk, asked: History) -> EntryPage:
    """Return the part that ends at `until` once the ledger has it, or what it has of it when that takes too long."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return await desk.bus.ask(asked)
        except (NotReached, NotFound):
            if time.monotonic() + _PAUSE > until:
                break
        await asyncio.sleep(_PAUSE)
    try:
        return await desk.bus.ask(asked.model_copy(update={"min_version": 0}))
    except NotFound:
        # The ticket is there, so its entries are on their way.
        return EntryPage(items=(), last=0, more=False)


@operation(
    "GET",
    f"{W}/feed",
    "read_feed",
    scope="tickets:read",
    tag="ledger",
    summary="Read what happened to all tickets, after a seq",
    query=FeedFilter,
    answer=FeedPage,
    refusals=(NotFound,),
)
async def read_feed(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Return one page of the tickets book."""
    return await _feed(request, workspace, Book.TICKETS)


@operation(
    "GET",
    f"{W}/audit/people",
    "read_people_book",
    scope="audit:read",
    tag="ledger",
    summary="Read what happened to members, roles and settings, after a seq",
    query=FeedFilter,
    answer=FeedPage,
    refusals=(NotFound, NotAllowed),
)
async def read_people_book(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Return one page of the people book."""
    return await _feed(request, workspace, Book.PEOPLE)


async def _feed(request: Request[Any, Any, Any], workspace: str, book: Book) -> ASGIResponse:
    visitor = await inside(request, workspace)
    wanted = query(request, FeedFilter)
    page = await desk_of(request).bus.ask(
        Feed(caller=visitor.caller, book=book, after=wanted.after, limit=wanted.limit)
    )
    return reply(FeedPage(items=page.items, next_cursor=max(page.last, wanted.after), more=page.more))


@operation(
    "GET",
    f"{W}/audit/verify",
    "verify_books",
    scope="audit:read",
    tag="ledger",
    summary="Check every hash and every text of both books",
    query=SavedHeads,
    answer=Proof,
    refusals=(NotFound, NotAllowed),
)
async def verify_books(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Read both books from their beginnings; the heads that were saved must still be in them."""
    visitor = await inside(request, workspace)
    heads = tuple(_head(saved) for saved in query(request, SavedHeads).head)
    verdict, _ = await desk_of(request).seals.verify(visitor.caller, heads)
    books = {each.book: each for each in verdict.books}
    return reply(Proof(ok=verdict.ok, tickets=books[Book.TICKETS], people=books[Book.PEOPLE], books=verdict.books))


def _head(saved: str) -> BookHead:
    book, seq, digest = saved.split(":")
    return BookHead(book=Book(book), seq=int(seq), hash=digest)


@operation(
    "GET",
    f"{W}/audit/head",
    "read_heads",
    scope="audit:read",
    tag="ledger",
    summary="Read the end of each book, to keep it elsewhere",
    answer=Heads,
    refusals=(NotFound, NotAllowed),
)
async def read_heads(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Return seq and hash of the last entry of each book."""
    visitor = await inside(request, workspace)
    heads = await desk_of(request).bus.ask(ReadHeads(caller=visitor.caller))
    return reply(heads)


async def _books(desk: Desk, visitor: Visitor, heads: Heads) -> AsyncIterator[bytes]:
    """Yield both books as they ended when it began: a line about the whole, then one for each entry, page by page."""
    about = {
        "format": FORMAT,
        "workspace_id": visitor.here[0].id,
        "heads": [head.model_dump(mode="json") for head in heads.items],
    }
    yield as_lines([about])
    for head in heads.items:
        after = 0
        while after < head.seq:
            page = await desk.bus.ask(
                ExportBook(caller=visitor.caller, book=head.book, after=after, to=head.seq), patience=_VERIFYING
            )
            if not page.lines:
                break
            yield as_lines([{"book": head.book.value} | line.model_dump() for line in page.lines])
            after = page.lines[-1].seq


@operation(
    "GET",
    f"{W}/audit/export",
    "export_books",
    scope="audit:read",
    tag="ledger",
    summary="Download both books as they are hashed, a line for each entry, to be checked elsewhere",
    answer=BookLine,
    media=LINES,
    refusals=(NotFound, NotAllowed),
)
async def export_books(request: Request[Any, Any, Any], workspace: FromPath[str]) -> ASGIResponse:
    """Return both books; `python -m services.activity check-export` reads them without a database or a broker."""
    visitor, desk = await inside(request, workspace), desk_of(request)
    heads = await desk.bus.ask(ReadHeads(caller=visitor.caller))
    name = f"counterfoil-{visitor.here[0].slug}.jsonl"
    return Download(_books(desk, visitor, heads), media=LINES, name=name)


HANDLERS = (read_history, read_feed, read_people_book, verify_books, read_heads, export_books)
