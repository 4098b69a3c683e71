"""An answer by mail that was acknowledged is in its conversation once, whatever process is killed meanwhile."""

import asyncio
import smtplib
import socket
from typing import Any
from uuid import UUID

import pytest

from chassis.database import Database
from services.notifications import store
from tests.notifications.test_replies import ADA, a_mail
from tests.support.eventually import eventually
from tests.support.stack import Stack, fresh_stack, healed

pytestmark = pytest.mark.rehearsal

DOMAIN = "in.example"
MAILS = 6
VICTIMS = {1: "notifications", 3: "tickets", 5: "notifications"}
"""Who is killed right after which mail was acknowledged."""


def _a_free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def _deliver(port: int, token: str, raw: bytes) -> bool:
    """Bring a mail once, as a mail server does that keeps what is not acknowledged."""
    try:
        with smtplib.LMTP("127.0.0.1", port, timeout=10) as client:
            client.sendmail(ADA, [f"reply+{token}@{DOMAIN}"], raw)
    except (smtplib.SMTPException, OSError):
        return False
    return True


async def _a_token(stack: Stack, workspace: str, ticket: str, contact: str) -> str:
    database = Database(stack.secret("notifications.database-url"), "notifications", pool=1)
    try:
        async with database.transaction(workspace) as tx:
            return await store.reply_token(tx, UUID(ticket), None, UUID(contact), ADA)
    finally:
        await database.close()


async def test_every_acknowledged_answer_is_there_once_whoever_is_killed() -> None:
    port = _a_free_port()
    inbound = {"COUNTERFOIL_INBOUND_URL": f"lmtp://127.0.0.1:{port}", "COUNTERFOIL_INBOUND_DOMAIN": DOMAIN}
    async with fresh_stack(**inbound) as stack:
        desk = await stack.sign_in()
        contact = await desk.insist("POST", "contacts", {"name": "Casey", "email": ADA})
        ticket = await desk.insist("POST", "tickets", {"subject": "Toaster", "contact_id": contact["id"]})
        workspace = (await desk.get(f"/api/v1/workspaces/{stack.env('integration')['WORKSPACE_ID']}"))["id"]
        token = await _a_token(stack, workspace, ticket["id"], contact["id"])
        for number in range(MAILS):
            raw = a_mail(f"Answer {number}.", Message_ID=f"<{number}@customer.example>").as_bytes()

            async def acknowledged(raw: bytes = raw) -> bool:
                return await asyncio.to_thread(_deliver, port, token, raw)

            await eventually(acknowledged, within=60)
            if victim := VICTIMS.get(number):
                await stack.kill(victim)
        await healed(stack)

        async def all_there() -> list[str]:
            conversations = (await desk.get(f"tickets/{ticket['id']}"))["conversations"]
            assert conversations
            found: list[dict[str, Any]] = (await desk.get(f"conversations/{conversations[0]['id']}"))["messages"]
            assert len(found) >= MAILS
            return [each["body"] for each in found]

        assert await eventually(all_there, within=60) == [f"Answer {number}." for number in range(MAILS)]
