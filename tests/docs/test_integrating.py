"""The programs of the page for other systems do what it says, run as they are written."""

import asyncio
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from tests.support.eventually import eventually
from tests.support.pages import DOCS, blocks, run
from tests.support.stack import Desk, Stack


async def test_an_alert_opens_one_ticket_and_its_end_resolves_it_in_a_copy_that_outlives_its_program(
    stack: Stack, desk: Desk
) -> None:
    alert, copy = blocks(DOCS / "integrating.md", "python")
    for _ in range(2):
        assert (await run(stack.data.parent, sys.executable, "-c", alert.text)).count("INTAKE") == 2

    async def resolved() -> bool:
        found = (await desk.get("tickets?q=db-9"))["items"]
        return [ticket["status"] for ticket in found] == ["resolved"]

    await eventually(resolved)
    await _read(stack.data.parent, copy.text, "resolved")
    (ticket,) = (await desk.get("tickets?q=db-9"))["items"]
    assert (await desk.send("PATCH", f"tickets/{ticket['id']}", {"status": "closed"})).is_success
    await _read(stack.data.parent, copy.text, "closed")


async def _read(directory: Path, program: str, status: str) -> None:
    """Run the copy until its row says so, and kill it."""

    def says() -> bool:
        try:
            with closing(sqlite3.connect(directory / "tickets.db")) as db:
                rows = db.execute("select status from tickets where subject = 'Disk full on db-9'").fetchall()
        except sqlite3.OperationalError:  # it has not begun
            return False
        return rows == [(status,)]

    process = await asyncio.create_subprocess_exec(*(sys.executable, "-uc", program), cwd=directory)
    try:
        await eventually(says, within=40)
    finally:
        process.kill()
        await process.wait()
