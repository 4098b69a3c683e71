from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from contracts.base import Role
from services.gateway.web.merging import merge
from tests.gateway.newsroom import Desk
from tests.support.eventually import eventually
from tests.web.reader import Browser, Page

type Open = Callable[[], Browser]


def lines(page: Page) -> list[str]:
    return [" ".join(each.words.split()) for each in page.all("li", class_="line")]


def shown(page: Page) -> set[str]:
    return {each.attributes["id"] for each in page.all("li") if each.attributes.get("id", "").startswith("v")}


def named(value: str) -> dict[str, Any]:
    return {"fields.order_number": value}


async def talk(desk: Desk) -> tuple[dict[str, Any], str, dict[str, str]]:
    """A ticket made of a conversation, the conversation, and what lets its visitor write."""
    made = await desk.send("POST", "assistants", {"name": "Shop"})
    path = f"/widget/v1/{made.json()['id']}/conversations"
    begun = await desk.client.post(
        path, json={"body": "Where is it?", "contact": {"name": "Grace Okafor", "email": "grace@example.com"}}
    )
    said = begun.json()
    ticket = (await desk.send("POST", f"conversations/{said['conversation_id']}/ticket", {})).json()
    visitor = {"authorization": f"Bearer {said['visitor_token']}"}
    return ticket, f"{path}/{said['conversation_id']}/messages", visitor


async def test_a_story_says_who_what_why_and_through_what_and_shows_one_kind_alone(
    desk: Desk, browser: Browser, a_browser: Open
) -> None:
    ticket, words, visitor = await talk(desk)
    talked = ticket["conversations"][0]["id"]
    answer = {"body": "On its way", "set_status": "waiting_on_customer"}
    assert (await desk.send("POST", f"conversations/{talked}/messages", answer)).status_code == 201
    assert (await desk.client.post(words, json={"body": "Thanks"}, headers=visitor)).status_code == 201
    first = (await desk.send("POST", f"tickets/{ticket['id']}/notes", {"body": "Refund?", "kind": "comment"})).json()
    await desk.note(ticket, "Yes", kind="comment", in_reply_to=first["id"])
    ticket = await desk.change(ticket, fields={"order": "8841"}, priority="high")
    await desk.recorded(ticket)
    path = f"/w/{desk.workspace.slug}/tickets/{ticket['number']}"

    page = await browser.open(path)

    told = lines(page)
    assert any("moved this from New to Waiting on Customer through the API with the reply" in line for line in told)
    assert any(
        "Grace Okafor moved this from Waiting on Customer to Open in the widget because Grace Okafor wrote" in line
        for line in told
    )
    assert any("changed the priority from Normal to High through the API" in line for line in told)
    assert any("set order: 8841" in line for line in told)
    assert page.one("a", href=f"#n-{first['id']}").words.startswith("in reply to")
    every = shown(page)
    parts = {}
    for kind in ("conversation", "notes", "changes"):
        link = page.one("a", id=f"show-{kind}")
        part = await browser.open(link.attributes["href"])
        assert part.one("a", id=f"show-{kind}").attributes["aria-current"] == "true"
        parts[kind] = shown(part)
    assert len(parts["conversation"]) == len(parts["notes"]) == 2
    assert set.union(*parts.values()) == every
    assert sum(map(len, parts.values())) == len(every)

    guest = a_browser()
    guest.be(await desk.member(Role.GUEST))
    seen = await guest.open(f"{path}?show=notes")
    assert not seen.all("a", id="show-notes")
    assert "Refund" not in seen.answer.text
    assert not seen.all("div", id="present")


async def test_a_long_story_is_told_in_parts(desk: Desk, browser: Browser) -> None:
    ticket = await desk.ticket()
    for number in range(27):
        ticket = await desk.change(ticket, subject=f"Subject {number}", priority=["high", "low"][number % 2])
    await desk.recorded(ticket)
    path = f"/w/{desk.workspace.slug}/tickets/{ticket['number']}"

    page = await browser.open(path)
    earlier = await browser.open(page.one("a", rel="prev").attributes["href"])

    assert (len(shown(page)), len(shown(earlier))) == (50, 5)
    assert not shown(page) & shown(earlier)
    assert not earlier.all("a", rel="prev")
    assert shown(page) | shown(earlier) == {f"v{version}" for version in range(1, ticket["version"] + 1)}


async def test_a_ticket_is_seen_as_it_was_and_nothing_can_be_changed_there(desk: Desk, browser: Browser) -> None:
    ticket = await desk.ticket(description="At first")
    ticket = await desk.change(ticket, subject="Renamed")
    ticket = await desk.change(ticket, description="At last", fields={"order": "1"})
    await desk.recorded(ticket)
    path = f"/w/{desk.workspace.slug}/tickets/{ticket['number']}"

    page = await browser.open(f"{path}?as_of=2")

    assert "version 2 of 4" in page.words
    assert page.one("h1", class_="title").words == "Renamed"
    assert "At first" in page.words
    assert "At last" not in page.words
    assert page.writing == []
    assert shown(page) == {"v1", "v2"}
    slider = page.one("input", type="range").attributes
    assert (slider["min"], slider["max"], slider["value"]) == ("1", "4", "2")
    back = await browser.open(page.one("a", rel="prev").attributes["href"])
    assert back.one("h1", class_="title").words == ticket["subject"].replace("Renamed", "The printer is on fire")
    later = await browser.open(page.one("a", rel="next").attributes["href"])
    assert "version 3 of 4" in later.words
    assert (await browser.open(f"{path}?as_of={ticket['created_at'].replace('+00:00', 'Z')}")).status == 200
    assert (await browser.open(f"{path}?as_of=9")).status == 404
    assert (await browser.open(f"{path}?as_of=yesterday")).status == 422


async def test_the_contact_of_a_ticket_without_a_conversation_is_replied_to_by_mail(
    desk: Desk, browser: Browser
) -> None:
    contact = (await desk.send("POST", "contacts", {"name": "Maria Sol", "email": "maria@example.org"})).json()
    ticket = await desk.ticket(contact_id=contact["id"])
    path = f"/w/{desk.workspace.slug}/tickets/{ticket['number']}"
    action = f"{path}/replies"

    page = await browser.open(path)
    assert any("Reply by mail to maria@example.org" in each.words for each in page.all("summary"))
    assert "No mail server is set up yet" in page.words
    await desk.send("PATCH", "settings", {"mail_replied": False})
    off = await browser.open(path)
    assert "This workspace sends no answers by mail. Turn them on" in off.words
    assert not [form for form in off.forms if form.action == action]
    await desk.send("PATCH", "settings", {"mail_replied": True})
    typed = "Your invoice.\x00"
    refused = await browser.send(page.form(action), body=typed, set_status="resolved")
    assert refused.status == 422
    form = refused.form(action)
    assert (form.fields["body"], form.fields["set_status"]) == (["Your invoice.\x00"], ["resolved"])
    page = await browser.send(form, body="Your invoice.", set_status="waiting_on_customer")
    assert page.status == 200
    await browser.send(form, body="Your invoice.", set_status="waiting_on_customer")
    there = await desk.get(f"tickets/{ticket['id']}")
    (talked,) = there["conversations"]
    assert there["status"] == "waiting_on_customer"
    assert [each["body"] for each in (await desk.get(f"conversations/{talked['id']}"))["messages"]] == ["Your invoice."]
    page = await browser.open(path)
    assert page.form(action).fields["conversation_id"] == [talked["id"]]
    assert any("Reply to Maria Sol" in each.words for each in page.all("summary"))

    silent = (await desk.send("POST", "contacts", {"name": "Sam"})).json()
    page = await browser.open(
        f"/w/{desk.workspace.slug}/tickets/{(await desk.ticket(contact_id=silent['id']))['number']}"
    )
    assert "Sam has no e-mail address" in page.words
    assert page.all("textarea", id="reply") == []
    page = await browser.open(f"/w/{desk.workspace.slug}/tickets/{(await desk.ticket())['number']}")
    assert "there is no contact to write to" in page.words


async def test_fields_contact_and_conversations_are_chosen_without_a_script(desk: Desk, browser: Browser) -> None:
    ticket, _, _ = await talk(desk)
    other = await desk.ticket()
    path = f"/w/{desk.workspace.slug}/tickets/{other['number']}"

    page = await browser.open(path)
    assert "No conversation is linked" in page.words
    page = await browser.send(page.form(path, having="new_field"), new_field="Order number", new_value="8841")
    page = await browser.send(page.form(path, having="fields.order_number"), **named(" 9 "))
    assert (await desk.get(f"tickets/{other['id']}"))["fields"] == {"order_number": "9"}
    page = await browser.send(page.form(path, having="fields.order_number"), **named(""))
    assert (await desk.get(f"tickets/{other['id']}"))["fields"] == {}
    refused = await browser.send(page.form(path, having="new_field"), new_field="Weird Name!", new_value="x")
    assert refused.status == 422
    name = refused.one("input", id="new-field").attributes
    assert (name["value"], refused.one("input", id="new-value").attributes["value"]) == ("Weird Name!", "x")
    assert name["aria-invalid"] == "true"
    assert "letters a to z" in refused.one("p", id=name["aria-describedby"]).words
    assert "open" in refused.one("details", id="add-field").attributes
    refused = await browser.send(refused.form(path, having="new_field"), new_field="Weird name", new_value="x" * 501)
    assert refused.one("input", id="new-value").attributes["aria-invalid"] == "true"
    for typed in ("x" * 60, "nul\x00", ", ".join(f"tag-{number}" for number in range(21))):
        refused = await browser.send(page.form(path, having="tags"), tags=typed)
        assert refused.status == 422
        assert refused.one("input", name="tags").attributes["aria-invalid"] == "true"
        assert refused.form(path, having="tags").fields["tags"] == [typed]

    chosen = await browser.open(f"{path}/contact?q=okaf")
    contact = ticket["contact"]["id"]
    page = await browser.send(chosen.form(path, having="contact_id"), press=("contact_id", contact))
    assert (await desk.get(f"tickets/{other['id']}"))["contact"]["id"] == contact
    new = await browser.open(f"{path}/contact")
    page = await browser.send(new.form(f"{path}/contact", having="name"), name="Mira Anand", email="nonsense")
    assert page.status == 422
    page = await browser.send(page.form(f"{path}/contact", having="name"), email="mira@example.com")
    assert (await desk.get(f"tickets/{other['id']}"))["contact"]["name"] == "Mira Anand"

    found = await browser.open(f"{path}/conversations?q=okaf")
    talked = ticket["conversations"][0]["id"]
    form = found.form(f"{path}/conversations", having="conversation_id")
    page = await browser.send(form, press=("conversation_id", talked))
    assert f"/w/{desk.workspace.slug}/conversations/{talked}" in [each.attributes.get("href") for each in page.all("a")]
    page = await browser.send(page.form(f"{path}/conversations/unlink"), press=("conversation_id", talked))
    assert (await desk.get(f"tickets/{other['id']}"))["conversations"] == []


async def test_a_status_that_others_changed_is_named_as_everywhere(desk: Desk, browser: Browser) -> None:
    ticket = await desk.ticket()
    path = f"/w/{desk.workspace.slug}/tickets/{ticket['number']}"
    form = (await browser.open(path)).form(path, having="status")
    await desk.change(ticket, status="in_progress")

    page = await browser.send(form, press=("status", "waiting_on_customer"))

    assert page.status == 412
    assert [each.words.strip() for each in page.all("div", class_="side-text")] == [
        "New",
        "In Progress",
        "Waiting on Customer",
    ]


@pytest.mark.parametrize(
    ("field", "wrong", "theirs"),
    [
        ("subject", "x" * 201, "Theirs"),
        ("description", "nul\x00", "Theirs"),
        ("tags", "x" * 60, ["theirs"]),
        ("new_value", "x" * 501, {"colour": "Theirs"}),
    ],
)
async def test_what_others_changed_before_a_mistake_was_mended_is_not_written_over(
    desk: Desk, browser: Browser, field: str, wrong: str, theirs: Any
) -> None:
    ticket = await desk.ticket()
    path = f"/w/{desk.workspace.slug}/tickets/{ticket['number']}"
    form = (await browser.open(path)).form(path, having=field)
    of = "fields" if field == "new_value" else field
    await desk.change(ticket, **{of: theirs})

    typed = {"new_field": ["Colour"]} if of == "fields" else {}
    page = await browser.send(replace(form, fields=form.fields | typed | {field: [wrong]}))
    assert page.status == 422
    other = "tags" if field == "subject" else "subject"
    assert page.form(path, having=other).fields["version"] != form.fields["version"], "what it shows is what is there"
    again = page.form(path, having=field)
    page = await browser.send(replace(again, fields=again.fields | {field: ["mine"]}))

    assert page.status == 412
    assert (await desk.get(f"tickets/{ticket['id']}"))[of] == theirs


async def test_two_changes_of_a_description_are_put_together_without_a_script(desk: Desk, browser: Browser) -> None:
    ticket = await desk.ticket(description="one\ntwo\nthree\nfour\nfive")
    path = f"/w/{desk.workspace.slug}/tickets/{ticket['number']}"
    form = (await browser.open(path)).form(path, having="description")
    await desk.change(ticket, description="ONE\ntwo\nthree\nfour\nfive")

    page = await browser.send(form, description="one\ntwo\nthree\nfour\nFIVE")

    assert page.status == 412
    for side in ("Original", "Theirs", "Yours"):
        assert side in page.words
    assert "You changed different lines" in page.words
    both = next(each for each in page.forms if each.fields.get("description") == ["ONE\ntwo\nthree\nfour\nFIVE"])
    assert (await browser.send(both)).status == 200
    assert (await desk.get(f"tickets/{ticket['id']}"))["description"] == "ONE\ntwo\nthree\nfour\nFIVE"


@pytest.mark.parametrize(
    ("base", "mine", "theirs", "both", "clashes"),
    [
        ("a\nb\nc", "a\nb\nc\nd", "z\na\nb\nc", "z\na\nb\nc\nd", 0),
        ("a\nb\nc", "a\nB\nc", "a\nB\nc", "a\nB\nc", 0),
        ("a\nb\nc", "a\nmine\nc", "a\ntheirs\nc", "a\ntheirs\nmine\nc", 1),
        ("", "mine", "theirs", "theirs\nmine", 1),
        ("a\nb", "a", "a\nb\nc", "a\nb\nc", 1),
        ("a", "a", "b", "b", 0),
    ],
)
def test_lines_are_merged_and_none_is_lost(base: str, mine: str, theirs: str, both: str, clashes: int) -> None:
    found = merge(base, mine, theirs)
    assert (found.text, found.clashes) == (both, clashes)


async def test_a_deleted_ticket_is_for_admins_and_its_watchers_are_named(
    desk: Desk, browser: Browser, a_browser: Open
) -> None:
    ticket = await desk.ticket()
    path = f"/w/{desk.workspace.slug}/tickets/{ticket['number']}"

    async def watched_by_name() -> Page | None:
        page = await browser.open(path)
        watched = page.all("span", class_="value watchers")
        return page if watched and desk.owner.user.name in page.words.partition("Watching")[2] else None

    page: Any = await eventually(watched_by_name, within=15)
    await browser.send(page.form(f"{path}/delete"))
    member = a_browser()
    member.be(await desk.member(Role.MEMBER))
    assert (await member.open(path)).status == 404
    assert (await browser.open(path)).status == 200
