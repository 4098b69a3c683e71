"""The runbooks do what they say, run as they are written: on a desk that is destroyed, and on one that is abused."""

import pytest

from services.gateway.domain import Scope
from tests.support.eventually import eventually
from tests.support.infra import temporary_directory
from tests.support.pages import DOCS, ROOT, bash, blocks, script
from tests.support.stack import Desk, Stack, publish, running_stack

pytestmark = pytest.mark.rehearsal

PAGE = DOCS / "runbooks.md"


async def test_what_grows_or_leaks_is_stopped(stack: Stack, desk: Desk) -> None:
    await desk.insist("POST", "integrations", {"name": "old-pager"})
    token = (await desk.insist("POST", "tokens", {"name": "Leaked", "role": "admin", "scopes": ["tickets:read"]}))["id"]
    mine = {"name": "Runbooks", "role": "admin", "scopes": list(Scope)}
    access = stack.env("integration")
    subject = f"tickets.intake.v1.ticket_requested.{access['WORKSPACE_ID']}.{access['INTEGRATION']}"
    async with stack.nats("integration") as client:
        await publish(client, subject, b'{"external_id": "a", "subject": "A", "subject": "B"}', {"ce-id": "twice"})
    for _ in range(2):
        await desk.insist("POST", "tickets", {"subject": "cheap watches", "description": ""})
    await desk.insist("POST", "assistants", {"name": "Abused"})
    before = {each["id"] for each in (await desk.get("assistants"))["items"]}

    async def buried() -> bool:
        return any(letter["reason"] == "malformed" for letter in (await desk.get("dead-letters"))["items"])

    await eventually(buried, within=30)
    changes = {
        "$PWD/bin": str(ROOT / "bin"),
        "http://localhost:8080": stack.url,
        "cf_your_token": (await desk.insist("POST", "tokens", mine))["token"],
        "$(desk $W/tokens | pick items.0.id)": token,
    }
    wanted = ("As whom you work", "Dead letters grow", "A key has leaked", "A wave of abuse")
    written = [block for section in wanted for block in blocks(PAGE, "sh", section)]
    written = [block for block in written if "var/secrets" not in block.text]
    said = await bash(stack.data.parent, script(written, changes), within=120)

    assert "old-pager is revoked" in said
    assert "malformed" in said
    assert not await buried()
    assert token not in {each["id"] for each in (await desk.get("tokens"))["items"] if not each.get("revoked_at")}
    assert "it has changed no ticket" in said
    spam = await desk.get("tickets?status=spam&q=cheap watches")
    assert len(spam["items"]) == 2
    changed = [each for each in (await desk.get("assistants"))["items"] if each["widget"]["require_identity"]]
    assert {each["id"] for each in changed} <= before
    assert changed


@pytest.mark.timeout(300)
async def test_what_is_lost_is_put_back() -> None:
    (doctors,) = blocks(PAGE, "sh")[:1]
    (aside, again) = blocks(PAGE, "sh", "The broker is lost")
    (nightly, restore, _) = blocks(PAGE, "sh", "A database is lost")  # tests/embedded/test_rescue.py runs the last one
    (renew,) = (block for block in blocks(PAGE, "sh", "A key has leaked") if "var/secrets" in block.text)

    with temporary_directory() as place:
        async with running_stack(place / "var") as stack:
            desk = await stack.sign_in()
            kept = await desk.insist("POST", "tickets", {"subject": "Kept", "description": ""})
            await bash(place, nightly.text)
            said = await bash(place, script(blocks(PAGE, "sh", "A disk is full"), {"http://localhost:8080": stack.url}))
            assert "counterfoil_disk_free_bytes" in said
            assert "var/nats" in said
            await desk.insist("POST", "tickets", {"subject": "Goes on", "description": ""})
            leaked = [stack.secret(name) for name in ("tickets.database-url", "nats.tickets")]
        await bash(place, aside.text + renew.text)
        async with running_stack(place / "var") as stack:
            assert "TICKETS again" in await bash(place, again.text)
            said = await bash(place, doctors.text)
            assert "WRONG" not in said
            assert said.count("ok     streams") == 2
            assert stack.secret("tickets.database-url") != leaked[0]
            assert stack.secret("nats.tickets") != leaked[1]
            assert (await (await stack.sign_in()).get(f"tickets/{kept['id']}"))["subject"] == "Kept"
        assert "what came after that is gone" in await bash(place, restore.text)
        assert (place / "var.lost" / "nats.lost").is_dir()
