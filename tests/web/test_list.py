from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from contracts.base import Role
from services.tickets.store import counts
from tests.gateway.newsroom import Desk
from tests.support.eventually import eventually
from tests.web.reader import Browser, Page

type Open = Callable[[], Browser]


def base(desk: Desk) -> str:
    return f"/w/{desk.workspace.slug}"


def rows(page: Page) -> list[str]:
    return [each.attributes["title"] for each in page.all("a", class_="subject")]


def href(page: Page, words: str) -> str:
    """Return where the first link with these words leads."""
    return next(e.attributes["href"] for e in page.all("a") if words in " ".join(e.words.split()))


async def test_a_list_is_narrowed_to_a_contact_found_by_name(desk: Desk, browser: Browser, a_browser: Open) -> None:
    mira = {"name": "Mira Anand", "email": "mira@example.com"}
    await desk.ticket(subject="Hers", contact=mira)
    await desk.ticket(subject="Another of hers", contact=mira)
    await desk.ticket(subject="His", contact={"name": "Mirko", "email": "mirko@example.com"})
    path = f"{base(desk)}/tickets"

    await desk.ticket(subject="Nobody's")
    page = await browser.open(f"{path}?who=mir&sort=created")
    assert len(rows(page)) == 3
    taken = await browser.open(f"{path}?who=anand+mira@&take=true&sort=created")
    assert (rows(taken), taken.one("input", id="who").attributes["value"]) == (["Hers", "Another of hers"], "")
    assert "Mirko" in {e.words for e in page.all("span")}
    page = await browser.open(href(page, "Mira Anand"))

    assert rows(page) == ["Hers", "Another of hers"]
    assert "From Mira Anand" in page.words
    hidden = [e.attributes["value"] for e in page.all("input", name="contact", form="filters")]
    assert hidden == [(await desk.get("tickets/1"))["contact"]["id"]]
    narrowed = page.answer.url
    assert len(rows(await browser.open(page.one("a", id="chip-contact").attributes["href"]))) == 4
    assert len(rows(await browser.open(page.one("a", id="chip-clear").attributes["href"]))) == 4
    assert "No contacts match “nobody”" in (await browser.open(f"{path}?who=nobody")).words
    guest = a_browser()
    guest.be(await desk.member(Role.GUEST))
    page = await guest.open(f"{path}?who=mir")
    assert "mira@example.com" not in page.answer.text
    assert not page.all("input", name="who")
    assert "From Mira Anand" in (await guest.open(str(narrowed))).words


async def test_what_fits_but_is_hidden_is_told_and_one_click_away(desk: Desk, browser: Browser) -> None:
    path = f"{base(desk)}/tickets"
    for subject in ("Old printer", "Old scanner"):
        await desk.change(await desk.ticket(subject=subject), status="closed")

    page = await browser.open(path)
    assert "All done: 2 closed are hidden" in page.words
    assert len(rows(await browser.open(href(page, "Show them")))) == 2
    page = await browser.open(f"{path}?{urlencode({'q': '#2'})}")
    assert "No active tickets match “#2”. 1 closed is hidden. Show it" in page.words
    assert rows(await browser.open(href(page, "Show it"))) == ["Old scanner"]
    spanned = await browser.open(f"{path}?status=all&created_from=2020-01-01T00:00:00Z&created_to=2020-02-01T00:00:00Z")
    assert "Opened since 1 January 2020" in spanned.words
    assert spanned.all("input", name="created_to", form="filters")
    assert rows(spanned) == []


async def settled(browser: Browser, page: Page) -> Page:
    """Return the page of a bulk change once it is over."""

    async def over() -> Page | None:
        again = await browser.open(str(page.answer.url))
        return again if again.one("section", id="outcome").attributes["data-state"] == "done" else None

    return await eventually(over)


async def test_an_address_that_asks_for_the_impossible_leads_to_the_list_all_the_same(
    desk: Desk, browser: Browser
) -> None:
    await desk.ticket(subject="Printer")
    for query, status, said in (
        ("status=bogus&sort=zz", 422, "The list doesn't know the status and sort that this address asks for."),
        ("cursor=abcd", 400, "This part of the list isn't there any more."),
    ):
        page = await browser.open(f"{base(desk)}/tickets?{query}")
        assert (page.status, rows(page)) == (status, ["Printer"])
        assert said in page.words
        # It would be refused again and again.
        assert "data-still" in page.one("body").attributes
    assert "data-still" not in (await browser.open(f"{base(desk)}/tickets")).one("body").attributes
    refused = await browser.open(f"{base(desk)}/notifications?limit=many")
    assert (refused.status, "Limit must be a whole number." in refused.words) == (422, True)


async def test_many_tickets_are_changed_without_a_script(desk: Desk, browser: Browser) -> None:
    made = [await desk.ticket(subject=f"Ticket {number}", tags=["old", "kept"]) for number in range(1, 4)]
    await desk.change(made[2], status="closed")
    here = f"{base(desk)}/tickets?status=all&sort=created"
    page = await browser.open(here)
    boxes = page.all("input", name="ids", form="bulk")
    assert [e.attributes["value"] for e in boxes] == [each["id"] for each in made]
    form = page.form(f"{base(desk)}/tickets/bulk")
    beside: Any = {e.attributes["name"]: e.attributes["value"] for e in page.all("input", form="bulk", type="hidden")}
    ids = [each["id"] for each in made]

    wanted: Any = {"status": "in_progress", "assignee": str(desk.owner.user.id)}
    wanted |= {"add_tags": "new, kept", "remove_tags": "old"}
    page = await settled(browser, await browser.send(form, ids=ids, **beside, **wanted))

    assert "2 of 3 changed; #3 can't, because a Closed ticket can't move there." in page.words
    assert href(page, "Back to the list") == here
    assert [(await desk.get(f"tickets/{n}"))["status"] for n in (1, 2, 3)] == ["in_progress", "in_progress", "closed"]
    assert (await desk.get("tickets/1"))["assignee"]["id"] == str(desk.owner.user.id)
    assert (await desk.get("tickets/1"))["tags"] == ["kept", "new"]

    await desk.change(await desk.get("tickets/1"), subject="Ticket 1, changed since")
    undone = await browser.send(next(form for form in page.forms if form.action.endswith("/undo")))
    assert "0 of 2 put back; #1 isn't, because it was changed since; #2 isn't, because no ticket goes" in undone.words
    second = await desk.get("tickets/2")
    assert (second["status"], second["assignee"], second["tags"]) == ("in_progress", None, ["old", "kept"])
    await desk.change(await desk.get("tickets/1"), subject="Ticket 1")

    again: Any = beside | {"key": ""}
    page = await browser.send(form, ids=ids[:1], **again)
    assert page.status == 422
    assert page.all("div", role="alert")
    assert "Choose what the tickets are to be" in page.words
    assert [("checked" in e.attributes) for e in page.all("input", name="ids")] == [True, False, False]
    assert "Tick the tickets" in (await browser.send(form, **again)).words
    page = await browser.send(form, ids=ids[:1], **again, add_tags="fine, " + "x" * 51)
    assert (page.status, page.one("input", name="add_tags").attributes["aria-invalid"]) == (422, "true")
    assert page.form(f"{base(desk)}/tickets/bulk").fields["add_tags"] == ["fine, " + "x" * 51]
    assert "Each must have at most 50 characters" in page.words
    await settled(browser, await browser.send(form, ids=ids[:1], **again, press=("do", "close")))
    page = await settled(browser, await browser.send(form, ids=ids[1:2], **again, press=("do", "delete")))
    undone = await browser.send(next(form for form in page.forms if form.action.endswith("/undo")))
    assert "1 of 1 put back." in undone.words
    await settled(browser, await browser.send(form, ids=ids[1:2], **again, press=("do", "delete")))
    assert rows(await browser.open(here)) == ["Ticket 1", "Ticket 3"]
    assert (await desk.get("tickets/1"))["status"] == "closed"


async def test_who_may_not_change_a_ticket_can_not_tick_it(desk: Desk, a_browser: Open) -> None:
    member = await desk.member(Role.MEMBER)
    own = await desk.ticket(assignee_id=str(member.user.id))
    other = await desk.ticket()
    theirs = a_browser()
    theirs.be(member)

    page = await theirs.open(f"{base(desk)}/tickets")
    assert [e.attributes["value"] for e in page.all("input", name="ids")] == [own["id"]]
    form = page.form(f"{base(desk)}/tickets/bulk")
    assert "assignee" not in form.fields
    assert {name for name, _ in form.buttons} == {"do", "status", "priority"}
    assert {value for name, value in form.buttons if name == "do"} == {"change"}
    assert ("status", "closed") not in form.buttons
    refused = await theirs.send(form, ids=[own["id"], other["id"]], priority="high")
    assert refused.status == 403
    await settled(theirs, await theirs.send(form, ids=[own["id"]], priority="high"))
    assert [(await desk.get(f"tickets/{n}"))["priority"] for n in (1, 2)] == ["high", "normal"]

    guest = a_browser()
    guest.be(await desk.member(Role.GUEST, "Guy"))
    page = await guest.open(f"{base(desk)}/tickets")
    assert len(rows(page)) == 2
    assert page.writing == []
    assert not [e for e in page.all("input") if e.attributes.get("form") == "bulk" or e.attributes.get("name") == "ids"]


def places(page: Page) -> dict[str, bool]:
    """Return the views in the frame, and whether each is where one is."""
    found = [e for e in page.all("a") if e.attributes.get("class") == "place place-sub"]
    names = {e.words.strip(): "aria-current" in e.attributes for e in found}
    return {name: here for name, here in names.items() if not name[0].isdigit() and ("mine" in name or "ours" in name)}


async def test_a_list_is_kept_under_a_name_without_a_script(desk: Desk, browser: Browser, a_browser: Open) -> None:
    await desk.ticket(subject="Urgent", priority="critical")
    await desk.ticket(subject="Not so")
    grace, root = await desk.member(Role.MEMBER), base(desk)
    assert not [f for f in (await browser.open(f"{root}/tickets")).forms if f.action == f"{root}/views"]

    page = await browser.open(f"{root}/tickets?q=&priority=critical&priority=high&sort=created")
    form = page.form(f"{root}/views")
    again = await browser.send(form, name=" ", key="")
    assert again.status == 422
    assert "view-name" in [e.attributes.get("id") for e in again.all("input", aria_invalid="true")]
    page = await browser.send(form, name="Urgent, mine", key="")
    assert str(page.answer.url).endswith("/tickets?priority=critical&priority=high&sort=created")
    assert (page.one("h1").words, rows(page)) == ("Urgent, mine", ["Urgent"])
    assert places(page) == {"Urgent, mine": True}
    theirs = a_browser()
    theirs.be(grace)
    assert places(await theirs.open(f"{root}/tickets")) == {}

    (own,) = (await desk.get("views"))["items"]
    assert own["query"] == "priority=critical&priority=high&sort=created"
    page = await browser.send(page.form(f"{root}/views/{own['id']}"), name="Urgent, ours", shared="true", key="")
    assert places(page) == {"Urgent, ours, shared": True}
    shared = await theirs.open(str(page.answer.url))
    assert places(shared) == {"Urgent, ours, shared": True}
    assert not [f for f in shared.forms if "/views" in f.action]
    assert "shared" not in (await theirs.open(f"{root}/tickets?status=open")).form(f"{root}/views").fields
    for method, body in (("PATCH", {"name": "Taken"}), ("DELETE", None)):
        assert (await desk.send(method, f"views/{own['id']}", body, who=grace)).status_code == 403
    answer = await desk.send("PATCH", f"views/{own['id']}", {"name": "Late"}, if_match='"1"')
    assert answer.status_code == 412

    page = await browser.send(page.form(f"{root}/views/{own['id']}"), press=("do", "delete"), key="")
    assert (places(page), rows(page)) == ({}, ["Urgent"])


async def test_views_are_bounded_and_go_with_whoever_made_them(desk: Desk, a_browser: Open) -> None:
    admin = await desk.member(Role.ADMIN)
    for number in range(50):
        body = {"name": f"View {number}", "query": f"q={number}", "shared": number == 0}
        assert (await desk.send("POST", "views", body, who=admin)).status_code == 201
    late = await desk.send("POST", "views", {"name": "Late", "query": ""}, who=admin)
    assert (late.status_code, late.json()["code"]) == (409, "conflict")
    for query in ("colour=red", "status=nonsense", "q=1&q=2", "assignee=%ff", "limit=1000"):
        refused = await desk.send("POST", "views", {"name": "Nonsense", "query": query})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "query")
    first = await desk.get("views?limit=49", who=admin)
    rest = await desk.get(f"views?limit=49&cursor={first['next_cursor']}", who=admin)
    assert len({each["id"] for each in first["items"] + rest["items"]}) == 50
    assert [each["name"] for each in (await desk.get("views"))["items"]] == ["View 0"]

    assert (await desk.send("DELETE", f"members/{admin.user.id}")).status_code == 204
    assert (await desk.get("views"))["items"] == []
    guest = a_browser()
    guest.be(await desk.member(Role.GUEST, "Guy"))
    assert not [f for f in (await guest.open(f"{base(desk)}/tickets?status=open")).forms if "views" in f.action]


async def test_a_search_that_finds_more_than_it_counts_says_so(
    desk: Desk, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "MOST_COUNTED", 1)
    for subject in ("Fire one", "Fire two", "Fire three"):
        await desk.ticket(subject=subject)

    found = await browser.open(f"{base(desk)}/tickets?q=fire")
    everything = await browser.open(f"{base(desk)}/tickets")

    assert found.one("a", id="chip-active").words == "Active2+"
    assert found.one("a", id="chip-closed").words == "Closed", "nobody knows that there is none"
    assert everything.one("a", id="chip-active").words == "Active3"
    assert (await desk.get("tickets/counts?q=fire"))["more"] is True
    assert (await desk.get("tickets/counts"))["more"] is False
