"""The page of a workspace's mail: what became of it, for those who run the desk."""

import datetime as dt
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from chassis.database import Database
from contracts.base import Role, now
from contracts.mail import MailKind
from services.notifications import store
from services.notifications.domain import Addressee, Letter, Outgoing
from tests.gateway.newsroom import Desk
from tests.support.eventually import eventually
from tests.support.infra import Urls
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


async def test_mail_to_a_contact_says_to_whom_and_leads_there(
    desk: Desk, browser: Browser, urls: dict[str, Urls]
) -> None:
    person = {"name": f"Ida {VECTORS[0][:100]}", "email": "ida@example.org"}
    contact = (await desk.send("POST", "contacts", person)).json()
    gone = {"id": str(uuid4())}
    database = Database(urls["notifications"].app, "notifications", pool=1)
    async with database.transaction(desk.workspace.id) as tx:
        for each in (contact, gone):
            mail = Outgoing(
                id=uuid4(),
                kind=MailKind.RESOLVED,
                workspace_id=desk.workspace.id,
                cause=str(uuid4()),
                recipient=f"contact:{each['id']}",
                to=Addressee("ida@example.org", "Ida"),
                letter=Letter(subject="Toaster", text="It is resolved.", html=""),
                expires_at=now() - dt.timedelta(days=1),
                ticket_id=None,
            )
            await store.queue(tx, mail, now() - dt.timedelta(days=2))
        assert await store.forget_words(tx, now()) == 2, "a mail that is over keeps no name"
    await database.close()

    browser.be(desk.owner)
    page = await browser.open(at(desk, "mail"))
    assert scripts_in(page) == []
    assert "A contact" in page.words
    (to_her,) = (each for each in page.all("a") if each.words == person["name"])
    hers = await browser.open(to_her.attributes["href"])
    assert [each.words for each in hers.all("a") if each.attributes["href"].endswith(contact["id"])] == [person["name"]]
