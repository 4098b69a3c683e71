"""Whoever has a window open sees the gateway die and come back, and misses nothing of what happened meanwhile."""

import os
import signal

import pytest
from playwright.async_api import Browser as Chromium
from playwright.async_api import expect

from tests.support.stack import WORKSPACE, Desk, Stack, healed, publish
from tests.web.window import a_window_at

pytestmark = pytest.mark.rehearsal

_ASIDE = ("net::ERR_", "status of 503")
"""What a browser says of a server that is away."""


@pytest.mark.timeout(300)
async def test_an_open_window_goes_on_after_its_gateway_was_killed(
    chromium: Chromium, stack: Stack, desk: Desk
) -> None:
    access = stack.env("integration")
    requested, updated = (
        f"tickets.intake.v1.{name}.{access['WORKSPACE_ID']}.{access['INTEGRATION']}"
        for name in ("ticket_requested", "ticket_updated")
    )
    async with (
        stack.nats("integration") as client,
        a_window_at(chromium, stack.url, WORKSPACE, desk.token) as window,
    ):
        tickets, ticket = window.page, await window.page.context.new_page()
        await publish(client, requested, {"external_id": "window-1", "subject": "Before the crash"})
        await window.open("tickets")
        await expect(tickets.locator(".row .subject", has_text="Before the crash")).to_be_visible()
        await ticket.goto(await tickets.locator(".row .subject", has_text="Before the crash").evaluate("e => e.href"))
        await ticket.locator("#note").fill("Half a thou")

        stack.process.send_signal(signal.SIGSTOP)  # nobody starts it again before we say so
        try:
            os.kill(stack.running["gateway"]["pid"], signal.SIGKILL)
            for page in (tickets, ticket):
                await expect(page.locator("#connection")).to_contain_text("Connection lost", timeout=30_000)
            await publish(client, requested, {"external_id": "window-2", "subject": "Came meanwhile"})
            for status in ("in_progress", "waiting_on_customer"):
                await publish(client, updated, {"external_id": "window-1", "status": status})
        finally:
            stack.process.send_signal(signal.SIGCONT)

        await expect(tickets.locator(".row .subject", has_text="Came meanwhile")).to_be_visible(timeout=60_000)
        for moved in ("from New to In Progress", "from In Progress to Waiting on Customer"):
            await expect(ticket.locator("#story")).to_contain_text(moved, timeout=60_000)
        for page in (tickets, ticket):
            await expect(page.locator("#connection")).to_have_count(0)
        assert await ticket.locator("#note").input_value() == "Half a thou"
        window.mishaps[:] = [each for each in window.mishaps if not any(words in each for words in _ASIDE)]
    await healed(stack)
