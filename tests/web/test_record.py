from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import text

from chassis.database import Database
from tests.gateway.newsroom import Desk
from tests.support.eventually import eventually
from tests.support.infra import Urls
from tests.web.reader import Browser

_ERASE = "delete from entry_texts where text = 'Her number is 555'"
_FORGE = (
    "insert into entry_texts (workspace_id, book, seq, pointer, salt, text)"
    " select workspace_id, book, seq, pointer, salt, 'Another number' from gone"
)
type Write = Callable[[str], Awaitable[None]]


@pytest.fixture
def in_the_book(desk: Desk, urls: dict[str, Urls]) -> Write:
    """Call it to have the database of the record do something in the workspace."""

    async def write(statement: str) -> None:
        database = Database(urls["activity"].app, "activity", pool=1)
        async with database.transaction(desk.workspace.id) as tx:
            await tx.execute(text(statement))
        await database.close()

    return write


async def test_words_that_were_erased_are_gone_from_the_page_at_once(
    desk: Desk, browser: Browser, in_the_book: Write
) -> None:
    ticket = await desk.ticket()
    await desk.note(ticket, "Her number is 555")
    path = f"/w/{desk.workspace.slug}/tickets/{ticket['number']}"
    await desk.recorded(await desk.get(f"tickets/{ticket['id']}"))
    assert "Her number is 555" in (await browser.open(path)).words

    await in_the_book(_ERASE)

    async def gone() -> bool:
        return "Her number is 555" not in (await browser.open(path)).words

    # What is kept of a page is kept for two seconds; the rest is for a busy machine.
    await eventually(gone, within=6)


async def test_a_seal_says_when_it_was_set_and_none_outlasts_a_fault_that_was_found(
    desk: Desk, browser: Browser, in_the_book: Write
) -> None:
    ticket = await desk.ticket()
    await desk.note(ticket, "Her number is 555")
    await desk.recorded(await desk.get(f"tickets/{ticket['id']}"))
    audit = f"/w/{desk.workspace.slug}/settings/audit"
    assert "Record verified just now" in (await browser.open(f"{audit}/seal")).words

    await in_the_book(f"with gone as ({_ERASE} returning *) {_FORGE}")
    await browser.open(f"{audit}?verify=true")

    assert "The record is broken" in (await browser.open(f"{audit}/seal")).words
