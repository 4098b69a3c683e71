from collections.abc import Callable
from typing import Any

import pytest

from contracts.base import Role
from tests.gateway.newsroom import Desk
from tests.support.eventually import eventually
from tests.web.reader import Browser, Page

type Open = Callable[[], Browser]


def base(desk: Desk) -> str:
    return f"/w/{desk.workspace.slug}"


def rows(page: Page) -> list[str]:
    return [each.words.strip().partition("·")[0].strip() for each in page.all("a", class_="subject")]


async def test_a_ticket_is_created_without_a_script(desk: Desk, browser: Browser) -> None:
    page = await browser.open(f"{base(desk)}/tickets/new")
    page = await browser.send(
        page.form(f"{base(desk)}/tickets/new"),
        subject="The printer is on fire",
        description="It *burns*.\r\nHelp!",
        priority="critical",
        assignee_id=str(desk.owner.user.id),
        contact_name="Mira Anand",
        contact_email="mira@example.com",
        tags="printers, fire",
    )

    assert page.answer.url.path == f"{base(desk)}/tickets/1"
    ticket = await desk.get("tickets/1")
    assert (ticket["subject"], ticket["priority"], ticket["tags"]) == (
        "The printer is on fire",
        "critical",
        ["printers", "fire"],
    )
    assert ticket["description"] == "It *burns*.\nHelp!"
    assert ticket["contact"]["name"] == "Mira Anand"
    assert ticket["assignee"]["id"] == str(desk.owner.user.id)
    assert page.one("em").words == "burns"


async def test_a_form_that_is_sent_twice_makes_one_ticket(desk: Desk, browser: Browser) -> None:
    form = (await browser.open(f"{base(desk)}/tickets/new")).form(f"{base(desk)}/tickets/new")

    first = await browser.send(form, subject="Once")
    again = await browser.send(form, subject="Once")

    assert first.answer.url == again.answer.url
    assert len((await desk.get("tickets"))["items"]) == 1


async def test_what_was_typed_survives_a_mistake_and_the_field_is_pointed_at(desk: Desk, browser: Browser) -> None:
    form = (await browser.open(f"{base(desk)}/tickets/new")).form(f"{base(desk)}/tickets/new")

    page = await browser.send(
        form,
        subject=" ",
        description="\nfirst line\n<b>",
        priority="low",
        contact_name="Mira",
        contact_email="nonsense",
    )

    again = page.form(f"{base(desk)}/tickets/new")
    assert page.status == 422
    assert again.fields["description"] == ["\nfirst line\n<b>"]
    assert again.fields["priority"] == ["low"]
    assert again.fields["contact_email"] == ["nonsense"]
    for name in ("subject", "contact_email"):
        field = page.one("input", name=name)
        assert field.attributes["aria-invalid"] == "true"
        assert page.one("p", id=field.attributes["aria-describedby"].split()[0]).words.strip()
    assert "autofocus" in page.one("input", name="subject").attributes


async def test_fields_are_changed_without_a_script(desk: Desk, browser: Browser) -> None:
    ticket = await desk.ticket()
    path = f"{base(desk)}/tickets/{ticket['number']}"
    page = await browser.open(path)

    page = await browser.send(page.form(path, having="subject"), subject="The printer is out")
    page = await browser.send(page.form(path, having="priority"), priority="high")
    page = await browser.send(page.form(path, having="assignee"), assignee=str(desk.owner.user.id))
    page = await browser.send(page.form(path, having="tags"), tags="a, b")
    page = await browser.send(page.form(path, having="description"), description="")
    page = await browser.send(page.form(path, having="status"), press=("status", "in_progress"))

    now = await desk.get(f"tickets/{ticket['number']}")
    assert (now["subject"], now["priority"], now["tags"]) == ("The printer is out", "high", ["a", "b"])
    assert (now["status"], now["assignee"]["id"]) == ("in_progress", str(desk.owner.user.id))
    assert "moved this from New to In Progress" in page.words
    assert "changed the priority from Normal to High" in page.words


async def test_only_moves_that_are_open_are_offered(desk: Desk, browser: Browser) -> None:
    ticket = await desk.ticket()
    await desk.change(ticket, status="closed")
    path = f"{base(desk)}/tickets/{ticket['number']}"

    form = (await browser.open(path)).form(path, having="status")

    assert [value for name, value in form.buttons if name == "status"] == ["open", "spam"]
    refused = await browser.send(form, press=("status", "in_progress"))
    assert refused.status == 409
    assert "can't move" in refused.one("div", role="alert").words or "can't move" in refused.words


async def test_spam_and_deletion_are_taken_back(desk: Desk, browser: Browser) -> None:
    ticket = await desk.ticket()
    await desk.change(ticket, status="in_progress")
    await desk.change(ticket, status="spam")
    path = f"{base(desk)}/tickets/{ticket['number']}"

    page = await browser.open(path)
    page = await browser.send(page.form(f"{path}/not-spam"))
    assert (await desk.get(f"tickets/{ticket['number']}"))["status"] == "in_progress"
    page = await browser.send(page.form(f"{path}/delete"))
    assert "Deleted" in page.words
    assert page.writing == [f"{path}/restore"]
    await browser.send(page.form(f"{path}/restore"))
    assert (await desk.get(f"tickets/{ticket['number']}"))["deleted_at"] is None


async def test_a_stale_save_shows_what_changed_and_keeps_what_was_typed(desk: Desk, browser: Browser) -> None:
    ticket = await desk.ticket()
    path = f"{base(desk)}/tickets/{ticket['number']}"
    page = await browser.open(path)
    await desk.change(ticket, subject="Quicker")

    page = await browser.send(page.form(path, having="subject"), subject="Mine")

    assert page.status == 412
    assert "changed the subject from “The printer is on fire” to “Quicker”" in page.words
    assert (await desk.get(f"tickets/{ticket['number']}"))["subject"] == "Quicker"
    mine = next(form for form in page.forms if form.fields.get("subject") == ["Mine"])
    await browser.send(mine)
    assert (await desk.get(f"tickets/{ticket['number']}"))["subject"] == "Mine"


async def test_a_change_of_something_else_is_no_obstacle(desk: Desk, browser: Browser) -> None:
    ticket = await desk.ticket()
    path = f"{base(desk)}/tickets/{ticket['number']}"
    page = await browser.open(path)
    await desk.change(ticket, priority="critical")

    page = await browser.send(page.form(path, having="subject"), subject="Mine")

    now = await desk.get(f"tickets/{ticket['number']}")
    assert page.status == 200
    assert (now["subject"], now["priority"]) == ("Mine", "critical")


async def test_the_team_talks_below_a_ticket_and_a_guest_hears_nothing_of_it(
    desk: Desk, browser: Browser, a_browser: Open
) -> None:
    ticket = await desk.ticket()
    path = f"{base(desk)}/tickets/{ticket['number']}"
    page = await browser.open(path)
    page = await browser.send(page.form(f"{path}/notes"), body="Between **us**", kind="comment")
    assert "Internal" in page.words
    assert "us" in [each.words for each in page.all("strong")]

    guest = a_browser()
    guest.be(await desk.room.house.member(desk.workspace, Role.GUEST))
    page = await guest.open(path)

    assert "opened this ticket" in page.words
    assert "Between" not in page.answer.text


async def test_a_note_that_is_not_taken_is_still_there(desk: Desk, browser: Browser) -> None:
    ticket = await desk.ticket()
    path = f"{base(desk)}/tickets/{ticket['number']}"
    form = (await browser.open(path)).form(f"{path}/notes")

    page = await browser.send(form, body="x" * 70_000, kind="note")

    assert page.status == 422
    assert page.form(f"{path}/notes").fields["body"] == ["x" * 70_000]


async def test_a_guest_sees_no_way_to_write(desk: Desk, a_browser: Open) -> None:
    ticket = await desk.ticket()
    guest = a_browser()
    guest.be(await desk.room.house.member(desk.workspace, Role.GUEST))

    for path in ("tickets", f"tickets/{ticket['number']}", "settings/members"):
        page = await guest.open(f"{base(desk)}/{path}")
        assert page.status == 200
        assert [each for each in page.writing if not each.endswith(("/watch", "/mute"))] == [], path
        assert not page.all("a", href=f"{base(desk)}/tickets/new")
    assert (await guest.open(f"{base(desk)}/tickets/new")).status == 403
    assert (await guest.open(f"{base(desk)}/settings/audit")).status == 403


async def test_a_member_writes_on_their_own_tickets_only(desk: Desk, a_browser: Open) -> None:
    member = await desk.room.house.member(desk.workspace, Role.MEMBER)
    browser = a_browser()
    browser.be(member)
    own = await desk.ticket(assignee_id=str(member.user.id))
    other = await desk.ticket()

    page = await browser.open(f"{base(desk)}/tickets/{own['number']}")
    path = f"{base(desk)}/tickets/{own['number']}"
    assert "subject" in page.form(path, having="subject").fields
    assert "body" in page.form(f"{path}/notes").fields
    assert not [form for form in page.forms if "assignee" in form.fields]
    assert not [form for form in page.forms if form.action == f"{path}/delete"]
    statuses = [value for form in page.forms for name, value in form.buttons if name == "status"]
    assert "open" in statuses
    assert "closed" not in statuses
    elsewhere = await browser.open(f"{base(desk)}/tickets/{other['number']}")
    assert elsewhere.writing == [f"{base(desk)}/tickets/{other['number']}/{each}" for each in ("watch", "mute")]


async def test_a_list_says_what_it_hides_and_shows_it_on_demand(desk: Desk, browser: Browser) -> None:
    await desk.ticket(subject="Here")
    for number in range(3):
        await desk.change(await desk.ticket(subject=f"Closed {number}"), status="closed")
    await desk.change(await desk.ticket(subject="Spam"), status="spam")

    page = await browser.open(f"{base(desk)}/tickets")

    assert rows(page) == ["Here"]
    assert "3 closed and 1 spam are hidden" in page.words
    link = next(each for each in page.all("a") if each.words == "Show them")
    assert len(rows(await browser.open(link.attributes["href"]))) == 5


async def test_filters_stand_in_the_address(desk: Desk, browser: Browser) -> None:
    await desk.ticket(subject="Printer", priority="high", tags=["hardware"], assignee_id=str(desk.owner.user.id))
    await desk.ticket(subject="Scanner", priority="low")
    await desk.ticket(subject="Printer paper")

    for query, expected in {
        "q=printer": ["Printer paper", "Printer"],
        "q=%231": ["Printer"],
        "priority=high": ["Printer"],
        "assignee=me": ["Printer"],
        "assignee=none": ["Printer paper", "Scanner"],
        "tag=hardware": ["Printer"],
        "status=closed": [],
        "sort=created": ["Printer", "Scanner", "Printer paper"],
        "sort=priority": ["Printer", "Printer paper", "Scanner"],
        "q=&priority=&assignee=&tag=&sort=-updated": ["Printer paper", "Scanner", "Printer"],
    }.items():
        assert rows(await browser.open(f"{base(desk)}/tickets?{query}")) == expected, query


async def test_statuses_are_added_to_and_taken_from_the_address(desk: Desk, browser: Browser) -> None:
    page = await browser.open(f"{base(desk)}/tickets?status=new&q=x")
    assert page.one("a", id="chip-open").attributes["href"] == f"{base(desk)}/tickets?status=new&status=open&q=x"
    assert page.one("a", id="chip-new").attributes["href"] == f"{base(desk)}/tickets?q=x"
    assert page.one("a", id="chip-new").attributes["aria-current"] == "true"


async def test_pages_follow_one_another_under_the_same_filter(desk: Desk, browser: Browser) -> None:
    for number in range(5):
        await desk.ticket(subject=f"Ticket {number}")
    await desk.ticket(subject="Another")

    page = await browser.open(f"{base(desk)}/tickets?q=ticket&limit=2&sort=created")
    seen = rows(page)
    while following := page.all("a", rel="next"):
        page = await browser.open(following[0].attributes["href"])
        seen += rows(page)

    assert seen == [f"Ticket {number}" for number in range(5)]


async def test_a_search_that_finds_nothing_says_so(desk: Desk, browser: Browser) -> None:
    page = await browser.open(f"{base(desk)}/tickets?q=nothing")
    assert "No tickets match “nothing”" in page.words
    empty = await browser.open(f"{base(desk)}/tickets")
    assert "Create a ticket" in empty.words


async def test_a_script_is_given_the_part_that_changes(desk: Desk, browser: Browser) -> None:
    await desk.ticket()
    part = await browser.open(f"{base(desk)}/tickets?q=printer", hx_request="true", hx_target="results")
    assert part.elements[0].attributes["id"] == "results"
    assert not part.all("nav", aria_label="Main")


@pytest.mark.parametrize("query", ["status=nonsense", "assignee=somebody", "sort=colour", "cursor=%21", "limit=1000"])
async def test_an_address_that_means_nothing_is_an_error_and_no_crash(desk: Desk, browser: Browser, query: str) -> None:
    page = await browser.open(f"{base(desk)}/tickets?{query}")
    assert page.status in (400, 422)
    assert page.one("h1").words == "Tickets"
    assert "Here is the list from its beginning." in page.words


async def test_a_ticket_that_is_not_there_is_a_page_that_says_so(desk: Desk, browser: Browser) -> None:
    for reference in ("99", "nonsense", "0197a1b2-3c4d-7e5f-8a6b-0c1d2e3f4a51"):
        page = await browser.open(f"{base(desk)}/tickets/{reference}")
        assert page.status == 404
        assert page.one("h1").words == "Nothing here"


async def test_the_frame_counts_tickets_by_status(desk: Desk, browser: Browser) -> None:
    await desk.ticket()
    await desk.change(await desk.ticket(), status="open")

    page = await browser.open(f"{base(desk)}/tickets")

    links = {each.attributes["href"]: "".join(each.words.split()) for each in page.all("a", class_="place place-sub")}
    assert links[f"{base(desk)}/tickets?status=new"] == "New1"
    assert links[f"{base(desk)}/tickets?status=open"] == "Open1"


async def test_the_record_is_verified_for_those_who_run_the_desk(desk: Desk, browser: Browser) -> None:
    await desk.ticket()

    async def sealed() -> Page | None:
        page = await browser.open(f"{base(desk)}/settings/audit/seal")
        return page if "Record verified" in page.words else None

    kept: Any = await eventually(sealed)
    assert "entries" in kept.words

    await desk.ticket()

    entries = kept.words.partition("·")[2]
    seal = f"{base(desk)}/settings/audit/seal"
    assert (await browser.open(seal)).words.partition("·")[2] == entries

    async def verified_anew() -> bool:
        verdict = (await browser.open(f"{base(desk)}/settings/audit?verify=true")).words
        return "Record verified" in verdict and (await browser.open(seal)).words.partition("·")[2] != entries

    await eventually(verified_anew)


async def test_a_standing_note_is_pinned_above_everything(desk: Desk, browser: Browser) -> None:
    ticket = await desk.ticket()
    path = f"{base(desk)}/tickets/{ticket['number']}"
    page = await browser.open(path)
    page = await browser.send(page.form(f"{path}/notes"), body="Read this first", kind="note")
    pinning = next(form for form in page.forms if ("do", "pin") in form.buttons)

    page = await browser.send(pinning, press=("do", "pin"))
    assert page.all("section", id="pinned")
    page = await browser.send(
        next(form for form in page.forms if ("do", "unpin") in form.buttons), press=("do", "unpin")
    )
    assert not page.all("section", id="pinned")


async def test_who_is_called_by_name_finds_it_in_their_inbox(desk: Desk, browser: Browser, a_browser: Open) -> None:
    grace = await desk.room.house.member(desk.workspace, Role.MEMBER, "Grace Hopper")
    ticket = await desk.ticket()
    path = f"{base(desk)}/tickets/{ticket['number']}"
    page = await browser.open(path)
    await browser.send(page.form(f"{path}/notes"), body="@grace hopper have a look", kind="comment")
    hers = a_browser()
    hers.be(grace)

    async def told() -> Page | None:
        page = await hers.open(f"{base(desk)}/notifications")
        return page if "mentioned you" in page.words else None

    inbox: Any = await eventually(told, within=15)
    assert "1 unread" in " ".join(inbox.one("span", class_="count badge").words.split()) or "Unread 1" in inbox.words
    inbox = await hers.send(inbox.form(f"{base(desk)}/notifications", having="ids"))
    assert not inbox.all("span", class_="count badge")


async def test_a_ticket_is_watched_and_left_again(desk: Desk, browser: Browser, a_browser: Open) -> None:
    ticket = await desk.ticket()
    guest = a_browser()
    guest.be(await desk.room.house.member(desk.workspace, Role.GUEST))
    path = f"{base(desk)}/tickets/{ticket['number']}"
    await eventually(lambda: guest.open(path), within=15)

    page = await guest.open(path)
    page = await guest.send(page.form(f"{path}/watch"), press=("do", "watch"))
    assert ("do", "unwatch") in page.form(f"{path}/watch").buttons
    page = await guest.send(page.form(f"{path}/watch"), press=("do", "unwatch"))
    assert ("do", "watch") in page.form(f"{path}/watch").buttons
