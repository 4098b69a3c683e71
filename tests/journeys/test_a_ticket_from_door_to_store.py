"""A person opens a ticket over HTTP, another system asks for one over NATS, and both are there after a restart."""

import asyncio
import json
from typing import Any

import nats
import pytest

from tests.support.eventually import eventually
from tests.support.stack import Desk, Stack, publish


def intake(stack: Stack, *, workspace: str = "", integration: str = "", name: str = "ticket_requested") -> str:
    access = stack.env("integration")
    return ".".join(
        ["tickets.intake.v1", name, workspace or access["WORKSPACE_ID"], integration or access["INTEGRATION"]]
    )


async def subjects(desk: Desk, query: str = "") -> list[str]:
    return [ticket["subject"] for ticket in (await desk.get(f"tickets?limit=100{query}"))["items"]]


async def test_a_ticket_goes_from_new_to_resolved_and_is_found_by_its_words(desk: Desk) -> None:
    made = await desk.send(
        "POST", "tickets", {"subject": "Printer on floor 3 is on fire", "description": "It *burns*."}
    )
    assert (made.status_code, made.headers["etag"]) == (201, '"1"')
    ticket = made.json()
    assert made.headers["location"].endswith(ticket["id"])
    assert (ticket["status"], ticket["priority"], ticket["number"] >= 1) == ("new", "normal", True)

    moved = await desk.send("PATCH", f"tickets/{ticket['id']}", {"status": "in_progress"}, If_Match='"1"')
    assert (moved.status_code, moved.json()["version"]) == (200, 2)
    noted = await desk.send("POST", f"tickets/{ticket['number']}/notes", {"body": "Sent the fire brigade."})
    assert noted.status_code == 201
    solved = await desk.send("PATCH", f"tickets/{ticket['id']}", {"status": "resolved", "priority": "high"})
    assert (solved.json()["status"], solved.json()["version"]) == ("resolved", 5)
    assert solved.json()["resolved_at"] is not None

    assert "Printer on floor 3 is on fire" in await subjects(desk, "&q=FLOOR")
    assert "Printer on floor 3 is on fire" in await subjects(desk, "&q=inter on fl")
    assert await subjects(desk, "&q=no such words") == []
    assert await subjects(desk, f"&q=%23{ticket['number']}") == ["Printer on floor 3 is on fire"]
    assert [note["body"] for note in (await desk.get(f"tickets/{ticket['id']}/notes"))["items"]] == [
        "Sent the fire brigade."
    ]


async def test_a_ticket_asked_for_twice_by_another_system_is_opened_once(stack: Stack, desk: Desk) -> None:
    request = {
        "external_id": "disk-7",
        "subject": "Disk 7 is full",
        "contact": {"name": "Grace", "email": "g@x.example"},
    }
    async with stack.nats("integration") as client:
        for id in ("alert-1", "alert-1", "alert-2"):
            await publish(client, intake(stack), request, {"ce-id": id, "ce-specversion": "1.0"})
        await publish(client, intake(stack), {"external_id": "disk-8", "subject": "Disk 8 is full"})

    async def both() -> bool:
        return {"Disk 7 is full", "Disk 8 is full"} <= set(await subjects(desk))

    await eventually(both)
    found = [item for item in (await desk.get("tickets?q=Disk 7"))["items"] if item["subject"] == "Disk 7 is full"]
    assert len(found) == 1
    assert found[0]["contact"]["name"] == "Grace"


RUBBISH: dict[str, tuple[bytes, dict[str, str]]] = {
    "not json": (b"rubbish", {}),
    "empty": (b"", {}),
    "an array": (b"[]", {}),
    "wrong types": (b'{"external_id": 7, "subject": []}', {}),
    "no subject": (b'{"external_id": "x"}', {}),
    "unknown type": (b'{"external_id": "x", "subject": "y"}', {"ce-id": "1", "ce-type": "nobody.knows.v1.this"}),
    "another workspace": (b'{"external_id": "x", "subject": "y", "workspace_id": "elsewhere"}', {}),
}


async def test_rubbish_is_a_dead_letter_with_a_reason_and_what_is_behind_it_passes(stack: Stack, desk: Desk) -> None:
    before = {letter["id"] for letter in (await desk.get("dead-letters"))["items"]}
    async with stack.nats("integration") as client:
        for body, headers in RUBBISH.values():
            await publish(client, intake(stack), body, headers)
        await publish(client, intake(stack, name="no_such_message"), {"external_id": "x"})
        await publish(client, intake(stack), {"external_id": "good", "subject": "Good behind rubbish"})

    async def passed() -> bool:
        return "Good behind rubbish" in await subjects(desk)

    await eventually(passed)

    async def letters() -> list[Any]:
        return [letter for letter in (await desk.get("dead-letters"))["items"] if letter["id"] not in before]

    found = await letters()
    assert len(found) == len(RUBBISH) + 1
    assert all(letter["reason"] and letter["detail"] for letter in found)
    assert {"invalid", "unknown_type", "not_allowed"} == {letter["reason"] for letter in found}
    for letter in found:
        again = await desk.send("POST", f"dead-letters/{letter['id']}/retry")
        assert again.json()["code"] == letter["reason"], "it is as wrong as it was"
        assert (await desk.send("DELETE", f"dead-letters/{letter['id']}")).status_code == 204
        assert (await desk.send("DELETE", f"dead-letters/{letter['id']}")).status_code == 404
    assert await letters() == []


async def test_nats_refuses_what_another_system_may_not_say(stack: Stack, desk: Desk) -> None:
    body = json.dumps({"external_id": "forged", "subject": "Forged"}).encode()
    access = stack.env("integration")
    async with stack.nats("integration") as client:
        for subject in (
            intake(stack, workspace="elsewhere"),
            intake(stack, integration="another"),
            f"tickets.events.v1.ticket_created.{access['WORKSPACE_ID']}",
            "tickets.requests.v1.create_ticket",
        ):
            with pytest.raises(TimeoutError):
                await client.request(subject, body, timeout=0.3)
    assert "Forged" not in await subjects(desk, "&status=all")


async def test_a_system_that_an_admin_lets_in_comes_in_where_it_is_told(stack: Stack, desk: Desk) -> None:
    made = (await desk.send("POST", "integrations", {"name": "pager"})).json()
    client = await nats.connect(made["nats_url"], inbox_prefix=made["inbox_prefix"])
    try:
        message = {"external_id": "1", "subject": "Paged at night"}
        await publish(client, made["subjects"][0].replace("*", "ticket_requested"), message)

        async def opened() -> bool:
            return "Paged at night" in await subjects(desk)

        await eventually(opened)
    finally:
        await client.close()

    listed = {each["name"]: each for each in (await desk.get("integrations"))["items"]}
    fixed = listed[stack.env("integration")["INTEGRATION"]]
    assert (fixed["maker_id"], fixed["consumer"]) == (None, f"int_demo_{made['workspace_id']}")
    refused = await desk.send("DELETE", f"integrations/{fixed['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert (await desk.send("POST", f"integrations/{fixed['id']}/replay", {"from": 1})).json()["pending"] > 0
    assert (await desk.send("POST", "integrations", {"name": "demo"})).json()["code"] == "taken"


async def test_a_hundred_sends_of_one_key_are_one_ticket(desk: Desk) -> None:
    body = {"subject": "Sent a hundred times"}
    answers = await asyncio.gather(
        *(desk.send("POST", "tickets", body, Idempotency_Key="the-same-key") for _ in range(100))
    )
    made = [answer for answer in answers if answer.status_code == 201]
    assert made
    assert {answer.json()["code"] for answer in answers if answer.status_code != 201} <= {"in_progress"}
    assert len({answer.content for answer in made}) == 1
    assert (await subjects(desk)).count("Sent a hundred times") == 1
    again = await desk.send("POST", "tickets", body, Idempotency_Key="the-same-key")
    assert (again.status_code, again.content) == (201, made[0].content)
    other = await desk.send("POST", "tickets", {"subject": "Another"}, Idempotency_Key="the-same-key")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
