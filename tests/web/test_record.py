from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from sqlalchemy import text

from chassis.database import Database
from services.gateway import app as gateway
from services.gateway.settings import Settings
from tests.gateway.newsroom import Desk
from tests.support.eventually import eventually
from tests.support.infra import Urls
from tests.web.reader import Browser

_ERASE = "delete from entry_texts where text = 'Her number is 555'"
_ERASE_NOTE = f"update notes set body = 'sha256:{'0' * 64}' where body = 'Her number is 555'"
_FORGE = (
    "insert into entry_texts (workspace_id, book, seq, pointer, salt, text)"
    " select workspace_id, book, seq, pointer, salt, 'Another number' from gone"
)
type Write = Callable[..., Awaitable[None]]


@pytest.fixture
def in_the_book(desk: Desk, urls: dict[str, Urls]) -> Write:
    """Call it to have the database of the record, or another service's, do something in the workspace."""

    async def write(statement: str, service: str = "activity") -> None:
        # A note's words are nobody's to change but the owner's of the tables.
        database = Database(urls[service].owner if service == "tickets" else urls[service].app, service, pool=1)
        async with database.transaction(desk.workspace.id) as tx:
            await tx.execute(text(statement))
        await database.close()

    return write


@pytest.fixture
async def beside(desk: Desk) -> AsyncIterator[Browser]:
    """The owner's browser at another replica of the gateway."""
    service = gateway.build(Settings(**desk.room.settings))
    await service.start()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.port}", timeout=20) as client:
        opened = Browser(client)
        opened.be(desk.owner)
        yield opened
    await service.stop()


async def test_words_that_were_erased_are_gone_from_every_part_of_the_page_at_once(
    desk: Desk, browser: Browser, in_the_book: Write
) -> None:
    ticket = await desk.ticket()
    await desk.note(ticket, "Her number is 555")
    path = f"/w/{desk.workspace.slug}/tickets/{ticket['number']}"
    pinning = next(form for form in (await browser.open(path)).forms if ("do", "pin") in form.buttons)
    await browser.send(pinning, press=("do", "pin"))
    await desk.recorded(await desk.get(f"tickets/{ticket['id']}"))

    async def told() -> list[int]:
        parts = ("?show=changes", "", "?before=2", "?show=notes")
        return [(await browser.open(path + each)).words.count("Her number is 555") for each in parts]

    above, *beside = await told()
    assert above == 1  # pinned
    assert min(beside) > above

    await in_the_book(_ERASE)
    await in_the_book(_ERASE_NOTE, "tickets")

    async def gone() -> bool:
        return not any(await told())

    # What is kept of a page is kept for two seconds; the rest is for a busy machine.
    await eventually(gone, within=6)


async def test_a_seal_says_when_it_was_set_and_none_outlasts_a_fault_that_was_found(
    desk: Desk, browser: Browser, beside: Browser, in_the_book: Write
) -> None:
    ticket = await desk.ticket()
    await desk.note(ticket, "Her number is 555")
    await desk.recorded(await desk.get(f"tickets/{ticket['id']}"))
    audit = f"/w/{desk.workspace.slug}/settings/audit"
    assert "Record verified just now" in (await browser.open(f"{audit}/seal")).words

    assert "Record verified just now" in (await beside.open(f"{audit}/seal")).words
    await in_the_book(f"with gone as ({_ERASE} returning *) {_FORGE}")
    assert "Record verified" in (await beside.open(f"{audit}/seal")).words

    # One replica's API finds it; every replica's pages say so.
    assert not (await desk.get("audit/verify"))["ok"]

    assert "The record is broken" in (await browser.open(f"{audit}/seal")).words

    async def said() -> bool:
        return "The record is broken" in (await beside.open(f"{audit}/seal")).words

    await eventually(said, within=5)
