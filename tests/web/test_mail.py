"""The page of a workspace's mail: what became of it, for those who run the desk."""

from collections.abc import Callable
from typing import Any

from contracts.base import Role
from tests.gateway.newsroom import Desk
from tests.support.eventually import eventually
from tests.web.reader import Browser, Page
from tests.web.test_admin import at
from tests.web.vectors import VECTORS, scripts_in

type Open = Callable[[], Browser]


async def test_an_invitation_is_kept_where_no_mail_is_sent_and_its_link_shown_to_nobody(
    desk: Desk, a_browser: Open
) -> None:
    browser = a_browser()
    browser.be(desk.owner)
    page = await browser.open(at(desk, "mail"))
    assert "No mail server is set" in page.words
    assert "No mail yet" in page.words
    name = VECTORS[0][:100]
    made = await desk.send("POST", "invitations", {"email": "grace@example.org", "name": name, "role": "member"})
    token = made.json()["token"]

    async def listed() -> Page | None:
        page = await browser.open(at(desk, "mail") + "?state=pending")
        return page if "Invitation" in page.words and "Waiting" in page.words else None

    shown: Any = await eventually(listed)
    assert scripts_in(shown) == []
    assert name in shown.words
    link = next(e.attributes["href"] for e in shown.all("a") if e.attributes["href"].startswith(at(desk, "mail") + "/"))
    one = await browser.open(link)
    assert "What it says is for its recipient alone." in one.words
    assert token not in one.answer.text
    assert not [form for form in one.forms if form.action == link], "there is nothing to send again"
    assert "No mail in this state." in (await browser.open(at(desk, "mail") + "?state=sent")).words

    browser.be(await desk.member(Role.MEMBER))
    assert (await browser.open(at(desk, "mail"))).answer.status_code == 403
    assert (await browser.open(link)).answer.status_code == 403
