"""The page of the command and the client does what it says, run as it is written."""

import sys

from services.gateway.domain import Scope
from tests.support.pages import DOCS, ROOT, bash, blocks, run, script
from tests.support.stack import Desk, Stack

PAGE = DOCS / "client.md"


async def test_an_alert_is_one_ticket_that_is_moved_noted_and_told(stack: Stack, desk: Desk) -> None:
    made = await desk.send("POST", "tokens", {"name": "Scripts", "role": "admin", "scopes": list(Scope)})
    token = made.json()["token"]
    changes = {"$PWD/bin": str(ROOT / "bin"), "http://localhost:8080": stack.url, "cf_your_token": token}
    said = await bash(stack.data.parent, script(blocks(PAGE, "sh"), changes, mark="part "))

    _, first, second, third = said.split("part ")
    opened, again, listed = first.splitlines()[1:4]
    assert opened == again
    assert listed.split()[1:4] == ["new", "critical", "-"]
    assert "in_progress (version 2)" in second
    assert "status_changed by Scripts in_progress → resolved" in second
    assert second.count('"type":"status_changed"') == 2
    *_, tickets_book, people_book = third.splitlines()
    assert tickets_book.startswith("tickets: whole, ")
    assert people_book.startswith("people: whole, ")
    assert "night-alerts is revoked" in third
    assert "NATS_URL=nats://night-alerts_" in (stack.data.parent / "night-alerts.env").read_text(encoding="utf-8")
    (ticket,) = (await desk.get("tickets?tag=alert&status=all"))["items"]
    assert ticket["status"] == "resolved"

    (program,) = blocks(PAGE, "python")
    waiting = await desk.send("POST", "tickets", {"subject": "Night falls", "priority": "high"})
    given = f"import os; os.environ |= {{'COUNTERFOIL_URL': {stack.url!r}, 'COUNTERFOIL_TOKEN': {token!r}}}\n"
    printed = await run(stack.data.parent, sys.executable, "-c", given + program.text)
    assert f"{waiting.json()['number']} Night falls" in printed
    assert (await desk.get(f"tickets/{waiting.json()['number']}"))["status"] == "in_progress"
