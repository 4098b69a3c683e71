"""News by mail: gathered, written of what its reader may see when it is sent, and never twice."""

import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

import pytest
from sqlalchemy import text

from chassis.database import Database
from contracts.base import DeadLetter, Event, Role, Via
from contracts.gateway import MemberRenamed, WorkspaceCreated
from contracts.mail import (
    GetMail,
    LiftSuppression,
    ListMails,
    ListSuppressed,
    MailState,
    ResendMail,
    SendInvitation,
)
from contracts.notifications import Kind, MarkRead, MuteTicket, ReadNotices, UnmuteTicket, Unsubscribe, WatchTicket
from contracts.preferences import ChangePreferences, PreferencesChange, QuietHours
from contracts.refusals import Conflict, Invalid, NotAllowed, NotFound
from contracts.tickets import TicketsDeadLetter
from services.notifications.channels import Smtp
from services.notifications.domain import MAIL_RATE, check_quiet, mail_id, quiet_until
from services.notifications.usecases import mails, news
from services.notifications.usecases.trouble import Undertaker, tell_admins
from tests.notifications.builders import (
    _fact,
    assigned,
    became,
    created,
    deleted,
    id_of,
    joined,
    moved,
    noted,
    prioritised,
    removed,
    renamed,
    restored,
    wrote,
)
from tests.notifications.correspondents import nobody_to_ask
from tests.notifications.office import Office
from tests.notifications.postbox import Postbox, a_postbox
from tests.support.infra import PostgresServer

FROM = "Counterfoil <desk@example.com>"
MINUTE = dt.timedelta(minutes=1)


@dataclass
class Newsroom(Office):
    """An office that writes mail, with a clock that a test moves; facts happen at this moment."""

    box: Postbox = field(default_factory=Postbox)
    now: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    owner_url: str = ""

    async def opens(self, *names: str, **words: Any) -> None:
        """Begin with a workspace, people and a ticket."""
        opened = _fact(WorkspaceCreated, "Olivia", name="Northwind", slug="northwind")
        await self.hears(opened, joined("Olivia", Role.OWNER), *(joined(name) for name in names))
        await self.hears(created(at=self.now, **words))

    async def hear(self, *facts: Event) -> None:
        await self.hears(*(fact.model_copy(update={"at": dt.datetime.now(dt.UTC)}) for fact in facts))

    async def prefers(self, name: str, role: Role = Role.MEMBER, **change: Any) -> Any:
        chosen = PreferencesChange.model_validate(change)
        return await self.ask(ChangePreferences(caller=self.who(name, role), change=chosen))

    async def later(self, by: dt.timedelta = 2 * MINUTE) -> list[EmailMessage]:
        """Let so much time pass, and return the mails that came by then."""
        before = len(self.box.taken)
        self.now = max(self.now, dt.datetime.now(dt.UTC)) + by
        await news.gather(self.database, lambda: self.now)
        await self.sends()
        return self.box.mails[before:]

    async def forgets_all_but_what_people_said(self) -> None:
        """Lose what facts had made, as before it is made anew; mail that was written is remembered."""
        owner = Database(self.owner_url, "notifications", pool=1)
        async with owner.transaction(self.workspace) as tx:
            for table in ("items", "watchers", "tickets", "members", "event_texts", "event_log", "positions"):
                await tx.execute(text(f"delete from {table}"))
        await owner.close()

    async def sends(self) -> int:
        post = mails.Post(
            self.database,
            Smtp(self.box.url, FROM),
            nobody_to_ask(self.database),
            "https://desk.example.com",
            clock=lambda: self.now,
        )
        return await mails.send_due(post)


def words_of(mail: EmailMessage, sort: str = "plain") -> str:
    body = mail.get_body((sort,))
    assert body is not None
    content: str = body.get_content()
    return content


@pytest.fixture
async def newsroom(postgres_server: PostgresServer) -> AsyncIterator[Newsroom]:
    """A database of its own: the sender sees every workspace."""
    urls = await postgres_server.migrated_database("notifications")
    database = Database(urls.app, "notifications", pool=5)
    async with a_postbox() as box:
        yield Newsroom(database, box=box, owner_url=urls.owner)
    await database.close()


async def test_an_assignment_and_a_mention_are_written_of_and_nothing_else_unless_chosen(newsroom: Newsroom) -> None:
    await newsroom.opens("Ada", "Ben")
    fact = assigned("Ada")
    await newsroom.hear(fact, moved(), prioritised(), noted("Olivia", "Ben"))
    told = await newsroom.later()

    assert [mail["To"] for mail in told] == ["Ada <ada@example.com>", "Ben <ben@example.com>"]
    mail = told[0]
    assert mail["Message-ID"] == f"<{mail_id(fact.cause, f'member:{id_of("Ada")}')}@example.com>"
    assert mail["Subject"] == "[#1] Printer on fire"
    assert mail["In-Reply-To"] == mail["References"] == f"<ticket.{id_of('ticket')}@example.com>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Unsubscribe"].strip().startswith("<https://desk.example.com/unsubscribe/")
    for sort in ("plain", "html"):
        assert "Olivia gave this to you" in words_of(mail, sort)
        assert "https://desk.example.com/w/northwind/tickets/1" in words_of(mail, sort)
        assert "It smokes." not in words_of(mail, sort)
    assert "Olivia mentioned you" in words_of(told[1])

    await newsroom.prefers("Ada", status={"mail": True}, assigned={"mail": False})
    await newsroom.hear(moved(), assigned("Ada"))
    (mail,) = await newsroom.later()
    assert "moved this from New to Open" in words_of(mail)
    assert "assigned" not in words_of(mail)
    assert await newsroom.told("Ada") == ["assigned", "status", "note", "status", "assigned"], (
        "the inbox is chosen apart"
    )
    assert await newsroom.told("Olivia") == []


async def test_h45_names_and_titles_are_plain_words_in_news(newsroom: Newsroom) -> None:
    await newsroom.opens("Ada", subject='</title><script>alert(1)</script> & "more"')
    await newsroom.hear(renamed("x"), renamed('<b>Bcc: victim@example.org</b> & "more"'))
    await newsroom.hear(assigned("Ada", "<i>Olivia</i>"))
    (mail,) = await newsroom.later()
    assert mail["Subject"] == '[#1] <b>Bcc: victim@example.org</b> & "more"'
    assert "<b>" not in words_of(mail, "html")
    assert "<i>" not in words_of(mail, "html")
    assert mail["Bcc"] is None


async def test_a_burst_of_a_thousand_is_one_mail_each_and_told_again_it_is_none(newsroom: Newsroom) -> None:
    await newsroom.opens("Ada", "Ben")
    for name in ("Ada", "Ben"):
        await newsroom.ask(WatchTicket(caller=newsroom.who(name), ticket_id=id_of("ticket")))
        await newsroom.prefers(name, note={"mail": True, "inbox": False})
    burst = [noted("Olivia" if nth % 100 else f"Person {nth}") for nth in range(1000)]
    await newsroom.hear(*burst)

    told = await newsroom.later()
    assert sorted(mail["To"] for mail in told) == ["Ada <ada@example.com>", "Ben <ben@example.com>"]
    assert "Olivia wrote to the team, 990 times" in words_of(told[0])
    assert "… and 3 more" in words_of(told[0])
    assert len(told[0].as_bytes()) < 10_000
    await newsroom.hears(*burst[:50], *burst[-50:])
    assert await newsroom.later() == []


async def test_one_cause_is_one_sentence_and_one_mail_on_however_many_tickets(newsroom: Newsroom) -> None:
    await newsroom.opens("Ada")
    ada, command = newsroom.who("Ada"), str(id_of("command"))
    for nth in (2, 3):
        await newsroom.hear(created(ticket_id=id_of(f"ticket {nth}"), number=nth, subject=f"Question {nth}"))
        await newsroom.ask(WatchTicket(caller=ada, ticket_id=id_of(f"ticket {nth}")))
    await newsroom.prefers("Ada", status={"mail": True}, message={"mail": True})
    at_once = [assigned("Ada", cause=command), moved(cause=command)]
    await newsroom.hear(at_once[0])
    (mail,) = await newsroom.later()
    await newsroom.hear(at_once[1])
    assert await newsroom.later() == [], "a cause that has its mail gets no other"
    assert mail["Message-ID"] == f"<{mail_id(command, f'member:{id_of("Ada")}')}@example.com>"

    command = str(id_of("another command"))
    said = [wrote(ticket_id=id_of(f"ticket {nth}"), cause=str(id_of("said"))) for nth in (2, 3)]
    await newsroom.hear(moved(cause=command), assigned("Ada", cause=command), *said)
    (mail,) = await newsroom.later()
    assert mail["Subject"] == "2 notifications from Northwind"
    for sort in ("plain", "html"):
        assert "Olivia gave this to you and moved it from New to Open" in words_of(mail, sort)
        assert words_of(mail, sort).count("Maria wrote, as the customer") == 1
        for words in ("2 tickets", "#2 Question 2", "tickets/2", "#3 Question 3", "tickets/3"):
            assert words in words_of(mail, sort)
    await newsroom.hear(wrote(ticket_id=id_of("ticket 2"), cause="x"), wrote(ticket_id=id_of("ticket 3"), cause="x"))
    (mail,) = await newsroom.later()
    assert mail["Subject"] == "[2 tickets] Maria wrote, as the customer"


async def test_who_may_not_see_it_when_it_is_sent_gets_nothing(newsroom: Newsroom) -> None:
    people = ("Guest", "Gone", "Ada")
    await newsroom.opens(*people)
    await newsroom.hear(noted("Olivia", *people))
    await newsroom.hears(became("Guest", Role.GUEST))
    # It is a mail by now, which waits for the server.
    await news.gather(newsroom.database, lambda: newsroom.now + 2 * MINUTE)
    await newsroom.hears(removed("Gone"))
    told = await newsroom.later()

    assert [mail["To"] for mail in told] == ["Ada <ada@example.com>"]
    ended = {mail.recipient: (mail.state, mail.reason) for mail in await mails.newest(newsroom.database, 10)}
    assert ended[f"member:{id_of('Guest')}"] == (MailState.SUPPRESSED, "nothing_left")
    assert ended[f"member:{id_of('Gone')}"] == (MailState.SUPPRESSED, "no_member")

    await newsroom.hear(noted("Olivia", "Ada"), deleted())
    assert await newsroom.later() == [], "a deleted ticket is not written of"
    await newsroom.hear(restored(), noted("Olivia", "Ada"))
    assert len(await newsroom.later()) == 1


async def test_a_muted_ticket_says_nothing_not_even_to_who_is_mentioned(newsroom: Newsroom) -> None:
    await newsroom.opens("Ada")
    await newsroom.hear(noted("Olivia", "Ada"))
    ada, ticket = newsroom.who("Ada"), id_of("ticket")
    assert (await newsroom.ask(MuteTicket(caller=ada, ticket_id=ticket))).muted
    await newsroom.hear(noted("Olivia", "Ada"), assigned("Ada"))
    assert await newsroom.later() == [], "what has waited is not sent either"
    assert await newsroom.told("Ada") == ["mention"]
    assert not (await newsroom.ask(UnmuteTicket(caller=ada, ticket_id=ticket))).muted
    await newsroom.hear(noted("Olivia", "Ada"))
    assert len(await newsroom.later()) == 1
    assert await newsroom.told("Ada") == ["mention", "mention"]


async def test_quiet_hours_hold_mail_back_and_no_inbox(newsroom: Newsroom) -> None:
    await newsroom.opens("Ada")
    soon = newsroom.now + 2 * MINUTE
    clocks = {"start": f"{newsroom.now - MINUTE:%H:%M}", "end": f"{soon + dt.timedelta(hours=3):%H:%M}"}
    kept = await newsroom.prefers("Ada", quiet_hours=clocks | {"zone": "Etc/UTC"})
    assert kept.quiet_hours == QuietHours(**clocks, zone="Etc/UTC")
    await newsroom.hear(assigned("Ada"))
    assert await newsroom.later() == []
    assert await newsroom.told("Ada") == ["assigned"]
    await newsroom.hear(noted("Olivia", "Ada"))
    assert await newsroom.later(dt.timedelta(hours=1)) == []
    (mail,) = await newsroom.later(dt.timedelta(hours=3))
    assert "gave this to you" in words_of(mail)
    assert "mentioned you" in words_of(mail)


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2026-03-28T20:59:00Z", None),
        ("2026-03-28T21:00:00Z", "2026-03-29T05:00:00Z"),  # the night is an hour shorter
        ("2026-03-29T04:59:00Z", "2026-03-29T05:00:00Z"),
        ("2026-03-29T05:00:00Z", None),
        ("2026-10-24T20:00:00Z", "2026-10-25T06:00:00Z"),  # and an hour longer
        ("2026-10-25T05:59:00Z", "2026-10-25T06:00:00Z"),
        ("2026-10-25T06:00:00Z", None),
        ("2026-01-10T03:00:00Z", "2026-01-10T06:00:00Z"),
    ],
)
def test_quiet_hours_follow_the_clock_on_the_wall_where_it_is_moved(at: str, until: str | None) -> None:
    night = QuietHours(start="22:00", end="07:00", zone="Europe/Berlin")
    ends = quiet_until(night, dt.datetime.fromisoformat(at))
    assert ends == (until and dt.datetime.fromisoformat(until))
    noon = QuietHours(start="12:00", end="13:00", zone="Asia/Kathmandu")
    assert quiet_until(noon, dt.datetime(2026, 1, 1, 6, 30, tzinfo=dt.UTC)) is not None
    assert quiet_until(noon, dt.datetime(2026, 1, 1, 7, 15, tzinfo=dt.UTC)) is None


@pytest.mark.parametrize("zone", ["Europe/Nowhere", "../../etc/passwd", "/etc/localtime", "CET+1x", "\0"])
def test_a_time_zone_that_there_is_none_of_is_refused(zone: str) -> None:
    with pytest.raises(Invalid):
        check_quiet(QuietHours(start="22:00", end="07:00", zone=zone))
    with pytest.raises(Invalid):
        check_quiet(QuietHours(start="22:00", end="22:00", zone="Etc/UTC"))


async def test_one_click_ends_it_and_a_person_begins_again(newsroom: Newsroom) -> None:
    await newsroom.opens("Ada", "Ben")
    await newsroom.hear(noted("Olivia", "Ada", "Ben"))
    mail = next(mail for mail in await newsroom.later() if "Ada" in mail["To"])
    token = mail["List-Unsubscribe"].strip(" <>").rpartition("/")[2]
    await newsroom.hear(noted("Olivia", "Ada", "Ben"))
    async with newsroom.database.every_workspace("test") as tx:
        for _ in range(2):
            await news.unsubscribe(Unsubscribe(token=token), tx)
        with pytest.raises(NotFound):
            await news.unsubscribe(Unsubscribe(token=token[::-1]), tx)
    assert [mail["To"] for mail in await newsroom.later()] == ["Ben <ben@example.com>"]
    back = await newsroom.prefers("Ada", mail_paused=False)
    assert (back.mail_paused, back.version) == (False, 3), "the first is as at first, the second was her leaving, once"
    await newsroom.hear(noted("Olivia", "Ada"))
    assert len(await newsroom.later()) == 1


async def test_who_is_written_to_a_lot_gets_the_rest_in_one(newsroom: Newsroom) -> None:
    await newsroom.opens("Ada")
    for _ in range(MAIL_RATE):
        await newsroom.hear(noted("Olivia", "Ada"))
        assert len(await newsroom.later()) == 1
    for _ in range(5):
        await newsroom.hear(noted("Olivia", "Ada"))
        assert await newsroom.later() == []
    (mail,) = await newsroom.later(dt.timedelta(hours=1))
    assert "Olivia mentioned you, 5 times" in words_of(mail)


async def test_tickets_from_outside_are_chosen_apart(newsroom: Newsroom) -> None:
    await newsroom.opens("Ada", "Ben")
    await newsroom.prefers("Ada", created={"inbox": True, "mail": True})
    await newsroom.prefers("Ben", arrived={"inbox": True, "mail": True})
    for nth, via in enumerate((Via.API, Via.WIDGET, Via.INTAKE)):
        await newsroom.hear(created(ticket_id=id_of(f"ticket {nth}"), number=nth + 2, via=via))
    assert await newsroom.told("Ada") == ["created"]
    assert await newsroom.told("Ben") == ["arrived", "arrived"]
    one, other = await newsroom.later()
    assert (one["To"], one["Subject"]) == ("Ada <ada@example.com>", "[#2] Printer on fire")
    assert (other["To"], other["Subject"]) == ("Ben <ben@example.com>", "2 notifications from Northwind")


async def test_who_is_not_known_yet_is_written_to_once_they_are_and_by_their_present_name(newsroom: Newsroom) -> None:
    await newsroom.opens()
    await newsroom.hear(assigned("Ada"))
    assert await newsroom.later() == []
    await newsroom.hears(joined("Ada"), _fact(MemberRenamed, "Ada", user_id=id_of("Ada"), old="Ada", new="Ada L."))
    assert [mail["To"] for mail in await newsroom.later()] == ['"Ada L." <ada@example.com>']


async def test_made_anew_from_the_log_the_inbox_is_the_same_and_nothing_is_sent(newsroom: Newsroom) -> None:
    people: list[Event] = [joined("Olivia", Role.OWNER), joined("Ada"), joined("Ben"), became("Ben", Role.GUEST)]
    opened = _fact(WorkspaceCreated, "Olivia", name="Northwind", slug="northwind")
    at = newsroom.now
    told: list[Event] = [created(at=at), assigned("Ada", at=at), noted("Olivia", "Ada", "Ben", at=at), moved(at=at)]
    await newsroom.hears(opened, *people)
    await newsroom.hears(*told)
    assert len(await newsroom.later()) == 1
    before = [_seen(each) for each in (await newsroom.inbox("Ada")).items]

    await newsroom.forgets_all_but_what_people_said()
    assert (await newsroom.inbox("Ada")).items == ()
    await newsroom.hears(opened, *people)
    await newsroom.hears(*told)
    assert [_seen(each) for each in (await newsroom.inbox("Ada")).items] == before
    assert await newsroom.later() == []
    assert len(newsroom.box.taken) == 1


def _seen(item: Any) -> dict[str, Any]:
    seen: dict[str, Any] = item.model_dump(exclude={"id", "read_at"})
    return seen


async def test_what_happened_long_ago_is_not_written_of(newsroom: Newsroom) -> None:
    await newsroom.opens("Ada")
    await newsroom.hears(assigned("Ada", at=newsroom.now - dt.timedelta(days=2)))
    assert await newsroom.later() == []
    assert await newsroom.told("Ada") == ["assigned"]


async def test_a_server_that_is_not_set_leaves_news_pending(newsroom: Newsroom) -> None:
    await newsroom.opens("Ada")
    await newsroom.hear(assigned("Ada"))
    await news.gather(newsroom.database, lambda: newsroom.now + 2 * MINUTE)
    (mail,) = await mails.newest(newsroom.database, 10)
    assert (mail.state, mail.letter, mail.ticket_id) == (MailState.PENDING, None, id_of("ticket"))


async def test_admins_see_their_workspaces_mail_and_send_it_again_but_no_link_that_opens_something(
    newsroom: Newsroom,
) -> None:
    await newsroom.opens("Ada")
    olivia = newsroom.who("Olivia", Role.OWNER)
    invitation = SendInvitation(
        mail_id=id_of("invitation"),
        workspace_id=newsroom.workspace,
        workspace="Northwind",
        by="Olivia",
        to_email="grace@example.org",
        to_name="Grace",
        url="https://desk.example.com/invitations/s3cret",
        expires_at=newsroom.now + dt.timedelta(days=3),
    )
    async with newsroom.database.every_workspace("test") as tx:
        for _ in range(2):
            await mails.queue_invitation(invitation, tx)
    newsroom.box.to_data = "torn"
    await newsroom.hear(assigned("Ada"))
    assert len(await newsroom.later()) == 2, "both were handed over, and neither was answered"

    page = await newsroom.ask(ListMails(caller=olivia, limit=1))
    assert page.next_cursor is not None
    assert (page.server.configured, page.server.said) == (True, "no_answer")
    (news_,) = page.items
    assert (news_.state, news_.reason, news_.may_resend) == (MailState.UNCERTAIN, "no_answer", True)
    assert (news_.recipient.name, news_.recipient.email, news_.ticket_number) == ("Ada", "ada@example.com", 1)
    (asked,) = (await newsroom.ask(ListMails(caller=olivia, limit=1, cursor=page.next_cursor))).items
    assert (asked.id, asked.recipient.email) == (invitation.mail_id, "grace@example.org")
    assert "s3cret" not in (await newsroom.ask(GetMail(caller=olivia, id=asked.id))).model_dump_json()
    shown = await newsroom.ask(GetMail(caller=olivia, id=news_.id))
    assert shown.text is not None
    assert "Olivia gave this to you" in shown.text
    token = newsroom.box.mails[1]["List-Unsubscribe"].rpartition("/")[2].strip(" >")
    assert token not in shown.text, "it would stop Ada's mail"

    newsroom.box.to_data = "250 OK"
    assert await newsroom.later() == [], "an uncertain mail is never repeated by itself"
    again = await newsroom.ask(ResendMail(caller=olivia, id=news_.id))
    assert again.state is MailState.PENDING
    assert len(await newsroom.later(dt.timedelta(0))) == 1
    assert len({mail["Message-ID"] for mail in newsroom.box.mails}) == 2, "it is the same mail"
    with pytest.raises(Conflict):
        await newsroom.ask(ResendMail(caller=olivia, id=news_.id))

    ada, stranger = newsroom.who("Ada"), newsroom.who("Olivia", Role.OWNER)
    stranger = stranger.model_copy(update={"workspace_id": "another"})
    assert (await newsroom.ask(ListMails(caller=stranger))).items == ()
    elsewhere: tuple[Any, ...] = (GetMail(caller=stranger, id=news_.id), ResendMail(caller=stranger, id=news_.id))
    for request in elsewhere:
        with pytest.raises(NotFound):
            await newsroom.ask(request)
    forbidden: tuple[Any, ...] = (
        ListMails(caller=ada),
        GetMail(caller=ada, id=news_.id),
        ResendMail(caller=ada, id=news_.id),
        ListSuppressed(caller=ada),
        LiftSuppression(caller=ada, id=news_.id),
    )
    for request in forbidden:
        with pytest.raises(NotAllowed):
            await newsroom.ask(request)


async def test_admins_hear_once_of_a_burst_of_dead_letters_and_of_a_webhook_that_is_off(newsroom: Newsroom) -> None:
    await newsroom.opens("Ada")
    await newsroom.prefers("Olivia", Role.OWNER, dead_letter={"mail": True})
    at = dt.datetime.now(dt.UTC)
    letter = TicketsDeadLetter(
        id=id_of("letter"),
        at=at,
        service="tickets",
        workspace_id=newsroom.workspace,
        stream="INTAKE",
        sequence=1,
        subject=f"tickets.intake.v1.ticket_requested.{newsroom.workspace}.nobody",
        reason="invalid",
        detail="no subject",
        headers={},
        size=2,
        body="e30=",
    )
    stream: list[DeadLetter] = [letter.model_copy(update={"id": id_of(f"letter {nth}")}) for nth in range(50)]
    stream.append(letter.model_copy(update={"workspace_id": None}))
    read: list[int] = []

    async def letters(after: int) -> AsyncIterator[tuple[int, DeadLetter]]:
        for place, each in enumerate(stream[after:], after + 1):
            read.append(place)
            yield place, each
            if place == 20 and after == 0:
                raise ConnectionError

    undertaker = Undertaker(newsroom.database, letters)
    with pytest.raises(ConnectionError):
        await undertaker.turn()
    for _ in range(2):
        await undertaker.turn()
    assert read == list(range(1, 52)), "each is read once, and after a break it goes on where it was"
    async with newsroom.database.transaction(newsroom.workspace) as tx:
        for _ in range(2):
            await tell_admins(tx, Kind.WEBHOOK, id_of("webhook"), at)
    olivia = newsroom.who("Olivia", Role.OWNER)
    notices = await newsroom.ask(ReadNotices(caller=olivia))
    assert [(each.kind, each.ticket_id) for each in notices.items] == [(Kind.WEBHOOK, None), (Kind.DEAD_LETTER, None)]
    assert notices.unread == 2
    assert (await newsroom.inbox("Olivia", Role.OWNER)).items == (), "the first version knows only of tickets"
    assert (await newsroom.ask(ReadNotices(caller=newsroom.who("Ada")))).items == ()
    assert (await newsroom.ask(ReadNotices(caller=newsroom.who("Olivia")))).items == (), "who is no owner any more"
    (mail,) = await newsroom.later()
    assert mail["To"] == "Olivia <olivia@example.com>"
    assert "https://desk.example.com/w/northwind/settings/dead-letters" in words_of(mail)
    await newsroom.ask(MarkRead(caller=olivia))
    assert await newsroom.unread("Olivia", Role.OWNER) == 0
