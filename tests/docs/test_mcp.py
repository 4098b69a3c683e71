"""The page of assistants does what it says, run as it is written."""

import json

from services.gateway.routes.mcp.tools import TOOLS
from tests.support.pages import DOCS, bash, blocks, prose, script
from tests.support.stack import Desk, Stack

PAGE = DOCS / "mcp.md"


async def test_a_ticket_is_opened_once_found_and_tried_by_curl(stack: Stack, desk: Desk) -> None:
    scopes = ["tickets:read", "tickets:write"]
    made = await desk.send("POST", "tokens", {"name": "Claude", "role": "admin", "scopes": scopes})
    changes = {"http://localhost:8080": stack.url, "cf_your_token": made.json()["token"]}
    said = await bash(stack.data.parent, script(blocks(PAGE, "sh"), changes))

    opened, again, found, tried = (json.loads(line)["result"]["structuredContent"] for line in said.split("\n") if line)
    assert opened == again
    assert opened["ticket"]["id"] in [each["id"] for each in found["items"]]
    assert tried["would_succeed"] is True
    whole = await desk.get(f"tickets/{opened['ticket']['number']}")
    assert (whole["status"], whole["version"]) == ("new", 1)


def test_every_tool_and_what_it_takes_is_in_the_table() -> None:
    rows = {row.split("`")[1]: row for row in prose(PAGE).splitlines() if row.startswith("| `")}
    assert rows.keys() == TOOLS.keys()
    besides = {"dry_run", "key", "created_from", "created_to", "updated_from", "updated_to"}
    for name, tool in TOOLS.items():
        assert [field for field in tool.takes.model_fields if f"`{field}`" not in rows[name]] == [
            field for field in tool.takes.model_fields if field in besides
        ]
        assert f"`{tool.scope}`" in rows[name]
