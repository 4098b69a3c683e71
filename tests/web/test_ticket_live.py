from playwright.async_api import Browser as Chromium
from playwright.async_api import expect

from contracts.base import Role
from tests.gateway.newsroom import Desk
from tests.web.test_ticket import talk
from tests.web.window import a_window


async def test_two_people_see_each_other_and_a_guest_sees_neither(chromium: Chromium, desk: Desk) -> None:
    ticket, words, visitor = await talk(desk)
    bo = await desk.member(Role.ADMIN, "Bo Ek")
    guest = await desk.member(Role.GUEST, "Gil Guest")
    path = f"tickets/{ticket['number']}"
    async with (
        a_window(chromium, desk) as mine,
        a_window(chromium, desk, bo) as theirs,
        a_window(chromium, desk, guest) as outside,
    ):
        await outside.open(path)
        await mine.open(path)
        await expect(mine.page.locator("#reply")).to_be_visible()
        await theirs.open(path)
        await expect(mine.page.locator("#present")).to_contain_text("Bo Ek is here")
        await expect(theirs.page.locator("#present")).to_contain_text(f"{desk.owner.user.name} is here")
        await theirs.page.locator("#reply").press_sequentially("It is")
        await expect(mine.page.locator("#present")).to_contain_text("Bo Ek is writing…")

        await desk.client.post(words, json={"body": "Are you there?"}, headers=visitor)
        await expect(mine.page.locator("#story")).to_contain_text("Are you there?")
        await expect(theirs.page.locator("#story")).to_contain_text("Are you there?")
        assert await theirs.page.locator("#reply").input_value() == "It is"
        await theirs.page.locator("#reply").press("Control+Enter")
        await expect(mine.page.locator("#story .card-own")).to_contain_text("It is")
        await expect(theirs.page.locator("#reply")).to_have_value("")

        await theirs.page.goto(theirs.at("tickets"))
        await expect(mine.page.locator("#present")).to_be_empty()
        await expect(outside.page.locator("#story")).to_contain_text("Are you there?")
        assert await outside.page.locator("#present, .writer, textarea, [data-key]:not(.side *)").count() == 0
        assert "Bo Ek is" not in await outside.page.content()


async def test_a_draft_survives_everything_and_a_stale_one_is_merged(chromium: Chromium, desk: Desk) -> None:
    ticket = await desk.ticket(description="one\ntwo\nthree\nfour")
    path = f"tickets/{ticket['number']}"
    async with a_window(chromium, desk) as window:
        page = window.page
        await window.open(path)
        await page.locator("#description-box summary").first.click()
        await page.locator("#description").fill("one\ntwo\nthree\nFOUR")
        await page.locator("#note").fill("Half a thou")

        await desk.change(ticket, description="ONE\ntwo\nthree\nfour", priority="high")
        await expect(page.locator("#story")).to_contain_text("edited the description")
        await expect(page.locator("#description")).to_have_value("one\ntwo\nthree\nFOUR")
        await page.reload()
        await expect(page.locator("#description")).to_have_value("one\ntwo\nthree\nFOUR")
        await expect(page.locator("#description")).to_be_visible()

        await page.get_by_role("button", name="Save description").click()
        await expect(page.locator("#stale")).to_contain_text("You changed different lines")
        assert await window.flaws() == []
        merged = await page.get_by_role("button", name="Save merged").bounding_box()
        mine = await page.get_by_role("button", name="Keep mine").bounding_box()
        assert merged
        assert mine
        assert mine["y"] - (merged["y"] + merged["height"]) >= 12
        await page.get_by_role("button", name="Save merged").click()
        await expect(page.locator("#description-box .prose")).to_contain_text("ONE")
        await expect(page.locator("#stale")).to_have_count(0)
        await expect(page.locator("#description")).not_to_be_visible()
        await expect(page.locator("#note")).to_have_value("Half a thou")

        # The browser's own word for an answer that was expected.
        assert [each for each in window.mishaps if "412" not in each] == []
        window.mishaps.clear()
        await page.locator(".me > summary").click()
        await page.locator(".me").get_by_role("button", name="Sign out").click()
        await page.wait_for_url("**/sign-in**")
        again = await desk.room.house.sign_in(desk.owner.user)
        await page.context.add_cookies([{"name": "counterfoil_session", "value": again.token, "url": desk.room.url}])
        await window.open(path)
        await expect(page.locator("#note")).to_have_value("Half a thou")

    now = await desk.get(f"tickets/{ticket['id']}", who=again)
    assert now["description"] == "ONE\ntwo\nthree\nFOUR"


async def test_a_name_is_finished_and_everything_has_a_key(chromium: Chromium, desk: Desk) -> None:
    ticket, _, _ = await talk(desk)
    await desk.member(Role.MEMBER, "Grace Hopper")
    async with a_window(chromium, desk, color_scheme="dark") as window:
        page = window.page
        await window.open(f"tickets/{ticket['number']}")
        await page.keyboard.press("n")
        await page.keyboard.type("Ask @gra")
        await expect(page.locator("#note-names .item")).to_have_count(1)
        await page.keyboard.press("Enter")
        await expect(page.locator("#note")).to_have_value("Ask @Grace Hopper ")
        assert await window.flaws() == []
        await page.keyboard.press("Control+Enter")
        await expect(page.locator("#story .card-internal")).to_contain_text("Ask @Grace Hopper")
        await page.keyboard.press("Escape")
        await page.keyboard.press("r")
        assert await page.evaluate("document.activeElement.id") == "reply"
        await page.keyboard.press("Escape")
        await page.keyboard.press("Control+k")
        for words in ("Stop watching", "Link", "History view", "Show changes"):
            await page.locator("#command input").fill(words)
            await expect(page.locator("#command-list .item").first).to_contain_text(words)
        await page.keyboard.press("Enter")
        await page.wait_for_url("**show=changes")
        await window.open(f"tickets/{ticket['number']}?as_of=1")
        assert await window.flaws() == []
        await page.locator("#as-of").focus()
        await page.keyboard.press("ArrowRight")
        await page.wait_for_url("**as_of=2")


async def test_a_long_story_has_a_way_to_its_newest_and_says_when_it_is_behind(chromium: Chromium, desk: Desk) -> None:
    ticket = await desk.ticket()
    for nth in range(16):
        await desk.note(ticket, f"Step {nth}")
    path = f"tickets/{ticket['number']}"
    page_path = f"**/w/{desk.workspace.slug}/{path}"
    await desk.recorded(await desk.get(path))
    async with a_window(chromium, desk) as window:
        page = window.page
        await window.open(path)
        newest = page.locator("#story .card-internal").last
        await expect(newest).to_contain_text("Step 15")
        await expect(newest).not_to_be_in_viewport()
        await page.get_by_role("link", name="Jump to newest").click()
        await expect(newest).to_be_in_viewport()

        # The stream tells of a step that the page can't fetch.
        await page.route(page_path, lambda route: route.fulfill(status=204))
        await desk.note(ticket, "Step 16")
        await expect(page.locator("#behind")).to_have_text("1 change behind…")
        await page.unroute(page_path)
        await desk.note(ticket, "Step 17")
        await expect(page.locator("#story .card-internal").last).to_contain_text("Step 17")
        await expect(page.locator("#behind")).to_be_empty()
