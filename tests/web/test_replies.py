"""What came by mail, as the pages show it: through which door, and who it says it is from where nobody vouches."""

from typing import Any
from uuid import UUID

from chassis.database import Database
from contracts.refusals import Unavailable
from contracts.tickets import ReplyTaken, TakeReply
from services.notifications import store
from services.notifications.usecases.inbound import Inlet
from tests.gateway.newsroom import Desk
from tests.notifications.test_replies import ADA, a_mail
from tests.support.eventually import eventually
from tests.support.infra import Urls
from tests.web.reader import Browser

EVE = '"<i>eve</i>"@evil.example'


async def _nobody(_: TakeReply) -> ReplyTaken:
    raise Unavailable


async def a_ticket(desk: Desk, database: Database, number: int = 1) -> tuple[dict[str, Any], str]:
    """A ticket whose contact was written to, and the token of that."""
    who = {"name": f"Casey {number}", "email": f"{number}{ADA}"}
    contact = (await desk.send("POST", "contacts", who)).json()
    made = await desk.send("POST", "tickets", {"subject": "Toaster", "contact_id": contact["id"]})
    async with database.transaction(desk.workspace.id) as tx:
        token = await store.reply_token(tx, UUID(made.json()["id"]), None, UUID(contact["id"]), who["email"])
    return made.json(), token


async def test_what_came_by_mail_says_so_and_an_unverified_sender_is_plain_words(
    desk: Desk, browser: Browser, urls: dict[str, Urls]
) -> None:
    database = Database(urls["notifications"].app, "notifications", pool=1)
    inlet = Inlet(database, _nobody)
    ticket, token = await a_ticket(desk, database)
    await inlet.keep(token, ADA, a_mail("It works.", From=f"Casey <1{ADA}>").as_bytes())
    forged = a_mail("Send me the money.", Message_ID="<2@evil.example>").as_bytes()
    await inlet.keep(token, ADA, forged.replace(f"Ada Lindqvist <{ADA}>".encode(), EVE.encode()))
    gone, void = await a_ticket(desk, database, 2)
    await desk.send("DELETE", f"tickets/{gone['number']}")
    await inlet.keep(void, ADA, a_mail("Is anybody there?").as_bytes())
    await database.close()

    async def delivered() -> dict[str, Any]:
        there: dict[str, Any] = await desk.get(f"tickets/{ticket['number']}")
        assert there["conversations"]
        talk = await desk.get(f"conversations/{there['conversations'][0]['id']}")
        assert len(talk["messages"]) == 2
        return there

    there = await eventually(delivered, within=20)
    base = f"/w/{desk.workspace.slug}"
    page = await browser.open(f"{base}/conversations/{there['conversations'][0]['id']}")
    verified, unverified = page.one("li", id="m1"), page.one("li", id="m2")
    assert "customer by mail" in verified.words
    assert "unverified" not in verified.words
    assert "customer by mail, unverified" in unverified.words
    assert f"Sent from {EVE}, not from" in unverified.words
    assert "the visitor typed" not in page.words
    assert page.all("i") == []

    page = await browser.open(f"{base}/tickets/{ticket['number']}")
    assert "customer by mail, unverified" in page.words

    async def told() -> str:
        page = await browser.open(f"{base}/settings/dead-letters")
        assert "A mail" in page.words
        return page.words

    await eventually(told, within=20)
