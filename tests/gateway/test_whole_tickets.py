"""Counts, deletion, the past, settings and bulk changes over HTTP, with the real tickets service behind the door."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from chassis.service import Service
from contracts.base import Role
from tests.gateway.house import House, is_problem, without_trace
from tests.gateway.newsroom import Desk as LedgerDesk
from tests.gateway.test_tickets import Desk
from tests.support.eventually import eventually

NOBODY = "0192f3c8-1111-7aaa-8bbb-0123456789ab"

STATUSES = ("new", "open", "in_progress", "waiting_on_customer", "resolved", "closed", "spam")


@pytest.fixture
async def desk(house: House, gateway_service: Service) -> AsyncIterator[Desk]:
    owner = await house.somebody()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{gateway_service.port}", timeout=20) as client:
        yield Desk(house, client, await house.workspace(owner), owner)


async def elsewhere(desk: Desk) -> Desk:
    return Desk(desk.house, desk.client, await desk.house.workspace(desk.owner), desk.owner)


async def subjects(desk: Desk, query: str) -> list[str]:
    answer = await desk.send("GET", f"tickets?sort=number&{query}")
    assert answer.status_code == 200, answer.text
    return [ticket["subject"] for ticket in answer.json()["items"]]


# Lists and counts


async def test_lists_and_counts_know_every_filter(desk: Desk) -> None:
    one = await desk.ticket(subject="Printer one", contact={"name": "Kim"}, priority="high")
    two = await desk.ticket(subject="Printer two", tags=["vip"])
    gone = await desk.ticket(subject="Printer gone")
    await desk.send("PATCH", f"tickets/{two['id']}", {"status": "closed"})
    assert (await desk.send("DELETE", f"tickets/{gone['id']}")).status_code == 204
    start = quote(one["created_at"])

    for query, found in {
        "": ["Printer one"],
        "status=all": ["Printer one", "Printer two"],
        f"contact={one['contact']['id']}": ["Printer one"],
        f"contact={uuid4()}": [],
        "q=PRINT&status=all": ["Printer one", "Printer two"],
        f"q=%23{one['number']}": ["Printer one"],
        f"q={two['number']}&status=closed": ["Printer two"],
        f"created_from={start}&status=all": ["Printer one", "Printer two"],
        f"created_to={start}&status=all": [],
        f"updated_from={start}&updated_to=2999-01-01T00:00:00%2B02:00&priority=high": ["Printer one"],
        "deleted=true": ["Printer gone"],
        "deleted=false": ["Printer one"],
    }.items():
        assert await subjects(desk, query) == found, query
    counts = await desk.send("GET", "tickets/counts?status=new&q=printer")
    assert counts.json() == {"counts": dict.fromkeys(STATUSES, 0) | {"new": 1, "closed": 1}, "more": False}
    assert (await desk.send("GET", "tickets/counts?deleted=true")).json()["counts"]["new"] == 1


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("created_from=yesterday", "created_from"),
        ("created_from=2026-03-02", "created_from"),
        ("created_from=1767225600", "created_from"),
        ("created_from=2026-03-02T09:00:00", "created_from"),
        ("created_from=2026-13-02T09:00:00Z", "created_from"),
        ("created_from=0001-01-01T00:00:00%2B12:00", "created_from"),
        ("updated_to=9999-12-31T23:59:59-12:00", "updated_to"),
        ("created_from=2026-03-02T09:00:00Z&created_to=2026-03-02T09:00:00Z", "created_to"),
        ("updated_from=2026-03-02T09:00:00Z&updated_to=2026-03-02T09:00:00%2B01:00", "updated_to"),
        ("deleted=1", "deleted"),
        ("deleted=", "deleted"),
        ("contact=me", "contact"),
        ("assignee=everyone", "assignee"),
        ("tag=a&tag=b", "tag"),
        ("query_operator=%22)%20OR%201%3D1--", "query_operator"),
    ],
)
@pytest.mark.parametrize("list_", ["tickets", "tickets/counts"])
async def test_h20_a_filter_at_fault_is_named(desk: Desk, list_: str, query: str, field: str) -> None:
    (error,) = is_problem(await desk.send("GET", f"{list_}?{query}"), 422, "invalid")["errors"]

    assert error["field"] == field


@pytest.mark.parametrize("q", ["%", "_", "\\", "%25%25", "') or 1=1--", "a" * 200])
async def test_h20_a_search_over_http_is_words_alone(desk: Desk, q: str) -> None:
    await desk.ticket(subject="Printer on fire")

    assert await subjects(desk, f"q={quote(q)}") == []
    is_problem(await desk.send("GET", "tickets?sort=id;drop"), 422, "invalid")
    is_problem(await desk.send("GET", f"tickets?q={'a' * 10_000}"), 422, "invalid")


async def test_counts_take_no_cursor_and_no_order(desk: Desk) -> None:
    for query in ("sort=created", "limit=1", "cursor=AAAA"):
        is_problem(await desk.send("GET", f"tickets/counts?{query}"), 422, "invalid")


async def test_the_deleted_are_for_admins(desk: Desk) -> None:
    for role in (Role.MEMBER, Role.GUEST):
        who = await desk.member(role)
        for path in ("tickets?deleted=true", "tickets/counts?deleted=true"):
            is_problem(await desk.send("GET", path, who=who), 403, "not_allowed")
    admin = await desk.member(Role.ADMIN)
    assert (await desk.send("GET", "tickets?deleted=true", who=admin)).status_code == 200


async def test_h21_a_cursor_of_another_workspace_or_filter_is_refused(desk: Desk) -> None:
    for nth in range(3):
        await desk.ticket(subject=f"T{nth}")
    other = await elsewhere(desk)
    cursor = (await desk.send("GET", "tickets?limit=1")).json()["next_cursor"]

    assert (await desk.send("GET", f"tickets?limit=1&cursor={cursor}")).status_code == 200
    is_problem(await other.send("GET", f"tickets?limit=1&cursor={cursor}"), 400, "malformed")
    for query in ("q=x", "deleted=true", f"contact={uuid4()}", "created_from=2026-03-02T09:00:00Z"):
        is_problem(await desk.send("GET", f"tickets?cursor={cursor}&{query}"), 400, "malformed")
    for nth in range(0, len(cursor), 5):
        broken = cursor[:nth] + ("A" if cursor[nth] != "A" else "B") + cursor[nth + 1 :]
        is_problem(await desk.send("GET", f"tickets?cursor={broken}"), 400, "malformed")


# Creating


@pytest.mark.parametrize(
    ("name", "value"),
    [("contact_id", NOBODY), ("conversation_id", NOBODY), ("assignee_id", NOBODY)],
)
async def test_h2_what_is_not_there_is_a_field_at_fault_and_nothing_is_written(
    desk: Desk, name: str, value: str
) -> None:
    (error,) = is_problem(await desk.send("POST", "tickets", {"subject": "x", name: value}), 422, "invalid")["errors"]

    assert (error["field"], error["code"]) == (name, "not_found")
    assert await subjects(desk, "status=all") == []
    assert (await desk.ticket())["number"] == 1


@pytest.mark.parametrize("extra", [{"workspace_id": "other"}, {"number": 7}, {"version": 9}, {"deleted_at": None}])
async def test_h4_what_no_client_decides_is_refused(desk: Desk, extra: dict[str, Any]) -> None:
    ticket = await desk.ticket()

    is_problem(await desk.send("POST", "tickets", {"subject": "x", **extra}), 422, "invalid")
    is_problem(await desk.send("PATCH", f"tickets/{ticket['id']}", extra), 422, "invalid")
    is_problem(await desk.send("POST", "tickets/bulk", {"ids": [ticket["id"]], "change": extra}), 422, "invalid")
    is_problem(await desk.send("PATCH", "settings", {"members_may_claim": True, **extra}), 422, "invalid")
    is_problem(await desk.send("GET", "tickets?workspace_id=other"), 422, "invalid")
    answer = await desk.send("GET", f"tickets/{ticket['id']}", X_Workspace_Id=(await elsewhere(desk)).workspace.id)
    assert answer.json()["id"] == ticket["id"]


# Deleting


async def test_a_deleted_ticket_is_gone_for_all_but_admins_and_comes_back_as_it_was(desk: Desk) -> None:
    admin, member, guest = [await desk.member(role) for role in (Role.ADMIN, Role.MEMBER, Role.GUEST)]
    ticket = await desk.ticket(assignee_id=str(member.user.id))
    path = f"tickets/{ticket['id']}"

    is_problem(await desk.send("DELETE", path, who=member), 403, "not_allowed")
    is_problem(await desk.send("DELETE", path, If_Match='"7"'), 412, "stale_version")
    gone = await desk.send("DELETE", path, who=admin, If_Match='"1"')
    assert (gone.status_code, gone.content) == (204, b"")
    missing = without_trace(await desk.send("GET", f"tickets/{uuid4()}", who=member))
    for who in (member, guest):
        for method, suffix, body in (
            ("GET", "", None),
            ("GET", "/notes", None),
            ("GET", "?as_of=1", None),
            ("DELETE", "", None),
            ("PATCH", "", {"subject": "x"}),
            ("POST", "/notes", {"body": "x"}),
            ("POST", "/restore", None),
            ("POST", "/not-spam", None),
        ):
            answer = await desk.send(method, path + suffix, body, who=who)
            is_problem(answer, 404, "not_found")
            assert without_trace(answer) == missing, (method, suffix)
    seen = (await desk.send("GET", path)).json()
    assert seen["deleted_at"] is not None
    assert seen["allowed"] == {"actions": ["restore"], "statuses": []}
    for method, suffix, body in (
        ("DELETE", "", None),
        ("PATCH", "", {"subject": "x"}),
        ("POST", "/notes", {"body": "x"}),
        ("POST", "/not-spam", None),
    ):
        is_problem(await desk.send(method, path + suffix, body), 409, "ticket_deleted")
    back = await desk.send("POST", path + "/restore")
    assert (back.status_code, back.headers["etag"]) == (200, '"3"')
    assert (await desk.send("GET", path, who=member)).json()["subject"] == ticket["subject"]
    again = await desk.send("POST", path + "/restore")
    assert (again.status_code, again.json()["version"]) == (200, 3)


async def test_the_same_key_deletes_and_restores_once(desk: Desk) -> None:
    path = f"tickets/{(await desk.ticket())['id']}"

    for _ in range(3):
        assert (await desk.send("DELETE", path, Idempotency_Key="d")).status_code == 204
    for _ in range(3):
        assert (await desk.send("POST", f"{path}/restore", Idempotency_Key="r")).json()["version"] == 3
    is_problem(await desk.send("DELETE", path, Idempotency_Key="d", If_Match='"3"'), 422, "idempotency_key_reused")


async def test_what_is_no_spam_has_its_status_back(desk: Desk) -> None:
    ticket = await desk.ticket()
    path = f"tickets/{ticket['number']}"

    is_problem(await desk.send("POST", f"{path}/not-spam"), 409, "conflict")
    await desk.send("PATCH", path, {"status": "spam"})
    back = await desk.send("POST", f"{path}/not-spam")
    assert (back.status_code, back.json()["status"], back.headers["etag"]) == (200, "new", '"3"')


async def test_a_foreign_ticket_is_neither_deleted_nor_restored(desk: Desk) -> None:
    foreign = await (await elsewhere(desk)).ticket()

    for method, suffix in (("DELETE", ""), ("POST", "/restore"), ("POST", "/not-spam"), ("GET", "?as_of=1")):
        is_problem(await desk.send(method, f"tickets/{foreign['id']}{suffix}"), 404, "not_found")


async def test_h16_of_two_deletions_of_one_version_one_is_stale_or_late(desk: Desk) -> None:
    path = f"tickets/{(await desk.ticket())['id']}"
    answers = await asyncio.gather(
        desk.send("PATCH", path, {"subject": "x"}, If_Match='"1"'),
        desk.send("PATCH", path, {"subject": "y"}, If_Match='"1"'),
    )

    assert sorted(answer.status_code for answer in answers) == [200, 412]


# The past


async def test_a_ticket_is_read_as_it_was(desk: Desk) -> None:
    ticket = await desk.ticket(contact={"name": "Kim", "email": "kim@example.com"})
    path = f"tickets/{ticket['number']}"
    await desk.send("PATCH", path, {"subject": "Smoke"})
    await desk.send("PATCH", path, {"status": "resolved"})

    first = await desk.send("GET", f"{path}?as_of=1")
    assert "etag" not in first.headers
    assert first.json()["allowed"] == {"actions": [], "statuses": []}
    assert (first.json()["subject"], first.json()["status"], first.json()["version"]) == (ticket["subject"], "new", 1)
    assert (await desk.send("GET", f"{path}?as_of={quote(ticket['created_at'])}")).json() == first.json()
    assert (await desk.send("GET", f"{path}?as_of=2")).json()["subject"] == "Smoke"
    assert (await desk.send("GET", f"{path}?as_of=2999-01-01T00:00:00%2B02:00")).json()["status"] == "resolved"
    for then in ("4", "999999999", "2020-01-01T00:00:00Z"):
        is_problem(await desk.send("GET", f"{path}?as_of={then}"), 404, "not_found")


@pytest.mark.parametrize(
    "then", ["", "0", "-1", "1.5", "99999999999", "yesterday", "2026-03-02", "2026-02-30T00:00:00Z", "1;drop"]
)
async def test_a_moment_that_is_none_is_a_field_at_fault(desk: Desk, then: str) -> None:
    path = f"tickets/{(await desk.ticket())['id']}"

    (error,) = is_problem(await desk.send("GET", f"{path}?as_of={then}"), 422, "invalid")["errors"]
    assert error["field"] == "as_of"
    is_problem(await desk.send("GET", f"{path}?asof=1"), 422, "invalid")


# Settings


async def test_settings_are_read_and_changed_by_admins(desk: Desk) -> None:
    member = await desk.member(Role.MEMBER)
    before = await desk.send("GET", "settings")
    changed = await desk.send(
        "PATCH", "settings", {"members_may_claim": True, "auto_close_days": 14}, If_Match=before.headers["etag"]
    )

    assert before.json() | {"version": 1} == before.json()
    assert (changed.status_code, changed.headers["etag"], changed.json()["auto_close_days"]) == (200, '"2"', 14)
    assert (await desk.send("GET", "settings", If_None_Match='"2"')).status_code == 304
    stale = is_problem(
        await desk.send("PATCH", "settings", {"auto_close_days": 1}, If_Match='"1"'), 412, "stale_version"
    )
    assert [fact["type"] for fact in stale["missed"]] == ["settings_changed"]
    assert (await desk.send("PATCH", "settings", {"auto_close_days": None})).json()["auto_close_days"] is None
    for method, body in (("GET", None), ("PATCH", {"members_may_claim": True})):
        is_problem(await desk.send(method, "settings", body, who=member), 403, "not_allowed")
    assert (await (await elsewhere(desk)).send("GET", "settings")).json()["members_may_claim"] is False


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"members_may_claim": None},
        {"members_may_claim": "true"},
        {"default_priority": None},
        {"default_priority": "urgent"},
        {"auto_close_days": 0},
        {"auto_close_days": 3651},
        {"auto_close_days": 1.5},
        {"follow_up_days": "7"},
    ],
    ids=json.dumps,
)
async def test_settings_that_there_are_not_are_refused(desk: Desk, body: dict[str, Any]) -> None:
    is_problem(await desk.send("PATCH", "settings", body), 422, "invalid")
    assert (await desk.send("GET", "settings")).json()["version"] == 1


async def test_a_member_claims_and_notes_where_that_is_settled(desk: Desk) -> None:
    member = await desk.member(Role.MEMBER)
    free, taken = await desk.ticket(), await desk.ticket(assignee_id=str(desk.owner.user.id))
    claim = {"assignee_id": str(member.user.id)}
    is_problem(await desk.send("PATCH", f"tickets/{free['id']}", claim, who=member), 403, "not_allowed")
    await desk.send(
        "PATCH", "settings", {"members_may_claim": True, "members_may_note_any": True, "default_priority": "high"}
    )

    assert (await desk.send("PATCH", f"tickets/{free['id']}", claim, who=member)).status_code == 200
    is_problem(await desk.send("PATCH", f"tickets/{taken['id']}", claim, who=member), 403, "not_allowed")
    note = await desk.send("POST", f"tickets/{taken['id']}/notes", {"body": "x"}, who=member)
    assert note.status_code == 201
    assert (await desk.ticket())["priority"] == "high"
    assert (await desk.ticket(priority="low"))["priority"] == "low"


# Bulk


async def finished(desk: Desk, where: str) -> dict[str, Any]:
    async def is_done() -> bool:
        answer = await desk.client.get(where, headers=desk.owner.bearer)
        assert answer.status_code == 200, answer.text
        return bool(answer.json()["state"] == "done")

    await eventually(is_done, within=10)
    found: dict[str, Any] = (await desk.client.get(where, headers=desk.owner.bearer)).json()
    return found


async def test_many_tickets_are_changed_beside_other_work(desk: Desk) -> None:
    bob = await desk.member(Role.MEMBER, "Bob")
    tickets = [await desk.ticket(subject=f"T{nth}") for nth in range(3)]
    await desk.send("PATCH", f"tickets/{tickets[0]['id']}", {"status": "closed"})
    change = {"status": "resolved", "assignee_id": str(bob.user.id), "tags": ["x"]}
    begun = await desk.send("POST", "tickets/bulk", {"ids": [each["id"] for each in tickets], "change": change})

    assert begun.status_code == 202, begun.text
    assert begun.json().keys() == {"id"}
    assert begun.headers["location"].endswith(f"/workspaces/{desk.workspace.slug}/bulk/{begun.json()['id']}")
    found = await finished(desk, begun.headers["location"])
    assert (found["total"], found["changed"], found["refused"]) == (3, 2, 1)
    assert [(item["outcome"], item["code"]) for item in found["items"]] == [
        ("refused", "transition_not_allowed"),
        ("changed", None),
        ("changed", None),
    ]
    assert (await desk.send("GET", f"tickets/{tickets[1]['id']}")).json()["assignee"]["name"] == "Bob"


async def test_a_whole_filter_is_changed_and_deleted(desk: Desk) -> None:
    await desk.ticket(subject="Printer", tags=["a"])
    await desk.ticket(subject="Printer", tags=["b"])
    start = (await desk.ticket(subject="Other"))["created_at"]
    wanted = {"q": "print", "tag": "a", "status": ["new", "open"], "assignee": "none", "created_to": start}
    begun = await desk.send("POST", "tickets/bulk", {"filter": wanted, "change": {"priority": "critical"}})
    assert (await finished(desk, begun.headers["location"]))["changed"] == 1
    begun = await desk.send("POST", "tickets/bulk", {"filter": {"q": "printer"}, "change": {"delete": True}})

    assert (await finished(desk, begun.headers["location"]))["changed"] == 2
    assert await subjects(desk, "status=all") == ["Other"]


async def test_the_same_key_begins_one_bulk_change(desk: Desk) -> None:
    body = {"ids": [(await desk.ticket())["id"]], "change": {"tags": ["x"]}}
    begun = [await desk.send("POST", "tickets/bulk", body, Idempotency_Key="b") for _ in range(3)]

    assert len({answer.json()["id"] for answer in begun}) == 1
    assert len({answer.headers["location"] for answer in begun}) == 1


async def test_h3_ninety_nine_of_ours_and_one_foreign_and_nothing_is_done(desk: Desk) -> None:
    ours = [await desk.ticket() for _ in range(5)]
    foreign = await (await elsewhere(desk)).ticket()
    ids = [*(each["id"] for each in ours), *(str(uuid4()) for _ in range(94))]

    for other in (foreign["id"], str(uuid4())):
        sent = await desk.send("POST", "tickets/bulk", {"ids": [*ids[:5], other], "change": {"status": "open"}})
        is_problem(sent, 404, "not_found")
    assert {ticket["version"] for ticket in (await desk.send("GET", "tickets")).json()["items"]} == {1}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"change": {"status": "open"}},
        {"ids": [], "change": {"status": "open"}},
        {"ids": ["7"], "change": {"status": "open"}},
        {"ids": [NOBODY], "filter": {}, "change": {"status": "open"}},
        {"filter": {}, "change": {}},
        {"filter": {}, "change": {"delete": False}},
        {"filter": {}, "change": {"delete": True, "status": "open"}},
        {"filter": {"deleted": True}, "change": {"status": "open"}},
        {"filter": {"sort": "number"}, "change": {"status": "open"}},
        {"filter": {"created_from": "2026-03-02"}, "change": {"status": "open"}},
        {"filter": {}, "change": {"status": "open"}, "limit": 1},
        {"ids": [NOBODY] * 1001, "change": {"status": "open"}},
    ],
    ids=lambda body: json.dumps(body)[:60],
)
async def test_a_bulk_change_that_does_not_say_what_is_refused(desk: Desk, body: dict[str, Any]) -> None:
    await desk.ticket()

    is_problem(await desk.send("POST", "tickets/bulk", body), 422, "invalid")


async def test_a_bulk_change_is_for_admins_and_for_a_members_own(desk: Desk) -> None:
    member, guest = await desk.member(Role.MEMBER), await desk.member(Role.GUEST)
    mine, other = await desk.ticket(assignee_id=str(member.user.id)), await desk.ticket()

    for who, ids in ((member, [mine["id"], other["id"]]), (guest, [mine["id"]])):
        sent = await desk.send("POST", "tickets/bulk", {"ids": ids, "change": {"status": "open"}}, who=who)
        is_problem(sent, 403, "not_allowed")
    begun = await desk.send(
        "POST", "tickets/bulk", {"filter": {"assignee": "me"}, "change": {"tags": ["x"]}}, who=member
    )
    assert (await finished(desk, begun.headers["location"]))["changed"] == 1
    is_problem(await desk.send("GET", f"bulk/{begun.json()['id']}", who=guest), 404, "not_found")
    for id in ("nonsense", str(uuid4())):
        is_problem(await desk.send("GET", f"bulk/{id}"), 404, "not_found")
    is_problem(await (await elsewhere(desk)).send("GET", f"bulk/{begun.json()['id']}"), 404, "not_found")


# The ledger


async def test_the_ledger_tells_deletions_and_settings_to_those_who_may_read_them(ledger: LedgerDesk) -> None:
    member = await ledger.member(Role.MEMBER)
    ticket = await ledger.ticket()
    await ledger.send("DELETE", f"tickets/{ticket['id']}")
    await ledger.send("PATCH", "settings", {"members_may_claim": True})

    history = await ledger.get(f"tickets/{ticket['id']}/activity?min_version=2")
    assert [entry["type"] for entry in history["items"]] == ["ticket_created", "ticket_deleted"]
    is_problem(await ledger.send("GET", f"tickets/{ticket['id']}/activity", who=member), 404, "not_found")

    async def settled() -> bool:
        return "settings_changed" in [entry["type"] for entry in (await ledger.get("feed"))["items"]]

    await eventually(settled, within=10)
    (fact,) = [entry for entry in (await ledger.get("feed"))["items"] if entry["type"] == "settings_changed"]
    assert (fact["old"]["members_may_claim"], fact["new"]["members_may_claim"]) == (False, True)
    seen = [entry["type"] for entry in (await ledger.get("feed", who=member))["items"]]
    assert "settings_changed" not in seen
    assert (await ledger.get("audit/verify"))["ok"]
