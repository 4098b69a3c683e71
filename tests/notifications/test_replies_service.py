"""An answer by mail through the whole desk: by LMTP into one replica, and into the conversation by whoever leads."""

import asyncio
import smtplib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import text

from chassis.service import Service
from contracts.base import Role
from services.notifications import app, store
from services.notifications.settings import Settings
from tests.notifications.conftest import a_helpdesk
from tests.notifications.helpdesk import Desk, Helpdesk
from tests.notifications.postbox import Postbox, a_postbox
from tests.notifications.test_replies import ADA, a_mail, a_report
from tests.support.eventually import eventually
from tests.support.infra import PostgresServer

DOMAIN = "in.example"


def a_free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@asynccontextmanager
async def a_replica_that_listens(helpdesk: Helpdesk) -> AsyncIterator[int]:
    port = a_free_port()
    replica: Service = app.build(
        Settings(
            nats_url=helpdesk.nats.url_for("notifications"),
            database_url=helpdesk.store.url,
            inbound_url=f"lmtp://127.0.0.1:{port}",
            inbound_domain=DOMAIN,
        )
    )
    await replica.start()
    try:
        yield port
    finally:
        await replica.stop()


async def deliver(port: int, token: str, raw: bytes, sender: str = ADA) -> None:
    def send() -> None:
        with smtplib.LMTP("127.0.0.1", port) as client:
            client.sendmail(sender, [f"reply+{token}@{DOMAIN}"], raw)

    await asyncio.to_thread(send)


async def messages(desk: Desk, ticket: dict[str, Any]) -> list[dict[str, Any]]:
    """What was written in the ticket's conversation, if it has one."""
    conversations = (await desk.done("GET", f"tickets/{ticket['number']}"))["conversations"]
    assert len(conversations) <= 1
    if not conversations:
        return []
    found: list[dict[str, Any]] = (await desk.done("GET", f"conversations/{conversations[0]['id']}"))["messages"]
    return found


async def test_an_answer_lands_in_its_conversation_once_as_the_customers_whoever_it_says_it_is_from(
    helpdesk: Helpdesk,
) -> None:
    desk = await helpdesk.desk()
    casey = await desk.done("POST", "contacts", {"name": "Casey", "email": ADA})
    ticket = await desk.ticket(contact_id=casey["id"])
    await desk.done("PATCH", f"tickets/{ticket['number']}", {"status": "waiting_on_customer"})
    async with helpdesk.store.transaction(desk.workspace.id) as tx:
        token = await store.reply_token(tx, UUID(ticket["id"]), None, UUID(casey["id"]), ADA)

    async with a_replica_that_listens(helpdesk) as port:
        answer = a_mail("Yes, please.\n\n-- \nAda\n").as_bytes()
        await asyncio.gather(*(deliver(port, token, answer) for _ in range(3)))

        async def written(count: int) -> list[dict[str, Any]]:
            there = await messages(desk, ticket)
            assert len(there) == count
            return there

        (first,) = await eventually(lambda: written(1), within=20)
        assert first["body"] == "Yes, please."
        assert first["author"] == {"kind": "visitor", "id": casey["id"], "name": "Casey"}
        assert (first["via"], first["unverified_sender"]) == ("mail", None)
        assert (await desk.done("GET", f"tickets/{ticket['number']}"))["status"] == "open"

        # The address of an agent, an older mail's id, and an agent's token of nothing: still the customer, unverified.
        forged = a_mail(
            "Please refund me.",
            From=f"Olivia Owner <{desk.owner.user.email}>",
            Message_ID="<2@evil.example>",
            In_Reply_To=f"<{ticket['id']}@desk.example>",
        )
        await deliver(port, token, forged.as_bytes(), "eve@evil.example")
        _, second = await eventually(lambda: written(2), within=20)
        assert second["author"] == {"kind": "visitor", "id": None, "name": "Casey"}
        assert second["unverified_sender"] == desk.owner.user.email
        guest = await desk.member(Role.GUEST, "Gustav Guest")
        talk = (await desk.done("GET", f"tickets/{ticket['number']}"))["conversations"][0]["id"]
        shown = (await desk.done("GET", f"conversations/{talk}", who=guest))["messages"][1]
        assert (shown["body"], shown["unverified_sender"]) == ("Please refund me.", "another address")
        assert (await desk.done("GET", f"tickets/{ticket['number']}"))["first_response_at"] is None

        # What machines say, and mail for nobody, changes nothing; what follows is delivered after it.
        absent = a_mail("I am away.", Auto_Submitted="auto-replied", Message_ID="<3@customer.example>")
        await deliver(port, token, absent.as_bytes())
        await deliver(port, token, a_report("failed", "5.1.1"), "")
        await deliver(port, "a" * 32, answer)
        await desk.done("PATCH", f"tickets/{ticket['number']}", {"status": "resolved"})
        await desk.done("PATCH", f"tickets/{ticket['number']}", {"status": "closed"})
        last = a_mail("It broke again.", Message_ID="<4@customer.example>")
        await deliver(port, token, last.as_bytes())

        async def followed_up() -> dict[str, Any] | None:
            there: list[dict[str, Any]] = (await desk.done("GET", "tickets"))["items"]
            return next((each for each in there if each["follow_up_of"]), None)

        follow_up = await eventually(followed_up, within=20)
        assert follow_up is not None
        assert follow_up["follow_up_of"]["id"] == ticket["id"]
        assert [each["body"] for each in await messages(desk, ticket)] == [
            "Yes, please.",
            "Please refund me.",
            "It broke again.",
        ]
        assert (await desk.done("GET", "mails/suppressed"))["items"][0]["address"] == ADA


async def test_what_an_agent_replies_on_a_ticket_without_a_conversation_is_due_as_a_mail(helpdesk: Helpdesk) -> None:
    desk = await helpdesk.desk()
    casey = await desk.done("POST", "contacts", {"name": "Casey", "email": ADA})
    ticket = await desk.ticket(contact_id=casey["id"])
    await desk.done("POST", f"tickets/{ticket['number']}/reply", {"body": "Here it is."})

    async def due() -> dict[str, Any]:
        async with helpdesk.store.transaction(desk.workspace.id) as tx:
            news = await tx.all(text("select kind, ticket_id from contact_news where settled_at is null"))
        assert len(news) == 1
        return dict(news[0])

    news = await eventually(due, within=20)
    assert (news["kind"], news["ticket_id"]) == ("replied", UUID(ticket["id"]))


async def test_a_deleted_ticket_takes_no_more_mail_and_its_admins_are_told(helpdesk: Helpdesk) -> None:
    desk = await helpdesk.desk()
    casey = await desk.done("POST", "contacts", {"name": "Casey", "email": ADA})
    ticket = await desk.ticket(contact_id=casey["id"])
    async with helpdesk.store.transaction(desk.workspace.id) as tx:
        token = await store.reply_token(tx, UUID(ticket["id"]), None, UUID(casey["id"]), ADA)
    assert (await desk.send("DELETE", f"tickets/{ticket['number']}")).is_success
    async with a_replica_that_listens(helpdesk) as port:
        await deliver(port, token, a_mail().as_bytes())

        async def a_letter() -> dict[str, Any] | None:
            letters: list[dict[str, Any]] = (await desk.done("GET", "dead-letters"))["items"]
            return letters[0] if letters else None

        letter = await eventually(a_letter, within=20)
        assert letter is not None
        assert (letter["service"], letter["stream"], letter["reason"]) == ("notifications", "mail", "ticket_deleted")


async def test_two_who_answer_everything_end_after_a_mail_of_each(postgres_server: PostgresServer) -> None:
    port = a_free_port()
    async with (
        a_postbox() as box,
        a_helpdesk(
            postgres_server,
            smtp_url=box.url,
            mail_from="desk@example.com",
            inbound_url=f"lmtp://127.0.0.1:{port}",
            inbound_domain=DOMAIN,
        ) as helpdesk,
    ):
        desk = await helpdesk.desk()
        answered = asyncio.create_task(_answers_everything(box, port))
        assistant = await desk.done("POST", "assistants", {"name": "Shop", "widget": {"allow_ticket_creation": True}})
        begun = await helpdesk.client.post(
            f"/widget/v1/{assistant['id']}/conversations",
            json={"body": "My parcel never came.", "contact": {"name": "Ada", "email": ADA}},
        )
        talk = begun.json()
        ticket = await helpdesk.client.post(
            f"/widget/v1/{assistant['id']}/conversations/{talk['conversation_id']}/ticket",
            json={},
            headers={"Authorization": f"Bearer {talk['visitor_token']}"},
        )
        assert ticket.is_success, ticket.text

        async def written() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = (await desk.done("GET", f"conversations/{talk['conversation_id']}"))[
                "messages"
            ]
            assert len(found) == 2
            return found

        _, absent = await eventually(written, within=20)
        assert (absent["body"], absent["via"]) == ("I am away, says a rude machine.", "mail")
        await desk.all_heard()
        mails = (await desk.done("GET", "mails"))["items"]
        assert [each["kind"] for each in mails] == ["received"]
        assert len(box.taken) == 1
        # What would come back comes where answers do.
        assert box.taken[0].mail_from == box.mails[0]["Reply-To"]
        async with helpdesk.store.transaction(desk.workspace.id) as tx:
            states = await tx.all(text("select state, reason from inbound_mails order by nth"))
        assert [tuple(each.values()) for each in states] == [("ignored", "auto_submitted"), ("delivered", None)]
        answered.cancel()


async def _answers_everything(box: Postbox, port: int) -> None:
    """Answer each mail as a machine does that says so, and as one that does not."""
    answered: list[str] = []
    while True:
        await eventually(lambda: len(box.taken) > len(answered), within=60)
        for envelope in box.taken[len(answered) :]:
            answered.append(str(envelope.mail_from))
            token = answered[-1].partition("+")[2].partition("@")[0]
            for who, headers in {"polite": {"Auto_Submitted": "auto-replied"}, "rude": {}}.items():
                words = f"I am away, says a {who} machine."
                mail = a_mail(words, Message_ID=f"<{len(answered)}@{who}.example>", **headers)
                await deliver(port, token, mail.as_bytes())
