import re

import httpx
from playwright.async_api import Browser as Chromium
from playwright.async_api import expect

from tests.gateway.newsroom import Desk
from tests.web.vectors import VECTORS
from tests.web.window import Window, a_window

_EMAIL, _PASSWORD = "grace@journey.example", "correct horse battery staple"
_RUNS = VECTORS[4]
"""What everybody and everything here is called."""

type Found = dict[str, list[str]]


async def test_somebody_is_asked_in_runs_the_desk_with_a_token_and_is_signed_out_from_afar(
    chromium: Chromium, desk: Desk
) -> None:
    found: Found = {}
    allowed = ["clipboard-read", "clipboard-write"]
    async with (
        a_window(chromium, desk, color_scheme="dark", permissions=allowed) as owner,
        httpx.AsyncClient(base_url=desk.room.url, timeout=20) as program,
    ):
        link = await _ask_in(owner, found)
        theirs = await chromium.new_context(base_url=desk.room.url, reduced_motion="reduce", color_scheme="dark")
        grace = Window(await theirs.new_page(), f"{desk.room.url}/w/{desk.workspace.slug}")
        grace.page.on("dialog", lambda dialog: grace.mishaps.append(dialog.message))
        await _come_in(grace, link, found)
        tokens = grace.page.locator(".settings-places").get_by_role("link", name="API tokens")
        await expect(tokens).to_have_count(0)

        await owner.open("settings/members")
        await owner.page.get_by_label(f"Role of {_RUNS}").select_option("admin")

        # What they are now shows where they look already.
        await expect(tokens).to_be_visible(timeout=15_000)
        await tokens.click()
        await _use_a_token(grace, desk, program, found)
        said = {"email": _EMAIL, "password": _PASSWORD}
        elsewhere = (await program.post("/api/v1/sessions", json=said)).json()["token"]
        ended = await program.delete("/api/v1/sessions", headers={"authorization": f"Bearer {elsewhere}"})
        assert ended.status_code == 204
        await expect(grace.page).to_have_url(re.compile("/sign-in[?]next="), timeout=15_000)
        assert grace.mishaps == []
        await theirs.close()
    assert {path: flaws for path, flaws in found.items() if flaws} == {}


async def _ask_in(owner: Window, found: Found) -> str:
    """Give the workspace a name that would run, and return an invitation's link."""
    await owner.open("settings/workspace")
    await owner.page.locator("#name").fill(_RUNS)
    await owner.page.get_by_role("button", name="Save").click()
    await expect(owner.page.locator(".switcher summary")).to_contain_text(_RUNS)
    await owner.open("settings/members")
    await owner.page.locator("#name").fill(_RUNS)
    await owner.page.locator("#email").fill(_EMAIL)
    await owner.page.get_by_role("button", name="Create invitation link").click()
    await owner.page.get_by_role("button", name="Copy").click()
    link = await owner.page.locator("#link").input_value()
    await expect(owner.page.locator(".toast")).to_have_text("Copied.")
    assert await owner.page.evaluate("navigator.clipboard.readText()") == link
    found["members"] = await owner.flaws()
    return link


async def _come_in(grace: Window, link: str, found: Found) -> None:
    """Follow the link."""
    await grace.page.goto(link)
    await expect(grace.page.locator(".stub")).to_contain_text(_RUNS)
    found["invitation"] = await grace.flaws()
    await grace.page.locator("#password").fill(_PASSWORD)
    await grace.page.get_by_role("button", name="Join").click()
    await expect(grace.page.locator("h1")).to_have_text("Tickets")
    await grace.page.goto("/workspaces/new")
    found["new workspace"] = await grace.flaws()
    await grace.open("settings/account")


async def _use_a_token(grace: Window, desk: Desk, program: httpx.AsyncClient, found: Found) -> None:
    """Make a token, use it, and revoke it."""
    await grace.page.locator("#name").fill(_RUNS)
    await grace.page.get_by_label("Tickets, their history and notes: read").check()
    await grace.page.get_by_role("button", name="Create token").click()
    secret = await grace.page.locator("#secret").input_value()
    found["a token"] = await grace.flaws()
    use = {"authorization": f"Bearer {secret}"}
    assert (await program.get(desk.path("tickets"), headers=use)).status_code == 200
    await grace.page.locator(".table summary").click()
    await grace.page.locator(".asks button").click()
    await expect(grace.page.get_by_text("There are no tokens yet.")).to_be_visible()
    assert (await program.get(desk.path("tickets"), headers=use)).status_code == 401
