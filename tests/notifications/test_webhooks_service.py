"""Webhooks through the door of HTTP, with the real services, broker and store behind it."""

import json

import pytest
import standardwebhooks

from contracts.base import Role
from tests.notifications.helpdesk import Helpdesk
from tests.notifications.receiver import Receiver, a_receiver
from tests.support.eventually import eventually


async def test_a_webhook_is_made_once_tells_what_happens_and_is_watched(helpdesk: Helpdesk) -> None:
    desk = await helpdesk.desk()
    async with a_receiver() as receiver:
        wanted = {"url": receiver.url, "event_types": ["ticket_created", "status_changed"]}
        made = await desk.send("POST", "webhooks", wanted, idempotency_key="hook-1")
        again = await desk.send("POST", "webhooks", wanted, idempotency_key="hook-1")
        webhook = made.json()
        assert (made.status_code, made.headers["etag"]) == (201, '"1"')
        assert made.headers["location"].endswith(f"/webhooks/{webhook['id']}")
        assert (again.status_code, again.json()["code"]) == (409, "already_answered")
        assert [each["id"] for each in (await desk.done("GET", "webhooks"))["items"]] == [webhook["id"]]

        ticket = await desk.ticket()
        await desk.done("PATCH", f"tickets/{ticket['id']}", {"status": "open", "priority": "high"})
        await eventually(lambda: len(receiver.calls) == 2)
        events = [
            standardwebhooks.Webhook(webhook["secret"]).verify(call.body, call.headers) for call in receiver.calls
        ]
        assert [(event["type"], event["version"]) for event in events] == [("ticket_created", 1), ("status_changed", 3)]
        assert [event["id"] for event in events] == receiver.ids

        async def both() -> bool:
            items = (await desk.done("GET", f"webhooks/{webhook['id']}/deliveries?state=delivered"))["items"]
            return {each["event_id"] for each in items} == set(receiver.ids)

        await eventually(both)
        assert (await desk.send("GET", f"webhooks/{webhook['id']}")).json().get("secret") is None


async def test_it_is_changed_tried_rotated_replayed_and_removed(helpdesk: Helpdesk) -> None:
    desk = await helpdesk.desk()
    async with a_receiver() as receiver:
        webhook = await desk.done("POST", "webhooks", {"url": receiver.url, "event_types": ["*"]})
        await desk.ticket()
        path = f"webhooks/{webhook['id']}"
        await desk.done("POST", f"{path}/test")
        await eventually(lambda: {"webhook_test", "ticket_created"} <= set(_types(receiver)))

        rotated = await desk.done("POST", f"{path}/rotate")
        assert rotated["secret"] != webhook["secret"]
        assert (await desk.done("POST", f"{path}/replay", {"from": 1}))["from_sequence"] == 1
        await eventually(lambda: _types(receiver).count("ticket_created") == 2)
        call = receiver.calls[-1]
        for secret in (webhook["secret"], rotated["secret"]):
            standardwebhooks.Webhook(secret).verify(call.body, call.headers)

        newest = await desk.done("POST", f"{path}/rotate")
        await desk.done("POST", f"{path}/test")
        await eventually(lambda: _types(receiver).count("webhook_test") == 2)
        call = next(call for call in reversed(receiver.calls) if b"webhook_test" in call.body)
        assert "ce-position" not in call.headers
        for secret in (rotated["secret"], newest["secret"]):
            standardwebhooks.Webhook(secret).verify(call.body, call.headers)
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            standardwebhooks.Webhook(webhook["secret"]).verify(call.body, call.headers)

        delivery = (await desk.done("GET", f"{path}/deliveries"))["items"][0]
        before = len(receiver.calls)
        await desk.done("POST", f"{path}/deliveries/{delivery['id']}/redeliver")
        await eventually(lambda: len(receiver.calls) == before + 1)
        assert receiver.ids[-1] == delivery["event_id"]

        stale = await desk.send("PATCH", path, {"enabled": False}, if_match='"1"')
        changed = await desk.send("PATCH", path, {"enabled": False}, if_match='"3"')
        assert (stale.status_code, changed.status_code, changed.json()["enabled"]) == (412, 200, False)
        assert (await desk.send("POST", f"{path}/test")).status_code == 409
        assert (await desk.send("DELETE", path)).status_code == 204
        assert (await desk.send("GET", path)).status_code == 404

        # What was done to it is said, and nowhere what it was done with.
        told = {
            int(call.headers["ce-position"]) for call in receiver.calls if call.headers["ce-source"].endswith("gateway")
        }
        assert told == {*range(min(told), max(told) + 1)}, "without holes"
        book = await desk.helpdesk.said(desk.workspace.id, "webhook_")
        host = receiver.url.split("/")[2]
        assert [(fact["subject"]["version"], fact["actor"]["id"]) for _, fact in book] == [
            (version, str(desk.owner.user.id)) for version in range(1, 6)
        ]
        assert [type for type, _ in book] == ["created", "secret_rotated", "secret_rotated", "changed", "deleted"]
        assert book[3][1]["enabled"] is False
        assert not any(secret in str(book) for secret in (webhook["secret"], newest["secret"], receiver.url, host)), (
            "sealed"
        )


@pytest.mark.parametrize("url", ["https://169.254.169.254/", "http://8.8.8.8/", "https://10.0.0.1/", "gopher://x/"])
async def test_an_address_that_may_not_be_called_is_a_field_at_fault(helpdesk: Helpdesk, url: str) -> None:
    desk = await helpdesk.desk()
    refused = await desk.send("POST", "webhooks", {"url": url, "event_types": ["*"]})

    assert (refused.status_code, [each["field"] for each in refused.json()["errors"]]) == (422, ["url"])
    assert (await desk.done("GET", "webhooks"))["items"] == []


async def test_two_replicas_tell_everything_once(helpdesk: Helpdesk) -> None:
    desk = await helpdesk.desk()
    another = helpdesk.another()
    await another.start()
    try:
        async with a_receiver() as receiver:
            await desk.done("POST", "webhooks", {"url": receiver.url, "event_types": ["ticket_created"]})
            tickets = [await desk.ticket(subject=f"Question {nth}") for nth in range(20)]
            await eventually(lambda: len(receiver.calls) >= 20)

            assert sorted(json.loads(call.body)["ticket_id"] for call in receiver.calls) == sorted(
                ticket["id"] for ticket in tickets
            )
    finally:
        await another.stop()


async def test_a_member_sees_no_webhook(helpdesk: Helpdesk) -> None:
    desk = await helpdesk.desk()
    mary = await desk.member(Role.MEMBER)

    assert (await desk.send("GET", "webhooks", who=mary)).status_code == 403


def _types(receiver: Receiver) -> list[str]:
    return [str(json.loads(call.body)["type"]) for call in receiver.calls]
