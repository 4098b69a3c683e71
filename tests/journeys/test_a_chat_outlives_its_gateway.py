"""A visitor has a chat open while the gateway dies and comes back: nothing is lost, nothing is said twice."""

import os
import signal
from html import escape

import pytest
from playwright.async_api import Browser as Chromium
from playwright.async_api import expect

from tests.support.eventually import eventually
from tests.support.stack import WORKSPACE, Desk, Stack, healed
from tests.web.shop import Shop, a_site
from tests.web.window import a_window_at

pytestmark = pytest.mark.rehearsal

_ASIDE = ("net::ERR_", "status of 503", "CORS policy")
"""What a browser says of a server that is away."""


@pytest.mark.timeout(300)
async def test_an_open_chat_goes_on_after_its_gateway_was_killed(chromium: Chromium, stack: Stack, desk: Desk) -> None:
    settings = {"title": "Ask us", "greeting": "Hello there"}
    assistant = (await desk.insist("POST", "assistants", {"name": "Open chat", "widget": settings}))["id"]
    script = f'<script src="{stack.url}/widget.js" data-assistant="{escape(assistant)}" async></script>'
    async with (
        a_site(script) as host,
        stack.replica("gateway") as replica,
        a_window_at(chromium, stack.url, WORKSPACE, desk.token, beside=host) as window,
    ):
        shop = Shop(window, window.page, f"http://{host}/")
        status = shop.panel.get_by_role("status")
        elsewhere = Desk(stack, desk.token, desk.user_id, f"http://127.0.0.1:{replica.port}")
        await eventually(replica.ready, within=60)
        failed: list[str] = []
        shop.page.on("requestfailed", lambda request: failed.append(request.url))
        await shop.enter()
        await shop.say("My parcel is late")
        await expect(shop.panel.locator("time")).to_have_count(1)
        (talk,) = (await desk.get(f"conversations?assistant={assistant}"))["items"]
        messages = f"conversations/{talk['id']}/messages"

        async def kill() -> None:
            stack.process.send_signal(signal.SIGSTOP)  # nobody starts it again before we say so
            os.kill(stack.running["gateway"]["pid"], signal.SIGKILL)
            await expect(status).to_contain_text("The chat can't be reached just now", timeout=30_000)

        # Whoever only looks on sees what was answered meanwhile as soon as the desk is back.
        try:
            await kill()
            await elsewhere.insist("POST", messages, {"body": "Which order?"})
            failed.clear()
            # By now it would wait for sixteen seconds, if nobody looked.
            await eventually(lambda: sum("/conversations/" in each for each in failed) >= 4, within=30)
        finally:
            stack.process.send_signal(signal.SIGCONT)
        await eventually(lambda: stack.ready("gateway"), within=60)
        await expect(shop.lines).to_have_text(["Hello there", "My parcel is late", "Which order?"], timeout=6_000)
        await expect(status).to_be_hidden(timeout=6_000)

        # What is written meanwhile outlives a reload, and is sent once.
        try:
            await kill()
            await shop.say("Number 7")
            await shop.say("And number 8")
            await elsewhere.insist("POST", messages, {"body": "Are you there?"})
            await shop.page.reload()
            await expect(shop.panel).to_have_accessible_name("Ask us")
            await expect(shop.panel.get_by_text("Waits for a connection")).to_have_count(2, timeout=30_000)
        finally:
            stack.process.send_signal(signal.SIGCONT)
        said = ["My parcel is late", "Which order?", "Are you there?", "Number 7", "And number 8"]
        await expect(shop.panel.locator("time")).to_have_count(len(said), timeout=60_000)
        await expect(shop.lines).to_have_text(["Hello there", *said])
        await expect(shop.panel.locator(".waiting")).to_have_count(0)
        await expect(status).to_be_hidden()
        shop.forgive(*_ASIDE)
        await healed(stack)
        assert [each["body"] for each in (await desk.get(f"{messages}?limit=100"))["items"]] == said
