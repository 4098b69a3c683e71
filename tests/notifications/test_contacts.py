"""Mail to contacts: each thing once, gathered, no word of anybody to an address that nobody vouches for."""

import datetime as dt
import re
from collections.abc import AsyncIterator
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import pytest

from chassis.database import Database
from contracts.base import Actor, ActorKind, TicketEvent, now, uuid7
from contracts.mail import MailState
from contracts.refusals import NotFound, Unavailable
from contracts.tickets import AgentWords, Correspondence, GetCorrespondence, Status
from services.notifications.channels import Smtp
from services.notifications.usecases import mails
from services.notifications.usecases.contacts import Scribe
from tests.notifications.builders import MARIA, MONITORING, agent_replied, created, id_of, moved
from tests.notifications.correspondents import a_correspondence
from tests.notifications.office import Office
from tests.notifications.postbox import Postbox, a_postbox
from tests.support.infra import PostgresServer

MINUTE = dt.timedelta(minutes=1)
RESOLVED: dict[str, Any] = {"old": Status.OPEN, "new": Status.RESOLVED}


class Desk:
    """Tickets that say what they are told to, a mail server, and a clock that a test moves."""

    def __init__(self, database: Database, box: Postbox) -> None:
        self.database, self.box = database, box
        self.office = Office(database)
        self.now = now()
        self.found: dict[UUID, Correspondence | None] = {}
        self.wrote: list[AgentWords] = []
        self.away = False
        self.scribe = Scribe(database, self.allows, "in.acme.example", clock=lambda: self.now)

    async def allows(self, query: GetCorrespondence) -> Correspondence:
        if self.away:
            raise Unavailable
        found = self.found.get(query.ticket_id, a_correspondence(ticket_id=query.ticket_id))
        if found is None:
            raise NotFound
        ids = [each.message_id for each in self.wrote]
        said = self.wrote[ids.index(query.message_id) :] if query.message_id else []
        return found.model_copy(update={"replies": tuple(said)})

    def answer(self, body: str, ticket: str = "ticket", **more: Any) -> TicketEvent:
        """An agent writes."""
        words = AgentWords(message_id=uuid7(), name="Olivia", body=body, at=self.now)
        self.wrote.append(words)
        return self.hears_of(words, ticket, **more)

    def hears_of(self, words: AgentWords, ticket: str = "ticket", **more: Any) -> TicketEvent:
        return agent_replied(message_id=words.message_id, body=words.body, ticket_id=id_of(ticket), id=uuid7(), **more)

    async def happens(self, *facts: TicketEvent, workspace: Office | None = None) -> None:
        await (workspace or self.office).hears(*(fact.model_copy(update={"at": self.now}) for fact in facts))

    async def sends(self, later: dt.timedelta = dt.timedelta()) -> list[EmailMessage]:
        """Let time go by; return what came."""
        self.now = max(self.now, now()) + later
        before = len(self.box.mails)
        await self.scribe.write_due()
        smtp = Smtp(self.box.url, "Acme <desk@acme.example>")
        await mails.send_due(mails.Post(self.database, smtp, self.scribe, clock=lambda: self.now))
        return self.box.mails[before:]

    async def states(self) -> list[tuple[str, str | None]]:
        return [(mail.state.value, mail.reason) for mail in await mails.newest(self.database, 100)]


@pytest.fixture
async def desk(postgres_server: PostgresServer) -> AsyncIterator[Desk]:
    """A database of its own: the sender sees every workspace."""
    urls = await postgres_server.migrated_database("notifications")
    database = Database(urls.app, "notifications", pool=5)
    async with a_postbox() as box:
        yield Desk(database, box)
    await database.close()


def words_of(mail: EmailMessage) -> str:
    parts = [part.get_content() for part in mail.walk() if part.get_content_maintype() == "text"]
    return "\n".join([*(str(value) for value in mail.values()), *parts])


async def test_a_ticket_from_outside_is_received_at_once_and_says_nothing_of_what_it_says(desk: Desk) -> None:
    makers: list[str | Actor] = [MARIA, MONITORING, "Olivia"]
    for nth, by in enumerate(makers):
        await desk.happens(created(by, id=uuid7(), ticket_id=id_of(f"ticket {nth}")))

    received = await desk.sends()
    assert len(received) == 2, "an agent's own ticket tells nobody"
    mail = received[0]
    assert (mail["To"], mail["Subject"]) == ("Maria Sol <maria@example.org>", "[#42] We have received your request")
    assert mail["Auto-Submitted"] == "auto-replied"
    assert re.fullmatch(r"reply\+[a-z2-7]{32}@in\.acme\.example", mail["Reply-To"])
    assert "Its number is #42." in words_of(mail)
    assert "printer" not in words_of(mail).casefold()


async def test_what_agents_answer_within_a_minute_is_one_mail_and_never_another(desk: Desk) -> None:
    first = desk.answer("Turn it off.\n\nThen <on>.")
    await desk.happens(first)
    assert await desk.sends() == []
    second = desk.answer("Better?")
    await desk.happens(second)

    (mail,) = await desk.sends(MINUTE)
    assert mail["Subject"] == "Re: [#42] The printer is on fire"
    body = mail.get_body(("plain",))
    assert body is not None
    said = ["Olivia wrote:", "Turn it off.", "Then <on>.", "Better?"]
    assert body.get_content().split("\r\n\r\n")[:4] == said
    assert "Then &lt;on&gt;." in words_of(mail)
    assert str(id_of("ticket")) in mail["References"]

    await desk.happens(first, second)
    assert await desk.sends(MINUTE) == []


async def test_an_answer_is_shown_as_a_page_shows_it_and_typed_as_it_was(desk: Desk) -> None:
    typed = "Do **this**:\n\n1. off\n2. on\n\n<script>alert(1)</script> [here](javascript:alert(1)) ![x](https://a.example/p.png)"
    await desk.happens(desk.answer(typed))
    (mail,) = await desk.sends(MINUTE)
    body, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert body is not None
    assert html is not None
    shown = html.get_content()
    assert typed in body.get_content().replace("\r\n", "\n")
    assert "<strong>this</strong>" in shown
    assert re.search(r"<ol>\s*<li>off</li>\s*<li>on</li>", shown)
    assert '<a href="https://a.example/p.png"' in shown
    for never in ("<script", "<img", 'href="javascript'):
        assert never not in shown


async def test_what_was_in_a_mail_before_it_was_heard_of_is_in_no_other(desk: Desk) -> None:
    await desk.happens(desk.answer("One"))
    late = desk.answer("Two")
    (mail,) = await desk.sends(MINUTE)
    assert "Two" in words_of(mail)

    await desk.happens(late)
    assert await desk.sends(MINUTE) == []
    await desk.happens(desk.answer("Three"))
    (mail,) = await desk.sends(MINUTE)
    assert "Three" in words_of(mail)
    assert "Two" not in words_of(mail)


async def test_an_answer_on_three_tickets_is_one_mail(desk: Desk) -> None:
    desk.answer("Soon.")
    await desk.happens(*(desk.hears_of(desk.wrote[0], ticket) for ticket in ("ticket", "another", "third")))

    assert len(await desk.sends(MINUTE)) == 1


async def test_an_answer_that_resolves_says_so_and_nothing_else_does(desk: Desk) -> None:
    desk.found[id_of("ticket")] = a_correspondence(resolved=True)
    await desk.happens(created(), desk.answer("Done."), moved(id=uuid7(), **RESOLVED))
    await desk.happens(
        created(id=uuid7(), ticket_id=id_of("another")), moved(id=uuid7(), ticket_id=id_of("another"), **RESOLVED)
    )

    answer, alone = sorted(await desk.sends(MINUTE), key=lambda mail: mail["Subject"])
    assert "With this, your request is resolved." in words_of(answer)
    assert alone["Subject"] == "[#42] Your request is resolved"
    assert "The printer is on fire" in words_of(alone)


async def test_another_systems_agents_and_what_is_old_are_not_written_of(desk: Desk) -> None:
    robot = Actor(kind=ActorKind.INTEGRATION, id="integration:crm", name="crm")
    await desk.happens(desk.answer("From there.", by=robot))
    old = desk.answer("Yesterday.")
    await desk.office.hears(old.model_copy(update={"at": desk.now - dt.timedelta(hours=25)}))

    assert await desk.sends(MINUTE) == []


async def test_w13_w14_an_address_that_nobody_vouches_for_gets_fixed_words_once_a_day_from_all(desk: Desk) -> None:
    takedown = {"subject": "TAKE DOWN ORDER", "name": "TAKE DOWN ORDER", "verified": False}
    offices = [desk.office, Office(desk.database), Office(desk.database)]
    victims = [f"victim{nth}@example.org" for nth in range(30)]
    for nth, office in enumerate(offices):
        tickets = {id_of(f"{nth} {victim} {tag}"): (victim, tag) for victim in victims for tag in ("", "+1", "+2")}
        for ticket, (victim, tag) in tickets.items():
            typed = victim.replace("@", f"{tag}@") if nth else victim.upper()
            desk.found[ticket] = a_correspondence(ticket_id=ticket, contact_id=uuid7(), email=typed, **takedown)
        await desk.happens(*(created(MARIA, id=uuid7(), ticket_id=ticket) for ticket in tickets), workspace=office)
    desk.found[id_of("ticket")] = a_correspondence(email=victims[0], **takedown)
    await desk.happens(created(), desk.answer("TAKE DOWN ORDER"))

    came = [mail for _ in range(8) for mail in await desk.sends(MINUTE)]
    to = [str(mail["To"]).casefold().partition("+")[0].partition("@")[0].strip("<") for mail in came]
    assert sorted(to) == sorted(victim.partition("@")[0] for victim in victims)
    assert not [mail for mail in came if "take down" in words_of(mail).casefold()]
    assert {mail["Subject"] for mail in came} == {"We have received your request"}

    await desk.happens(desk.answer("Another day"))
    (next_day,) = await desk.sends(dt.timedelta(hours=24))
    assert next_day["Subject"] == "There is an answer to your request"
    assert "Another day" not in words_of(next_day)


@pytest.mark.parametrize(
    "then",
    [
        None,
        a_correspondence(email="else@example.org"),
        a_correspondence(verified=False),
    ],
    ids=["spam or deleted", "another address", "not vouched for"],
)
async def test_a_mail_that_may_not_go_any_more_does_not(desk: Desk, then: Correspondence | None) -> None:
    await desk.happens(desk.answer("Soon."))
    desk.now = now() + MINUTE
    await desk.scribe.write_due()
    desk.found[id_of("ticket")] = then

    assert await desk.sends() == []
    assert await desk.states() == [("suppressed", "nothing_left")]


async def test_while_tickets_is_away_it_waits(desk: Desk) -> None:
    await desk.happens(desk.answer("Soon."))
    desk.away = True
    assert await desk.sends(MINUTE) == []
    desk.away = False
    desk.now += MINUTE
    await desk.scribe.write_due()
    desk.away = True
    assert await desk.sends() == []
    assert await desk.states() == [(MailState.PENDING.value, None)]
    desk.away = False
    assert len(await desk.sends(MINUTE)) == 1


async def test_what_was_written_of_is_forgotten_when_nothing_can_be_again(desk: Desk) -> None:
    desk.found[id_of("ticket")] = a_correspondence(verified=False)
    await desk.happens(created(MARIA))
    assert len(await desk.sends()) == 1
    assert await desk.scribe.forget() == 0
    desk.now += 2 * dt.timedelta(days=1)
    assert await desk.scribe.forget() == 2
