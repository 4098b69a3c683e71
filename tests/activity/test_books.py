"""What is written stays as it was, is read by those who may, and is proved."""

import datetime as dt
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import text

from chassis.bus import NotYet
from chassis.database import Database, Transaction
from contracts.activity import Book, BookHead, EntryRecorded
from contracts.base import Role
from contracts.refusals import NotAllowed, NotFound, NotReached
from services.activity import usecases
from services.activity.domain import GENESIS
from tests.activity.ledger import Ledger, Owner, run


class Undo(Exception):
    """Ends a transaction without a trace."""


@asynccontextmanager
async def tampering(owners: Database, workspace: str, *statements: str) -> AsyncIterator[Transaction]:
    """What the owner of the tables could do, undone afterwards."""
    with suppress(Undo):
        async with owners.transaction(workspace) as tx:
            await run(tx, *OFF, *statements)
            yield tx
            raise Undo


# Writing


async def test_each_step_is_an_entry_with_who_when_why_and_old_and_new(ledger: Ledger) -> None:
    owner = Owner()
    moved, noted, promoted = owner.moved(), owner.noted("The fuse is blown."), owner.promoted()
    await ledger.record(moved, noted, promoted)

    page = await ledger.history(owner)
    first, second = page.items

    assert (first.type, first.old, first.new, first.seq, first.version) == ("status_changed", "open", "resolved", 1, 1)
    assert (str(first.id), first.at.isoformat()) == (
        moved.body["id"],
        dt.datetime.fromisoformat(moved.body["at"]).isoformat(),
    )
    assert (first.actor.name, first.cause, first.via.value) == ("Ada Lindqvist", "a command", "web")
    assert second.data["body"] == "The fuse is blown."
    assert (second.prev_hash, first.prev_hash) == (first.hash, GENESIS)
    assert (page.last, page.more) == (2, False)
    (person,) = (await ledger.feed(owner, book="people")).items
    assert (person.type, person.old, person.new, person.seq) == ("role_changed", "guest", "admin", 1)


async def test_an_entry_is_announced_once_in_the_same_commit(ledger: Ledger) -> None:
    owner = Owner()
    noted = owner.noted()
    await ledger.record(noted)
    await ledger.record(noted)

    async with ledger.database.transaction(owner.workspace) as tx:
        (row,) = await tx.all(text("select * from event_log"))

    assert (row["type"], row["about_kind"], row["about_id"], row["version"]) == (
        EntryRecorded.SUBJECT,
        "book",
        "tickets",
        1,
    )
    told = EntryRecorded.model_validate(row["body"])
    assert (told.book, told.seq, told.entry_type, told.entry_ticket_id) == (Book.TICKETS, 1, "note_added", owner.ticket)
    assert (told.entry_audience.value, told.cause, row["audience"]) == ("team", noted.body["id"], "everyone")


async def test_words_lie_beside_the_entry_and_not_in_it(ledger: Ledger) -> None:
    owner = Owner()
    await ledger.record(owner.noted("Nobody's business"))

    (row,) = await ledger.rows(owner.workspace)

    assert "Nobody" not in row["entry"]
    assert "Lindqvist" not in row["entry"]
    assert (await ledger.verify(owner)).books[0].erased == 0


async def test_a_fact_of_an_unknown_type_is_written_down_as_it_is(ledger: Ledger) -> None:
    owner = Owner()
    fact = owner.moved(type="tickets.events.v3.teleported")
    fact.body["to"] = {"place": [1, 2.5, "Mars"]}
    await ledger.record(fact)

    (entry,) = (await ledger.history(owner)).items

    assert (entry.type, entry.data) == ("teleported", {"to": {"place": [1, 2.5, "Mars"]}})
    assert (await ledger.verify(owner)).ok


async def test_a_book_never_skips(ledger: Ledger) -> None:
    owner = Owner()
    one, _, three = owner.story(3)
    await ledger.record(one)

    with pytest.raises(NotYet, match="ends at 1"):
        await ledger.record(three)

    assert len(await ledger.rows(owner.workspace)) == 1


async def test_a_fact_that_names_another_workspace_is_not_written(ledger: Ledger) -> None:
    fact = Owner().moved()

    with pytest.raises(NotAllowed):
        async with ledger.database.transaction("elsewhere") as tx:
            await usecases.record(Book.TICKETS, fact.told, tx)


# Reading


async def test_a_history_is_read_page_by_page_by_type_and_from_a_version_on(ledger: Ledger) -> None:
    owner = Owner()
    await ledger.record(*owner.story(7))
    await ledger.record(owner.moved(ticket=uuid4()))

    first = await ledger.history(owner, limit=3)
    second = await ledger.history(owner, limit=3, after=first.last)
    third = await ledger.history(owner, limit=3, after=second.last)
    moves = await ledger.history(owner, types=("status_changed",))

    assert [[entry.version for entry in page.items] for page in (first, second, third)] == [[1, 2, 3], [4, 5, 6], [7]]
    assert [page.more for page in (first, second, third)] == [True, True, False]
    assert [entry.version for entry in moves.items] == [2, 4, 6]
    assert moves.last == 7
    assert (await ledger.history(owner, types=("no_such_type",))).items == ()
    assert (await ledger.history(owner, after=2**53 - 1)).items == ()


async def test_a_ticket_that_nothing_is_known_of_is_not_found_and_a_version_to_come_is_not_reached(
    ledger: Ledger,
) -> None:
    owner, stranger = Owner(), Owner()
    await ledger.record(*owner.story(2))

    assert len((await ledger.history(owner, min_version=2)).items) == 2
    with pytest.raises(NotReached):
        await ledger.history(owner, min_version=3)
    with pytest.raises(NotReached):
        await ledger.history(owner, ticket_id=uuid4(), min_version=1)
    with pytest.raises(NotFound):
        await ledger.history(owner, ticket_id=uuid4())
    with pytest.raises(NotFound):
        await ledger.history(stranger, ticket_id=owner.ticket)


async def test_guests_see_no_notes_but_how_far_the_book_was_read(ledger: Ledger) -> None:
    owner = Owner()
    await ledger.record(*owner.story(5))

    feed = await ledger.feed(owner, Role.GUEST)
    history = await ledger.history(owner, Role.GUEST)

    assert [entry.seq for entry in feed.items] == [entry.seq for entry in history.items] == [2, 4]
    assert (feed.last, history.last) == (5, 5)
    assert [entry.seq for entry in (await ledger.feed(owner, Role.MEMBER)).items] == [1, 2, 3, 4, 5]
    one = await ledger.feed(owner, Role.GUEST, limit=1)
    assert (one.items, one.last, one.more) == ((), 1, True)


async def test_the_people_book_heads_and_proof_are_for_admins(ledger: Ledger) -> None:
    owner = Owner()
    await ledger.record(owner.promoted())

    for role in (Role.MEMBER, Role.GUEST):
        with pytest.raises(NotAllowed):
            await ledger.feed(owner, role, book="people")
    assert len((await ledger.feed(owner, Role.ADMIN, book="people")).items) == 1


async def test_a_feed_goes_on_where_it_was_left_and_says_where_a_book_ends(ledger: Ledger) -> None:
    owner = Owner()
    assert (await ledger.feed(owner)).last == 0
    await ledger.record(*owner.story(4))

    pages = [await ledger.feed(owner, after=after, limit=2) for after in (0, 2, 4, 9)]

    assert [[entry.seq for entry in page.items] for page in pages] == [[1, 2], [3, 4], [], []]
    assert [(page.last, page.more) for page in pages] == [(2, True), (4, False), (4, False), (4, False)]


async def test_a_page_fits_into_one_message_and_none_is_left_out(ledger: Ledger) -> None:
    owner = Owner()
    # Quotes are twice as long in JSON: what was reckoned by the words alone is too long for a message.
    await ledger.record(*[owner.noted('"' * 40_000 + str(n)) for n in range(9)])

    for read in (ledger.feed, ledger.history):
        seen: list[int] = []
        more, after = True, 0
        while more:
            page = await read(owner, after=after)
            assert len(page.model_dump_json().encode()) <= 241 * 1024
            assert page.items
            seen += [entry.seq for entry in page.items]
            more, after = page.more, page.last
        assert seen == [*range(1, 10)]


# Standing


async def test_the_services_role_can_add_and_nothing_else(ledger: Ledger, owners: Database) -> None:
    owner = Owner()
    await ledger.record(owner.noted())

    for database, said in ((ledger.database, "permission denied"), (owners, "never changed")):
        for statement in ("update entries set entry = entry", "delete from entries", "truncate entries cascade"):
            with pytest.raises(asyncpg.PostgresError, match=said):
                async with database.transaction(owner.workspace) as tx:
                    await run(tx, statement)
        with pytest.raises(asyncpg.PostgresError, match=said):
            async with database.transaction(owner.workspace) as tx:
                await run(tx, "update entry_texts set text = 'another'")
    for column, value in {
        "type": "'x'",
        "version": "1",
        "audience": "'team'",
        "ticket_id": "gen_random_uuid()",
    }.items():
        with pytest.raises(asyncpg.PostgresError, match="non-DEFAULT"):
            async with owners.transaction(owner.workspace) as tx:
                await run(tx, f"insert into entries (workspace_id, {column}) values ('x', {value})")
    assert (await ledger.verify(owner)).ok


@pytest.mark.parametrize("broken", ["0" * 63, "0" * 65, "A" * 64, "g" * 64, "0" * 32 + " " + "0" * 31, "é" * 32])
async def test_a_hash_and_a_salt_are_hexadecimal_digits_and_nothing_else(ledger: Ledger, broken: str) -> None:
    owner = Owner()
    await ledger.record(owner.noted())

    for statement in (
        INSERT.text.replace("repeat('0', 64))", ":broken)"),
        INSERT.text.replace("repeat('0', 64),", ":broken,"),
        SALT,
    ):
        with pytest.raises((asyncpg.CheckViolationError, asyncpg.InvalidParameterValueError)):
            async with ledger.database.transaction(owner.workspace) as tx:
                await tx.execute(text(statement), {"ws": owner.workspace, "broken": broken})


async def test_a_workspace_sees_its_own_books_alone(ledger: Ledger) -> None:
    owner, stranger = Owner(), Owner()
    await ledger.record(owner.noted())

    async with ledger.database.transaction(stranger.workspace) as tx:
        for table in ("entries", "entry_texts"):
            assert await tx.scalar(text(f"select count(*) from {table}")) == 0
    with pytest.raises(asyncpg.PostgresError, match="row-level security"):
        async with ledger.database.transaction(stranger.workspace) as tx:
            await tx.execute(INSERT, {"ws": owner.workspace})


INSERT = text(
    "insert into entries (workspace_id, book, seq, entry, prev_hash, hash) values (:ws, 'tickets', 9,"
    " cast(json_build_object('id', gen_random_uuid(), 'type', 'x') as text), repeat('0', 64), repeat('0', 64))"
)
SALT = (
    "insert into entry_texts (workspace_id, book, seq, pointer, salt, text)"
    " values (:ws, 'people', 1, '/x', substr(:broken, 33), 'x')"
)
OFF = ("alter table entries disable trigger user", "alter table entry_texts disable trigger user")
FREE = ("alter table entry_texts drop constraint entry_texts_workspace_id_book_seq_fkey",)
TAMPERING = {
    "a letter of a status": (["update entries set entry = replace(entry, 'resolved', 'resolvee') where seq = 4"], 4),
    "a letter of a text": (["update entry_texts set text = 'Step 3!' where seq = 3 and pointer = '/body'"], 3),
    "a letter of a name": (["update entry_texts set text = 'Ada Lindqvisd' where seq = 2"], 2),
    "a removed entry": ([*FREE, "delete from entries where seq = 3"], 3),
    "the first removed": ([*FREE, "delete from entries where seq = 1"], 1),
    "two swapped": (
        [
            *FREE,
            "delete from entry_texts",
            "update entries set seq = 99 where seq = 2",
            "update entries set seq = 2 where seq = 3",
            "update entries set seq = 3 where seq = 99",
        ],
        2,
    ),
    "an entry inserted": (
        [
            *FREE,
            "delete from entry_texts",
            "update entries set seq = seq + 100 where seq >= 4",
            "update entries set seq = seq - 99 where seq >= 104",
            (
                "insert into entries (workspace_id, book, seq, entry, prev_hash, hash)"
                " select workspace_id, book, 4, replace(entry, id::text, gen_random_uuid()::text), hash, hash"
                " from entries where seq = 3"
            ),
        ],
        4,
    ),
    "a hash made to fit": (
        [
            "update entries set entry = replace(entry, 'resolved', 'spam') where seq = 4",
            (
                "update entries set hash = encode(sha256(decode(prev_hash, 'hex') || convert_to(entry, 'UTF8')), 'hex')"
                " where seq = 4"
            ),
        ],
        5,
    ),
    "a text of no place": (
        [
            (
                "insert into entry_texts (workspace_id, book, seq, pointer, salt, text)"
                " select workspace_id, book, 2, '/x', salt, text from entry_texts where seq = 2"
            )
        ],
        2,
    ),
}


@pytest.mark.parametrize(("statements", "at"), TAMPERING.values(), ids=TAMPERING)
async def test_who_owns_the_tables_changes_nothing_unnoticed(
    ledger: Ledger, owners: Database, statements: Sequence[str], at: int
) -> None:
    owner = Owner()
    await ledger.record(*owner.story(6))
    assert (await ledger.verify(owner)).ok

    async with tampering(owners, owner.workspace, *statements) as tx:
        verdict = await usecases.examine(tx, ())

    book = verdict.books[0]
    assert (verdict.ok, book.ok, book.broken_at) == (False, False, at), book
    assert verdict.books[1].ok


async def test_a_cut_tail_and_a_book_made_anew_are_found_by_a_saved_head(ledger: Ledger, owners: Database) -> None:
    owner = Owner()
    await ledger.record(*owner.story(4), owner.promoted())
    saved = await ledger.head(owner)
    await ledger.record(*owner.story(2))
    later = await ledger.head(owner)

    assert (await ledger.verify(owner, saved, later)).ok
    async with tampering(
        owners, owner.workspace, *FREE, "delete from entries where book = 'tickets' and seq > 4"
    ) as tx:
        whole, cut = await usecases.examine(tx, (saved,)), await usecases.examine(tx, (saved, later))
    assert whole.ok
    assert [(book.ok, book.broken_at) for book in cut.books] == [(False, 5), (True, None)]
    forged = BookHead(book=Book.TICKETS, seq=4, hash="11" * 32)
    assert (await ledger.verify(owner, forged)).books[0].broken_at == 4


async def test_an_erased_text_is_counted_and_the_chain_holds(ledger: Ledger) -> None:
    owner = Owner()
    await ledger.record(*owner.story(3))

    async with ledger.database.transaction(owner.workspace) as tx:
        await run(tx, "delete from entry_texts where pointer = '/body' and seq = 1")

    verdict = await ledger.verify(owner)
    assert (verdict.ok, verdict.books[0].erased, verdict.books[0].entries) == (True, 1, 3)
    assert (await ledger.history(owner)).items[0].data["body"].startswith("sha256:")


async def test_a_book_longer_than_a_page_of_proof_is_read_to_its_end(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.activity.store._AT_ONCE", 2)
    owner = Owner()
    await ledger.record(*owner.story(5))

    book = (await ledger.verify(owner)).books[0]

    assert (book.ok, book.entries, book.head) == (True, 5, (await ledger.head(owner)).hash)


async def test_announcements_are_forgotten_when_they_were_sent_long_ago_and_never_before(ledger: Ledger) -> None:
    owner = Owner()
    await ledger.record(*owner.story(3))
    ages = ("seq = (select min(seq) from event_log)", "31 days"), ("seq = (select max(seq) from event_log)", "29 days")
    async with ledger.database.transaction(owner.workspace) as tx:
        await run(tx, "update event_log set position = seq")
        for which, age in ages:
            await run(tx, f"update event_log set sent_at = now() - interval '{age}' where {which}")

    await usecases.prune(ledger.database)
    async with ledger.database.transaction(owner.workspace) as tx:
        versions = [row["version"] for row in await tx.all(text("select version from event_log order by version"))]
        await run(tx, "delete from event_log where workspace_id not in (select workspace_id from event_texts)")
        left = await tx.scalar(text("select count(*) from event_log"))

    assert versions == [2, 3]
    assert left == 2
    assert len(await ledger.rows(owner.workspace)) == 3
