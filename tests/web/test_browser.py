from urllib.parse import urlsplit

from playwright.async_api import Browser as Chromium
from playwright.async_api import expect

from contracts.base import Role
from tests.gateway.newsroom import Desk
from tests.support.eventually import eventually
from tests.web.vectors import VECTORS
from tests.web.window import a_window


async def test_a_new_ticket_shows_in_an_open_list_and_in_its_counts(chromium: Chromium, desk: Desk) -> None:
    async with a_window(chromium, desk) as window:
        await window.open("tickets")
        await expect(window.page.get_by_text("Create a ticket")).to_be_visible()

        await desk.ticket(subject="The printer is on fire")

        await expect(window.page.locator(".row .subject")).to_contain_text("The printer is on fire")
        await expect(window.page.locator("#nav .place-sub", has_text="New").locator(".count")).to_have_text("1")


async def test_an_open_ticket_follows_what_others_do_and_loses_no_draft(chromium: Chromium, desk: Desk) -> None:
    ticket = await desk.ticket()
    async with a_window(chromium, desk) as window:
        await window.open(f"tickets/{ticket['number']}")
        await window.page.locator("#note").fill("Half a thou")

        await desk.change(ticket, status="in_progress", priority="high")

        await expect(window.page.locator("#story")).to_contain_text("moved this from New to In Progress")
        await expect(window.page.locator("#facts .move summary")).to_contain_text("In Progress")
        await expect(window.page.locator("#priority")).to_have_value("high")
        assert await window.page.locator("#note").input_value() == "Half a thou"
        await window.page.reload()
        assert await window.page.locator("#note").input_value() == "Half a thou"


async def test_fields_are_edited_in_place(chromium: Chromium, desk: Desk) -> None:
    ticket = await desk.ticket()
    async with a_window(chromium, desk) as window:
        page = window.page
        await window.open(f"tickets/{ticket['number']}?show=all")
        came = await page.evaluate("history.length")

        await page.locator("#subject").fill("The printer is out")
        await page.keyboard.press("Enter")
        await expect(page.locator("#story")).to_contain_text("changed the subject")
        await page.locator("#priority").select_option("critical")
        await expect(page.locator("#story")).to_contain_text("from Normal to Critical")
        await page.locator("#note").fill("For the *team*")
        await page.keyboard.press("Control+Enter")
        await expect(page.locator("#story .card-internal em")).to_have_text("team")
        await expect(page.locator("#note")).to_have_value("")
        await expect(page.locator("#note")).to_be_visible()
        assert await page.evaluate("document.activeElement.id") == "note"
        assert await page.evaluate("Object.keys(localStorage).filter(key => key.includes('draft'))") == []
        # Back leads to where one came from, not through each edit.
        assert await page.evaluate("history.length") == came

    now = await desk.get(f"tickets/{ticket['number']}")
    assert (now["subject"], now["priority"]) == ("The printer is out", "critical")


async def test_one_stays_at_a_menu_while_somebody_else_changes_the_ticket(chromium: Chromium, desk: Desk) -> None:
    ticket = await desk.ticket(subject="Lamp")
    async with a_window(chromium, desk) as window:
        status = window.page.locator("#move summary")
        await window.open(f"tickets/{ticket['number']}")
        await status.focus()

        await desk.change(ticket, status="open", priority="high")

        await expect(window.page.locator("#priority")).to_have_value("high")
        await expect(status).to_contain_text("Open")
        await expect(status).to_be_focused()


async def test_what_was_done_on_a_ticket_is_undone_and_one_stays_where_one_was(chromium: Chromium, desk: Desk) -> None:
    made = await desk.ticket(subject="لا يمكنني الدخول (Login)", description="مرحبا\n\nHello")
    ticket = await desk.change(made, status="in_progress")
    async with a_window(chromium, desk) as window:
        page = window.page
        said, status, priority = (page.locator(each) for each in (".toast", "#move summary", "#priority"))
        await window.open(f"tickets/{ticket['number']}?show=changes")
        right = "(all) => all.map((each) => getComputedStyle(each).direction)"
        assert await page.locator("#subject, .description .prose").evaluate_all(right) == ["rtl", "rtl"]

        await page.keyboard.press("s")
        await page.keyboard.press("w")
        await page.keyboard.press("Enter")
        await expect(said).to_contain_text(f"#{ticket['number']} is Waiting on Customer")
        await expect(status).to_be_focused()
        assert page.url == window.at(f"tickets/{ticket['number']}")
        await page.keyboard.press("z")
        await expect(said).to_have_text(f"#{ticket['number']} is In Progress again")
        await expect(status).to_contain_text("In Progress")

        await page.keyboard.press("p")
        await priority.select_option("low")
        await expect(said).to_contain_text("low priority")
        await page.keyboard.press("z")
        await expect(said).to_have_text(f"#{ticket['number']} has normal priority again")
        await expect(priority).to_have_value("normal")
        await expect(priority).to_be_focused()

        await page.locator("#assignee").select_option(label=f"{desk.owner.user.name} (you)")
        await expect(said).to_contain_text("You have")
        # Somebody is quicker than the way back.
        bo = await desk.member(Role.ADMIN, "Bo Ek")
        await desk.change(ticket, assignee_id=str(bo.user.id))
        await said.get_by_role("button", name="Undo").click()
        await expect(said).to_contain_text("somebody was quicker")
        await expect(page.locator("#assignee")).to_have_value(str(bo.user.id))
        await expect(page.locator("#assignee")).to_be_focused()
        # What the browser says of it.
        window.mishaps[:] = [each for each in window.mishaps if "409" not in each]


async def test_a_page_that_says_what_was_refused_goes_on_by_itself(chromium: Chromium, desk: Desk) -> None:
    async with a_window(chromium, desk) as window:
        page = window.page
        await window.open("settings/account")
        # Refused twice: the second time it is posted from where only forms are taken.
        for _ in range(2):
            await page.locator("#current").fill("not it at all")
            await page.locator("#new").fill("quite another pass phrase")
            # What a browser says of an answer that refuses is no mishap.
            async with page.expect_response("**/settings/account/password") as refused:
                await page.locator("#new").press("Enter")
            assert (await refused.value).status == 422
            await page.wait_for_load_state("load")
        await expect(page.locator("#current")).to_have_attribute("aria-invalid", "true")
        assert (
            await page.locator("form[action='/looks'] [name=next]").first.input_value()
            == urlsplit(window.at("settings/account")).path
        )
        window.mishaps[:] = [each for each in window.mishaps if "422" not in each]

        await desk.ticket(subject="The printer is on fire")

        await expect(page.locator("#nav .count").first).to_have_text("1")
        assert page.url == window.at("settings/account/password")


async def test_a_search_narrows_as_one_types_and_stands_in_the_address(chromium: Chromium, desk: Desk) -> None:
    await desk.ticket(subject="Printer")
    await desk.ticket(subject="Scanner")
    async with a_window(chromium, desk) as window:
        page = window.page
        await window.open("tickets")
        await page.keyboard.press("/")
        await page.keyboard.type("scan")

        await expect(page.locator(".row")).to_have_count(1)
        await eventually(lambda: "q=scan" in page.url)
        assert await page.evaluate("document.activeElement.id") == "q"
        await page.locator(".row .subject").click()
        await page.locator("[data-back]").click()
        await expect(page.locator("#q")).to_have_value("scan")


async def test_ten_tickets_are_worked_through_by_keyboard_alone(chromium: Chromium, desk: Desk) -> None:
    for number in range(10):
        await desk.ticket(subject=f"Question {number}")
    async with a_window(chromium, desk) as window:
        page = window.page
        await window.open("tickets?sort=created")
        for number in range(10):
            await expect(page.locator(".row")).to_have_count(10)
            if number:
                await expect(page.locator(".row:focus-within .subject")).to_have_text(f"Question {number - 1}")
            await page.keyboard.press("j")
            await window.leave_by("Enter")
            await expect(page.locator("#subject")).to_have_value(f"Question {number}")
            await page.keyboard.press("s")
            await page.keyboard.press("ArrowDown")
            await page.keyboard.press("Enter")
            await expect(page.locator("#facts .move summary")).to_contain_text("In Progress")
            await window.leave_by("u")

    counts = await desk.get("tickets/counts")
    assert counts["counts"]["in_progress"] == 10


async def test_everything_is_found_by_name(chromium: Chromium, desk: Desk) -> None:
    ticket = await desk.ticket()
    async with a_window(chromium, desk) as window:
        page = window.page
        await window.open(f"tickets/{ticket['number']}")
        await page.keyboard.press("Control+k")
        await page.keyboard.type("move resol")
        await page.keyboard.press("Enter")
        await expect(page.locator("#facts .move summary")).to_contain_text("Resolved")
        await page.keyboard.press("Control+k")
        await page.keyboard.type("members")
        await page.keyboard.press("Enter")
        await expect(page.locator("h1")).to_have_text("Members")
        await page.wait_for_load_state("load")
        await page.keyboard.press("?")
        await expect(page.locator("#keys")).to_be_visible()


async def test_h42_no_words_run(chromium: Chromium, desk: Desk) -> None:
    everything = "\n\n".join(VECTORS)
    await desk.ticket(description=everything)
    lines = [" ".join(vector.split()) for vector in VECTORS]
    for line, vector in zip(lines, VECTORS, strict=True):
        ticket = await desk.ticket(
            subject=line,
            description=vector,
            tags=[line[:50]],
            contact={"name": line[:120], "email": "a@example.com"},
        )
    await desk.note(ticket, everything)
    await desk.change(ticket, subject="Plain", description="Plain", tags=[])
    async with a_window(chromium, desk) as window:
        await window.open("tickets?limit=100")
        assert await window.page.locator(".row").count() == len(VECTORS) + 1
        for number in (1, ticket["number"], 20):
            await window.open(f"tickets/{number}")
        for words in (VECTORS[4], VECTORS[22]):
            await window.page.goto(window.at("tickets"))
            await window.page.locator("#q").fill(words)
            await eventually(lambda: "q=" in window.page.url)
            await window.page.reload()
        assert await window.page.evaluate("document.querySelectorAll('.prose [onerror], .prose script').length") == 0
