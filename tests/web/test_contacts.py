import re

from playwright.async_api import Browser as Chromium
from playwright.async_api import expect

from contracts.base import Role
from tests.gateway.newsroom import Desk
from tests.support.eventually import eventually
from tests.web.reader import Browser
from tests.web.test_conversations import Open, a_conversation
from tests.web.vectors import VECTORS
from tests.web.window import a_window


async def a_contact(desk: Desk, name: str, email: str | None = None) -> str:
    answer = await desk.send("POST", "contacts", {"name": name, "email": email})
    assert answer.status_code == 201, answer.text
    id: str = answer.json()["id"]
    return id


async def test_a_contact_is_added_edited_found_and_deleted_without_a_script(desk: Desk, a_browser: Open) -> None:
    await a_contact(desk, "Grace Okafor", "grace@example.org")
    browser = a_browser()
    browser.be(await desk.member(Role.MEMBER))
    path = f"/w/{desk.workspace.slug}/contacts"
    form = (await browser.open(f"{path}/new")).form(f"{path}/new")
    page = await browser.send(form, name="Ada Obi", email="grace@example.org")
    assert page.status == 409
    assert page.one("input", name="email").attributes["aria-invalid"] == "true"
    form = page.form(f"{path}/new")
    assert form.fields["name"] == ["Ada Obi"]
    page = await browser.send(form, email="ada@example.com", source="crm")
    assert page.one("input", name="external_id").attributes["aria-invalid"] == "true"
    page = await browser.send(page.form(f"{path}/new"), external_id="A-1")

    one = page.answer.url.path
    assert page.one("h1").words == "Ada Obi"
    old = page.form(one, having="email")
    page = await browser.send(page.form(one, having="name"), name="Ada Lovelace")
    assert page.one("h1").words == "Ada Lovelace"
    # The form was made before the name was changed, also where it came back.
    page = await browser.send(old, email="ada")
    assert page.status == 422
    assert page.form(one, having="name").fields["version"] != page.form(one, having="email").fields["version"]
    page = await browser.send(page.form(one, having="email"), email="ada@example.net")
    assert page.status == 412
    assert "Not saved" in page.words
    page = await browser.send(page.form(one, having="email"))
    page = await browser.send(page.form(one, having="email"), email="grace@example.org")
    assert page.status == 409
    assert page.form(one, having="email").fields["email"] == ["grace@example.org"]
    page = await browser.open(one)
    calling = next(each for each in page.forms if each.fields.get("do") == ["call"])
    page = await browser.send(calling, source="Not A System", external_id="x")
    assert page.one("input", id="source").attributes["aria-invalid"] == "true"
    calling = next(each for each in page.forms if each.fields.get("do") == ["call"])
    page = await browser.send(calling, source="shop")
    page = await browser.send(page.form(one, having="do"), press=("do", "uncall"))
    known = await desk.get(one.replace(path, "contacts"))
    assert (known["name"], known["email"]) == ("Ada Lovelace", "ada@example.net")
    assert known["external_ids"] == [{"source": "shop", "id": "x"}]

    page = await browser.open(f"{path}?q=LOVELACE")
    assert [each.attributes["href"] for each in page.all("a", class_="cut")] == [one]
    page = await browser.send((await browser.open(one)).form(f"{one}/delete"))
    assert page.answer.url.path == path
    assert (await browser.open(one)).status == 404


async def test_a_contacts_page_leads_to_what_they_asked_and_nobody_named_is_deleted(
    desk: Desk, browser: Browser
) -> None:
    talk = (await a_conversation(desk))["conversation_id"]
    row = await desk.get(f"conversations/{talk}")
    one = f"/w/{desk.workspace.slug}/contacts/{row['contact']['id']}"
    other = one.replace(row["contact"]["id"], await a_contact(desk, "Ada Obi"))
    kept = (await browser.open(other)).form(f"{other}/delete")
    for number in range(21):
        await desk.ticket(subject=f"Question {number}", contact_id=row["contact"]["id"])

    page = await browser.open(one)
    assert page.all("a", href=f"/w/{desk.workspace.slug}/conversations/{talk}")
    assert page.all("a", href=f"/w/{desk.workspace.slug}/tickets/21")
    assert not page.all("a", href=f"/w/{desk.workspace.slug}/tickets/1")
    assert f"{one}/delete" not in page.writing
    older = await browser.open(page.one("a", rel="next").attributes["href"])
    assert older.all("a", href=f"/w/{desk.workspace.slug}/tickets/1")
    # Whoever kept the form is told why.
    kept.action = f"{one}/delete"
    page = await browser.send(kept)
    assert page.status == 409
    assert "Tickets or conversations name this contact." in page.words
    page = await browser.open(f"/w/{desk.workspace.slug}/tickets/new?contact={row['contact']['id']}")
    assert page.form(f"/w/{desk.workspace.slug}/tickets/new").fields["contact_id"] == [row["contact"]["id"]]

    listed = await browser.open(f"/w/{desk.workspace.slug}/tickets")
    assert len(listed.all("a", class_="who", href=one)) == 21

    guest = Browser(browser.client)
    guest.be(await desk.member(Role.GUEST))
    for path in (one, one.rpartition("/")[0], f"{one.rpartition('/')[0]}/new"):
        assert (await guest.open(path)).status == 403
    listed = await guest.open(f"/w/{desk.workspace.slug}/tickets")
    assert "Grace Okafor" in listed.words
    assert not [each for each in listed.all("a") if "/contacts" in each.attributes["href"]]


async def test_contacts_are_found_as_one_types_and_edited_in_place(chromium: Chromium, desk: Desk) -> None:
    ada = await a_contact(desk, "Ada Obi", "ada@example.com")
    await a_contact(desk, "Grace Okafor", "grace@example.org")
    async with a_window(chromium, desk) as window:
        page = window.page
        await window.open("tickets")
        await page.keyboard.press("g")
        await page.keyboard.press("c")
        await page.wait_for_url("**/contacts")
        await expect(page.locator(".contacts .letter")).to_have_count(2)
        await page.keyboard.press("/")
        await page.keyboard.type("ada@")
        await expect(page.locator(".contacts .letter")).to_have_count(1)
        await eventually(lambda: "q=ada" in page.url)
        await page.locator(".contacts .letter a").click()
        await page.locator("#email").fill("ada@example.net")
        await page.keyboard.press("Enter")
        await expect(page.locator("#facts [name=version]").first).to_have_value("2")
        await page.locator("#name").fill("Ada Lovelace")
        await page.locator("#email").focus()
        await expect(page.locator("h1")).to_have_text("Ada Lovelace")
        # What a colleague does shows as it happens.
        await desk.ticket(subject="The printer is on fire", contact_id=ada)
        await page.locator("h1").click()
        await expect(page.locator("#tickets")).to_contain_text("The printer is on fire")
    assert (await desk.get(f"contacts/{ada}"))["email"] == "ada@example.net"


async def test_pages_of_people_and_talks_run_no_words_and_have_no_flaws(chromium: Chromium, desk: Desk) -> None:
    lines = [" ".join(vector.split())[:120] for vector in VECTORS]
    everything = "\n\n".join(VECTORS)
    for index, line in enumerate(lines):
        email = re.sub(r"[^a-z0-9/=&{}'$]", "", line.lower())[:60] or "a"
        await a_contact(desk, line, f"{email}{index}@example.com")
    talk = await a_conversation(desk, everything, lines[4])
    contact = (await desk.get(f"conversations/{talk['conversation_id']}"))["contact"]["id"]
    await desk.send("POST", f"conversations/{talk['conversation_id']}/ticket", {"subject": lines[0]})
    await desk.send("POST", f"conversations/{talk['conversation_id']}/messages", {"body": everything})
    paths = (
        "contacts",
        "contacts?q=nobody",
        "contacts/new",
        f"contacts/{contact}",
        "conversations",
        f"conversations/{talk['conversation_id']}",
        f"tickets/new?conversation={talk['conversation_id']}&contact={contact}",
    )
    async with a_window(chromium, desk) as window:
        found = {}
        for path in paths:
            await window.open(path)
            await expect(window.page.locator("h1")).to_have_count(1)
            if "?" in path:  # the rest is what every page is looked at for
                found[path] = await window.flaws_by_day_and_night()
        await window.page.locator("#contact_q").fill("<img")
        await expect(window.page.locator(".found .item").first).to_be_visible()
        await window.page.set_viewport_size({"width": 360, "height": 740})
        for path in paths:
            await window.open(path)
            assert await window.page.evaluate("document.documentElement.scrollWidth") == 360, path
        assert await window.page.evaluate("document.querySelectorAll('main [onerror], main script').length") == 0
    assert {path: flaws for path, flaws in found.items() if flaws} == {}
