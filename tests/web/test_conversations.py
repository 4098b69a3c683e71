from collections.abc import Callable
from typing import Any

import httpx
from playwright.async_api import Browser as Chromium
from playwright.async_api import expect

from contracts.base import Role
from tests.gateway.newsroom import Desk
from tests.web.reader import Browser
from tests.web.window import a_window

type Open = Callable[[], Browser]


async def a_conversation(desk: Desk, body: str = "My parcel never came.", name: str = "Grace Okafor") -> dict[str, Any]:
    assistant = await desk.send("POST", "assistants", {"name": "Shop"})
    async with httpx.AsyncClient(base_url=desk.room.url) as visitor:
        begun = await visitor.post(
            f"/widget/v1/{assistant.json()['id']}/conversations",
            json={"body": body, "contact": {"name": name, "email": "grace@example.org"}},
        )
    assert begun.status_code == 201, begun.text
    made: dict[str, Any] = begun.json()
    return made


async def test_a_customer_is_answered_and_their_question_becomes_a_ticket(desk: Desk, browser: Browser) -> None:
    talk = await a_conversation(desk)
    path = f"/w/{desk.workspace.slug}/conversations"
    page = await browser.open(f"{path}?awaits_reply=true")
    assert page.all("a", href=f"{path}/{talk['conversation_id']}")
    path = f"{path}/{talk['conversation_id']}"

    page = await browser.open(path)
    assert "My parcel never came." in page.words
    page = await browser.send(page.form(f"{path}/messages"), body="We *look* into it.")
    assert page.one("em").words == "look"
    page = await browser.send(page.form(f"{path}/ticket"), subject="", assign_to_me="true")

    ticket = await desk.get("tickets/1")
    assert page.answer.url.path == f"/w/{desk.workspace.slug}/tickets/1"
    assert (ticket["subject"], ticket["assignee"]["id"]) == ("My parcel never came.", str(desk.owner.user.id))
    assert page.all("a", href=path)


async def test_a_reply_from_a_ticket_names_who_gets_it_and_moves_the_ticket(desk: Desk, browser: Browser) -> None:
    talk = await a_conversation(desk)
    await desk.send("POST", f"conversations/{talk['conversation_id']}/ticket", {"assign_to_me": True})
    path = f"/w/{desk.workspace.slug}/tickets/1"
    page = await browser.open(path)
    assert "Reply to Grace Okafor" in [each.words.strip() for each in page.all("button")]

    page = await browser.send(page.form(f"{path}/replies"), body="On its way.", set_status="waiting_on_customer")

    assert "moved this from New to Waiting on Customer" in page.words
    assert (await desk.get("tickets/1"))["status"] == "waiting_on_customer"
    transcript = await desk.get(f"conversations/{talk['conversation_id']}")
    assert [each["body"] for each in transcript["messages"]] == ["My parcel never came.", "On its way."]


async def test_a_reply_goes_into_no_conversation_but_the_tickets_own(desk: Desk, browser: Browser) -> None:
    talk, other = await a_conversation(desk), await a_conversation(desk, name="Somebody Else")
    await desk.send("POST", f"conversations/{talk['conversation_id']}/ticket", {})
    path = f"/w/{desk.workspace.slug}/tickets/1"
    form = (await browser.open(path)).form(f"{path}/replies")

    page = await browser.send(form, body="Not for you", conversation_id=other["conversation_id"])

    assert page.status == 422
    assert page.form(f"{path}/replies").fields["body"] == ["Not for you"]
    assert len((await desk.get(f"conversations/{other['conversation_id']}"))["messages"]) == 1


async def test_a_guest_reads_what_a_ticket_links_and_writes_nothing(desk: Desk, a_browser: Open) -> None:
    talk, other = await a_conversation(desk), await a_conversation(desk)
    await desk.send("POST", f"conversations/{talk['conversation_id']}/ticket", {})
    guest = a_browser()
    guest.be(await desk.room.house.member(desk.workspace, Role.GUEST))
    base = f"/w/{desk.workspace.slug}/conversations"

    page = await guest.open(f"{base}/{talk['conversation_id']}")

    assert page.status == 200
    assert page.writing == []
    assert "grace@example.org" not in page.answer.text
    assert (await guest.open(f"{base}/{other['conversation_id']}")).status == 404
    assert (await guest.open(base)).status == 403


async def test_a_conversation_is_linked_to_a_ticket_by_number_or_subject_and_moves_it_with_an_answer(
    desk: Desk, browser: Browser
) -> None:
    talk = await a_conversation(desk)
    for subject in ("Printer on fire", "Printer out of ink"):
        await desk.ticket(subject=subject)
    path = f"/w/{desk.workspace.slug}/conversations/{talk['conversation_id']}"
    links = f"{path}/links"
    page = await browser.send((await browser.open(path)).form(links), ticket_q="printer")
    assert page.status == 422
    assert page.form(links).fields["ticket_q"] == ["printer"]
    assert [each.words.strip() for each in page.all("label", class_="choice") if "#" in each.words] == [
        "#2 Printer out of ink New",
        "#1 Printer on fire New",
    ]
    page = await browser.send(page.form(links), ticket_q="#7")
    assert (page.status, "There is no such ticket" in page.words) == (422, True)
    page = await browser.send(page.form(links), ticket_q="#2")
    assert page.all("a", href=f"/w/{desk.workspace.slug}/tickets/2")

    page = await browser.send(page.form(f"{path}/messages"), body="Done.", set_status="waiting_on_customer")
    assert (await desk.get("tickets/2"))["status"] == "waiting_on_customer"
    page = await browser.send(page.form(f"{path}/messages"), body="And again.", set_status="new")
    assert page.status == 409
    assert page.form(f"{path}/messages").fields["body"] == ["And again."]
    untying = next(each for each in page.forms if ("do", "untie") in each.buttons)
    page = await browser.send(untying, press=("do", "untie"))
    assert (await desk.get("tickets/2"))["conversations"] == []
    assert not page.all("a", href=f"/w/{desk.workspace.slug}/tickets/2")


async def test_whoever_does_not_work_on_a_ticket_sees_no_way_to_answer_its_customer(
    desk: Desk, a_browser: Open
) -> None:
    talk = await a_conversation(desk)
    mary = await desk.member(Role.MEMBER, "Mary Jackson")
    member = a_browser()
    member.be(mary)
    path = f"/w/{desk.workspace.slug}/conversations/{talk['conversation_id']}"
    assert f"{path}/messages" in (await member.open(path)).writing
    await desk.send("POST", f"conversations/{talk['conversation_id']}/ticket", {})
    mine = await desk.ticket(assignee_id=str(mary.user.id), subject="Printer")
    await desk.ticket(subject="Printer, not mine")

    page = await member.open(path)
    assert page.writing == [f"{path}/links"]
    page = await member.send(page.form(f"{path}/links"), press=("do", "find"), ticket_q="printer")
    assert [each.attributes["value"] for each in page.all("input", name="ticket_id")] == [mine["id"], ""]
    page = await member.send(page.form(f"{path}/links"), ticket_id=mine["id"])
    assert f"{path}/messages" in page.writing


async def test_a_long_transcript_is_read_on_to_its_end(desk: Desk, browser: Browser) -> None:
    talk = await a_conversation(desk, "1: " + "word " * 12_000)
    for number in range(2, 6):
        body = {"body": f"{number}: " + "word " * 12_000}
        await desk.send("POST", f"conversations/{talk['conversation_id']}/messages", body)
    path = f"conversations/{talk['conversation_id']}"
    part = await desk.get(path)
    assert part["next_cursor"] is not None

    page = await browser.open(f"/w/{desk.workspace.slug}/{path}")
    assert [each.attributes["id"] for each in page.all("li") if "id" in each.attributes] == [
        f"m{seq}" for seq in range(1, 6)
    ]
    page = await browser.open(f"/w/{desk.workspace.slug}/{path}?cursor={part['next_cursor']}")
    assert len([each for each in page.all("li") if "id" in each.attributes]) == 5 - len(part["messages"])
    assert page.all("a", href=f"/w/{desk.workspace.slug}/{path}")


async def test_customer_and_agent_write_to_each_other_without_a_reload(chromium: Chromium, desk: Desk) -> None:
    talk = await a_conversation(desk)
    await desk.ticket(subject="The printer is on fire")
    assistant = (await desk.get(f"conversations/{talk['conversation_id']}"))["assistant"]["id"]
    widget = f"/widget/v1/{assistant}/conversations/{talk['conversation_id']}"
    async with (
        a_window(chromium, desk) as window,
        a_window(chromium, desk) as other,
        httpx.AsyncClient(
            base_url=desk.room.url, headers={"authorization": f"Bearer {talk['visitor_token']}"}
        ) as visitor,
    ):
        page = window.page
        await other.open("conversations?awaits_reply=true")
        await expect(other.page.locator(".letter.unread")).to_have_count(1)
        await window.open(f"conversations/{talk['conversation_id']}")
        await page.keyboard.press("r")
        await page.keyboard.type("Which num")
        assert (await visitor.post(f"{widget}/messages", json={"body": "It is *late*."})).status_code == 201

        await expect(page.locator("#transcript .said-visitor em")).to_have_text("late")
        await expect(page.locator("#reply")).to_be_focused()
        await page.keyboard.type("ber is it?")
        await page.keyboard.press("Control+Enter")
        await expect(page.locator("#transcript .said-agent")).to_contain_text("Which number is it?")
        await expect(page.locator("#reply")).to_have_value("")
        await expect(other.page.get_by_text("No conversations are waiting for a reply.")).to_be_visible()
        said = (await visitor.get(widget)).json()["messages"]
        assert [each["body"] for each in said][1:] == ["It is *late*.", "Which number is it?"]

        await page.get_by_text("Link existing ticket").click()
        await page.locator("#ticket_q").fill("printer")
        await expect(page.locator(".found .item")).to_have_count(1)
        await page.keyboard.press("Enter")
        await page.get_by_role("button", name="Link ticket").click()
        await expect(page.locator("#facts .linked a")).to_contain_text("The printer is on fire")
        await page.locator("#facts .linked a").click()
        await expect(page.locator("textarea#subject")).to_have_value("The printer is on fire")


async def test_conversations_are_found_as_one_types(chromium: Chromium, desk: Desk, browser: Browser) -> None:
    talk = await a_conversation(desk)
    await a_conversation(desk, "The lamp is broken.")
    page = await browser.open(f"/w/{desk.workspace.slug}/conversations?q=grace+PARCEL&contact=")
    assert [e.words for e in page.all("a") if "/conversations/" in e.attributes["href"]] == ["Grace Okafor"]
    found = await desk.get("conversations?q=parcel")
    assert [each["id"] for each in found["items"]] == [talk["conversation_id"]]

    async with a_window(chromium, desk) as window:
        shown, keys = window.page.locator("#talks .letter"), window.page.keyboard
        await window.open("conversations")
        await expect(shown).to_have_count(2)
        await keys.press("/")
        await keys.type("lamp")
        await expect(shown).to_have_count(1)
        await window.page.get_by_role("link", name="Waiting for reply").click()
        await expect(shown).to_have_count(1)
        await expect(window.page.locator("#q")).to_have_value("lamp")
        await keys.press("/")
        await keys.type("lampX")
        await expect(window.page.locator(".empty")).to_contain_text("No conversations match")
        assert await window.flaws() == []
        await keys.press("Control+k")
        await keys.type("lamp")
        option = window.page.locator("#command").get_by_role("group", name="Conversations").get_by_role("option")
        await expect(option).to_contain_text("Grace Okafor: The lamp is broken.")
        await keys.press("Enter")
        await expect(window.page.locator("h1")).to_contain_text("Grace Okafor")
