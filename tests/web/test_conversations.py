from collections.abc import Callable
from typing import Any

import httpx

from contracts.base import Role
from tests.gateway.newsroom import Desk
from tests.web.reader import Browser

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
