"""The inbox from the outside: real services, a real broker, and people who work on tickets over HTTP."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import nats
import pytest
from sqlalchemy import text

from chassis.connection import inbox_prefix
from contracts.base import Role
from tests.gateway.house import is_problem, without_trace
from tests.notifications.helpdesk import Desk, Helpdesk
from tests.support.eventually import eventually


@pytest.fixture
async def desk(helpdesk: Helpdesk) -> Desk:
    return await helpdesk.desk()


async def test_a_ticket_at_work_tells_everyone_who_should_know(desk: Desk) -> None:
    ada, ben = await desk.member(name="Ada"), await desk.member(name="Ben")
    ticket = await desk.ticket(assignee_id=str(ada.user.id))
    path = f"tickets/{ticket['number']}"
    await desk.is_told(ada, "assigned")

    await desk.done("PATCH", path, {"status": "in_progress", "priority": "high"}, who=ada)
    await desk.done("POST", f"{path}/notes", {"body": "Cut the power."}, who=ada)
    await desk.done("POST", f"{path}/notes", {"body": "@Ben?", "mentions": [str(ben.user.id)]}, who=ada)
    await desk.done("PATCH", path, {"assignee_id": str(ben.user.id)})
    await desk.done("POST", f"{path}/notes", {"body": "On it.", "kind": "comment"}, who=ben)

    await desk.is_told(desk.owner, "status", "note", "note", "note")
    await desk.is_told(ben, "mention", "assigned")
    await desk.is_told(ada, "assigned", "unassigned")
    newest = (await desk.inbox(ben))["items"][0]
    assert newest["actor"] == {"kind": "user", "id": str(desk.owner.user.id), "name": "Olivia Owner"}
    assert (newest["ticket_id"], newest["ticket_number"]) == (ticket["id"], ticket["number"])
    assert (newest["ticket_subject"], newest["read_at"]) == ("Printer on fire", None)
    status = (await desk.inbox(desk.owner))["items"][-1]
    assert (status["kind"], status["old"], status["new"]) == ("status", "new", "in_progress")


async def test_each_hears_what_they_chose_and_what_they_heard_stays(desk: Desk) -> None:
    ada, ben, guest = await desk.member(name="Ada"), await desk.member(name="Ben"), await desk.member(Role.GUEST)
    path = "notifications/preferences"
    at_first = await desk.done("GET", path, who=ada)
    assert at_first.pop("version") == 1
    assert {kind for kind, wanted in at_first.items() if wanted and not wanted["inbox"]} == {
        "priority",
        "created",
        "arrived",
    }
    assert {kind for kind, wanted in at_first.items() if wanted and wanted["mail"]} == {"assigned", "mention"}
    assert (at_first["mail_paused"], at_first["quiet_hours"]) == (False, None)
    ticket = await desk.ticket(assignee_id=str(ada.user.id))
    await desk.is_told(ada, "assigned")

    chosen: dict[str, Any] = {"assigned": {"inbox": False}, "priority": {"inbox": True, "mail": True}}
    chosen |= {"mention": {"inbox": False}, "mail_paused": True}
    chosen["quiet_hours"] = {"start": "22:00", "end": "07:00", "zone": "Europe/Berlin"}
    changed = await desk.done("PATCH", path, chosen, who=ada)
    chosen["assigned"]["mail"] = chosen["mention"]["mail"] = True
    assert changed == at_first | chosen | {"version": 2} == await desk.done("GET", path, who=ada)
    loud = changed | {"quiet_hours": None, "version": 3}
    assert await desk.done("PATCH", path, {"quiet_hours": None}, who=ada) == loud
    assert await desk.done("PATCH", path, {"quiet_hours": None}, who=ada) == loud
    assert await desk.done("GET", path, who=ben) == at_first | {"version": 1}
    for who in (ben, guest):
        await desk.done("PATCH", path, {"created": {"inbox": True}}, who=who)
    refused: list[Any] = [{}, {"assigned": None}, {"assigned": {"inbox": "no"}}, {"assigned": {"fax": True}}]
    night = chosen["quiet_hours"]
    refused += [{"quiet_hours": night | {wrong: "x"}} for wrong in ("start", "end", "zone")]
    refused.append({"quiet_hours": night | {"end": "22:00"}})
    for wrong in (*refused, {"all": {}}):
        is_problem(await desk.send("PATCH", path, wrong, who=ada), 422, "invalid")

    another = await desk.ticket(assignee_id=str(ada.user.id))
    await desk.done("PATCH", f"tickets/{ticket['id']}", {"priority": "high"})
    called = {"body": "@Ada", "mentions": [str(ada.user.id)]}
    await desk.done("POST", f"tickets/{another['id']}/notes", called)
    assert (await desk.send("DELETE", f"members/{guest.user.id}")).is_success
    await desk.ticket()

    await desk.is_told(ada, "assigned", "priority", "note")  # who is called and wants no calls hears as a watcher
    await desk.is_told(ben, "created", "created")
    priority = (await desk.inbox(ada))["items"][1]
    assert (priority["old"], priority["new"]) == ("normal", "high")
    await desk.all_heard()
    before = await desk.kept()
    await desk.forgets_what_was_heard()
    await desk.helpdesk.deliver_again("TICKETS")
    after = await desk.kept()
    assert (after["items"], after["preferences"]) == (before["items"], before["preferences"])


async def test_who_chooses_by_what_they_no_longer_see_is_told_so_and_of_two_at_once_one_is(desk: Desk) -> None:
    ada, path = await desk.member(name="Ada"), "notifications/preferences"
    assert (await desk.send("GET", path, who=ada)).headers["etag"] == '"1"'
    wants: list[dict[str, Any]] = [{"status": {"mail": True}}, {"note": {"mail": True}}, {"mail_paused": True}]
    for version in (1, 2):
        answers = await asyncio.gather(
            *(desk.send("PATCH", path, each, who=ada, if_match=f'"{version}"') for each in wants)
        )
        (done,) = (answer for answer in answers if answer.is_success)
        assert (done.headers["etag"], done.json()["version"]) == (f'"{version + 1}"', version + 1)
        for refused in {*answers} - {done}:
            is_problem(refused, 412, "stale_version")
            assert refused.json()["version"] == version + 1
        assert await desk.done("GET", path, who=ada) == done.json()
        wants.remove(wants[answers.index(done)])


async def test_a_guest_never_hears_of_a_note_even_where_one_calls_them(desk: Desk) -> None:
    guest, ada = await desk.member(Role.GUEST), await desk.member(name="Ada")
    ticket = await desk.ticket(assignee_id=str(ada.user.id))
    body = {"body": "Don't tell.", "mentions": [str(guest.user.id), str(ada.user.id)]}
    await desk.done("POST", f"tickets/{ticket['id']}/notes", body)

    await desk.is_told(ada, "assigned", "mention")
    assert await desk.inbox(guest) == {"items": [], "unread": 0, "next_cursor": None, "total": None}
    assert await desk.done("GET", "notifications/unread", who=guest) == {"unread": 0}


async def test_a_note_calls_members_of_this_workspace_only(desk: Desk) -> None:
    ada, stranger = await desk.member(name="Ada"), await desk.helpdesk.house.somebody("Eve")
    ticket = await desk.ticket()
    path = f"tickets/{ticket['id']}/notes"

    for called in ([stranger.user.id], [ada.user.id, uuid4()]):
        answer = await desk.send("POST", path, {"body": "x", "mentions": [str(each) for each in called]})
        (error,) = is_problem(answer, 422, "invalid")["errors"]
        assert (error["field"], error["code"]) == ("mentions", "not_found")
    for mentions in (["Ada"], [str(uuid4())] * 21, str(ada.user.id), None):
        is_problem(await desk.send("POST", path, {"body": "x", "mentions": mentions}), 422, "invalid")
    assert (await desk.done("GET", path))["items"] == []
    twice = [str(ada.user.id)] * 2
    await desk.done("POST", path, {"body": "x", "mentions": twice})
    await desk.is_told(ada, "mention")


async def test_reading_lowers_the_count_and_a_repeat_has_the_same_answer(desk: Desk) -> None:
    ada = await desk.member(name="Ada")
    for nth in range(3):
        await desk.ticket(subject=f"Ticket {nth}", assignee_id=str(ada.user.id))
    await desk.is_told(ada, "assigned", "assigned", "assigned")
    newest, *others = (await desk.inbox(ada))["items"]

    body = {"ids": [newest["id"]]}
    first = await desk.send("POST", "notifications/read", body, who=ada, idempotency_key="k")
    rest = await desk.done("POST", "notifications/read", {}, who=ada)
    again = await desk.send("POST", "notifications/read", body, who=ada, idempotency_key="k")

    assert (first.status_code, first.json(), rest) == (200, {"unread": 2}, {"unread": 0})
    assert again.content == first.content
    assert await desk.done("GET", "notifications/unread", who=ada) == {"unread": 0}
    assert await desk.inbox(ada, "?unread=true") == {"items": [], "unread": 0, "next_cursor": None, "total": None}
    page = await desk.inbox(ada, "?limit=1")
    next_page = await desk.inbox(ada, f"?limit=5&cursor={page['next_cursor']}")
    assert [item["id"] for item in (*page["items"], *next_page["items"])] == [item["id"] for item in (newest, *others)]
    assert all(item["read_at"] for item in (*page["items"], *next_page["items"]))


async def test_whoever_names_none_has_read_none(desk: Desk) -> None:
    ada = await desk.member(name="Ada")
    await desk.ticket(assignee_id=str(ada.user.id))
    await desk.is_told(ada, "assigned")

    assert await desk.done("POST", "notifications/read", {"ids": []}, who=ada) == {"unread": 1}
    is_problem(await desk.send("POST", "notifications/read", {"ids": None}, who=ada), 422, "invalid")
    assert await desk.done("GET", "notifications/unread", who=ada) == {"unread": 1}


async def test_an_inbox_is_its_owners_alone(desk: Desk) -> None:
    ada, ben = await desk.member(name="Ada"), await desk.member(name="Ben")
    await desk.ticket(assignee_id=str(ada.user.id))
    await desk.is_told(ada, "assigned")
    (item,) = (await desk.inbox(ada))["items"]

    foreign = await desk.send("POST", "notifications/read", {"ids": [item["id"]]}, who=desk.owner)
    missing = await desk.send("POST", "notifications/read", {"ids": [str(uuid4())]}, who=ben)
    stranger = await desk.send("GET", "notifications", who=await desk.helpdesk.house.somebody("Eve"))
    for answer in (foreign, missing, stranger):
        is_problem(answer, 404, "not_found")
    assert without_trace(foreign) == without_trace(missing) == without_trace(stranger)
    assert await desk.done("POST", "notifications/read", {}, who=ben) == {"unread": 0}
    assert await desk.done("GET", "notifications/unread", who=ada) == {"unread": 1}
    is_problem(await desk.send("GET", "notifications?unread=maybe"), 422, "invalid")
    is_problem(await desk.send("GET", "notifications?user=x"), 422, "invalid")
    is_problem(await desk.send("GET", "notifications?cursor=AAAA"), 400, "malformed")
    is_problem(await desk.send("POST", "notifications/read", {"ids": ["x"]}), 422, "invalid")


async def test_everything_delivered_again_changes_nothing(desk: Desk) -> None:
    ada = await desk.member(name="Ada")
    ticket = await desk.ticket(assignee_id=str(ada.user.id))
    await desk.done("POST", f"tickets/{ticket['id']}/notes", {"body": "@Ada", "mentions": [str(ada.user.id)]})
    await desk.is_told(ada, "assigned", "mention")
    await desk.done("POST", "notifications/read", {}, who=ada)
    before = await _settled(desk)

    for stream in ("TICKETS", "GATEWAY", "TICKETS"):
        await desk.helpdesk.deliver_again(stream)
    assert await desk.kept() == before


async def test_what_was_heard_and_forgotten_is_told_once_all_the_same(desk: Desk) -> None:
    ada = await desk.member(name="Ada")
    ticket = await desk.ticket(assignee_id=str(ada.user.id))
    await desk.done("PATCH", f"tickets/{ticket['id']}", {"status": "open", "subject": "Fire"})
    await desk.is_told(ada, "assigned", "status")
    await desk.done("POST", "notifications/read", {}, who=ada)
    before = await _settled(desk)

    await desk.forgets_what_was_heard()
    for stream in ("TICKETS", "GATEWAY"):
        await desk.helpdesk.deliver_again(stream)
    assert await desk.kept() == before


async def test_a_second_leader_goes_on_where_the_first_ended(desk: Desk) -> None:
    ada = await desk.member(name="Ada")
    first = desk.helpdesk.notifications
    second = desk.helpdesk.another()
    await second.start()
    try:
        await desk.ticket(assignee_id=str(ada.user.id))
        await first._cancel("leader")
        await desk.ticket(assignee_id=str(ada.user.id))
        await eventually(lambda: second.leader.leading)
        await desk.is_told(ada, "assigned", "assigned")
        before = await _settled(desk)
        await desk.helpdesk.deliver_again("TICKETS")
        await desk.helpdesk.deliver_again("GATEWAY")
        assert await desk.kept() == before
    finally:
        first.background(first.leader.run(first._lead), "leader")
        await second.stop()
    await eventually(lambda: first.leader.leading)
    await desk.ticket(assignee_id=str(ada.user.id))
    await desk.is_told(ada, "assigned", "assigned", "assigned")


async def _settled(desk: Desk) -> dict[str, list[str]]:
    """What is kept once all has been heard and all is relayed."""
    await desk.all_heard()

    async def relayed() -> dict[str, list[str]]:
        kept = await desk.kept()
        assert all("'sent_at': datetime" in row for row in kept["event_log"])
        return kept

    return await eventually(relayed)


async def test_admins_are_told_of_a_letter_that_came_while_nobody_listened(desk: Desk) -> None:
    helpdesk, ws = desk.helpdesk, desk.workspace.id
    await desk.all_heard()
    letter: dict[str, Any] = {
        "id": str(uuid4()),
        "at": "2026-03-02T09:00:00Z",
        "service": "tickets",
        "workspace_id": ws,
    }
    letter |= {"stream": "INTAKE", "sequence": 1, "subject": f"tickets.intake.v1.ticket_requested.{ws}.crm"}
    letter |= {"reason": "invalid", "detail": "no subject", "headers": {}, "size": 2, "body": "e30="}
    client = await nats.connect(helpdesk.nats.url_for("tickets"), inbox_prefix=inbox_prefix("tickets").encode())
    await client.jetstream().publish(f"tickets.deadletters.v1.buried.{ws}", json.dumps(letter).encode())
    await client.close()
    await desk.is_told(desk.owner, "dead_letter")

    # As a store that knew neither it nor how far it had read.
    async with helpdesk.store.every_workspace("a test") as tx:
        await tx.execute(text("delete from items where workspace_id = :ws"), {"ws": ws})
        await tx.execute(text("update consumed set position = 0 where consumer = 'DEADLETTERS'"))
    await desk.is_told(desk.owner, "dead_letter")
