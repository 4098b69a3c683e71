"""What becomes of mail that was kept: delivered once however often tickets is away, or not, with a reason."""

import datetime as dt
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from chassis.database import Database, Transaction
from contracts.base import ActorKind, Caller, DeadLetter, Role, Via
from contracts.notifications import ListNotificationLetters, RetryNotificationLetter
from contracts.refusals import Crashed, Deleted, Refusal, Unavailable
from contracts.tickets import ReplyTaken, TakeReply
from services.notifications import store, tools
from services.notifications.channels import Full
from services.notifications.usecases import letters
from services.notifications.usecases.inbound import Inlet
from tests.notifications.test_replies import ADA, a_mail, a_report
from tests.support.infra import Urls

NOW = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)


@dataclass
class Mailroom:
    """An inlet whose tickets are a list, in a workspace that nobody else knows, by a clock that a test moves."""

    database: Database
    now: dt.datetime = NOW
    workspace: str = field(default_factory=lambda: f"ws-{secrets.token_hex(5)}")
    taken: list[TakeReply] = field(default_factory=list)
    refuses: Refusal | None = None
    token: str = ""

    def __post_init__(self) -> None:
        self.inlet = Inlet(self.database, self.ask, clock=lambda: self.now)

    async def ask(self, request: TakeReply) -> ReplyTaken:
        if self.refuses is not None:
            raise self.refuses
        if request.caller.workspace_id == self.workspace:
            self.taken.append(request)
        return ReplyTaken(message_id=request.message_id)

    async def opens(self) -> str:
        async with self.database.transaction(self.workspace) as tx:
            self.token = await store.reply_token(tx, uuid4(), None, uuid4(), ADA)
        return self.token

    async def gets(self, raw: bytes, sender: str = ADA) -> None:
        await self.inlet.keep(self.token, sender, raw)

    async def became(self) -> list[tuple[str, str | None]]:
        """Deliver what is due and return what became of everything to the token, in the order in which it came."""
        await self.inlet.deliver()
        query = text("select state, reason from inbound_mails where token = :token order by nth")
        async with self.database.every_workspace("test") as tx:
            return [(row["state"], row["reason"]) for row in await tx.all(query, {"token": self.token})]

    async def letters(self) -> list[tuple[str, str, bytes]]:
        async with self.database.transaction(self.workspace) as tx:
            rows = await tx.all(text("select stream, reason, body from dead_letters order by id"))
        return [(row["stream"], row["reason"], bytes(row["body"])) for row in rows]

    async def retries(self) -> list[tuple[str, str | None]]:
        """Try the newest letter again as an admin, and return what became of mails before they are delivered."""

        async def again(tx: Transaction, id: UUID) -> DeadLetter:
            raise AssertionError("a mail is no message that is heard")

        caller = Caller(workspace_id=self.workspace, kind=ActorKind.USER, id="7", name="Ada", role=Role.ADMIN)
        async with self.database.transaction(self.workspace) as tx:
            (letter, *_) = (await letters.list_letters(ListNotificationLetters(caller=caller), tx)).items
            await letters.retry_letter(RetryNotificationLetter(caller=caller, id=letter.id), tx, again)
            rows = await tx.all(text("select state, reason from inbound_mails order by nth"))
        return [(row["state"], row["reason"]) for row in rows]

    async def refused_addresses(self) -> list[str]:
        async with self.database.transaction(self.workspace) as tx:
            return [each.address for each in await store.suppressions(tx, 10)]


@pytest.fixture
async def room(notifications_urls: Urls) -> AsyncIterator[Mailroom]:
    database = Database(notifications_urls.app, "notifications", pool=3)
    async with database.every_workspace("test") as tx:
        await tx.execute(text("delete from inbound_mails"))
    room = Mailroom(database)
    await room.opens()
    yield room
    await database.close()


def nth(number: int, **headers: str) -> bytes:
    return a_mail(f"Answer {number}.", Message_ID=f"<{number}@customer.example>", **headers).as_bytes()


async def test_an_answer_waits_for_tickets_and_is_delivered_once_by_whoever_comes(room: Mailroom) -> None:
    room.refuses = Unavailable(retry_after=1)
    await room.gets(nth(1))
    await room.gets(nth(1))
    await room.gets(nth(2, From="Olivia Owner <olivia@desk.example>"))
    assert await room.became() == [("received", None), ("received", None)]
    # The process that acknowledged them is gone; another finds them.
    after = Mailroom(room.database, workspace=room.workspace, token=room.token)
    assert await after.became() == [("delivered", None), ("delivered", None)]
    assert await after.became() == [("delivered", None), ("delivered", None)]
    first, second = after.taken
    assert first.written_to == ADA
    assert (first.body, first.unverified_sender, first.via) == ("Answer 1.", None, Via.MAIL)
    assert (first.caller.kind, first.caller.id) == (ActorKind.CONTACT, str(first.contact_id))
    # Whoever it says it is from: it is the customer's word, and nobody else's.
    assert second.caller == first.caller
    assert second.unverified_sender == "olivia@desk.example"
    assert first.message_id != second.message_id


async def test_what_no_person_wrote_goes_no_further_and_says_why(room: Mailroom) -> None:
    await room.gets(nth(1, Auto_Submitted="auto-replied"))
    await room.gets(nth(2), "")
    await room.gets(a_report("delayed", "4.4.1"), "")
    assert await room.became() == [("ignored", "auto_submitted"), ("ignored", "null_sender"), ("ignored", "delayed")]
    assert await room.refused_addresses() == []
    await room.gets(a_report("failed", "5.1.1"), "")
    assert (await room.became())[3] == ("ignored", "bounced")
    assert await room.refused_addresses() == [ADA]
    assert room.taken == []
    assert await room.letters() == []
    room.token = "a" * 32
    await room.gets(nth(1))
    assert await room.became() == [("ignored", "unknown_address")]


async def test_what_can_not_be_read_or_is_refused_is_left_to_the_admins(room: Mailroom) -> None:
    await room.gets(nth(1).replace(b"Answer 1.", b" "))
    assert await room.became() == [("buried", "unreadable")]
    room.refuses = Deleted()
    await room.gets(nth(2))
    assert (await room.became())[1] == ("buried", "ticket_deleted")
    unreadable, refused = await room.letters()
    assert unreadable[:2] == ("mail", "unreadable")
    assert refused == ("mail", "ticket_deleted", nth(2))


async def test_a_mail_that_was_refused_is_delivered_when_it_is_tried_again(room: Mailroom) -> None:
    room.refuses = Deleted()
    await room.gets(nth(1))
    assert await room.became() == [("buried", "ticket_deleted")]
    assert await room.retries() == [("received", None)]
    assert await room.letters() == []
    assert await room.became() == [("buried", "ticket_deleted")]

    room.refuses = None
    assert await room.retries() == [("received", None)]
    assert await room.became() == [("delivered", None)]
    assert [each.body for each in room.taken] == ["Answer 1."]
    assert await room.letters() == []


async def test_there_is_room_for_so_much_a_day(room: Mailroom) -> None:
    large = a_mail("x" * 70 + "\n").as_bytes() + b"\n" * 30 * 1024 * 1024
    for nth_large in range(3):
        await room.gets(b"X-Nth: %d\n" % nth_large + large.replace(b"<one@", b"<%d@" % nth_large))
    with pytest.raises(Full):
        await room.gets(large)
    await room.gets(nth(9))
    room.token = "d" * 32
    for number in range(500):
        await room.gets(nth(number))
    with pytest.raises(Full):
        await room.gets(nth(500))
    room.token = "e" * 32
    with pytest.raises(Full):
        await room.gets(nth(1))
    room.now += dt.timedelta(days=1, seconds=1)
    await room.gets(nth(1))


async def test_an_operator_sees_what_came_and_why_it_went_no_further(room: Mailroom) -> None:
    said: list[str] = []
    room.token = "c" * 32
    await room.gets(nth(1).replace(b"Answer", b"\x1b[2JAnswer"))
    await room.became()
    assert await tools.came_in(room.database, said.append) == 0
    assert "ignored" in said[0]
    assert said[0].endswith("workspace=- reason=unknown_address")
    assert "Answer" not in said[0]
    assert await tools.as_it_came(room.database, UUID(said[0].split()[0]), said.append) == 0
    assert f"From <{ADA}>" in said[1]
    assert "[2JAnswer 1." in said[1]
    assert "\x1b" not in said[1]
    assert await tools.as_it_came(room.database, uuid4(), said.append) == 1


async def test_a_riddle_is_tried_again_for_a_while_and_keeps_nobody_waiting(room: Mailroom) -> None:
    room.refuses = Crashed()
    await room.gets(nth(1))
    assert await room.became() == [("received", "internal")]
    room.refuses = None
    await room.gets(nth(2))
    assert await room.became() == [("received", "internal"), ("delivered", None)]
    room.refuses = Crashed()
    for _ in range(9):
        room.now += dt.timedelta(hours=1)
        became = await room.became()
    assert became[0] == ("buried", "internal")


async def test_more_than_twenty_an_hour_wait_and_none_is_lost(room: Mailroom) -> None:
    for number in range(23):
        await room.gets(nth(number))
    assert [state for state, _ in await room.became()] == ["delivered"] * 20 + ["received"] * 3
    room.now += dt.timedelta(minutes=61)
    assert [state for state, _ in await room.became()] == ["delivered"] * 23
    assert [each.body for each in room.taken] == [f"Answer {number}." for number in range(23)]


async def test_it_is_forgotten_after_a_month_and_strangers_sooner(room: Mailroom) -> None:
    await room.gets(nth(1))
    await room.became()
    known, room.refuses = room.token, Unavailable()
    await room.gets(nth(2))
    room.token = "b" * 32
    for day in range(2):
        for number in range(251):
            await room.gets(nth(1000 * day + number))
        room.now += dt.timedelta(days=1, seconds=1)
    room.refuses = None
    room.now += dt.timedelta(days=27)
    for _ in range(11):
        await room.inlet.deliver()
    await room.inlet.forget()
    assert len(await room.became()) == 500
    room.token = known
    assert await room.became() == [("delivered", None)] * 2
    room.now += dt.timedelta(days=2)
    await room.inlet.forget()
    assert await room.became() == []
