"""Mail that comes in, by real SMTP and LMTP into a real database: what is acknowledged is kept, and nothing else is."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from email.message import EmailMessage
from uuid import UUID, uuid4

import pytest
from aiosmtplib import SMTP, SMTPDataError, SMTPRecipientsRefused, SMTPResponseException
from pydantic import ValidationError
from sqlalchemy import text

from chassis.database import Database
from contracts.refusals import Unavailable
from contracts.tickets import ReplyTaken, TakeReply
from services.notifications import store
from services.notifications.channels import Listener
from services.notifications.settings import Settings
from services.notifications.usecases.inbound import Inlet
from tests.support.infra import Urls

ADA = "ada@customer.example"
DOMAIN = "in.example"


@dataclass
class Door:
    """A listener with its store, and a workspace."""

    listener: Listener
    database: Database
    workspace: str

    async def token(self, ticket: UUID | None = None, email: str = ADA) -> str:
        async with self.database.transaction(self.workspace) as tx:
            return await store.reply_token(tx, ticket or uuid4(), None, uuid4(), email)

    async def kept(self, token: str) -> list[tuple[str | None, str, bytes]]:
        query = text("select workspace_id, sender, raw from inbound_mails where token = :token order by nth")
        async with self.database.every_workspace("test") as tx:
            return [
                (row["workspace_id"], row["sender"], bytes(row["raw"])) for row in await tx.all(query, {"token": token})
            ]

    async def lines(self, *said: str) -> list[str]:
        """Say lines by hand and return the answers."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.listener.port)
        heard = [(await reader.readline()).decode().rstrip()]
        for line in said:
            writer.write(line.encode() + b"\r\n")
            while (answer := (await reader.readline()).decode().rstrip())[3:4] == "-":
                pass
            heard.append(answer)
        await _closed(writer)
        return heard


@pytest.fixture
async def database(notifications_urls: Urls) -> AsyncIterator[Database]:
    database = Database(notifications_urls.app, "notifications", pool=5)
    yield database
    await database.close()


async def nobody_is_asked(_: TakeReply) -> ReplyTaken:
    raise Unavailable


@asynccontextmanager
async def a_door(database: Database, scheme: str = "smtp", **limits: float) -> AsyncIterator[Door]:
    inlet = Inlet(database, nobody_is_asked)
    listener = Listener(f"{scheme}://127.0.0.1:0", DOMAIN, inlet.keep, **limits)  # type: ignore[arg-type]
    await listener.start()
    try:
        yield Door(listener, database, f"ws-{secrets.token_hex(5)}")
    finally:
        await listener.stop()


def a_mail(words: str = "It works now.", message_id: str | None = "<one@customer.example>") -> bytes:
    mail = EmailMessage()
    mail["From"] = f"Ada <{ADA}>"
    if message_id:
        mail["Message-ID"] = message_id
    mail.set_content(words)
    return mail.as_bytes().replace(b"\n", b"\r\n")


async def test_a_mail_is_kept_as_it_came_before_it_is_acknowledged_and_once(database: Database) -> None:
    async with a_door(database) as door, SMTP(hostname="127.0.0.1", port=door.listener.port, start_tls=False) as client:
        token = await door.token()
        to = f"reply+{token.upper()}@IN.Example"
        raw = a_mail("Ada sagt:\r\n.\r\nKäse")
        for _ in range(2):
            await client.sendmail(ADA, to, raw)
        assert await door.kept(token) == [(door.workspace, ADA, raw)]
        await client.sendmail("", to, a_mail("came back", "<two@mx>"))
        unnamed = [a_mail("first", None), a_mail("second", None), a_mail("first", None)]
        for each in unnamed:
            await client.sendmail(ADA, to, each)
        assert [raw for _, _, raw in await door.kept(token)][2:] == unnamed[:2]
        assert (await door.kept(token))[1][1] == ""
        stranger = "a" * 32
        await client.sendmail(ADA, f"reply+{stranger}@{DOMAIN}", raw)
        assert await door.kept(stranger) == [(None, ADA, raw)]


async def test_only_our_addresses_are_taken_and_one_at_a_time(database: Database) -> None:
    async with a_door(database) as door:
        token, other = await door.token(), await door.token()
        heard = await door.lines(
            "EHLO x",
            "MAIL FROM:<ada@customer.example>",
            "RCPT TO:<desk@in.example>",
            f"RCPT TO:<reply+{token}@else.example>",
            "RCPT TO:<reply+short@in.example>",
            "DATA",
            f"RCPT TO:<reply+{token}@in.example>",
            f"RCPT TO:<reply+{other}@in.example>",
            "VRFY desk@in.example",
            "QUIT",
        )
        codes = [answer[:3] for answer in heard]
        assert codes == ["220", "250", "250", "550", "550", "550", "503", "250", "452", "252", "221"]
        assert heard[3].startswith("550 5.1.1")


async def test_lmtp_is_spoken_where_it_is_asked_for(database: Database) -> None:
    async with a_door(database, "lmtp") as door:
        token = await door.token()
        reader, writer = await asyncio.open_connection("127.0.0.1", door.listener.port)
        said = [
            "LHLO mx",
            "MAIL FROM:<>",
            f"RCPT TO:<reply+{token}@in.example>",
            "DATA",
            "Subject: x\r\n\r\nhello\r\n.",
        ]
        codes = [(await reader.readline())[:3]]
        for line in said:
            writer.write(line.encode() + b"\r\n")
            while (answer := await reader.readline())[3:4] == b"-":
                pass
            codes.append(answer[:3])
        await _closed(writer)
        assert codes == [b"220", b"250", b"250", b"250", b"354", b"250"]
        assert await door.kept(token) == [(door.workspace, "", b"Subject: x\r\n\r\nhello\r\n")]
        assert (await door.lines("EHLO mx"))[-1].startswith("500")


async def test_what_can_not_be_kept_is_not_acknowledged() -> None:
    away = Database("postgresql://nobody@127.0.0.1:1/nowhere", "notifications", pool=1)
    async with a_door(away) as door, SMTP(hostname="127.0.0.1", port=door.listener.port, start_tls=False) as client:
        with pytest.raises(SMTPDataError) as refused:
            await client.sendmail(ADA, f"reply+{'b' * 32}@{DOMAIN}", a_mail())
        assert refused.value.code == 451
        assert "asyncpg" not in refused.value.message
    await away.close()


async def _pours(port: int, to: str) -> int:
    """Send a line without an end and return how much of it was taken."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<{to}>\r\nDATA\r\n".encode())
    poured = 0
    with suppress(ConnectionError):
        while poured < 50_000_000:
            writer.write(b"x" * 64 * 1024)
            poured += 64 * 1024
            await writer.drain()
    await _closed(writer)
    return poured


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def test_a_flood_is_cut_off(database: Database) -> None:
    async with a_door(database, largest=2000, most=2, patience=1) as door:
        to = f"reply+{await door.token()}@{DOMAIN}"
        async with SMTP(hostname="127.0.0.1", port=door.listener.port, start_tls=False) as client:
            with pytest.raises(SMTPResponseException) as large:
                await client.sendmail(ADA, to, a_mail("x" * 70 + "\r\n" * 3000))
            assert large.value.code == 552
            with pytest.raises(SMTPRecipientsRefused):
                await client.sendmail(ADA, "desk@in.example", a_mail())
            second = SMTP(hostname="127.0.0.1", port=door.listener.port, start_tls=False)
            await second.connect()
            assert (await door.lines())[0].startswith("421")
            second.close()
        # A line without an end is no way to fill the memory, and a silence ends.
        assert await _pours(door.listener.port, to) < 45_000_000
        reader, writer = await asyncio.open_connection("127.0.0.1", door.listener.port)
        async with asyncio.timeout(10):
            assert (await reader.read()).startswith(b"220")
        await _closed(writer)


async def test_four_things_have_one_token_whoever_asks(database: Database) -> None:
    async with a_door(database) as door:
        ticket, contact = uuid4(), uuid4()

        async def ask(conversation: UUID | None, email: str) -> str:
            async with database.transaction(door.workspace) as tx:
                return await store.reply_token(tx, ticket, conversation, contact, email)

        same = await asyncio.gather(*(ask(None, ADA) for _ in range(5)))
        assert len(set(same)) == 1
        talk = uuid4()
        others = {await ask(talk, ADA), await ask(None, "other@customer.example"), same[0]}
        assert len(others) == 3
        async with database.every_workspace("test") as tx:
            found = await store.reply_address(tx, same[0].upper())
        assert found is not None
        assert (found.workspace_id, found.ticket_id, found.conversation_id, found.email) == (
            door.workspace,
            ticket,
            None,
            ADA,
        )
        async with database.transaction("ws-somebody-else") as tx:
            assert await store.reply_address(tx, same[0]) is None


@pytest.mark.parametrize(
    ("url", "domain"),
    [("lmtp://127.0.0.1:8024", ""), ("", DOMAIN), ("http://x:1", DOMAIN), ("lmtp://x", DOMAIN), ("lmtp://x:1", "a b")],
)
def test_a_place_without_a_domain_stops_the_start(url: str, domain: str) -> None:
    with pytest.raises(ValidationError, match="inbound"):
        Settings(nats_url="nats://x", database_url="postgresql://x", inbound_url=url, inbound_domain=domain)
