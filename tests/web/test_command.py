from playwright.async_api import Browser as Chromium
from playwright.async_api import Request, expect

from contracts.base import Role
from tests.gateway.newsroom import Desk
from tests.web.window import a_window


async def test_the_command_bar_finds_tickets_and_people_by_keyboard(chromium: Chromium, desk: Desk) -> None:
    await desk.ticket(subject="Printer on fire", contact={"name": "Mira Anand", "email": "mira@example.com"})
    closed = await desk.ticket(subject="Scanner is slow")
    await desk.change(closed, status="closed")
    async with a_window(chromium, desk) as window:
        page, keys, asked = window.page, window.page.keyboard, list[str]()

        def note(request: Request) -> None:
            if "q=" in request.url:
                asked.append(request.url)

        page.on("request", note)
        bar = page.locator("#command")
        await window.open("tickets/new")
        await keys.press("Control+k")
        await keys.type("fire print")
        await expect(bar.get_by_role("group", name="Tickets").get_by_role("option")).to_have_text(
            "#1 Printer on fireNew"
        )
        assert len(asked) < 2 * len("fire print"), "asked for every letter"
        assert await window.flaws() == []
        await keys.press("Enter")
        await expect(page.locator("#subject")).to_have_value("Printer on fire")

        await keys.press("Control+k")
        await keys.type("mira@")
        person = bar.get_by_role("group", name="Contacts").get_by_role("option", name="Mira Anand")
        await expect(person).to_contain_text("mira@example.com")
        await expect(bar.get_by_role("group", name="Tickets")).to_have_count(0)
        await keys.press("ArrowDown")  # past the reply to her, which can be written here
        await keys.press("Enter")
        await expect(page.locator("h1")).to_have_text("Mira Anand")

        await keys.press("Control+k")
        await keys.type("#2")
        await expect(bar.get_by_role("option", name="#2 Scanner is slow")).to_be_visible()
        await keys.press("End")
        await keys.type("7")
        await expect(bar.get_by_role("status")).to_have_text("Nothing fits “#27”.")
        await expect(bar.get_by_role("option")).to_have_count(0)
        await keys.press("Enter")
        await expect(bar).to_be_visible()
        await keys.press("Backspace")
        await expect(bar.get_by_role("option", name="#2 Scanner is slow")).to_have_attribute("aria-selected", "true")
        await keys.press("Enter")
        await expect(page.locator("#subject")).to_have_value("Scanner is slow")


async def test_a_guest_is_found_no_contacts(chromium: Chromium, desk: Desk) -> None:
    await desk.ticket(subject="Question of Mira", contact={"name": "Mira Anand", "email": "mira@example.com"})
    guest = await desk.member(Role.GUEST, "Guy")
    async with a_window(chromium, desk, guest) as window:
        page, asked = window.page, list[str]()
        page.on("request", lambda request: asked.append(request.url))
        await window.open("tickets")
        await page.keyboard.press("Control+k")
        await page.keyboard.type("mira")
        await expect(page.locator("#command").get_by_role("option", name="#1 Question of Mira")).to_be_visible()
        await expect(page.locator("#command").get_by_role("group", name="Contacts")).to_have_count(0)
        assert [url for url in asked if "/contacts?" in url or "/conversations?" in url] == []
