import gzip

import httpx
import pytest
from playwright.async_api import Browser as Chromium
from playwright.async_api import Route, expect

from contracts.base import uuid7
from tests.gateway.newsroom import Desk
from tests.support.eventually import eventually
from tests.web.shop import Shop, a_shop, an_assistant
from tests.web.vectors import VECTORS
from tests.web.window import IN_THE_DARK, a_window

expect.set_options(timeout=20_000)  # the desk answers over several services, and a busy machine takes its time

CSS = """<style>
* { color: red !important; font-size: 40px !important }
body *, counterfoil-widget { display: none !important; opacity: 0 !important; transform: scale(0) !important }
</style>"""


async def test_a_visitor_asks_and_is_answered_until_it_is_settled(chromium: Chromium, desk: Desk) -> None:
    assistant = await an_assistant(desk, allow_ticket_creation=True, title="Ask us", greeting="Hello there")
    host = desk.room.url.removeprefix("http://").replace("127.0.0.1", "localhost")
    async with a_window(chromium, desk, beside=host) as window:
        # The demo's page: its script comes from the machine's other name.
        shop = Shop(window, window.page, f"{desk.room.url}/demo?assistant={assistant}")
        await shop.enter()
        await expect(shop.panel).to_have_accessible_name("Ask us")
        await expect(shop.lines).to_have_text(["Hello there"])
        await shop.say("My parcel is late")
        await expect(shop.lines.last).to_have_text("My parcel is late")
        await shop.panel.get_by_role("button", name="Create a ticket").click()
        await shop.panel.get_by_label("Subject (optional)").fill("Parcel")
        await shop.panel.get_by_role("button", name="Create the ticket").click()
        made = shop.panel.locator(".made")
        await expect(made).to_contain_text("Ticket #1")
        await expect(made).to_contain_text("answer here")
        await expect(made.locator(".status")).to_have_text("New")
        await expect(shop.panel.get_by_role("button", name="Create a ticket")).to_be_hidden()

        ticket = await desk.get("tickets/1")
        assert (ticket["subject"], ticket["description"]) == ("Parcel", "My parcel is late")
        talk = ticket["conversations"][0]["id"]
        reply = {"body": "Which order?", "set_status": "waiting_on_customer"}
        assert (await desk.send("POST", f"conversations/{talk}/messages", reply)).status_code == 201
        await expect(shop.lines.last).to_have_text("Which order?")
        await expect(made.locator(".status")).to_have_text("Waiting for you")

        await shop.say("Number 7")
        await expect(made.locator(".status")).to_have_text("Open")
        # Sooner than the stream would look by itself.
        await desk.change(ticket, status="in_progress")
        await expect(made.locator(".status")).to_have_text("In progress")

        # What was said and that the panel is open outlives a reload; another tab is in the same conversation.
        await window.page.reload()
        await expect(shop.lines).to_have_text(["Hello there", "My parcel is late", "Which order?", "Number 7"])
        second = Shop(window, await window.page.context.new_page(), shop.url)
        await second.enter()
        await second.say("And number 8")
        for each in (shop, second):
            await expect(each.lines.filter(has_text="And number 8")).to_have_count(1)
            await expect(each.panel.locator(".waiting")).to_have_count(0)
        await second.page.close()

        await shop.text.press("Escape")
        await expect(shop.panel).to_be_hidden()
        reply = {"body": "It comes tomorrow"}
        assert (await desk.send("POST", f"conversations/{talk}/messages", reply)).status_code == 201
        await expect(shop.button).to_have_accessible_name("Ask us: open the chat, 1 unread message")
        for status, shown in (("resolved", "Resolved"), ("closed", "Closed")):
            await desk.change(ticket, status=status)
            await shop.button.click()
            await expect(made.locator(".status")).to_have_text(shown)
            await expect(shop.button).to_have_accessible_name("Close the chat")
            await shop.button.click()
        await shop.button.click()
        await expect(shop.panel.get_by_role("button", name="Create a ticket")).to_be_visible()
    said = (await desk.get(f"conversations/{talk}/messages?limit=100"))["items"]
    assert [each["body"] for each in said] == [
        "My parcel is late",
        "Which order?",
        "Number 7",
        "And number 8",
        "It comes tomorrow",
    ]


async def test_who_asks_is_asked_for_first_where_that_is_wanted_by_keyboard_alone(
    chromium: Chromium, desk: Desk
) -> None:
    assistant = await an_assistant(desk, allow_ticket_creation=True, require_contact_info=True, colour="#f2e205")
    async with a_shop(chromium, desk, assistant, html='lang="ar" dir="rtl"') as shop:
        page, panel = shop.page, shop.panel
        await page.goto(shop.url)
        await shop.button.focus()
        await page.keyboard.press("Enter")
        await expect(shop.text).to_be_focused()
        await page.keyboard.type("My parcel is late")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        # Nothing was sent yet: what was typed became what the ticket is about.
        about = panel.get_by_label("What is it about?")
        await expect(about).to_be_focused()
        await expect(about).to_have_value("My parcel is late")
        # English in a page that reads from the right: its full stop stays at its end.
        await expect(panel.locator(".why:visible")).to_have_css("direction", "ltr")
        name, email = panel.get_by_label("Name"), panel.get_by_label("E-mail")
        await name.fill("Kim Adeyemi")
        await email.fill("kim at example.com")
        await page.keyboard.press("Enter")
        await expect(email).to_be_focused()
        await expect(email).to_have_accessible_description("Must be an e-mail address, such as name@example.com")
        assert [await each.input_value() for each in (name, email)] == ["Kim Adeyemi", "kim at example.com"]
        # It was seen to here: nothing has been sent.
        assert (await desk.get("conversations"))["items"] == []

        await page.reload()
        await expect(email).to_have_value("kim at example.com")
        found = {"card": await shop.window.flaws()}
        await expect(panel.get_by_role("heading", level=2)).to_have_css("text-align", "right")
        box = await panel.bounding_box()
        assert box
        assert box["x"] < 100
        await page.emulate_media(color_scheme="dark")
        found["card, dark"] = await shop.window.flaws(*IN_THE_DARK)
        await email.fill("kim@example.com")
        await email.press("Enter")
        await expect(panel.locator(".made")).to_contain_text("Ticket #1")
        await expect(shop.text).to_be_focused()
        found["made, dark"] = await shop.window.flaws(*IN_THE_DARK)
        await page.emulate_media(color_scheme="light")
        found["made"] = await shop.window.flaws()
        assert {where: flaws for where, flaws in found.items() if flaws} == {}

        # Full screen on a phone, where the focus goes round in it; Escape leads back.
        await page.set_viewport_size({"width": 390, "height": 700})
        assert await panel.bounding_box() == {"x": 0, "y": 0, "width": 390, "height": 700}
        await expect(panel).to_have_attribute("aria-modal", "true")
        for _ in range(8):
            await page.keyboard.press("Tab")
            assert await page.evaluate("document.activeElement.localName") == "counterfoil-widget"
        await page.keyboard.press("Escape")
        await expect(shop.button).to_be_focused()
    ticket = await desk.get("tickets/1")
    assert (ticket["contact"]["name"], ticket["contact"]["email"]) == ("Kim Adeyemi", "kim@example.com")
    assert ticket["description"] == "My parcel is late"


async def test_what_is_written_without_a_connection_is_kept_and_sent_once(chromium: Chromium, desk: Desk) -> None:
    assistant = await an_assistant(desk, title="Ask us", greeting="Hello there")
    async with a_shop(chromium, desk, assistant) as shop:
        page, context = shop.page, shop.page.context
        await shop.enter()
        await shop.say("One")
        await expect(shop.panel.locator("time")).to_have_count(1)

        await context.set_offline(True)
        await shop.say("Two")
        await shop.say("Three")
        await expect(shop.panel.get_by_role("status")).to_contain_text("You are offline. What you write is kept here")
        await expect(shop.panel.get_by_text("Waits for a connection")).to_have_count(2)
        await context.set_offline(False)
        await expect(shop.panel.locator("time")).to_have_count(3)
        await expect(shop.panel.get_by_role("status")).to_be_hidden()

        # The desk gets it, and its answer is lost; then the page is left.
        lost: list[int] = []

        async def lose(route: Route) -> None:
            if route.request.method == "POST" and not lost:
                lost.append((await route.fetch()).status)
            await route.abort()

        await context.route("**/messages", lose)
        await shop.say("Four")
        await eventually(lambda: lost == [201])
        await context.unroute("**/messages")
        await page.reload()
        await expect(shop.panel.locator("time")).to_have_count(4)
        await expect(shop.panel.locator(".waiting")).to_have_count(0)
        await expect(shop.lines).to_have_text(["Hello there", "One", "Two", "Three", "Four"])
        await page.wait_for_function("!Object.keys(localStorage).some((key) => key.includes('waiting'))")

        # The desk is away while the page is loaded again: who is asked, what was said and why nothing comes is shown.
        tries: list[str] = []

        async def away(route: Route) -> None:
            tries.append(route.request.url)
            await route.fulfill(status=503, headers={"access-control-allow-origin": "*"})

        await context.route("**/widget/v1/**", away)
        await page.reload()
        await expect(shop.panel.get_by_role("status")).to_contain_text("The chat can't be reached just now")
        await expect(shop.panel).to_have_accessible_name("Ask us")
        await expect(shop.lines).to_have_text(["Hello there", "One", "Two", "Three", "Four"])
        await shop.say("Five")
        await expect(shop.panel.get_by_text("Waits for a connection")).to_have_count(1)
        # By now it would wait for eight seconds, if nothing waited to be sent and nobody looked.
        await eventually(lambda: len(tries) >= 4, within=20)
        await context.unroute("**/widget/v1/**")
        await expect(shop.panel.locator("time")).to_have_count(5, timeout=6_000)
        await expect(shop.lines).to_have_text(["Hello there", "One", "Two", "Three", "Four", "Five"])

        # The page may have it all forgotten, as when its user signs out.
        await page.evaluate("Counterfoil.forget()")
        await expect(shop.lines).to_have_text(["Hello there"])
        assert await page.evaluate("Object.keys(localStorage)") == []
        shop.forgive("Failed to load resource")
    (talk,) = (await desk.get("conversations"))["items"]
    assert talk["message_count"] == 5


async def test_tickets_switched_off_under_an_open_card_are_said_and_what_was_typed_stays(
    chromium: Chromium, desk: Desk
) -> None:
    assistant = await an_assistant(desk, allow_ticket_creation=True, require_contact_info=True)
    async with a_shop(chromium, desk, assistant, html='lang="en"') as shop:
        panel, status = shop.panel, shop.panel.get_by_role("status")
        wish = panel.get_by_role("button", name="Create a ticket")
        await shop.enter()
        await shop.text.fill("My parcel is late")
        await wish.click()
        name, email = panel.get_by_label("Name"), panel.get_by_label("E-mail")
        await name.fill("  ")
        await name.press("Enter")
        await expect(name).to_be_focused()
        await expect(name).to_have_css("outline-color", "rgb(179, 38, 30)")
        for each in (name, email):
            await expect(each).to_have_accessible_description("Needed before a ticket is created")
        await name.fill("Kim Adeyemi")
        await email.fill("kim@example.com")
        change = {"widget": {"allow_ticket_creation": False}}
        assert (await desk.send("PATCH", f"assistants/{assistant}", change)).status_code == 200
        await panel.get_by_role("button", name="Create the ticket").click()
        words = "Tickets can't be created here just now. Your message was sent; we answer in this chat."
        await expect(status).to_have_text(words)
        await expect(shop.text).to_be_focused()
        await expect(shop.lines).to_have_text(["My parcel is late"])
        for part in (panel.get_by_role("heading"), panel.locator("time")):
            await expect(part).to_have_attribute("dir", "auto")
        await expect(panel.get_by_text("Tickets are off here")).to_be_hidden()
        assert await shop.window.flaws() == []

        # Whoever comes back reads why there is no button; once it is there again, who they are need not be typed anew.
        await shop.button.click()
        await shop.button.click()
        await expect(panel.get_by_text("Tickets are off here; we answer in this chat.")).to_be_visible()
        change = {"widget": {"allow_ticket_creation": True}}
        assert (await desk.send("PATCH", f"assistants/{assistant}", change)).status_code == 200
        await shop.button.click()
        await shop.button.click()
        await wish.click()
        await expect(name).to_have_value("Kim Adeyemi")
        await expect(email).to_have_value("kim@example.com")
        shop.forgive("status of 403")


async def test_what_stands_in_the_way_is_said(chromium: Chromium, desk: Desk) -> None:
    off, elsewhere, barred = (
        await an_assistant(desk),
        await an_assistant(desk, allowed_origins=["https://shop.example.com"]),
        await an_assistant(desk, require_identity=True),
    )
    said = {
        off: "",
        elsewhere: "This chat can't be used on this site.",
        str(uuid7()): "This chat is not set up: check the assistant ID.",
        "": "This chat is not set up: check the assistant ID.",
        "nonsense": "This chat is not set up: check the assistant ID.",
        barred: "Sign in on this site to write here.",
    }
    for assistant, words in said.items():
        async with a_shop(chromium, desk, assistant) as shop:
            await shop.enter()
            await expect(shop.panel.get_by_role("status", include_hidden=True)).to_have_text(words)
            await expect(shop.text).to_be_visible(visible=not words)
            await expect(shop.panel.get_by_role("button", name="Create a ticket")).to_be_hidden()
            if words:
                await expect(shop.panel.get_by_role("heading")).to_be_focused()
            else:
                await expect(shop.panel.get_by_text("Tickets are off here; we answer in this chat.")).to_be_visible()
                # What is allowed meanwhile shows when the visitor comes back.
                change = {"widget": {"allow_ticket_creation": True}}
                assert (await desk.send("PATCH", f"assistants/{off}", change)).status_code == 200
                await shop.button.click()
                await shop.button.click()
                await expect(shop.panel.get_by_role("button", name="Create a ticket")).to_be_visible()
            told = [each for each in shop.window.mishaps if "Counterfoil:" in each]
            assert len(told) == (0 if assistant in (off, barred) else 1), told
            if not assistant:
                assert len(shop.window.mishaps) == 1  # It was not even asked for.
            if assistant == elsewhere:
                assert f"not for {shop.url.rstrip('/')}" in told[0]
            shop.forgive("Counterfoil:", "Failed to load resource", "CORS policy")


async def test_no_page_can_touch_it_and_no_words_run_in_it(chromium: Chromium, desk: Desk) -> None:
    everything = "\n".join(VECTORS)
    assistant = await an_assistant(desk, title=VECTORS[3], greeting=everything[:500], allow_ticket_creation=True)
    policy = f"default-src 'none'; script-src {desk.room.url}; connect-src {desk.room.url}; style-src 'unsafe-inline'; "
    policy += "require-trusted-types-for 'script'"
    head = f'<meta http-equiv="content-security-policy" content="{policy}">{CSS}'
    async with a_shop(chromium, desk, assistant, head=head) as shop:
        await shop.enter()
        await expect(shop.panel).to_have_accessible_name(VECTORS[3])
        await shop.say(everything)
        await expect(shop.lines.last).to_have_text(everything)
        await expect(shop.panel.locator("time")).to_have_count(1)
        (talk,) = (await desk.get("conversations"))["items"]
        assert (
            await desk.send("POST", f"conversations/{talk['id']}/messages", {"body": everything})
        ).status_code == 201
        await expect(shop.lines).to_have_count(3)
        root = shop.page.locator("counterfoil-widget .root")
        assert await root.locator("img, script, iframe, form[action], base, style, [onerror], [style]").count() == 0
        links = await root.locator("a").evaluate_all("links => links.map((link) => link.protocol)")
        assert {*links} == {"https:"}
        for name, value in {"fontSize": "14px", "color": "rgb(28, 35, 38)", "animationName": "none"}.items():
            assert await shop.panel.evaluate("(each, name) => getComputedStyle(each)[name]", name) == value
        assert await shop.panel.evaluate("each => each.offsetWidth") == 376
        await expect(shop.button).to_be_visible()


async def test_the_script_is_small_and_kept_for_a_while(desk: Desk) -> None:
    answer = await desk.client.get("/widget.js", headers={"origin": "https://shop.example.com"})
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=300"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.num_bytes_downloaded <= 30_000
    assert len(gzip.compress(answer.content)) <= 30_000
    assert "eval(" not in answer.text
    assert "innerHTML" not in answer.text
    again = await desk.client.get("/widget.js", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(("host", "other"), [("127.0.0.1", "localhost"), ("localhost", "127.0.0.1")])
async def test_the_demo_lets_one_other_origin_in(desk: Desk, host: str, other: str) -> None:
    port = desk.room.gateway.port
    answer = await desk.client.get("/demo?assistant=%22%3E%3Cscript%3E", headers={"host": f"{host}:{port}"})
    policy = answer.headers["content-security-policy"]
    assert f"script-src http://{other}:{port}; connect-src http://{other}:{port};" in policy
    assert "<script>" not in answer.text
    assert "&#34;&gt;&lt;script&gt;" in answer.text

    none: httpx.Response = await desk.client.get("/demo")
    assert "There is no widget to try here" in none.text
    assert "/widget.js" not in none.text
    assert (await desk.client.get("/demo", headers={"host": "x; script-src *"})).status_code == 400
