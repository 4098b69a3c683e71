"""The README's commands do what it says, run as they are written but for the port."""

import asyncio
import re
import sys
from pathlib import Path

from tests.support.eventually import eventually
from tests.support.stack import Desk, Stack

_README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def blocks(language: str, heading: str) -> list[str]:
    """Return the code blocks of one section."""
    section = _README.split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


async def run(stack: Stack, *command: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=stack.data.parent, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, said.decode()
    return said.decode()


async def test_the_first_ticket_by_curl(stack: Stack, desk: Desk) -> None:
    script = "\n".join(blocks("sh", "A first ticket"))
    script = script.replace("http://127.0.0.1:8080", stack.url).replace("owner@example.com", "ada@example.com")
    said = await run(stack, "bash", "-euc", script)
    assert '"code"' not in said
    found = (await desk.get("tickets?q=printer"))["items"]
    made = [(each["status"], each["priority"]) for each in found if each["subject"] == "Printer on fire"]
    assert made == [("resolved", "high")]
    assert "The fire brigade has been called." in said


async def test_a_ticket_from_another_system_and_its_facts(stack: Stack, desk: Desk) -> None:
    letters = await desk.get("dead-letters")
    publisher, reader = blocks("python", "A ticket from another system")
    for _ in range(2):
        assert "INTAKE" in await run(stack, sys.executable, "-c", publisher)

    async def opened() -> bool:
        return len((await desk.get("tickets?q=db-2"))["items"]) == 1

    await eventually(opened)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-uc", reader), cwd=stack.data.parent, stdout=asyncio.subprocess.PIPE
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
