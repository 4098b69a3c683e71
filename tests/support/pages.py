"""The documentation as something that can be run: its blocks, and the scripts that they are."""

import asyncio
import os
import re
import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
README, DOCS = ROOT / "README.md", ROOT / "docs"

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block."""

    language: str
    text: str


def blocks(page: Path, language: str = "", section: str = "") -> list[Block]:
    """Return the blocks of a page: all, or those of one language and one section."""
    text = page.read_text(encoding="utf-8")
    if section:
        text = text.split(f"## {section}\n")[1].split("\n## ")[0]
    found = [Block(*each) for each in _FENCE.findall(text)]
    return [each for each in found if language in ("", each.language)]


def prose(page: Path) -> str:
    """Return a page without its blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def script(written: Iterable[Block], changes: Mapping[str, str], *, mark: str = "") -> str:
    """Return blocks as one script, in which each of `changes` must be needed; `mark` and a number go before each."""
    lines = [f"echo; echo {shlex.quote(f'{mark}{nth}')}\n" * bool(mark) + each.text for nth, each in enumerate(written)]
    text = "\n".join(lines)
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


async def run(directory: Path, *command: str, within: float = 60) -> str:
    """Run a command and return what it said; it must end well. Its `python3` is ours, which starts at once."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(process.communicate(), within)
    assert process.returncode == 0, said.decode()
    return said.decode()


async def bash(directory: Path, text: str, *, within: float = 60) -> str:
    """Run a script that stops at the first failure, with our own Python for the one of `.venv/`."""
    return await run(directory, "bash", "-euc", text.replace(".venv/bin/python", sys.executable), within=within)
