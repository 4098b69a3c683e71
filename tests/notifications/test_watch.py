"""Watching from the outside: a ticket's owner says who may see it, notifications keep who watches."""

from typing import Any
from uuid import uuid4

import pytest

from contracts.base import Role
from tests.gateway.house import is_problem, without_trace
from tests.notifications.helpdesk import Desk, Helpdesk
from tests.support.eventually import eventually


@pytest.fixture
async def desk(helpdesk: Helpdesk) -> Desk:
    return await helpdesk.desk()


async def watchers(desk: Desk, path: str) -> dict[str, list[str]]:
    page: dict[str, Any] = await desk.done("GET", f"{path}/watchers")
    assert page["next_cursor"] is None
    return {each["name"]: each["reasons"] for each in page["items"]}


async def test_every_role_may_watch_right_after_the_ticket_was_made(desk: Desk) -> None:
    people = [await desk.member(role, f"A {role}") for role in (Role.ADMIN, Role.MEMBER, Role.GUEST)]
    path = f"tickets/{(await desk.ticket())['number']}"
    for who in people:
        assert await desk.done("POST", f"{path}/watch", who=who) == {"watching": True}
        assert await desk.done("POST", f"{path}/watch", who=who) == {"watching": True}

    async def all_watch() -> bool:
        assert await watchers(desk, path) == {
            "Olivia Owner": ["creator"],
            "A admin": ["chosen"],
            "A member": ["chosen"],
            "A guest": ["chosen"],
        }
        return True

    await eventually(all_watch, within=10)
    await desk.done("PATCH", path, {"status": "open"})
    for who in people:
        await desk.is_told(who, "status")


async def test_who_watches_no_more_is_told_of_nothing_but_what_is_for_them(desk: Desk) -> None:
    ada = await desk.member(name="Ada")
    path = f"tickets/{(await desk.ticket(assignee_id=str(ada.user.id)))['number']}"
    assert await desk.done("DELETE", f"{path}/watch", who=ada) == {"watching": False}
    await desk.done("PATCH", path, {"status": "open"})
    await desk.done("POST", f"{path}/notes", {"body": "@Ada", "mentions": [str(ada.user.id)]})
    await desk.all_heard()

    assert await desk.told(ada) == ["assigned", "mention"]
    assert await watchers(desk, path) == {"Olivia Owner": ["creator"]}
    for assignee in (None, str(ada.user.id)):
        await desk.done("PATCH", path, {"assignee_id": assignee})
    await desk.done("PATCH", path, {"status": "in_progress"})
    await desk.is_told(ada, "assigned", "mention", "unassigned", "assigned", "status")


async def test_a_ticket_that_may_not_be_seen_can_not_be_watched(desk: Desk, helpdesk: Helpdesk) -> None:
    other = await helpdesk.desk()
    ticket = await desk.ticket()
    nothing = await other.send("GET", f"tickets/{uuid4()}")
    for method, path in (("POST", "watch"), ("DELETE", "watch"), ("GET", "watchers")):
        for id in (ticket["id"], str(uuid4()), "99", "x"):
            answer = await other.send(method, f"tickets/{id}/{path}")
            is_problem(answer, 404, "not_found")
            assert without_trace(answer) == without_trace(nothing)
        assert (await desk.send(method, f"tickets/{ticket['id']}/{path}", who=other.owner)).status_code == 404


async def test_a_repeat_with_its_key_is_the_first_one(desk: Desk) -> None:
    path = f"tickets/{(await desk.ticket())['number']}"
    ada = await desk.member(name="Ada")
    await desk.send("POST", f"{path}/watch", who=ada, idempotency_key="k")
    await desk.done("DELETE", f"{path}/watch", who=ada)
    again = await desk.send("POST", f"{path}/watch", who=ada, idempotency_key="k")

    assert again.json() == {"watching": True}
    assert "Ada" not in await watchers(desk, path), "an answer that is given again changes nothing"


async def test_a_removed_member_is_in_no_list_of_watchers(desk: Desk) -> None:
    ada = await desk.member(name="Ada")
    path = f"tickets/{(await desk.ticket())['number']}"
    await desk.done("POST", f"{path}/watch", who=ada)
    assert (await desk.send("DELETE", f"members/{ada.user.id}")).is_success

    assert "Ada" not in await watchers(desk, path)
    page = await desk.done("GET", f"{path}/watchers?limit=1")
    assert len(page["items"]) <= 1
