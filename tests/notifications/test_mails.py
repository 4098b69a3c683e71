"""Mail by a real SMTP server and a real database: once, with no word more than was meant, and never after its time."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from pydantic import ValidationError
from sqlalchemy import text

from chassis.database import Database
from contracts.base import uuid7
from contracts.mail import MailState
from contracts.notifications import MailQueued, SendPasswordReset
from services.notifications import tools
from services.notifications.channels import Smtp
from services.notifications.domain import Mail, next_try
from services.notifications.settings import Settings
from services.notifications.usecases import mails
from tests.notifications.correspondents import nobody_to_ask
from tests.notifications.postbox import Postbox, a_postbox
from tests.support.infra import PostgresServer

NOON = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
FROM = "Counterfoil <desk@example.com>"


@dataclass
class Office:
    """The ledger of mail and a clock that a test moves."""

    database: Database
    box: Postbox
    now: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))

    def clock(self) -> dt.datetime:
        return self.now

    async def asks(self, mail_id: UUID | None = None, **fields: Any) -> UUID:
        """Ask for a mail, as by the bus."""
        given: dict[str, Any] = {
            "mail_id": mail_id or uuid7(),
            "to_email": "ada@example.org",
            "to_name": "Ada Lindqvist",
            "url": "https://desk.example.com/reset/s3cret",
            "expires_at": self.now + dt.timedelta(hours=1),
        }
        request = SendPasswordReset.model_validate(given | fields)
        async with self.database.every_workspace("test") as tx:
            assert await mails.queue(request, tx) == MailQueued(mail_id=request.mail_id)
        return request.mail_id

    async def sends(self, url: str | None = None) -> int:
        self.now = max(self.now, dt.datetime.now(dt.UTC))
        return await mails.send_due(
            mails.Post(self.database, Smtp(url or self.box.url, FROM), nobody_to_ask(self.database), clock=self.clock)
        )

    async def mail(self, mail_id: UUID) -> Mail:
        found = await mails.find(self.database, mail_id)
        assert found is not None
        return found

    async def state(self, mail_id: UUID) -> tuple[str, str | None]:
        mail = await self.mail(mail_id)
        return mail.state.value, mail.reason


@pytest.fixture
async def office(postgres_server: PostgresServer) -> AsyncIterator[Office]:
    """A database of its own: mail is of no workspace, so nothing else keeps two tests apart."""
    urls = await postgres_server.migrated_database("notifications")
    database = Database(urls.app, "notifications", pool=5)
    async with a_postbox() as box:
        yield Office(database, box)
    await database.close()


async def test_a_mail_says_what_it_must_and_its_words_are_forgotten(office: Office) -> None:
    mail_id = await office.asks()
    until = (await office.mail(mail_id)).expires_at
    assert await office.sends() == 1

    (mail,), (envelope,) = office.box.mails, office.box.taken
    assert (envelope.mail_from, envelope.rcpt_tos) == ("desk@example.com", ["ada@example.org"])
    assert (mail["From"], mail["To"]) == (FROM, "Ada Lindqvist <ada@example.org>")
    assert (mail["Subject"], mail["Message-ID"]) == ("Choose a new password", f"<{mail_id}@example.com>")
    assert mail["Auto-Submitted"] == "auto-generated"
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert html is not None
    for words in (plain.get_content(), html.get_content()):
        assert "https://desk.example.com/reset/s3cret" in words
        assert "Ada Lindqvist" in words
        assert f"{until:%Y-%m-%d %H:%M} UTC" in words
    sent = await office.mail(mail_id)
    assert (sent.state, sent.letter, sent.attempts) == (MailState.SENT, None, 1)
    assert await office.sends() == 0


async def test_the_same_id_is_one_mail_also_after_it_was_sent(office: Office) -> None:
    mail_id = await office.asks()
    await asyncio.gather(*(office.asks(mail_id) for _ in range(5)))
    assert await office.sends() == 1
    await office.asks(mail_id)
    assert await office.sends() == 0
    assert len(office.box.taken) == 1


@pytest.mark.parametrize(
    "name",
    [
        "Ada <admin@example.com>",
        'Ada" <admin@example.com>, "Eve',
        "Ada, Eve; (Bcc: victim@example.org)",
        "=?utf-8?q?Ada=0D=0ABcc:_victim=40example.org?=",
        "Ада Лавлейс 🦊",
        "Ada <b>&amp; {url}",
    ],
)
async def test_h45_a_name_is_shown_as_plain_words_beside_the_address(office: Office, name: str) -> None:
    await office.asks(to_name=name)
    assert await office.sends() == 1

    (mail,), (envelope,) = office.box.mails, office.box.taken
    (to,) = mail["To"].addresses
    assert (to.display_name, to.addr_spec) == (name.replace("=?", "= ?"), "ada@example.org")
    assert envelope.rcpt_tos == ["ada@example.org"]
    assert mail["Bcc"] is mail["Cc"] is None
    html = mail.get_body(("html",))
    assert html is not None
    assert "<b>" not in html.get_content()


@pytest.mark.parametrize("breaks", ["\r\n", "\n", "\r", "\0", "\u2028", "\x85"])
async def test_h44_no_line_break_reaches_a_header(office: Office, breaks: str) -> None:
    injected = f"x{breaks}Bcc: victim@example.org"
    for fields in (
        {"to_name": injected},
        {"to_email": f"{injected}@example.org"},
        {"url": f"https://desk.example.com/{breaks}Bcc:victim@example.org"},
    ):
        with pytest.raises(ValidationError):
            await office.asks(None, **fields)
    # And if one came past the contract, it is no mail.
    if breaks in "\r\n":
        mail_id = await office.asks()
        async with office.database.every_workspace("test") as tx:
            await tx.execute(text("update mails set to_name = :name where id = :id"), {"name": injected, "id": mail_id})
        assert await office.sends() == 0
        assert await office.state(mail_id) == ("failed", "address")
    assert office.box.taken == []


async def test_addresses_beyond_ascii_are_written_to(office: Office) -> None:
    await office.asks(to_email="ada@bücher.example")
    wide = await office.asks(to_email="adä@example.org")
    assert await office.sends() == 2

    first, second = office.box.taken
    assert first.rcpt_tos == ["ada@xn--bcher-kva.example"]
    assert second.rcpt_tos == ["adä@example.org"]
    assert await office.state(wide) == ("sent", None)


async def test_a_server_that_is_away_is_tried_less_and_less_often(office: Office) -> None:
    first, second = await office.asks(), await office.asks()
    began = office.now
    assert await office.sends("smtp://127.0.0.1:1") == 0

    tried = await office.mail(first)
    assert (tried.state, tried.reason, tried.attempts) == (MailState.PENDING, "no_server", 1)
    assert tried.not_before > began
    assert (await office.mail(second)).attempts == 0, "who is away for one is away for all"
    waits = [(next_try(attempts, NOON) - NOON).total_seconds() for attempts in range(1, 12)]
    assert waits[:3] == [15, 30, 60]
    assert waits == sorted(waits)
    assert waits[-1] == 900
    assert await office.sends() == 1, "the second is due"
    office.now = tried.not_before
    office.now += dt.timedelta(seconds=1)
    assert (
        await mails.send_due(
            mails.Post(office.database, Smtp(office.box.url, FROM), nobody_to_ask(office.database), clock=office.clock)
        )
        == 1
    )
    assert len(office.box.taken) == 2


@pytest.mark.parametrize(
    ("to_rcpt", "to_data", "state"),
    [
        ("550 no such user", "250 OK", ("failed", "smtp 550")),
        ("250 OK", "554 spam", ("failed", "smtp 554")),
        ("451 later", "250 OK", ("pending", "smtp 451")),
        ("250 OK", "452 full", ("pending", "smtp 452")),
    ],
)
async def test_a_refusal_is_for_good_or_for_now(
    office: Office, to_rcpt: str, to_data: str, state: tuple[str, str]
) -> None:
    office.box.to_rcpt, office.box.to_data = to_rcpt, to_data
    mail_id = await office.asks()
    assert await office.sends() == 0

    assert await office.state(mail_id) == state
    assert (await office.mail(mail_id)).attempts == 1


async def test_an_answer_that_is_lost_after_the_words_is_uncertain_and_never_repeated(office: Office) -> None:
    office.box.to_data = "torn"
    mail_id = await office.asks()
    assert await office.sends() == 0
    assert await office.state(mail_id) == ("uncertain", "no_answer")

    office.box.to_data = "250 OK"
    office.now += dt.timedelta(minutes=30)
    assert (
        await mails.send_due(
            mails.Post(office.database, Smtp(office.box.url, FROM), nobody_to_ask(office.database), clock=office.clock)
        )
        == 0
    )
    assert len(office.box.taken) == 1

    assert await mails.resend(office.database, mail_id)
    assert (
        await mails.send_due(
            mails.Post(office.database, Smtp(office.box.url, FROM), nobody_to_ask(office.database), clock=office.clock)
        )
        == 1
    )
    assert len({mail["Message-ID"] for mail in office.box.mails}) == 1, "it is the same mail"
    assert not await mails.resend(office.database, mail_id)


async def test_who_dies_between_handing_over_and_noting_it_leaves_an_uncertain_mail(office: Office) -> None:
    mail_id = await office.asks()

    class Dies(Smtp):
        async def send(self, *arguments: Any) -> bool:
            await super().send(*arguments)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await mails.send_due(mails.Post(office.database, Dies(office.box.url, FROM), nobody_to_ask(office.database)))
    assert await office.state(mail_id) == ("uncertain", "no_answer")
    assert await office.sends() == 0
    assert len(office.box.taken) == 1


async def test_of_two_who_send_at_once_one_does(office: Office) -> None:
    for _ in range(10):
        await office.asks()
    await asyncio.gather(*(office.sends() for _ in range(4)))

    ids = [mail["Message-ID"] for mail in office.box.mails]
    assert len(ids) == len(set(ids)) == 10


async def test_a_link_that_has_expired_is_never_sent(office: Office) -> None:
    late = await office.asks(expires_at=office.now)
    office.box.to_data = "torn"
    lost = await office.asks(expires_at=office.now + dt.timedelta(minutes=1))
    await office.sends()
    office.now += dt.timedelta(minutes=2)
    assert (
        await mails.send_due(
            mails.Post(office.database, Smtp(office.box.url, FROM), nobody_to_ask(office.database), clock=office.clock)
        )
        == 0
    )

    assert await mails.forget(office.database, office.clock) == 2
    assert await office.state(late) == ("failed", "expired")
    assert await office.state(lost) == ("uncertain", "no_answer")
    for mail_id in (late, lost):
        assert (await office.mail(mail_id)).letter is None
        assert not await mails.resend(office.database, mail_id)


async def test_the_ledger_keeps_no_words_of_what_was_sent(office: Office) -> None:
    mail_id = await office.asks()
    await office.sends()

    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        async with office.database.every_workspace("test") as tx:
            await tx.execute(
                text("update mails set to_email = 'x', to_name = 'x', letter = '{}' where id = :id"), {"id": mail_id}
            )


async def test_an_operator_reads_what_is_kept(office: Office) -> None:
    said: list[str] = []
    mail_id = await office.asks()

    assert await tools.newest(office.database, said.append) == 0
    assert said[0].startswith(f"{mail_id} password_reset pending attempts=0 ")
    assert "ada@" not in said[0]
    assert "s3cret" not in said[0]
    assert await tools.show(office.database, mail_id, said.append) == 0
    assert "https://desk.example.com/reset/s3cret" in said[1]
    assert "Ada Lindqvist <ada@example.org>" in said[1]
    assert await tools.resend(office.database, mail_id, said.append) == 1
    await office.sends()
    assert await tools.show(office.database, mail_id, said.append) == 1
    assert said[-1] == "it is sent, and its words are forgotten"
    assert await tools.show(office.database, uuid4(), said.append) == 1


@pytest.mark.parametrize(
    ("smtp_url", "mail_from"),
    [
        ("smtp://mail.example.com", ""),
        ("smtp://mail.example.com", "desk"),
        ("http://mail.example.com", "desk@example.com"),
        ("smtp://", "desk@example.com"),
    ],
)
def test_a_server_without_a_sender_or_an_address_that_is_none_stops_the_start(smtp_url: str, mail_from: str) -> None:
    with pytest.raises(ValidationError):
        Settings(nats_url="nats://x", database_url="postgresql://x", smtp_url=smtp_url, mail_from=mail_from)


async def test_a_password_never_crosses_a_network_in_plain_view() -> None:
    outlet = Smtp("smtp://desk:p%40ss@mail.example.com:2525", FROM)
    assert (outlet._user, outlet._password, outlet._port) == ("desk", "p@ss", 2525)
    assert outlet.start_tls is True
    assert Smtp("smtp://desk:x@127.0.0.1", FROM).start_tls is None
    assert Smtp("smtps://desk:x@mail.example.com", FROM).start_tls is False
