from playwright.async_api import Browser as Chromium
from playwright.async_api import expect

from contracts.base import Role
from tests.gateway.newsroom import Desk
from tests.web.reader import Browser
from tests.web.test_conversations import Open, a_conversation
from tests.web.window import a_window


async def a_contact(desk: Desk, name: str, email: str | None = None) -> str:
    answer = await desk.send("POST", "contacts", {"name": name, "email": email})
    assert answer.status_code == 201, answer.text
    id: str = answer.json()["id"]
    return id


async def test_a_ticket_is_opened_for_a_contact_and_from_a_conversation_without_a_script(
    desk: Desk, browser: Browser
) -> None:
    talk = (await a_conversation(desk, "My *parcel*\nnever came.", "Somebody Else"))["conversation_id"]
    ada, adam = await a_contact(desk, "Ada Obi", "ada@example.com"), await a_contact(desk, "Adam Ito")
    path = f"/w/{desk.workspace.slug}/tickets/new"
    page = await browser.open(f"{path}?conversation={talk}")
    form = page.form(path)
    assert (form.fields["subject"], form.fields["conversation_id"]) == (["My *parcel* never came."], [talk])

    page = await browser.send(form, press=("do", "preview"), tags="one, two", priority="high")
    assert page.one("em").words == "parcel"
    page = await browser.send(page.form(path), press=("do", "find"), contact_q="ada")
    assert {each.attributes["value"] for each in page.all("input", name="contact_id")} == {ada, adam, ""}
    # Who was meant is not guessed.
    page = await browser.send(page.form(path))
    assert page.status == 422
    assert "autofocus" in page.one("input", name="contact_q").attributes
    named = {"field_name_0": "Order No", "field_value_0": "A-7", "field_name_1": "Shop"}
    page = await browser.send(page.form(path), press=("do", "field"), **named)
    assert page.form(path).fields["field_name_2"] == [""]
    page = await browser.send(page.form(path), contact_id=ada)
    assert page.status == 422
    assert "Enter a value for shop" in page.words
    page = await browser.send(
        page.form(path), contact_id=ada, field_value_1="Oslo", subject=" ", assignee_id=str(desk.owner.user.id)
    )
    again = page.form(path)
    assert page.status == 422
    assert page.one("input", name="subject").attributes["aria-invalid"] == "true"
    assert (again.fields["contact_id"], again.fields["tags"], again.fields["priority"]) == (
        [ada],
        ["one, two"],
        ["high"],
    )
    first = await browser.send(again, subject="Lost parcel")
    second = await browser.send(again, subject="Lost parcel")

    assert first.answer.url.path == second.answer.url.path == f"/w/{desk.workspace.slug}/tickets/1"
    assert len((await desk.get("tickets"))["items"]) == 1
    ticket = await desk.get("tickets/1")
    assert (ticket["subject"], ticket["description"]) == ("Lost parcel", "My *parcel*\nnever came.")
    assert (ticket["contact"]["id"], ticket["conversations"][0]["id"]) == (ada, talk)
    assert (ticket["priority"], ticket["tags"]) == ("high", ["one", "two"])
    assert ticket["fields"] == {"order_no": "A-7", "shop": "Oslo"}
    fresh = await browser.open(path)
    assert {"one", "two"} <= {each.attributes["value"] for each in fresh.all("option")}
    assert ticket["assignee"]["id"] == str(desk.owner.user.id)


async def test_a_member_gives_a_new_ticket_to_themself_alone_and_a_guest_opens_none(
    desk: Desk, a_browser: Open
) -> None:
    path = f"/w/{desk.workspace.slug}/tickets/new"
    member, guest = a_browser(), a_browser()
    mary = await desk.member(Role.MEMBER, "Mary Jackson")
    member.be(mary)
    guest.be(await desk.member(Role.GUEST))

    page = await member.open(path)
    options = [each.attributes["value"] for each in page.all("option")]
    assert str(mary.user.id) in options
    assert str(desk.owner.user.id) not in options
    page = await member.send(page.form(path), subject="Mine", assignee_id=str(desk.owner.user.id))
    assert page.status == 403
    assert page.form(path).fields["subject"] == ["Mine"]
    assert (await guest.open(path)).status == 403
    assert (await guest.send(page.form(path), press=("do", "find"), contact_q="a")).status == 403


async def test_a_ticket_is_opened_by_keyboard_with_a_contact_found_as_one_types(chromium: Chromium, desk: Desk) -> None:
    await a_contact(desk, "Ada Obi", "ada@example.com")
    adam = await a_contact(desk, "Adam Ito", "adam@example.com")
    async with a_window(chromium, desk) as window:
        page = window.page
        await window.open("contacts")
        await page.keyboard.press("c")
        await expect(page.locator("#subject")).to_be_focused()
        await page.keyboard.type("The printer is on fire")
        await page.locator("#description").fill("It *burns*.")
        await page.locator("details[data-preview] summary").click()
        await expect(page.locator(".content-preview em")).to_have_text("burns")
        await page.locator("#contact_q").focus()
        await page.keyboard.type("ada")
        await expect(page.locator(".found [role=option]")).to_have_count(2)
        # What was found covers nothing that stands below it.
        await page.locator("summary", has_text="New contact").click()
        await expect(page.get_by_label("E-mail")).to_be_visible()
        await page.locator("#contact_q").focus()
        await page.keyboard.press("ArrowDown")
        await expect(page.locator(".found [role=option]")).to_have_count(2)
        assert await window.flaws() == []
        await page.keyboard.press("ArrowDown")
        await expect(page.get_by_role("combobox", name="Contact")).to_have_attribute(
            "aria-activedescendant", "contact_q-found-1"
        )
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("radio", name="Adam Ito")).to_be_checked()

        await page.locator("#new_priority").select_option("high")
        await page.reload()
        await expect(page.locator("#new_priority")).to_have_value("high")
        await expect(page.locator("#subject")).to_have_value("The printer is on fire")
        await expect(page.get_by_role("radio", name="Adam Ito")).to_be_checked()
        await page.locator("#subject").press("Enter")
        await expect(page.locator("textarea#subject")).to_have_value("The printer is on fire")
        await window.open("tickets/new")
        await expect(page.locator("#subject")).to_have_value("")

    ticket = await desk.get("tickets/1")
    assert (ticket["contact"]["id"], ticket["description"]) == (adam, "It *burns*.")
    assert ticket["priority"] == "high"


async def test_neither_a_fault_nor_a_page_that_is_no_form_makes_anybody_type_again(
    chromium: Chromium, desk: Desk
) -> None:
    async with a_window(chromium, desk) as window:
        page = window.page
        await window.open("tickets/new")
        await page.locator("#subject").fill("The printer is on fire")
        await page.locator("form[data-draft] [name=csrf]").evaluate("field => field.value = ''")
        await page.locator("#subject").press("Enter")
        await expect(page.get_by_role("heading", name="Not allowed")).to_be_visible()
        await window.open("tickets/new")
        await expect(page.locator("#subject")).to_have_value("The printer is on fire")
        await page.locator("#tags").fill("x" * 51)
        await page.locator("#subject").press("Enter")
        await expect(page.locator("#tags")).to_be_focused()
        await expect(page.locator("#fault-tags")).to_have_text("Each must have at most 50 characters")
        await page.keyboard.press("End")
        await page.keyboard.press("Backspace")
        await window.open("contacts")
        await window.open("tickets/new")
        await expect(page.locator("#subject")).to_have_value("The printer is on fire")
        await expect(page.locator("#tags")).to_have_value("x" * 50)
        window.mishaps[:] = [each for each in window.mishaps if "403" not in each and "422" not in each]
