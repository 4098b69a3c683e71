"""Somebody's inbox and what they want to hear of, with scripts and without."""

from collections.abc import Callable
from typing import Any

from playwright.async_api import Browser as Chromium
from playwright.async_api import expect

from contracts.base import Role
from tests.gateway.newsroom import Desk
from tests.support.eventually import eventually
from tests.web.reader import Browser, Element, Page
from tests.web.test_admin import Bury, at, lines
from tests.web.vectors import VECTORS, scripts_in
from tests.web.window import a_window

type Open = Callable[[], Browser]


async def test_an_inbox_is_read_item_by_item_and_told_in_words(desk: Desk, a_browser: Open) -> None:
    grace = await desk.member(Role.MEMBER, "Grace Hopper")
    browser = a_browser()
    browser.be(grace)
    path = f"/w/{desk.workspace.slug}/notifications"
    assert "No notifications yet" in (await browser.open(path)).words
    wishes = at(desk, "notifications")
    form = (await browser.open(wishes)).form(wishes)
    kinds = {
        kind: form.fields[kind] for kind in form.fields.keys() - {"csrf", "key", "version", "start", "end", "zone"}
    }
    both, one = ["inbox", "mail"], ["inbox"]
    assert kinds == {
        "assigned": both,
        "mention": both,
        "unassigned": one,
        "message": one,
        "note": one,
        "status": one,
    }
    wrong = await browser.send(form, priority="inbox", quiet="true", start="22:00", zone="Europe/Nowhere")
    assert wrong.answer.status_code == 422
    assert "There is no such time zone" in wrong.words
    form = wrong.form(wishes)
    assert (form.fields["priority"], form.fields["zone"]) == (["inbox"], ["Europe/Nowhere"])
    saved = await browser.send(form, zone="Asia/Kathmandu", mail_paused="true")
    assert "Saved." in saved.words
    kept = saved.form(wishes).fields
    assert (kept["priority"], kept["quiet"], kept["mail_paused"]) == (["inbox"], ["true"], ["true"])
    assert (kept["start"], kept["end"], kept["zone"]) == (["22:00"], ["07:00"], ["Asia/Kathmandu"])

    vector = " ".join(VECTORS)[:190]
    await desk.send("POST", "tickets", {"subject": "Another", "assignee_id": str(grace.user.id)})
    ticket = await desk.ticket(subject=vector, assignee_id=str(grace.user.id))
    await desk.change(ticket, priority="high")
    await desk.change(ticket, status="in_progress")
    await desk.change(ticket, assignee_id=None)

    async def told() -> Page | None:
        page = await browser.open(f"{path}?unread=true")
        return page if "took this from you" in page.words and "gave this to you" in page.words else None

    page: Any = await eventually(told)
    assert scripts_in(page) == []
    said = next(line for line in lines(page) if "took this from you" in line)
    for words in ("gave this to you", "from Normal to High", "from New to In Progress", "took this from you"):
        assert f"Ada Lovelace {words}" in said or words in said, words
    assert vector in said

    opening = next(
        form for form in page.forms if form.fields.get("next") == [f"{path[:-13]}tickets/{ticket['number']}"]
    )
    assert len(opening.fields["ids"]) == 4, "neighbours of one ticket are one line"
    bold = [each.attributes["data-ticket"] for each in await unread_rows(browser, desk)]
    assert bold[0] == ticket["id"]
    assert len(bold) == 2
    opened = await browser.send(opening)
    assert [each.attributes["data-ticket"] for each in await unread_rows(browser, desk)] == bold[1:]
    assert opened.answer.url.path == f"{path[:-13]}tickets/{ticket['number']}"
    assert (await desk.get("notifications/unread", who=grace))["unread"] == 1
    page = await browser.open(path)
    everything = next(form for form in page.forms if form.action == path and "ids" not in form.fields)
    assert "1 unread" not in (await browser.send(everything)).words
    assert "No unread notifications." in (await browser.open(f"{path}?unread=true")).words


async def test_a_window_that_lags_behind_is_told_so_and_saves_only_when_it_insists(desk: Desk, a_browser: Open) -> None:
    browser, wishes = a_browser(), at(desk, "notifications")
    browser.be(await desk.member(Role.MEMBER, "Grace Hopper"))
    first, second = [(await browser.open(wishes)).form(wishes) for _ in range(2)]
    assert "Saved." in (await browser.send(first, quiet="true", zone="Asia/Kathmandu", mail_paused="true")).words

    wrong = await browser.send(second, quiet="true", start="soon")
    assert wrong.status == 422, "it shows nothing of what the first has saved"
    stale = await browser.send(wrong.form(wishes), start="23:00", zone="Europe/Oslo")
    assert stale.status == 412
    assert "Save mine anyway" in stale.words
    mine, kept = stale.form(wishes), (await browser.open(wishes)).form(wishes)
    assert (mine.fields["zone"], mine.fields.get("mail_paused")) == (["Europe/Oslo"], None)
    assert (kept.fields["zone"], kept.fields["mail_paused"]) == (["Asia/Kathmandu"], ["true"])

    saved = (await browser.send(mine)).form(wishes)
    assert (saved.fields["zone"], saved.fields.get("mail_paused")) == (["Europe/Oslo"], None)


async def test_who_goes_to_a_ticket_has_read_what_they_were_told_of_it(desk: Desk, a_browser: Open) -> None:
    grace = await desk.member(Role.MEMBER, "Grace Hopper")
    browser = a_browser()
    browser.be(grace)
    one, other = [await desk.ticket(assignee_id=str(grace.user.id)) for _ in range(2)]

    async def unread() -> int:
        return int((await desk.get("notifications/unread", who=grace))["unread"])

    async def both() -> bool:
        return await unread() == 2

    await eventually(both)
    path = f"/w/{desk.workspace.slug}/tickets/{one['number']}"
    assert "2 unread" in (await browser.open(path)).words
    assert await unread() == 2, "a page that renews itself reads nothing"
    assert "1 unread" in (await browser.open(path, sec_fetch_mode="navigate")).words
    assert await unread() == 1
    assert [row.attributes["data-ticket"] for row in await unread_rows(browser, desk)] == [other["id"]]


async def test_a_burst_is_one_line_that_names_its_tickets_and_one_change_is_one_sentence(
    desk: Desk, a_browser: Open, chromium: Chromium
) -> None:
    grace = await desk.member(Role.MEMBER, "Grace Hopper")
    made = [await desk.ticket(subject=f"Question {nth}", assignee_id=str(grace.user.id)) for nth in range(12)]
    await desk.send("POST", f"tickets/{made[3]['id']}/notes", {"body": "@Grace", "mentions": [str(grace.user.id)]})
    path = f"/w/{desk.workspace.slug}/notifications"
    browser = a_browser()
    browser.be(grace)

    async def folded() -> Page | None:
        page = await browser.open(path)
        return page if "13 notifications on 12 tickets" in page.words else None

    page: Any = await eventually(folded)
    (letter,) = page.all("li", class_="letter unread")
    line = " ".join(letter.words.split())
    assert f"#{made[3]['number']} Question 3you were mentioned · 2" in line
    assert "and 7 more tickets" in line
    (item,) = (await desk.get("notifications", who=grace))["items"]
    opening = next(form for form in page.forms if form.fields.get("next") == [f"{path}?digest={item['id']}"])
    opened = await browser.send(opening)
    assert len(opened.all("li", class_="letter read")) == 13
    assert "Told together 13 in all" in opened.words
    assert "in all" not in page.words
    assert all(f"Question {nth}" in opened.words for nth in range(12))
    assert (await desk.get("notifications/unread", who=grace))["unread"] == 0

    # What comes later goes into it as long as the minute lasts: what one command did is one sentence.
    watched = await desk.ticket(subject="Fire")
    both = {"assignee_id": str(grace.user.id), "status": "in_progress"}
    ben = await desk.member(Role.MEMBER, "Ben")
    await desk.send("POST", f"tickets/{watched['id']}/watch", who=ben)
    await desk.change(watched, **both)

    async def told() -> list[str] | None:
        browser.be(ben)
        found = lines(await browser.open(path))
        return found or None

    (said,) = await eventually(told)
    assert "Ada Lovelace moved this from New to In Progress" in said
    async with a_window(chromium, desk, grace) as hers:
        await hers.open("notifications")
        await expect(hers.page.locator(".letter")).to_contain_text("14 notifications on 13 tickets")
        await hers.page.get_by_role("link", name="and 8 more tickets").click()
        sentence = "Ada Lovelace gave this to you and moved it from New to In Progress"
        await expect(hers.page.locator(".letter").first).to_contain_text(sentence)
        await expect(hers.page.locator("#inbox-total")).to_have_text("14 in all")
        assert not await hers.flaws_by_day_and_night()
        await hers.page.get_by_role("button", name="Mark all as read").click()
        await expect(hers.page.get_by_role("button", name="Mark all as read")).to_have_count(0)
        assert (await desk.get("notifications/unread", who=grace))["unread"] == 0


async def test_what_one_looks_at_stays_there_when_more_comes_and_when_some_is_read(
    chromium: Chromium, desk: Desk
) -> None:
    grace = await desk.member(Role.MEMBER, "Grace Hopper")
    for nth in range(6):
        await desk.ticket(subject=f"Question {nth}", assignee_id=str(grace.user.id))
    async with a_window(chromium, desk, grace) as hers:
        await hers.page.set_viewport_size({"width": 390, "height": 320})
        await hers.open("notifications")
        letters, looked_at = hers.page.locator(".letter"), hers.page.locator(".letter", has_text="Question 2")
        await expect(letters).to_have_count(6)
        await looked_at.evaluate("each => scrollTo(0, scrollY + each.getBoundingClientRect().top - 40)")
        before = await looked_at.bounding_box()
        await desk.ticket(subject="One more", assignee_id=str(grace.user.id))
        await expect(letters).to_have_count(7)
        assert await looked_at.bounding_box() == before

        await looked_at.get_by_role("button", name="Mark as read").click()
        await expect(looked_at.get_by_role("button", name="Mark as read")).to_have_count(0)
        assert await looked_at.bounding_box() == before
        await expect(hers.page.locator(".bottom .badge")).to_contain_text("6")


async def unread_rows(browser: Browser, desk: Desk) -> list[Element]:
    page = await browser.open(f"/w/{desk.workspace.slug}/tickets")
    assert len(page.all("a", class_="subject")) == 2
    return page.all("li", class_="row unread")


async def test_a_guest_chooses_among_what_they_may_hear(desk: Desk, a_browser: Open) -> None:
    browser = a_browser()
    browser.be(await desk.member(Role.GUEST))
    page = await browser.open(at(desk, "notifications"))
    assert {e.attributes["name"] for e in page.all("input", type="checkbox")} == {
        "message",
        "status",
        "priority",
        "created",
        "arrived",
        "mail_paused",
        "quiet",
    }


async def test_a_ticket_is_muted_on_its_page_and_an_admin_hears_of_a_dead_letter(
    desk: Desk, a_browser: Open, bury_one: Bury
) -> None:
    grace = await desk.member(Role.MEMBER, "Grace Hopper")
    ticket = await desk.ticket(assignee_id=str(grace.user.id))
    browser = a_browser()
    browser.be(grace)
    path = f"/w/{desk.workspace.slug}/tickets/{ticket['number']}"
    muted = await browser.send((await browser.open(path)).form(f"{path}/mute"), press=("do", "mute"))
    assert ("do", "unmute") in muted.form(f"{path}/mute").buttons
    await desk.send("POST", f"tickets/{ticket['id']}/notes", {"body": "@Grace", "mentions": [str(grace.user.id)]})
    await desk.send("POST", "tickets", {"subject": "Another", "assignee_id": str(grace.user.id)})

    async def told() -> list[str] | None:
        found = (await desk.get("notifications", who=grace))["items"]
        return [f"{item['kind']} {item['muted']}" for item in found] if len(found) > 1 else None

    assert await eventually(told) == ["assigned False", "assigned True"]
    inbox = await browser.open(f"/w/{desk.workspace.slug}/notifications")
    assert [tag.words for tag in inbox.all("span", **{"class": "tag"})] == ["Muted"]

    await bury_one(b'{"external_id": "alarm-1"}', **{"ce-id": "78"})
    browser.be(desk.owner)

    async def heard() -> Page | None:
        page = await browser.open(f"/w/{desk.workspace.slug}/notifications")
        return page if "A message could not be applied" in page.words else None

    page: Any = await eventually(heard)
    opening = next(form for form in page.forms if form.fields.get("next", [""])[0].endswith("/settings/dead-letters"))
    assert (await browser.send(opening)).answer.url.path.endswith("/settings/dead-letters")
    assert (await desk.get("notifications/unread"))["unread"] == 0


async def test_a_link_that_stops_mail_asks_first_and_one_that_is_none_says_so(desk: Desk, a_browser: Open) -> None:
    browser = a_browser()
    asked = await browser.open("/unsubscribe/" + "x" * 32)
    assert "Stop notification mail?" in asked.words
    refused = await browser.send(asked.form("/unsubscribe/" + "x" * 32))
    assert refused.answer.status_code == 404
    assert "This link stops no mail" in refused.words
    assert "This link stops no mail" in (await browser.open("/unsubscribe/short")).words


async def test_the_badge_follows_what_others_do_until_one_wants_no_more(chromium: Chromium, desk: Desk) -> None:
    grace = await desk.member(Role.MEMBER, "Grace Hopper")
    async with a_window(chromium, desk) as adas, a_window(chromium, desk, grace) as hers:
        await hers.open("tickets")
        badge = hers.page.locator("#nav .badge")
        await expect(badge).to_have_count(0)
        ticket = await desk.ticket(subject="The printer is on fire")
        await adas.open(f"tickets/{ticket['number']}")
        await expect(hers.page.locator(".row .subject")).to_contain_text("The printer is on fire")
        await adas.page.locator("#assignee").select_option(str(grace.user.id))

        await expect(badge).to_contain_text("1")
        await hers.page.keyboard.press("g")
        await hers.page.keyboard.press("n")
        await expect(hers.page.locator(".letter")).to_contain_text("gave this to you")
        await desk.note(ticket, "Who comes?")
        await expect(hers.page.locator(".letter")).to_contain_text("wrote to the team")  # an open inbox grows by itself
        assert (await hers.page.title()).startswith("(2) ")
        await hers.page.keyboard.press("j")
        await hers.page.keyboard.press("Enter")
        await expect(hers.page.locator("#subject")).to_have_value("The printer is on fire")
        await expect(badge).to_have_count(0)

        await hers.open("settings/notifications")
        await hers.page.locator("#note").uncheck()
        await hers.page.get_by_role("button", name="Save").click()
        await expect(hers.page.get_by_text("Saved.")).to_be_visible()
        await desk.note(ticket, "Nobody?")
        await desk.change(ticket, status="in_progress")
        await expect(badge).to_contain_text("1")
    kinds = [item["kind"] for item in (await desk.get("notifications", who=grace))["items"]]
    assert kinds == ["status", "note", "assigned"]


async def test_axe_finds_nothing_serious_in_these_pages(chromium: Chromium, desk: Desk, bury_one: Bury) -> None:
    letter = await bury_one(b'{"external_id": "alarm-1"}', **{"ce-id": "77"})
    await desk.send("PATCH", "settings", {"members_may_claim": True})
    await desk.send("PATCH", "notifications/preferences", {"created": {"inbox": True}})
    grace = await desk.member(Role.ADMIN)
    await desk.send("POST", "tickets", {"subject": "Printer"}, who=grace)

    async def told() -> bool:
        return bool((await desk.get("notifications"))["items"])

    await eventually(told)
    async with a_window(chromium, desk) as window:
        found = {}
        for path in ("settings/audit?verify=true", f"settings/dead-letters/{letter}", "notifications"):
            await window.open(path)
            found[path] = await window.flaws_by_day_and_night()
    assert {path: flaws for path, flaws in found.items() if flaws} == {}
