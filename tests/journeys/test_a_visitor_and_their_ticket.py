"""A visitor asks in the widget, makes a ticket of it, hears the answer live, and answers in turn."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.support.eventually import eventually
from tests.support.stack import Desk, Stack

SHOP = "https://shop.example.com"


@pytest.fixture
async def widget(stack: Stack, desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    """The widget of an assistant that may be used on one site, which asks who its visitors are."""
    settings = {"allow_ticket_creation": True, "require_contact_info": True, "allowed_origins": [SHOP]}
    made = await desk.send("POST", "assistants", {"name": "Shop", "widget": settings})
    assert made.status_code == 201, made.text
    base = f"{stack.url}/widget/v1/{made.json()['id']}/"
    async with httpx.AsyncClient(base_url=base, headers={"origin": SHOP}, timeout=20) as client:
        yield client


async def test_a_visitor_is_answered_live_and_their_answer_opens_the_ticket_again(
    widget: httpx.AsyncClient, desk: Desk
) -> None:
    config = (await widget.get("config")).json()
    assert (config["allow_ticket_creation"], config["require_contact_info"]) == (True, True)

    begun = (await widget.post("conversations", json={"body": "My parcel NW-7731 is late."})).json()
    talk = f"conversations/{begun['conversation_id']}"
    widget.headers["authorization"] = f"Bearer {begun['visitor_token']}"
    refused = await widget.post(f"{talk}/ticket", json={})
    assert (refused.status_code, refused.json()["code"]) == (422, "contact_info_required")
    opened = await widget.post(f"{talk}/ticket", json={"name": "Kim Sørensen", "email": "kim@example.com"})
    assert opened.status_code == 201, opened.text
    ticket = f"tickets/{opened.json()['id']}"

    seen = await desk.get(ticket)
    assert (seen["subject"], seen["status"], seen["contact"]["name"]) == (
        "My parcel NW-7731 is late.",
        "new",
        "Kim Sørensen",
    )

    heard: list[dict[str, Any]] = []
    async with widget.stream("GET", "events", headers={"last-event-id": "1"}) as stream:
        listening = asyncio.create_task(_listen(stream, heard))
        answer = {"body": "It arrives today.", "set_status": "waiting_on_customer"}
        answered = await desk.send("POST", f"/api/v1/workspaces/demo/{talk}/messages", answer)
        assert answered.status_code == 201, answered.text
        await eventually(lambda: heard, within=10)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    assert [(each["seq"], each["body"], each["author"]["kind"]) for each in heard] == [
        (2, "It arrives today.", "agent")
    ]
    assert (await desk.get(ticket))["status"] == "waiting_on_customer"

    await widget.post(f"{talk}/messages", json={"body": "It did not."})

    assert (await desk.get(ticket))["status"] == "open"
    read = (await widget.get(talk)).json()
    assert [each["body"] for each in read["messages"]] == [
        "My parcel NW-7731 is late.",
        "It arrives today.",
        "It did not.",
    ]
    assert read["tickets"][0]["status"] == "open"
    version = (await desk.get(ticket))["version"]
    history = await desk.get(f"{ticket}/activity?min_version={version}")
    assert [entry["type"] for entry in history["items"]] == [
        "ticket_created",
        "conversation_linked",
        "agent_replied",
        "status_changed",
        "customer_message",
        "status_changed",
    ]
    assert history["items"][0]["via"] == "widget"


async def _listen(stream: httpx.Response, heard: list[dict[str, Any]]) -> None:
    async for line in stream.aiter_lines():
        name, _, value = line.partition(": ")
        if name == "data":
            heard.append(json.loads(value))
