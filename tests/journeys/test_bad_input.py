"""Bad input gets a clear refusal with a stable code, and changes nothing."""

import asyncio
import json
import uuid
from typing import Any

import httpx
import pytest

from tests.support.stack import EMAIL, Desk, Stack


@pytest.fixture(scope="module")
async def guest(stack: Stack, desk: Desk) -> Desk:
    invited = await desk.send("POST", "invitations", {"email": "gus@example.com", "name": "Gus", "role": "guest"})
    accept = f"/api/v1/invitations/{invited.json()['token']}/accept"
    answer = await Desk(stack, "").send("POST", accept, {"password": "another long pass phrase"})
    return Desk(stack, answer.json()["token"])


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Check the refusal's form and return it."""
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert problem["status"] == status
    assert len(problem["trace_id"]) == 32
    assert "Traceback" not in answer.text
    return problem  # type: ignore[no-any-return]


async def a_ticket(desk: Desk, **fields: Any) -> dict[str, Any]:
    made = await desk.send("POST", "tickets", {"subject": "A ticket"} | fields)
    return made.json()  # type: ignore[no-any-return]


async def test_a_wrong_password_opens_nothing(stack: Stack) -> None:
    nobody = Desk(stack, "")
    wrong = await nobody.send("POST", "/api/v1/sessions", {"email": EMAIL, "password": "not the pass phrase"})
    unknown = await nobody.send(
        "POST", "/api/v1/sessions", {"email": "x@example.com", "password": "not the pass phrase"}
    )
    assert refused(wrong, 401, "unauthenticated")["detail"] == refused(unknown, 401, "unauthenticated")["detail"]


async def test_nobody_reads_without_signing_in(stack: Stack) -> None:
    refused(await Desk(stack, "").send("GET", "tickets"), 401, "unauthenticated")
    refused(await Desk(stack, "made up").send("GET", "tickets"), 401, "unauthenticated")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "subject"),
        ({"subject": "  "}, "subject"),
        ({"subject": "x" * 201}, "subject"),
        ({"subject": "x", "priority": "urgent"}, "priority"),
        ({"subject": "x", "description": "x" * (64 * 1024 + 1)}, "description"),
        ({"subject": "x", "assignee_id": str(uuid.uuid4())}, "assignee_id"),
        ({"subject": "x", "contact_id": str(uuid.uuid4())}, "contact_id"),
        ({"subject": "x", "is_admin": True}, "is_admin"),
        ({"subject": "a\r\nBcc: b"}, "subject"),
        ({"subject": "\u200b"}, "subject"),
        ({"subject": "\u202egnp.exe"}, "subject"),
    ],
)
async def test_a_field_at_fault_is_named(desk: Desk, body: dict[str, Any], field: str) -> None:
    before = await desk.get("tickets?status=all&limit=100")
    problem = refused(await desk.send("POST", "tickets", body), 422, "invalid")
    assert [error["field"] for error in problem["errors"]] == [field]
    assert await desk.get("tickets?status=all&limit=100") == before


async def test_an_unknown_status_is_refused(desk: Desk) -> None:
    ticket = await a_ticket(desk)
    refused(await desk.send("PATCH", f"tickets/{ticket['id']}", {"status": "done"}), 422, "invalid")
    refused(await desk.send("GET", "tickets?status=done"), 422, "invalid")
    assert (await desk.get(f"tickets/{ticket['id']}"))["version"] == 1


async def test_a_forbidden_move_names_the_allowed_ones(desk: Desk) -> None:
    ticket = await a_ticket(desk)
    assert (await desk.send("PATCH", f"tickets/{ticket['id']}", {"status": "closed"})).status_code == 200
    problem = refused(
        await desk.send("PATCH", f"tickets/{ticket['id']}", {"status": "resolved"}), 409, "transition_not_allowed"
    )
    assert problem["allowed"] == ["open", "spam"]


async def test_a_stale_change_is_refused_with_what_was_missed(desk: Desk) -> None:
    ticket = await a_ticket(desk)
    await desk.send("PATCH", f"tickets/{ticket['id']}", {"priority": "high"})
    problem = refused(
        await desk.send("PATCH", f"tickets/{ticket['id']}", {"subject": "New"}, If_Match='"1"'), 412, "stale_version"
    )
    assert [(missed["type"], missed["old"], missed["new"]) for missed in problem["missed"]] == [
        ("priority_changed", "normal", "high")
    ]
    assert (await desk.get(f"tickets/{ticket['id']}"))["subject"] == "A ticket"


async def test_a_foreign_workspace_looks_like_a_missing_one(stack: Stack, desk: Desk) -> None:
    made = await desk.send("POST", "/api/v1/workspaces", {"name": "Other", "slug": "other"})
    assert made.status_code == 201
    invited = await desk.send(
        "POST", "/api/v1/workspaces/other/invitations", {"email": "m@example.com", "name": "Mia", "role": "admin"}
    )
    token = invited.json()["token"]
    answer = await Desk(stack, "").send(
        "POST", f"/api/v1/invitations/{token}/accept", {"password": "a third long pass phrase"}
    )
    stranger = Desk(stack, answer.json()["token"])
    ticket = await a_ticket(desk)
    foreign = await stranger.send("GET", f"tickets/{ticket['id']}")
    missing = await stranger.send("GET", f"/api/v1/workspaces/nowhere/tickets/{ticket['id']}")
    inside = await stranger.send("GET", f"/api/v1/workspaces/other/tickets/{ticket['id']}")
    problems = [refused(each, 404, "not_found") | {"trace_id": ""} for each in (foreign, missing, inside)]
    assert problems[0] == problems[1] == problems[2]
    assert len({len(each.content) for each in (foreign, missing, inside)}) == 1


async def test_a_guest_reads_and_writes_nothing(desk: Desk, guest: Desk) -> None:
    ticket = await a_ticket(desk)
    assert (await guest.get(f"tickets/{ticket['id']}"))["allowed"]["statuses"] == []
    refused(await guest.send("POST", "tickets", {"subject": "x"}), 403, "not_allowed")
    refused(await guest.send("PATCH", f"tickets/{ticket['id']}", {"status": "open"}), 403, "not_allowed")
    refused(await guest.send("POST", f"tickets/{ticket['id']}/notes", {"body": "x"}), 403, "not_allowed")
    refused(await guest.send("GET", f"tickets/{ticket['id']}/notes"), 403, "not_allowed")
    refused(await guest.send("GET", "dead-letters"), 403, "not_allowed")
    refused(
        await guest.send("POST", "invitations", {"email": "y@example.com", "name": "Y", "role": "guest"}),
        403,
        "not_allowed",
    )


@pytest.mark.parametrize("body", [b"{", b"", b'{"subject": "\\ud800"}', b"\xff\xfe{\x00}\x00", b"[" * 10_000])
async def test_what_is_not_json_is_malformed(stack: Stack, desk: Desk, body: bytes) -> None:
    async with httpx.AsyncClient(base_url=stack.url, timeout=15) as http:
        answer = await http.post(
            "/api/v1/workspaces/demo/tickets",
            content=body,
            headers={"Authorization": f"Bearer {desk.token}", "Content-Type": "application/json"},
        )
    refused(answer, 400, "malformed")


async def test_a_broken_cursor_or_key_is_malformed(desk: Desk) -> None:
    refused(await desk.send("GET", "tickets?cursor=broken"), 400, "malformed")
    refused(await desk.send("POST", "tickets", {"subject": "x"}, Idempotency_Key="x" * 256), 400, "malformed")


@pytest.mark.parametrize(
    "request_line",
    [
        "POST /api/v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST /api/v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nIdempotency-Key: a\x00b\r\n\r\n",
        "\x16\x03\x01 this is no HTTP\r\n\r\n",
    ],
    ids=["two ways to end", "two lengths", "a NUL in a header", "no HTTP"],
)
async def test_what_is_no_http_is_refused_as_everything_else_is(stack: Stack, request_line: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", stack.running["gateway"]["port"])
    writer.write(request_line.encode("latin-1"))
    head, _, body = (await asyncio.wait_for(reader.read(), 10)).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: application/problem+json" in head
    problem = json.loads(body)
    assert (problem["code"], problem["status"], len(problem["trace_id"])) == ("malformed", 400, 32)
