"""The README's commands do what it says, run as they are written but for the port."""

import asyncio
import sys

from tests.support.eventually import eventually
from tests.support.pages import README, bash, blocks, run, script
from tests.support.stack import Desk, Stack


async def test_the_first_ticket_by_curl(stack: Stack, desk: Desk) -> None:
    changes = {"http://127.0.0.1:8080": stack.url, "owner@example.com": "ada@example.com"}
    said = await bash(stack.data.parent, script(blocks(README, "sh", "A first ticket"), changes))
    assert '"code"' not in said
    found = (await desk.get("tickets?q=printer"))["items"]
    made = [(each["status"], each["priority"]) for each in found if each["subject"] == "Printer on fire"]
    assert made == [("resolved", "high")]
    assert "The fire brigade has been called." in said


async def test_a_ticket_from_another_system_and_its_facts(stack: Stack, desk: Desk) -> None:
    letters = await desk.get("dead-letters")
    publisher, reader = blocks(README, "python", "A ticket from another system")
    for _ in range(2):
        assert "INTAKE" in await run(stack.data.parent, sys.executable, "-c", publisher.text)

    async def opened() -> bool:
        return len((await desk.get("tickets?q=db-2"))["items"]) == 1

    await eventually(opened)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-uc", reader.text), cwd=stack.data.parent, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            async for line in process.stdout:
                if "Disk full on db-2" in line.decode():
                    break
            else:
                raise AssertionError("the reader ended without the fact")
    finally:
        process.kill()
        await process.wait()
    assert await desk.get("dead-letters") == letters
