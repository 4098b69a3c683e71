"""The counterfoil over HTTP: history, feed, audit, with the real tickets and activity services behind the door."""

import asyncio
from time import monotonic
from uuid import uuid4

import pytest

from contracts.base import Role
from services.gateway.routes.ledger import PATIENCE
from tests.gateway.house import is_problem, without_trace
from tests.gateway.newsroom import Desk
from tests.support.eventually import eventually

LEDGER = ["tickets/{ticket}/activity", "feed", "events", "audit/people", "audit/verify", "audit/head"]


async def test_each_step_of_a_ticket_is_told_with_who_and_from_what_to_what(ledger: Desk) -> None:
    made = await ledger.ticket(priority="high")
    await ledger.change(made, status="open")
    changed = await ledger.change(made, priority="low")

    by_id = await ledger.recorded(changed)
    by_number = await ledger.get(f"tickets/{made['number']}/activity")

    assert by_id == by_number
    assert by_id["next_cursor"] is None
    created, moved, lowered = by_id["items"]
    assert [entry["type"] for entry in by_id["items"]] == ["ticket_created", "status_changed", "priority_changed"]
    assert [entry["version"] for entry in by_id["items"]] == [1, 2, 3]
    assert created["data"]["subject"] == "The printer is on fire"
    assert (moved["old"], moved["new"]) == ("new", "open")
    assert (lowered["old"], lowered["new"]) == ("high", "low")
    assert lowered["actor"] == {"kind": "user", "id": str(ledger.owner.user.id), "name": "Ada Lovelace"}
    assert lowered["via"] == "api"
    assert lowered["prev_hash"] == moved["hash"]
    assert {"seq", "id", "ticket_id", "at", "cause"} <= lowered.keys()


async def test_a_history_is_read_in_pages_and_by_type(ledger: Desk) -> None:
    ticket = await ledger.ticket()
    for priority in ("high", "low", "critical"):
        ticket = await ledger.change(ticket, priority=priority)
    await ledger.recorded(ticket)
    path = f"tickets/{ticket['number']}/activity"

    first = await ledger.get(f"{path}?limit=3")
    second = await ledger.get(f"{path}?limit=3&after={first['next_cursor']}")
    some = await ledger.get(f"{path}?type=ticket_created&type=status_changed")

    assert [entry["version"] for entry in first["items"] + second["items"]] == [1, 2, 3, 4]
    assert second["next_cursor"] is None
    assert [entry["type"] for entry in some["items"]] == ["ticket_created"]


async def test_a_reader_who_knows_a_version_waits_for_the_ledger(ledger: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    # As long as a busy machine may need.
    monkeypatch.setattr("services.gateway.routes.ledger.PATIENCE", 5 * PATIENCE)
    for _ in range(5):
        ticket = await ledger.ticket()
        ticket = await ledger.change(ticket, priority="high")
        page = await ledger.get(f"tickets/{ticket['id']}/activity?min_version=2")
        assert [entry["version"] for entry in page["items"]] == [1, 2]


async def test_a_version_that_does_not_come_is_not_waited_for_for_ever(ledger: Desk) -> None:
    ticket = await ledger.ticket()
    began = monotonic()

    late, *others = await asyncio.gather(
        ledger.send("GET", f"tickets/{ticket['id']}/activity?min_version=99"),
        *(ledger.send("GET", "members") for _ in range(20)),
    )

    assert monotonic() - began > PATIENCE - 0.2
    is_problem(late, 503, "not_yet")
    assert late.headers["retry-after"] == "1"
    assert {answer.status_code for answer in others} == {200}


async def test_many_who_wait_hold_nothing_that_others_need(ledger: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    # Long enough for a busy machine to do something meanwhile.
    monkeypatch.setattr("services.gateway.routes.ledger.PATIENCE", 3 * PATIENCE)
    ticket = await ledger.ticket()
    waiting = [
        asyncio.create_task(ledger.send("GET", f"tickets/{ticket['id']}/activity?min_version=99")) for _ in range(30)
    ]
    other = await ledger.ticket()

    assert not any(each.done() for each in waiting)
    assert {(await each).status_code for each in waiting} == {503}
    assert other["version"] == 1


async def test_a_guest_reads_a_history_without_what_is_the_teams_own(ledger: Desk) -> None:
    guest, member = await ledger.member(Role.GUEST), await ledger.member(Role.MEMBER)
    ticket = await ledger.ticket()
    await ledger.note(ticket)
    await ledger.note(ticket, kind="comment")
    ticket = await ledger.change(ticket, priority="low")
    await ledger.recorded(ticket)

    seen = {
        who.user.id: [
            entry["type"]
            for path in (f"tickets/{ticket['id']}/activity", "feed")
            for entry in (await ledger.get(path, who=who))["items"]
        ]
        for who in (guest, member)
    }

    assert seen[guest.user.id] == ["ticket_created", "priority_changed"] * 2
    assert seen[member.user.id] == ["ticket_created", "note_added", "comment_added", "priority_changed"] * 2


async def test_the_feed_is_dense_for_admins_and_goes_on_where_it_ended(ledger: Desk) -> None:
    guest = await ledger.member(Role.GUEST)
    ticket = await ledger.ticket()
    for n in range(4):
        await ledger.note(ticket, f"Note {n}")
    await ledger.recorded(await ledger.get(f"tickets/{ticket['id']}"))

    first = await ledger.get("feed?limit=3")
    rest = await ledger.get(f"feed?after={first['next_cursor']}")
    end = await ledger.get(f"feed?after={rest['next_cursor']}")
    for_guest = await ledger.get("feed?limit=3", who=guest)

    assert [entry["seq"] for entry in first["items"] + rest["items"]] == [1, 2, 3, 4, 5]
    assert (first["more"], rest["more"]) == (True, False)
    assert end == {"items": [], "next_cursor": 5, "more": False}
    assert ([entry["seq"] for entry in for_guest["items"]], for_guest["next_cursor"]) == ([1], 3)


async def test_feed_and_history_of_a_deleted_ticket_are_for_admins_until_it_is_restored(ledger: Desk) -> None:
    admin, member, guest = [await ledger.member(role) for role in (Role.ADMIN, Role.MEMBER, Role.GUEST)]
    secret = await ledger.ticket(subject="Nobody's business")
    await ledger.note(secret)
    assert (await ledger.send("DELETE", f"tickets/{secret['id']}")).status_code == 204
    await ledger.recorded(await ledger.ticket())

    for who in (ledger.owner, admin):
        assert [entry["seq"] for entry in (await ledger.get("feed", who=who))["items"]] == [1, 2, 3, 4]
        history = await ledger.get(f"tickets/{secret['id']}/activity", who=who)
        assert [entry["version"] for entry in history["items"]] == [1, 2, 3]
    for who in (member, guest):
        page = await ledger.get("feed", who=who)
        assert [entry["type"] for entry in page["items"]] == ["ticket_deleted", "ticket_created"]
        assert "Nobody's business" not in str(page)
        assert await ledger.get("feed?limit=2", who=who) == {"items": [], "next_cursor": 2, "more": True}
        gone = await ledger.send("GET", f"tickets/{secret['id']}/activity", who=who)
        is_problem(gone, 404, "not_found")
        never = await ledger.send("GET", f"tickets/{uuid4()}/activity", who=who)
        assert without_trace(gone) == without_trace(never)

    restored = await ledger.send("POST", f"tickets/{secret['id']}/restore")
    assert restored.status_code == 200, restored.text
    await ledger.recorded(restored.json())
    for who, seqs in ((member, [1, 2, 3, 4, 5]), (guest, [1, 3, 4, 5])):
        assert [entry["seq"] for entry in (await ledger.get("feed", who=who))["items"]] == seqs
        history = await ledger.get(f"tickets/{secret['id']}/activity", who=who)
        assert len(history["items"]) == len(seqs) - 1


async def test_the_people_book_is_for_admins(ledger: Desk) -> None:
    admin, member, guest = [await ledger.member(role) for role in (Role.ADMIN, Role.MEMBER, Role.GUEST)]

    async def whole() -> list[str]:
        items = (await ledger.get("audit/people", who=admin))["items"]
        return [entry["type"] for entry in items] if len(items) == 5 else []

    assert await eventually(whole) == ["workspace_created", *["member_joined"] * 4]
    for who in (member, guest):
        is_problem(await ledger.send("GET", "audit/people", who=who), 403, "not_allowed")
        is_problem(await ledger.send("GET", "audit/head", who=who), 403, "not_allowed")
        is_problem(await ledger.send("GET", "audit/verify", who=who), 403, "not_allowed")


async def test_the_books_are_proved_against_heads_that_were_saved(ledger: Desk) -> None:
    ticket = await ledger.ticket()
    await ledger.recorded(ticket)
    heads = {head["book"]: head for head in (await ledger.get("audit/head"))["items"]}
    await ledger.recorded(await ledger.change(ticket, priority="low"))
    saved = f"tickets:1:{heads['tickets']['hash']}"

    proof = await ledger.get(f"audit/verify?head={saved}")
    rewritten = await ledger.get(f"audit/verify?head={saved}&head=tickets:2:{'0' * 64}")
    cut = await ledger.get(f"audit/verify?head=tickets:9:{heads['tickets']['hash']}")

    assert heads["tickets"]["seq"] == 1
    assert proof["ok"]
    assert (proof["tickets"]["ok"], proof["tickets"]["entries"], proof["tickets"]["erased"]) == (True, 2, 0)
    assert proof["books"] == [proof["tickets"], proof["people"]]
    assert (rewritten["ok"], rewritten["tickets"]["ok"], rewritten["people"]["ok"]) == (False, False, True)
    assert rewritten["tickets"]["broken_at"] == 2
    assert (cut["ok"], cut["tickets"]["broken_at"]) == (False, 3)


async def test_a_ticket_of_another_desk_has_no_history_here(ledger: Desk) -> None:
    eve = await ledger.room.house.somebody("Eve")
    other = await ledger.room.house.workspace(eve)
    ticket = await ledger.ticket()
    await ledger.recorded(ticket)

    answers = [
        await ledger.client.get(f"/api/v1/workspaces/{other.slug}/tickets/{which}/activity", headers=eve.bearer)
        for which in (ticket["id"], uuid4(), ticket["number"], "nonsense")
    ]

    is_problem(answers[0], 404, "not_found")
    assert all(without_trace(answer) == without_trace(answers[0]) for answer in answers)


@pytest.mark.parametrize("path", LEDGER)
async def test_another_desks_ledger_is_not_there(ledger: Desk, path: str) -> None:
    eve = await ledger.room.house.somebody("Eve")

    foreign = await ledger.send("GET", path.format(ticket=1), who=eve)
    unknown = await ledger.client.get(f"/api/v1/workspaces/no-such-desk/{path.format(ticket=1)}", headers=eve.bearer)

    is_problem(foreign, 404, "not_found")
    assert without_trace(foreign) == without_trace(unknown)
