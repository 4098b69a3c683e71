"""The ledger holds mail of every kind: an effect in it is never repeated, and what takes no mail gets none."""

import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from chassis.database import Database
from contracts.base import uuid7
from contracts.mail import MailKind, MailState
from contracts.tickets import Correspondence, GetCorrespondence
from services.notifications import store
from services.notifications.channels import Smtp
from services.notifications.domain import MAIL_LIFE, MAIL_RATE, Addressee, Automatic, Letter, Mail, Outgoing, mail_id
from services.notifications.usecases import mails
from services.notifications.usecases.contacts import Scribe
from tests.notifications.builders import id_of
from tests.notifications.correspondents import a_correspondence
from tests.notifications.postbox import Postbox, a_postbox
from tests.support.infra import PostgresServer

NOON = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
LETTER = Letter(subject="[#42] Printer on fire", text="It smokes.", html="<p>It smokes.</p>")


class Ledger:
    """A ledger of its own, a mail server, and a clock that a test moves."""

    def __init__(self, database: Database, box: Postbox) -> None:
        self.database, self.box, self.now = database, box, NOON
        self.addresses: dict[UUID, str] = {}
        self.scribe = Scribe(database, self.allows)

    async def allows(self, query: GetCorrespondence) -> Correspondence:
        """Say as tickets does that everybody may be written to."""
        return a_correspondence(ticket_id=query.ticket_id, email=self.addresses[query.ticket_id])

    async def queues(self, cause: str, to: str = "maria", **words: Any) -> bool:
        mail = Outgoing(
            id=mail_id(cause, f"contact:{to}"),
            kind=MailKind.RECEIVED,
            workspace_id="acme",
            cause=cause,
            recipient=f"contact:{to}",
            to=Addressee(f"{to}@example.org", to.title()),
            letter=replace(LETTER, **words),
            expires_at=self.now + MAIL_LIFE,
            ticket_id=id_of(to),
        )
        self.addresses[id_of(to)] = f"{to}@example.org"
        async with self.database.transaction("acme") as tx:
            return await store.queue(tx, mail, self.now)

    async def sends(self) -> int:
        return await mails.send_due(
            mails.Post(
                self.database, Smtp(self.box.url, "Desk <desk@example.com>"), self.scribe, clock=lambda: self.now
            )
        )

    async def states(self) -> dict[str, tuple[str, str | None]]:
        return {mail.cause: (mail.state.value, mail.reason) for mail in await mails.newest(self.database, 100)}

    async def mail(self, cause: str) -> Mail:
        return next(mail for mail in await mails.newest(self.database, 100) if mail.cause == cause)


@pytest.fixture
async def ledger(postgres_server: PostgresServer) -> AsyncIterator[Ledger]:
    """A database of its own: the sender sees every workspace."""
    urls = await postgres_server.migrated_database("notifications")
    database = Database(urls.app, "notifications", pool=5)
    async with a_postbox() as box:
        yield Ledger(database, box)
    await database.close()


async def test_one_cause_is_one_mail_with_the_same_id_and_a_thread(ledger: Ledger) -> None:
    thread = {"thread": f"ticket.{uuid7()}", "list_id": "acme.tickets", "reply_to": "reply+abc@in.example.com"}
    thread |= {"unsubscribe": "https://desk.example.com/unsubscribe/t0ken"}
    assert await ledger.queues("first", automatic=Automatic.REPLIED, **thread)
    assert not await ledger.queues("first", text="something else")
    assert await ledger.queues("second", **thread)
    assert await ledger.sends() == 2
    assert not await ledger.queues("first"), "also after it was sent"
    assert await ledger.sends() == 0

    one, other = ledger.box.mails
    assert one["Message-ID"] == f"<{mail_id('first', 'contact:maria')}@example.com>"
    assert one["Subject"] == "[#42] Printer on fire"
    assert one["In-Reply-To"] == one["References"] == other["References"] == f"<{thread['thread']}@example.com>"
    assert (one["Auto-Submitted"], other["Auto-Submitted"]) == ("auto-replied", "auto-generated")
    assert (one["List-Id"], one["Reply-To"]) == ("<acme.tickets.example.com>", "reply+abc@in.example.com")
    assert one["List-Unsubscribe"] == "<https://desk.example.com/unsubscribe/t0ken>"
    assert one["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert ledger.box.connections == 1, "one connection carries a round"


async def test_an_address_refused_for_good_gets_no_more_until_it_is_lifted(ledger: Ledger) -> None:
    ledger.box.to_rcpt = "550 no such user"
    await ledger.queues("first")
    await ledger.queues("other", to="paul")
    assert await ledger.sends() == 0
    ledger.box.to_rcpt = "250 OK"
    await ledger.queues("second")
    assert await ledger.sends() == 0
    states = await ledger.states()
    assert states == {
        "first": ("failed", "smtp 550"),
        "other": ("failed", "smtp 550"),
        "second": ("suppressed", "address"),
    }

    async with ledger.database.transaction("acme") as tx:
        suppressed = {each.address: each for each in await store.suppressions(tx, 10)}
        assert suppressed.keys() == {"maria@example.org", "paul@example.org"}
        assert await store.lift(tx, suppressed["maria@example.org"].id)
        assert not await store.lift(tx, suppressed["maria@example.org"].id)
    async with ledger.database.transaction("another") as tx:
        assert await store.suppressions(tx, 10) == []
    assert await mails.resend(ledger.database, mail_id("second", "contact:maria"), lambda: ledger.now)
    assert await ledger.sends() == 1
    assert (await ledger.mail("second")).state is MailState.SENT


async def test_one_recipient_is_written_to_so_often_in_an_hour_and_the_rest_waits(ledger: Ledger) -> None:
    for nth in range(MAIL_RATE + 5):
        await ledger.queues(f"{nth}")
    await ledger.queues("other", to="paul")
    while await ledger.sends():
        pass
    assert len(ledger.box.taken) == MAIL_RATE + 1, "who else is written to waits for nobody"
    ledger.now += dt.timedelta(minutes=59)
    assert await ledger.sends() == 0
    ledger.now += dt.timedelta(minutes=2)
    assert await ledger.sends() == 5


async def test_a_refusal_for_now_of_one_address_delays_no_other(ledger: Ledger) -> None:
    ledger.box.to_rcpt = "451 later"
    await ledger.queues("first")
    await ledger.queues("other", to="paul")
    assert await ledger.sends() == 0
    assert {(await ledger.mail(cause)).attempts for cause in ("first", "other")} == {1}
    ledger.box.to_rcpt = "250 OK"
    ledger.now += dt.timedelta(minutes=1)
    assert await ledger.sends() == 2


async def test_what_can_not_be_sent_in_time_is_given_up(ledger: Ledger) -> None:
    ledger.box.to_rcpt = "451 later"
    await ledger.queues("first")
    await ledger.sends()
    ledger.now += MAIL_LIFE
    assert await ledger.sends() == 0
    assert await mails.forget(ledger.database, lambda: ledger.now) == 1
    given_up = await ledger.mail("first")
    assert (given_up.state, given_up.reason, given_up.to, given_up.letter) == (MailState.FAILED, "expired", None, None)


async def test_k13_a_server_that_hangs_is_waited_for_so_long_and_the_mail_not_repeated(ledger: Ledger) -> None:
    async def sends() -> int:
        smtp = Smtp(ledger.box.url, "desk@example.com", patience=0.3)
        return await mails.send_due(mails.Post(ledger.database, smtp, ledger.scribe, clock=lambda: ledger.now))

    await ledger.queues("first")
    ledger.box.to_rcpt = "hang"
    assert await sends() == 0
    assert await ledger.states() == {"first": ("pending", "no_server")}, "nothing of it was said"
    ledger.now += dt.timedelta(minutes=1)
    ledger.box.to_rcpt, ledger.box.to_data = "250 OK", "hang"
    assert await sends() == 0
    assert await ledger.states() == {"first": ("uncertain", "no_answer")}
    ledger.now += dt.timedelta(hours=1)
    ledger.box.to_data = "250 OK"
    assert await sends() == 0
    assert len(ledger.box.taken) == 1
    assert await mails.resend(ledger.database, mail_id("first", "contact:maria"), lambda: ledger.now)
    assert await sends() == 1
    assert len({mail["Message-ID"] for mail in ledger.box.mails}) == 1
