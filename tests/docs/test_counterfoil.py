"""The README's commands about the record do what it says, run as they are written but for the port."""

import re

from tests.support.pages import README, bash, blocks, script
from tests.support.stack import Desk, Stack


def written(stack: Stack) -> str:
    """Return both sections as one script; what follows until Ctrl-C is followed for three seconds."""
    sections = [block for each in ("A first ticket", "Its counterfoil") for block in blocks(README, "sh", each)]
    changes = {
        "http://127.0.0.1:8080": stack.url,
        "owner@example.com": "ada@example.com",
        "first-ticket": "another-ticket",
        "Printer on fire": "Kettle on fire",
        "curl -sSN ": "curl -sSN --max-time 3 ",
        "$W/events\n": "$W/events 2>&1 || [ $? = 28 ]\n",
    }
    return script(sections, changes)


async def test_the_record_is_read_followed_proven_exported_and_made_again(stack: Stack, desk: Desk) -> None:
    said = await bash(stack.data.parent, written(stack))

    assert '"code"' not in said
    history = next(line for line in said.splitlines() if line.startswith('{"items":[{"seq":'))
    steps = ["ticket_created", "status_changed", "note_added", "status_changed"]
    assert re.findall(r'"type":"(\w+)"', history) == steps
    assert "\nid: 1\nevent: " in said
    assert said.count('{"ok":true,') == 2
    assert "BROKEN" not in said
    assert len(re.findall(r"^tickets ok entries=\d+ ", said, re.MULTILINE)) == 1
    assert "tickets: 0 entries written" in said
