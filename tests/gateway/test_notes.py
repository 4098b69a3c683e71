"""Notes over HTTP: pinned, filtered, and rendered."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from chassis.service import Service
from contracts.base import Role
from tests.gateway.house import House, is_problem
from tests.gateway.test_tickets import Desk


@pytest.fixture
async def desk(house: House, gateway_service: Service) -> AsyncIterator[Desk]:
    owner = await house.somebody()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway_service.port}", timeout=20) as client:
        yield Desk(house, client, await house.workspace(owner), owner)


async def noted(desk: Desk, **fields: Any) -> dict[str, Any]:
    answer = await desk.send("POST", "tickets/1/notes", {"body": "Cut the **power**."} | fields)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_a_note_is_kept_as_it_was_written_and_shown_rendered(desk: Desk) -> None:
    await desk.ticket()
    body = "Cut the **power**. <script>alert(1)</script>"
    made = await noted(desk, body=body)

    assert made["body"] == body
    assert made["html"] == "<p>Cut the <strong>power</strong>. &lt;script&gt;alert(1)&lt;/script&gt;</p>\n"
    assert (await desk.send("GET", "tickets/1/notes")).json() == {"items": [made], "next_cursor": None}


async def test_a_note_is_pinned_and_unpinned_once_each(desk: Desk) -> None:
    await desk.ticket()
    note = await noted(desk)
    path = f"tickets/1/notes/{note['id']}"

    for pinned in (True, True, False, False):
        answer = await desk.send("PATCH", path, {"pinned": pinned})
        assert answer.json() == note | {"pinned": pinned}
    assert (await desk.send("GET", "tickets/1")).json()["version"] == 4
    again = [(await desk.send("PATCH", path, {"pinned": True}, idempotency_key="k")).json() for _ in range(2)]
    assert again == [note | {"pinned": True}] * 2
    is_problem(await desk.send("PATCH", path, {"pinned": False}, idempotency_key="k"), 422, "idempotency_key_reused")
    stale = await desk.send("PATCH", path, {"pinned": False}, if_match='"4"')
    assert [fact["type"].rpartition(".")[2] for fact in is_problem(stale, 412, "stale_version")["missed"]] == [
        "note_pinned"
    ]
    assert (await desk.send("PATCH", path, {"pinned": False}, if_match='"5"')).status_code == 200
    for wrong in ({}, {"pinned": None}, {"pinned": "yes"}, {"pinned": True, "body": "x"}):
        is_problem(await desk.send("PATCH", path, wrong), 422, "invalid")


async def test_a_comment_is_not_pinned_and_a_strangers_note_is_not_there(desk: Desk) -> None:
    await desk.ticket()
    comment = await noted(desk, kind="comment")
    answer = await desk.send("PATCH", f"tickets/1/notes/{comment['id']}", {"pinned": True})
    (error,) = is_problem(answer, 422, "invalid")["errors"]
    assert (error["field"], error["code"]) == ("pinned", "not_for_comments")

    for wrong in (str(uuid4()), "1", "x", "null"):
        is_problem(await desk.send("PATCH", f"tickets/1/notes/{wrong}", {"pinned": True}), 404, "not_found")
    note = await noted(desk)
    for role, name in ((Role.GUEST, "Gus"), (Role.MEMBER, "Max")):
        who = await desk.member(role, name)
        path = f"tickets/1/notes/{note['id']}"
        is_problem(await desk.send("PATCH", path, {"pinned": True}, who=who), 403, "not_allowed")


async def test_notes_are_listed_by_kind_and_pin(desk: Desk) -> None:
    await desk.ticket()
    loose, comment, pinned = await noted(desk), await noted(desk, kind="comment"), await noted(desk, pinned=True)

    for query, found in {
        "": [loose, comment, pinned],
        "?kind=note": [loose, pinned],
        "?kind=comment": [comment],
        "?pinned=true": [pinned],
        "?pinned=false&kind=note": [loose],
    }.items():
        assert (await desk.send("GET", f"tickets/1/notes{query}")).json()["items"] == found
    for wrong in ("?kind=x", "?pinned=x", "?kind=note&kind=comment", "?kind="):
        is_problem(await desk.send("GET", f"tickets/1/notes{wrong}"), 422, "invalid")
