import re
from typing import Any

from playwright.async_api import Browser as Chromium
from playwright.async_api import expect

from contracts.base import Role
from tests.gateway.newsroom import Desk
from tests.web.reader import Browser
from tests.web.shop import an_assistant
from tests.web.window import a_window


async def test_an_assistant_is_made_set_up_and_deleted_without_a_script(desk: Desk, browser: Browser) -> None:
    path = f"/w/{desk.workspace.slug}/settings/widget"
    page = await browser.open(f"/w/{desk.workspace.slug}/tickets")
    assert [each.words.strip() for each in page.all("a", class_="place", href=path)] == ["Assistants"]
    page = await browser.open(path)
    assert [each.words.strip() for each in page.all("a", class_="place", href=path)] == ["Assistants", "Widget"]
    new = page.form(path, having="name")
    assert (await browser.send(new, name="")).status == 422
    page = await browser.send(new, name="Web shop")
    form = page.answer.url.path
    own = page.form(form, having="title")
    id = form.rpartition("/")[2]
    assert page.one("h1").words == "Web shop"
    # Both are off at first, and the page says what that means to a visitor.
    assert not {"allow_ticket_creation", "require_contact_info"} & own.fields.keys()
    assert "No button for a ticket: visitors can only chat, and read" in page.words
    assert "Not asked for; tickets are off anyway." in page.words
    assert "a ticket may come without" not in page.words
    assert re.search("“Sign in on this site to write here.”.*“The chat can.t be reached", page.words, re.DOTALL)
    assert f'/widget.js" data-assistant="{id}" async></script>' in page.one("pre").words

    typed: dict[str, Any] = {
        "title": "Ask us",
        "colour": "#aa3355",
        "greeting": "Hello",
        "allow_ticket_creation": "true",
    }
    page = await browser.send(own, **typed, allowed_origins="https://shop.example.com\nnonsense", name="Shop")
    assert page.status == 422
    assert "Each must be scheme and host" in page.words
    again = page.form(form, having="title")
    assert again.fields["allowed_origins"] == ["https://shop.example.com\nnonsense"]
    assert {name: again.fields[name][0] for name in typed} == typed
    page = await browser.send(again, allowed_origins="https://shop.example.com\r\n\r\nhttp://localhost:3000")
    assert page.status == 200
    assert len([*page.all("div", class_="notice", role="status")]) == 1
    assert "Saved." in page.words
    assert "Nobody is asked who they are" in page.words
    assert "On https://shop.example.com, http://localhost:3000." in page.words
    kept = (await desk.get(f"assistants/{id}"))["widget"]
    assert (kept["title"], kept["colour"], kept["allow_ticket_creation"]) == ("Ask us", "#aa3355", True)

    # The page of before is stale, also where it came back: what was typed in it stands, and can be saved all the same.
    wrong = await browser.send(own, title="Mine", colour="mine")
    page = await browser.send(wrong.form(form, having="title"), colour="#0000aa")
    assert (wrong.status, page.status) == (422, 412)
    for change in (
        "name, Web shop → Shop",
        "title, How can we help? → Ask us",
        "allow ticket creation, no → yes",
        "allowed origins, any site → https://shop.example.com, http://localhost:3000",
    ):
        assert change in page.words
    assert [each.words for each in page.all("a", href=form)] == ["Keep theirs"]
    assert "Save mine anyway" in page.words
    page = await browser.send(page.form(form, having="title"), require_identity="true", allow_ticket_creation="true")
    assert re.search("signature says who they are(?!.*Nobody is asked)", page.words, re.DOTALL)
    assert (page.status, (await desk.get(f"assistants/{id}"))["widget"]["title"]) == (200, "Mine")

    old = (await desk.get(f"assistants/{id}/identity-secret"))["secret"]
    page = await browser.send(page.form(f"{form}/secret"))
    shown = page.one("input", id="secret-drawn").attributes["value"]
    assert shown == (await desk.get(f"assistants/{id}/identity-secret"))["secret"] != old
    assert shown not in (await browser.open(form)).answer.text
    page = await browser.send(page.form(f"{form}/delete"))
    assert "New assistant" in page.words
    assert (await browser.open(form)).status == 404


async def test_whoever_does_not_run_the_desk_finds_no_assistants(desk: Desk, browser: Browser) -> None:
    id = await an_assistant(desk)
    for role in (Role.MEMBER, Role.GUEST):
        browser.be(await desk.member(role))
        page = await browser.open(f"/w/{desk.workspace.slug}/tickets")
        assert not re.search(r"settings/widget", page.answer.text)
        for path in ("settings/widget", f"settings/widget/{id}"):
            assert (await browser.open(f"/w/{desk.workspace.slug}/{path}")).status == 403


async def test_the_preview_follows_what_is_typed_and_colours_are_mended(chromium: Chromium, desk: Desk) -> None:
    id = await an_assistant(desk, greeting="Hello")
    async with a_window(chromium, desk) as window:
        page = window.page
        await window.open(f"settings/widget/{id}")
        await page.locator("#title").fill("Ask away")
        await expect(page.locator(".widget-head")).to_have_text("Ask away")
        await expect(page.locator(".widget-wish")).to_be_hidden()
        await page.get_by_label("Allow ticket creation").check()
        await expect(page.locator(".widget-wish")).to_be_visible()
        await expect(page.locator(".widget-card")).to_be_hidden()
        await page.get_by_label("Require contact info").check()
        await expect(page.locator(".widget-card")).to_contain_text("E-mail")
        await page.locator("#colour").fill("#ffff66")
        await expect(page.locator("#contrast")).to_contain_text("By day shown as #")
        await expect(page.locator("#contrast")).to_contain_text("In the dark as it is, black words on it at")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_text("number, and that you answer there")).to_be_visible()
        assert await window.flaws_by_day_and_night() == []
        await page.set_viewport_size({"width": 390, "height": 800})
        assert await page.evaluate("document.documentElement.scrollWidth") == 390
