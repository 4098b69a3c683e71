"""The README's commands about the record do what it says, run as they are written but for the port."""

import asyncio
import os
import re
import sys
from pathlib import Path

from tests.support.stack import Desk, Stack

_ROOT = Path(__file__).parents[2]
_README = (_ROOT / "README.md").read_text(encoding="utf-8")


def script(stack: Stack) -> str:
    """Return both sections as one script; what follows until Ctrl-C is followed for three seconds."""
    sections = [_README.split(f"## {each}\n")[1].split("\n## ")[0] for each in ("A first ticket", "Its counterfoil")]
    written = "\n".join(block for section in sections for block in re.findall(r"```sh\n(.*?)```", section, re.DOTALL))
    changes = {
        "http://127.0.0.1:8080": stack.url,
        "owner@example.com": "ada@example.com",
        "first-ticket": "another-ticket",
        "Printer on fire": "Kettle on fire",
        "curl -sSN ": "curl -sSN --max-time 3 ",
        "$W/events\n": "$W/events 2>&1 || [ $? = 28 ]\n",
        ".venv/bin/python": sys.executable,
    }
    for old, new in changes.items():
        assert old in written, old
        written = written.replace(old, new)
    return written


async def test_the_record_is_read_followed_proven_exported_and_made_again(stack: Stack, desk: Desk) -> None:
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euc", script(stack)),
        cwd=stack.data.parent,
        env=os.environ | {"PYTHONPATH": str(_ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = (await asyncio.wait_for(process.communicate(), 60))[0].decode()

    assert process.returncode == 0, said
    assert '"code"' not in said
    history = next(line for line in said.splitlines() if line.startswith('{"items":[{"seq":'))
    steps = ["ticket_created", "status_changed", "note_added", "status_changed"]
    assert re.findall(r'"type":"(\w+)"', history) == steps
    assert "\nid: 1\nevent: " in said
    assert said.count('{"ok":true,') == 2
    assert "BROKEN" not in said
    assert len(re.findall(r"^tickets ok entries=\d+ ", said, re.MULTILINE)) == 1
    assert "tickets: 0 entries written" in said
