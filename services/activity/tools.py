"""What an operator runs: python -m services.activity and one of the verbs below."""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TextIO

from chassis import erasing
from chassis.connection import connect
from chassis.database import Database
from chassis.logs import configure
from chassis.requests import ask
from chassis.settings import ServiceSettings
from contracts import transfer
from contracts.activity import FORMAT, Book, BookHead, BookVerdict
from contracts.base import LoggedFact, LogPage, ReadLog
from contracts.erasing import Erasure, ListActivityErasures
from contracts.refusals import Refusal
from contracts.texts import digest
from services.activity import store, usecases
from services.activity.domain import GENESIS, OWNERS, Audit, Line

_PAGE = 500

type Say = Callable[[str], None]


def run(arguments: Sequence[str], settings: Callable[[], ServiceSettings]) -> int:
    """Do what the verb says and return the exit status: 0, or 1 where something is broken."""
    configure("activity", "warning")
    asked = _parser().parse_args(arguments)
    match asked.verb:
        case "check-export":
            with asked.file.open(encoding="utf-8") as file:
                return _report(check_export(file, asked.head), print)
        case "export":
            return _with_store(settings(), partial(export, workspace_id=asked.workspace, out=sys.stdout))
        case "erasures":
            return _with_store(settings(), partial(list_orders, out=sys.stdout))
        case "erase-again":
            return _with_store(
                settings(), partial(erase_again, listed=asked.file.read_text(encoding="utf-8"), say=print)
            )
        case "rebuild":
            where = settings()
            return _with_store(where, partial(rebuild, nats_url=where.nats_url, ca=where.nats_ca, say=print))
        case _:
            return _with_store(settings(), partial(verify, workspace_id=asked.workspace, heads=asked.head, say=print))


def _readable(name: str) -> Path:
    file = Path(name)
    try:
        file.open("rb").close()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{name}: {error.strerror}") from None
    return file


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.activity")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verify = verbs.add_parser("verify", help="check every hash and every text of the books")
    verify.add_argument("--workspace", help="only this one's books")
    export = verbs.add_parser("export", help="write both books of a workspace to standard output, one JSON per line")
    export.add_argument("--workspace", required=True)
    check = verbs.add_parser("check-export", help="check an export; needs neither database nor broker")
    check.add_argument("file", type=_readable)
    for verb in (verify, check):
        verb.add_argument(
            "--head",
            action="append",
            default=[],
            type=_saved_head,
            metavar="BOOK:SEQ:HASH",
            help="a head that was saved earlier and must still be in its book; may be repeated",
        )
    verbs.add_parser("erasures", help="write who was ever erased, by id, to standard output: keep it elsewhere")
    again = verbs.add_parser("erase-again", help="erase everybody again whom such a list names, after a restore")
    again.add_argument("file", type=_readable)
    verbs.add_parser("rebuild", help="write the books from the owners' logs into an empty database, or what they lack")
    return parser


def _saved_head(text: str) -> BookHead:
    book, seq, digits = text.split(":")
    return BookHead(book=Book(book), seq=int(seq), hash=digits)


def _with_store(settings: ServiceSettings, act: Callable[[Database], Awaitable[int]]) -> int:
    async def work() -> int:
        database = Database(settings.database_url, "activity", pool=2)
        try:
            return await act(database)
        finally:
            await database.close()

    return asyncio.run(work())


async def verify(database: Database, *, workspace_id: str | None, heads: Sequence[BookHead], say: Say) -> int:
    """Check the books of one workspace or of all; saved heads belong to one."""
    if heads and not workspace_id:
        say("a saved head belongs to one workspace: name it with --workspace")
        return 1
    broken = 0
    for each in [workspace_id] if workspace_id else await _workspaces(database):
        async with database.transaction(each) as tx:
            verdict = await usecases.examine(tx, heads)
        broken |= _report(verdict.books, partial(_said_of, each, say))
    return broken


def _said_of(workspace_id: str, say: Say, line: str) -> None:
    say(f"{workspace_id} {line}")


def _report(verdicts: Iterable[BookVerdict], say: Say) -> int:
    broken = 0
    for each in verdicts:
        found = "ok" if each.ok else f"BROKEN at {each.broken_at}: {each.why};"
        say(f"{each.book} {found} entries={each.entries} erased={each.erased} head={each.head}")
        broken |= not each.ok
    return broken


async def _workspaces(database: Database) -> list[str]:
    async with database.every_workspace("operator's tools") as tx:
        return sorted({workspace_id for workspace_id, _ in await store.heads_of_all(tx)})


async def export(database: Database, *, workspace_id: str, out: TextIO) -> int:
    """Write both books as they end now: a line about the whole, then a line for each entry, in ASCII.

    `entry` is the text that is hashed, so that whoever has SHA-256 can check it: hash = SHA-256(bytes of prev_hash ‖
    entry in UTF-8), and each text stands in the entry as SHA-256(bytes of salt ‖ text in UTF-8).
    """
    async with database.transaction(workspace_id) as tx:
        heads = [await store.head(tx, book) for book in Book]
    about = {"format": FORMAT, "workspace_id": workspace_id, "heads": [head.model_dump(mode="json") for head in heads]}
    print(json.dumps(about), file=out)
    for head in heads:
        after = store.BEGINNING
        while after < head.seq:
            # A transaction for each page: whoever reads the output may take their time.
            async with database.transaction(workspace_id) as tx:
                page = await usecases.lines(tx, head.book, after, head.seq)
            if not page:
                break
            for line in page:
                print(json.dumps({"book": head.book} | line.model_dump()), file=out)
            after = page[-1].seq
    return 0


async def list_orders(database: Database, *, out: TextIO) -> int:
    """Write every order to erase somebody, a JSON line for each; no name is in it."""
    request: ListActivityErasures | None = ListActivityErasures()
    while request is not None:
        async with database.every_workspace("operator's tools") as tx:
            page = await erasing.list_erasures(request, tx)
        for each in page.items:
            print(each.model_dump_json(), file=out)
        request = None
        if page.more:
            last = page.items[-1]
            request = ListActivityErasures(after_workspace=last.workspace_id, after=last.id, after_owner=last.owner)
    return 0


async def erase_again(database: Database, *, listed: str, say: Say) -> int:
    """Take up the orders of a list; every service learns of them and does what it has not done."""
    try:
        orders = [Erasure.model_validate_json(line) for line in listed.splitlines() if line]
    except ValueError as error:
        say(f"this is no list of erasures: {error!r}")
        return 1
    await erasing.take_up(database, orders, erasing.OWNERS)
    say(f"{len({each.id for each in orders})} orders; those that are not done are done within minutes")
    return 0


def check_export(file: Iterable[str], heads: Sequence[BookHead] = ()) -> list[BookVerdict]:
    """Check an export by itself, and that saved heads are in it; a line that can't be read breaks the tickets' book.

    It is one of both books, or one of a whole workspace: of that the books alone.
    """
    lines = iter(file)
    audits: dict[Book, Audit] = {}
    ends: list[BookHead] = []
    try:
        about = json.loads(next(lines, ""))
        whole = about["format"] == transfer.FORMAT
        if not whole and about["format"] != FORMAT:
            return [_unreadable("this is not an export")]
        begun = [BookHead.model_validate(head) for head in about["heads"]]
        ends = [] if whole else begun
        workspace_id = about["workspace"]["id"] if whole else about["workspace_id"]
        audits = {book: Audit(workspace_id, book, [*heads, *begun]) for book in Book}
        for text in lines:
            read = json.loads(text)
            if whole:
                if read["kind"] == transfer.FOOTER:
                    ends = [BookHead.model_validate(head) for head in read["heads"]]
                if read["kind"] != transfer.ENTRY:
                    continue
                read = read["row"]
            digests = {each["pointer"]: digest(each["salt"], each["text"]) for each in read["texts"]}
            line = Line(read["seq"], read["entry"], read["prev_hash"], read["hash"], digests)
            audits[Book(read["book"])].read(line)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        return [*(audit.verdict() for audit in audits.values()), _unreadable(f"a line can't be read: {error!r}")]
    found = [audit.verdict() for audit in audits.values()]
    if not ends:
        return [*found, _unreadable("the file is cut off: its last line is missing")]
    if any(verdict.ok and audits[verdict.book].head not in ends for verdict in found):
        return [*found, _unreadable("the books do not end where the file says")]
    return found


def _unreadable(why: str) -> BookVerdict:
    return BookVerdict(book=Book.TICKETS, ok=False, entries=0, head=GENESIS, erased=0, broken_at=0, why=why)


async def rebuild(database: Database, *, nats_url: str, say: Say, ca: str = "") -> int:
    """Write the books from the owners' logs: into an empty database, or what it lacks where the rest is the same.

    Asks as this service's own NATS user. A book that says something else than the log, or more, is left as it is.
    """
    nats = await connect(nats_url, "activity", closing=lambda: True, ca=ca)
    ends: dict[tuple[str, Book], int] = {}
    try:
        for book, owner in OWNERS.items():
            written = 0
            async with aclosing(_log(partial(ask, nats), owner)) as pages:
                async for workspace_id, facts in pages:
                    async with database.transaction(workspace_id) as tx:
                        written += await usecases.rebuild(tx, book, facts)
                    ends[workspace_id, book] = facts[-1].position
            say(f"{book}: {written} entries written")
        async with database.every_workspace("operator's tools") as tx:
            heads = await store.heads_of_all(tx)
    except (Refusal, usecases.Differs) as error:
        say(f"not rebuilt: {error}")
        return 1
    finally:
        await nats.close()
    beyond = [f"{ws} {head.book} ends at {head.seq}" for ws, head in heads if head.seq > ends.get((ws, head.book), 0)]
    for each in beyond:
        say(f"{each}, which its owner's log does not reach")
    return bool(beyond)


async def _log(
    ask: Callable[[ReadLog], Awaitable[LogPage]], owner: str
) -> AsyncGenerator[tuple[str, list[LoggedFact]]]:
    """Yield an owner's whole log, a part of one workspace at a time."""
    request: ReadLog | None = ReadLog.of(owner)(limit=_PAGE)
    while request is not None:
        page = await ask(request)
        for workspace_id, facts in groupby(page.items, lambda fact: fact.workspace_id):
            yield workspace_id, list(facts)
        request = None
        if page.more:
            last = page.items[-1]
            request = ReadLog.of(owner)(after_workspace=last.workspace_id, after=last.position, limit=_PAGE)
