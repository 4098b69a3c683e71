import re

from playwright.async_api import Browser as Chromium
from playwright.async_api import expect

from contracts.base import Role
from tests.gateway.newsroom import Desk
from tests.support.eventually import eventually
from tests.web.window import a_window


async def test_ten_tickets_are_sorted_out_by_keyboard_in_the_list_alone(chromium: Chromium, desk: Desk) -> None:
    for number in range(1, 11):
        await desk.ticket(subject=f"Question {number}")
    async with a_window(chromium, desk) as window:
        page, keys = window.page, window.page.keyboard
        await window.open("tickets?sort=created")
        for number in range(1, 5):
            await keys.press("j")
            await keys.press("s")
            await expect(page.locator(".quick .menu[open] .item:focus")).to_have_text("Open")
            await keys.press("ArrowDown")
            await keys.press("Enter")
            await expect(page.locator(".toast")).to_contain_text(f"#{number} is In Progress")
        await keys.press("p")
        await keys.press("Enter")
        await expect(page.locator(".toast")).to_contain_text("#4 has critical priority")
        await keys.press("z")
        await expect(page.locator(".toast")).to_contain_text("#4 has normal priority again")
        await keys.press("j")
        await keys.press("a")
        await keys.press("Enter")
        await expect(page.locator(".toast")).to_contain_text("You have #5")
        for _ in range(5):
            await keys.press("j")
            await keys.press("x")
        await expect(page.locator("#picked")).to_have_text("5 selected")
        await keys.press("s")
        await expect(page.locator("#bulk .menu[open] .item:focus")).to_have_text("Open")
        await keys.press("r")
        await expect(page.locator("#bulk .menu[open] .item:focus")).to_have_text("Resolved")
        await keys.press("Enter")
        await expect(page.locator(".toast")).to_contain_text("5 of 5 changed")
        await expect(page.locator("#bulk")).to_be_hidden()
        await keys.press("z")
        await expect(page.locator(".toast")).to_contain_text(
            "0 of 5 put back; #6 isn't, because no ticket goes from Resolved back to New"
        )
        for number in (6, 7):
            await page.get_by_label(f"Select #{number}").check()
        await keys.press("p")
        await keys.press("Enter")
        await expect(page.locator(".toast")).to_contain_text("2 of 2 changed")
        await keys.press("z")
        await expect(page.locator(".toast")).to_have_text("2 of 2 put back.")
        await page.get_by_label("Select #6").check()
        await keys.press("Control+k")
        await keys.type("selected assignee you")
        await keys.press("Enter")
        await expect(page.locator(".toast")).to_contain_text("1 of 1 changed")
        await keys.press("?")
        await expect(page.locator("#keys")).to_contain_text("Select for bulk changes")

    counts = (await desk.get("tickets/counts"))["counts"]
    assert (counts["in_progress"], counts["new"], counts["resolved"]) == (4, 1, 5)
    fourth, fifth = await desk.get("tickets/4"), await desk.get("tickets/5")
    sixth = await desk.get("tickets/6")
    assert (sixth["priority"], sixth["assignee"]["id"]) == ("normal", str(desk.owner.user.id))
    assert (fourth["priority"], fifth["assignee"]["id"]) == ("normal", str(desk.owner.user.id))


async def test_many_are_ticked_by_a_range_and_told_of_one_by_one(chromium: Chromium, desk: Desk) -> None:
    made = [await desk.ticket(subject=f"Question {number}") for number in range(1, 6)]
    await desk.change(made[2], status="closed")
    async with a_window(chromium, desk) as window:
        page = window.page
        await window.open("tickets?sort=created&status=all")
        await expect(page.locator("#bulk")).to_be_hidden()
        boxes = page.locator(".pick")
        await boxes.nth(0).check()
        await page.keyboard.press("Escape")
        await expect(page.locator("#bulk")).to_be_hidden()
        await boxes.nth(1).check()
        await boxes.nth(3).click(modifiers=["Shift"])
        await expect(page.locator("#picked")).to_have_text("3 selected")
        assert await window.flaws() == []

        await page.locator("#bulk summary", has_text="Tags").click()
        await page.locator("#bulk-add-tags").fill("x" * 51)
        await page.keyboard.press("Enter")
        await expect(page.locator("#fault-add_tags")).to_have_text("Each must have at most 50 characters")
        await expect(page.locator("#bulk-add-tags")).to_be_focused()
        await expect(page.locator("#picked")).to_have_text("3 selected")
        await page.locator("#bulk-add-tags").fill("")
        await page.keyboard.press("Escape")
        window.mishaps[:] = [each for each in window.mishaps if "422" not in each]
        await page.locator("#bulk summary", has_text="Status").click()
        assert await window.flaws() == []
        await page.locator("#bulk .item", has_text="In Progress").click()
        await expect(page.locator(".toast")).to_contain_text(
            "2 of 3 changed; #3 can't, because a Closed ticket can't move there."
        )
        await page.locator(".toast a").click()
        await expect(page.locator("#outcome tbody tr")).to_have_count(3)
        await page.locator("#outcome [data-back]").click()
        await page.locator(".pick").first.check()
        await page.locator("#pick-all").check()
        await page.locator("#bulk summary[aria-label=Delete]").click()
        await page.locator("#bulk [value=delete]").click()
        await expect(page.locator(".row")).to_have_count(0)


async def test_what_somebody_else_does_moves_no_row_under_the_pointer(chromium: Chromium, desk: Desk) -> None:
    made = [await desk.ticket(subject=f"Question {number}") for number in range(1, 5)]
    grace = await desk.member(Role.ADMIN)
    async with a_window(chromium, desk) as mine, a_window(chromium, desk, grace) as hers:
        await mine.open("tickets")
        await hers.open("tickets")
        page = mine.page
        names = page.locator(".row .subject")
        order = [f"Question {number}" for number in (4, 3, 2, 1)]
        await expect(names).to_have_text(order)
        await names.nth(1).hover()

        await hers.page.locator(".row", has_text="Question 1").hover()
        await hers.page.locator(".quick summary[data-key=p]").click()
        await hers.page.locator(".quick .item[value=critical]").click()
        await expect(hers.page.locator(".toast")).to_contain_text("#1 has critical priority")

        row = page.locator(".row", has_text="Question 1")
        await expect(row.get_by_label("Critical priority")).to_be_visible()
        await expect(row).to_have_class(re.compile("changed"))
        await expect(names).to_have_text(order)
        assert "changed" not in (await hers.page.locator(".row", has_text="Question 1").get_attribute("class") or "")
        await expect(page.locator("#moved")).to_be_visible()
        await page.mouse.move(1, 1)
        await expect(names).to_have_text(["Question 1", "Question 4", "Question 3", "Question 2"])

        # What leaves the list is struck out where it stands, and counted at once.
        await names.nth(1).hover()
        await desk.change(made[2], status="closed")
        await expect(page.locator(".row.gone .subject")).to_have_text("Question 3")
        await expect(page.locator("#chip-closed .count")).to_have_text("1")
        await page.locator("#moved").click()
        await expect(names).to_have_text(["Question 1", "Question 4", "Question 2"])
        # What one did oneself is shown whole, wherever the pointer is.
        await page.get_by_label("Select #2").check()
        await page.locator("#bulk [value=close]").press("Enter")
        await expect(names).to_have_text(["Question 1", "Question 4"])
        await expect(page.locator("#chip-closed .count")).to_have_text("2")


async def test_whoever_comes_back_is_where_they_were(chromium: Chromium, desk: Desk) -> None:
    for number in range(1, 41):
        await desk.ticket(subject=f"Question {number}")
    async with a_window(chromium, desk) as window:
        page = window.page
        await window.open("tickets?sort=created&limit=30")
        await page.locator("[rel=next]").click()
        await expect(page.locator(".row")).to_have_count(10)
        await page.go_back()
        await page.locator(".row .subject", has_text="Question 25").focus()
        top = await page.evaluate("scrollY")
        await window.leave_by("Enter")
        await expect(page.locator("#subject")).to_have_value("Question 25")
        await window.leave_by("u")
        await expect(page.locator(".row:focus-within .subject")).to_have_text("Question 25")
        assert await page.evaluate("scrollY") == top
        await window.leave_by("Enter")
        await expect(page.locator("#subject")).to_have_value("Question 25")
        await page.go_back()
        await expect(page.locator(".row:focus-within .subject")).to_have_text("Question 25")


async def test_a_list_is_narrowed_and_kept_as_one_types(chromium: Chromium, desk: Desk) -> None:
    await desk.ticket(subject="Printer", contact={"name": "Mira Anand", "email": "mira@example.com"})
    await desk.ticket(subject="Scanner", contact={"name": "Mirko"}, tags=["hardware"])
    await desk.ticket(subject="Nobody's")
    async with a_window(chromium, desk) as window:
        page, keys = window.page, window.page.keyboard
        await window.open("tickets")
        offered = page.locator("#tags option")
        assert [await each.get_attribute("value") for each in await offered.all()] == ["hardware"]
        await page.locator("#who").focus()
        await keys.type("mir")
        await expect(page.locator(".row")).to_have_count(2)
        await expect(page.get_by_label("Contacts that fit").get_by_role("link")).to_have_count(2)
        await keys.press("Enter")
        await expect(page.locator(".row")).to_have_count(2)
        await keys.type("a")
        await keys.press("Enter")
        await expect(page.locator("#chip-contact")).to_contain_text("From Mira Anand")
        await expect(page.locator(".row")).to_have_count(1)
        await expect(page.locator("#who")).to_have_value("")
        await eventually(lambda: "contact=" in page.url and "take" not in page.url and "who" not in page.url)
        await page.locator("#q").focus()
        await keys.type("prin")
        await eventually(lambda: "q=prin" in page.url and "contact=" in page.url)
        await keys.press("ArrowLeft")
        await keys.type("X")
        await expect(page.locator(".empty")).to_contain_text("No tickets match “priXn”")
        assert await page.evaluate("[document.activeElement.id, document.activeElement.selectionStart]") == ["q", 4]
        await keys.press("Backspace")
        await expect(page.locator(".row")).to_have_count(1)

        await keys.press("Escape")
        await page.locator(".naming > summary").click()
        await expect(page.locator("#view-name")).to_be_focused()
        await keys.type("Printers of Mira")
        await keys.press("Enter")
        await expect(page.locator("h1")).to_have_text("Printers of Mira")
        current = page.locator("#nav [aria-current]")
        await expect(current).to_have_text("Printers of Mira")
        await page.locator("#q").fill("")
        await expect(current).to_have_count(0)
        await page.locator("#q").fill("prin")
        await expect(current).to_have_text("Printers of Mira")


async def test_a_list_at_work_has_no_flaws(chromium: Chromium, desk: Desk) -> None:
    await desk.ticket(subject="Printer", priority="critical", contact={"name": "Mira Anand"}, tags=["one", "two"])
    await desk.ticket(subject="Scanner", assignee_id=str(desk.owner.user.id))
    async with a_window(chromium, desk) as window:
        page, found = window.page, {}
        await window.open("tickets?who=mir&priority=critical&sort=created")
        await page.locator(".row .subject").first.focus()
        await page.keyboard.press("x")
        await page.keyboard.press("Control+k")
        await page.keyboard.press("Escape")
        found["ticked"] = await window.flaws_by_day_and_night()
        await page.locator(".pick").first.uncheck()
        await page.locator(".quick summary[data-key=s]").click()
        found["menu"] = await window.flaws_by_day_and_night()
        await page.keyboard.press("Escape")
        await page.locator(".naming > summary").click()
        found["naming"] = await window.flaws_by_day_and_night()
        await page.set_viewport_size({"width": 390, "height": 800})
        await window.open("tickets?priority=critical")
        await page.locator(".pick").first.check()
        found["narrow"] = await window.flaws_by_day_and_night()
        assert await page.evaluate("document.documentElement.scrollWidth") == 390
    assert {name: flaws for name, flaws in found.items() if flaws} == {}


async def test_a_row_offers_only_what_its_reader_may_do(chromium: Chromium, desk: Desk) -> None:
    member, guest = await desk.member(Role.MEMBER), await desk.member(Role.GUEST, "Guy")
    await desk.ticket(subject="Theirs", assignee_id=str(member.user.id))
    await desk.ticket(subject="Nobody's")
    async with a_window(chromium, desk, member) as window:
        page = window.page
        await window.open("tickets")
        await page.locator(".row", has_text="Nobody's").hover()
        await expect(page.locator(".quick")).to_have_count(0)
        await page.locator(".row", has_text="Theirs").hover()
        await expect(page.locator(".quick summary:visible")).to_have_count(2)
        await page.locator(".quick summary[data-key=s]").click()
        offered = await page.locator(".quick .item:visible").all_text_contents()
        assert offered == ["Open", "In Progress", "Waiting on Customer", "Resolved", "Spam"]
        await page.locator(".quick .item[value=open]").click()
        await expect(page.locator(".toast")).to_contain_text("#1 is Open")
        await expect(page.locator(".toast button")).to_have_count(0)
    async with a_window(chromium, desk, guest) as window:
        await window.open("tickets")
        await window.page.locator(".row .subject").first.focus()
        for key in ("x", "s", "p", "a"):
            await window.page.keyboard.press(key)
        await expect(
            window.page.locator("#main .quick, #main .pick, #main [method=post], #main .naming")
        ).to_have_count(0)
