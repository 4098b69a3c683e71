"""Who hears what equals a model of it exactly, while notifications are killed and hear everything again."""

import json
import os
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from itertools import count
from typing import Any

import httpx
import pytest

from contracts.base import Role
from contracts.tickets import Status
from tests.faults.hearing import STRONGEST_FIRST, Hearing, Seen, Told
from tests.faults.town import PATIENCE, Town, a_town
from tests.faults.writing import Writing, Written
from tests.gateway.house import Somebody, an_address
from tests.gateway.site import Talk
from tests.notifications.receiver import Receiver
from tests.support.eventually import eventually
from tests.support.infra import PostgresServer

COMMANDS = int(os.environ.get("COUNTERFOIL_FAULTS", "150"))
pytestmark = [pytest.mark.rehearsal, pytest.mark.timeout(max(300, COMMANDS))]
KILLS, MAILS = max(4, COMMANDS // 150), max(6, COMMANDS // 40)
SELECTED = {"ticket_created", "status_changed", "note_added"}
"""What the second webhook asks for."""
_CHOSEN = sorted({*STRONGEST_FIRST} - {"follow_up"})
_DID = {
    "assigned": "gave {it} to you",
    "unassigned": "took {it} from you",
    "mention": "mentioned you",
    "note": "wrote to the team",
    "message": "wrote, as the customer",
    "created": "opened {it}",
    "arrived": "opened {it}",
}
_LINES, _TICKETS = 8, 20
CUSTOMERS = "@customers.example"


@dataclass(slots=True)
class Run:
    """Random commands, what they do to the model, and what has come out so far."""

    town: Town
    chance: random.Random
    model: Hearing = field(default_factory=Hearing)
    contacts: Writing = field(default_factory=Writing)
    written: list[Written] = field(default_factory=list)
    """All that contacts were sent."""
    people: dict[str, Somebody] = field(default_factory=dict)
    """Members by id, also those of once."""
    talks: list[Talk] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """How many commands of each sort were not refused."""
    facts: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    mailed: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Address and words by Message-ID."""
    causes: dict[tuple[str, str], str] = field(default_factory=dict)
    """The Message-ID that told somebody of a cause."""
    names: "count[int]" = field(default_factory=lambda: count(1))

    @property
    def owner(self) -> Somebody:
        return self.town.site.owner

    @property
    def anybody(self) -> Somebody:
        return self.people[self.chance.choice(sorted(self.model.roles))]

    @property
    def others(self) -> list[str]:
        return sorted(self.model.roles.keys() - {str(self.owner.user.id)})

    @property
    def some_ticket(self) -> str:
        """One of the latest; seldom one that is deleted."""
        there = [id for id, ticket in self.model.tickets.items() if not ticket.deleted or self.chance.random() < 0.1]
        return self.chance.choice((there or [*self.model.tickets])[-8:])

    # Commands

    async def create(self) -> httpx.Response:
        body: dict[str, Any] = {"subject": f"Question {next(self.names)}"}
        if self.chance.random() < 0.6:
            body["assignee_id"] = self.chance.choice(sorted(self.model.roles))
        if self.chance.random() < 0.5:
            body["contact"] = self._customer()
        return await self.town.ask(self.anybody, "POST", "tickets", body)

    async def assign(self) -> httpx.Response:
        return await self._patch(assignee_id=self.chance.choice([None, *sorted(self.model.roles)]))

    async def move(self) -> httpx.Response:
        return await self._patch(status=self.chance.choice([status.value for status in Status]))

    async def prioritise(self) -> httpx.Response:
        return await self._patch(priority=self.chance.choice(["low", "normal", "high", "critical"]))

    async def rename(self) -> httpx.Response:
        return await self._patch(subject=f"Question {next(self.names)}")

    async def change_all(self) -> httpx.Response:
        return await self._patch(
            assignee_id=self.chance.choice(sorted(self.model.roles)), status="open", priority="critical"
        )

    async def write(self) -> httpx.Response:
        members = sorted(self.model.roles)
        mentions = self.chance.sample(members, self.chance.choice([0, 0, 1, min(3, len(members))]))
        body = {"body": "Between us", "kind": self.chance.choice(["note", "comment"]), "mentions": mentions}
        return await self.town.ask(self.anybody, "POST", f"tickets/{self.some_ticket}/notes", body)

    async def delete(self) -> httpx.Response:
        return await self.town.ask(self.owner, "DELETE", f"tickets/{self.some_ticket}")

    async def restore(self) -> httpx.Response | None:
        deleted = [id for id, ticket in self.model.tickets.items() if ticket.deleted]
        return await self.town.ask(self.owner, "POST", f"tickets/{deleted[0]}/restore") if deleted else None

    async def watch(self) -> httpx.Response:
        await self.town.all_heard()
        who, ticket = self.anybody, self.some_ticket
        answer = await self.town.ask(who, "POST", f"tickets/{ticket}/watch")
        if answer.is_success:
            self.model.watches(str(who.user.id), ticket)
        return answer

    async def leave(self) -> httpx.Response:
        await self.town.all_heard()
        who, ticket = self.anybody, self.some_ticket
        answer = await self.town.ask(who, "DELETE", f"tickets/{ticket}/watch")
        if answer.is_success:
            version = max(body["version"] for _, body in self.facts if body.get("ticket_id") == ticket)
            self.model.leaves(str(who.user.id), ticket, version)
        return answer

    async def mute(self) -> httpx.Response:
        who, ticket, muted = self.anybody, self.some_ticket, self.chance.random() < 0.6
        answer = await self.town.ask(who, "POST" if muted else "DELETE", f"tickets/{ticket}/mute")
        if answer.is_success:
            self.model.mutes(str(who.user.id), ticket, muted=muted)
        return answer

    async def prefer(self) -> httpx.Response:
        who, kind, way = self.anybody, self.chance.choice(_CHOSEN), self.chance.choice(["inbox", "mail"])
        wants = self.chance.random() < 0.75
        answer = await self.town.ask(who, "PATCH", "notifications/preferences", {kind: {way: wants}})
        if answer.is_success:
            self.model.chooses(str(who.user.id), kind, way, wants=wants)
        return answer

    async def pause(self) -> httpx.Response:
        who, paused = self.anybody, self.chance.random() < 0.4
        answer = await self.town.ask(who, "PATCH", "notifications/preferences", {"mail_paused": paused})
        if answer.is_success:
            self.model.pauses(str(who.user.id), paused=paused)
        return answer

    async def change_role(self) -> httpx.Response:
        role = self.chance.choice(["admin", "member", "member", "guest"])
        return await self._in_turn("PATCH", f"members/{self.chance.choice(self.others)}", {"role": role})

    async def remove(self) -> httpx.Response | None:
        if len(self.others) < 5:
            await self.join(self.chance.choice([Role.MEMBER, Role.GUEST, Role.ADMIN]))
        return await self._in_turn("DELETE", f"members/{self.chance.choice(self.others)}")

    async def arrive(self) -> httpx.Response:
        self.town.site.address = an_address()
        known = {"contact": self._customer()} if self.chance.random() < 0.8 else {}
        # Where a part is away for a moment, a visitor tries again.
        talk = await eventually(lambda: self.town.site.start(f"Question {next(self.names)}", **known), within=PATIENCE)
        self.talks.append(talk)
        return await self.town.site.ask("POST", f"{talk.path}/ticket", {}, talk)

    async def say(self) -> httpx.Response | None:
        if not self.talks:
            return None
        self.town.site.address, talk = an_address(), self.chance.choice(self.talks[-3:])
        return await self.town.site.ask("POST", f"{talk.path}/messages", {"body": "Any news?"}, talk)

    async def answer(self) -> httpx.Response | None:
        if not self.talks:
            return None
        body: dict[str, Any] = {"body": f"Answer {next(self.names)}"}
        if self.chance.random() < 0.4:
            body["set_status"] = self.chance.choice(["resolved", "waiting_on_customer"])
        talk = self.chance.choice(self.talks[-6:])
        return await self.town.ask(self.owner, "POST", f"conversations/{talk.id}/messages", body)

    def _customer(self, nth: int | None = None) -> dict[str, str]:
        """One of a dozen who ask."""
        name = f"Kim{self.chance.randrange(12) if nth is None else nth}"
        return {"name": name, "email": f"{name.lower()}{CUSTOMERS}"}

    async def meet(self) -> None:
        """Let an agent enter half of those who ask."""
        for nth in range(6):
            made = await self.town.ask(self.owner, "POST", "contacts", self._customer(nth))
            assert made.is_success, made.text
        await self.catch_up()
        await self.town.all_heard()

    async def _patch(self, **fields: Any) -> httpx.Response:
        return await self.town.ask(self.anybody, "PATCH", f"tickets/{self.some_ticket}", fields)

    async def _in_turn(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Change who may see what: tickets' facts and these have no order between them, but here."""
        await self.town.all_heard()
        return await self.town.ask(self.owner, method, path, body)

    async def join(self, role: Role) -> None:
        """Make somebody a member."""
        await self.town.all_heard()
        somebody = await self.town.member(role, f"{role.value.title()}{next(self.names)} Doe")
        self.people[str(somebody.user.id)] = somebody
        await self.catch_up()
        await self.town.all_heard()

    async def catch_up(self) -> None:
        """Let the model hear what has happened."""
        for type, body in await self.town.facts():
            self.facts.append((type, body))
            self.model.happens(type, body)
            self.contacts.happens(type, body)

    async def command(self) -> None:
        """Do something at random."""
        many: dict[Callable[[], Awaitable[httpx.Response | None]], int] = dict.fromkeys((self.remove, self.delete), 1)
        many |= dict.fromkeys((self.pause, self.rename, self.restore), 2)
        many |= dict.fromkeys((self.watch, self.leave, self.change_role, self.change_all, self.arrive, self.mute), 4)
        many |= dict.fromkeys((self.create, self.assign, self.move, self.prioritise, self.say, self.answer), 8)
        many |= {self.write: 16, self.prefer: 12}
        if not self.model.tickets:
            many = {self.create: 1}
        what = self.chance.choices([*many], [*many.values()])[0]
        answer = await what()
        if answer is not None and answer.is_success:
            self.done[what.__name__] += 1
        await self.catch_up()
        if what in (self.change_role, self.remove):
            await self.town.all_heard()

    # What comes out

    async def minute_passes(self, *, deadly: bool = False) -> None:
        """Let mail be written and sent, and be killed at it if so wished: it tells what the model says."""
        await self.town.all_heard()
        expected, written = self.model.minute_is_over(), self.contacts.minute_is_over()
        for receiver in self.town.receivers:
            receiver.does = 200
        before = len(self.town.box.taken)
        await self.town.minute_passes()
        if deadly and (expected or written):
            await eventually(lambda: len(self.town.box.taken) > before, within=PATIENCE)
            await self.town.notifications.dies()
        await self.town.all_sent(self.owner)

        new: dict[str, EmailMessage] = {}
        for mail in self.town.box.mails[before:]:
            first = new.setdefault(mail["Message-ID"], mail)
            assert (_address(first), _words(first)) == (_address(mail), _words(mail)), "a copy says the same"
        assert not new.keys() & self.mailed.keys(), "a mail of before was sent again"
        self.mailed |= {id: (_address(mail), mail["Subject"]) for id, mail in new.items()}
        to_contacts = {id: mail for id, mail in new.items() if _address(mail).endswith(CUSTOMERS)}
        assert sorted(_written(mail) for mail in to_contacts.values()) == written
        self.written += written
        new = {id: mail for id, mail in new.items() if id not in to_contacts}
        self._are_told(new, expected)
        ids = {id.strip("<>").partition("@")[0]: id for id in new}
        rows = await self.town.kept("select mail_id, recipient_id, because from news where workspace_id = $1")
        by_mail: dict[tuple[str, str], str] = {}
        for row in rows:
            if str(row["mail_id"]) in ids:
                by_mail[str(row["recipient_id"]), str(row["because"])] = ids[str(row["mail_id"])]
        wanted = {(person, told.command) for person, news in expected.items() for told in news}
        assert wanted <= by_mail.keys(), "each cause is in a mail"
        assert not self.causes.keys() & wanted, "nobody is mailed of a cause twice"
        self.causes |= {each: by_mail[each] for each in wanted}

    def _are_told(self, new: dict[str, EmailMessage], expected: dict[str, list[Told]]) -> None:
        """Check that the mails say this, each to its reader, in as many mails as readers."""
        said = {_address(mail): _read(mail) for mail in new.values()}
        assert len(said) == len(new), "one mail tells all of a minute"
        assert said == {self.people[person].user.email: self._letter(news) for person, news in expected.items()}

    def _letter(self, news: Sequence[Told]) -> dict[str, list[str]]:
        by_command: dict[str, list[Told]] = defaultdict(list)
        for told in news:
            by_command[told.command].append(told)
        blocks: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for command, telling in by_command.items():
            titles = [*dict.fromkeys(self._title(told.ticket) for told in telling)]
            if len(titles) == 1:
                blocks[titles[0],].append(_sentence(telling, "this", "it"))
            else:
                blocks[f"{len(titles)} tickets", command] = [_sentence(telling, "these", "them"), *titles]
        found: dict[str, list[str]] = defaultdict(list)
        for (title, *several), lines in [*blocks.items()][:_TICKETS]:
            found[title] += lines if several else _shown(lines)
        return {title: sorted(lines) for title, lines in found.items()}

    def _title(self, ticket: str) -> str:
        return f"#{self.model.tickets[ticket].number} {self.model.tickets[ticket].subject}"

    async def inboxes_equal(self) -> None:
        """Compare every row, and what each member reads over HTTP."""
        rows = await self.town.kept(
            "select recipient_id, cause, because, kind, ticket_id, actor_name, old, new from items"
            " where workspace_id = $1 order by recipient_id, nth"
        )
        kept = [
            Told(
                person=str(row["recipient_id"]),
                cause=str(row["cause"]),
                command=str(row["because"]),
                kind=row["kind"],
                ticket=str(row["ticket_id"]),
                actor=row["actor_name"],
                old=row["old"],
                new=row["new"],
            )
            for row in rows
        ]
        assert kept == sorted((told for told, _ in self.model.inboxes), key=lambda told: told.person)
        for person in self.model.roles:
            seen = self.model.sees(person)
            assert await self._inbox(person, seen) == seen

    async def _is_called_for(self, receiver: Receiver, ids: set[str]) -> None:
        await eventually(lambda: {*receiver.ids} >= ids, within=PATIENCE)
        assert {*receiver.ids} == ids

    async def _inbox(self, person: str, seen: Sequence[Seen]) -> list[Seen]:
        """Read what somebody finds; which command is behind it only our stores say."""
        commands = {each.told.cause: each.told.command for each in seen}
        found: list[Seen] = []
        cursor = ""
        while True:
            page = (await self.town.ask(self.people[person], "GET", f"notifications?limit=100{cursor}")).json()
            for item in page["items"]:
                what = (item["kind"], item["ticket_id"], item["actor"]["name"], item["old"], item["new"])
                told = Told(person, item["cause"], commands.get(item["cause"], ""), *what)
                tickets = tuple((each["id"], each["count"]) for each in item["tickets"])
                parts = tuple((part["kind"], part["old"], part["new"]) for part in item["parts"])
                found.append(Seen(told, item["count"], tickets, item["more_tickets"], parts))
            if not page["next_cursor"]:
                return found
            cursor = f"&cursor={page['next_cursor']}"

    async def webhooks_equal(self, seen: int) -> None:
        """Compare what receivers were called for with the facts that came after the webhooks."""
        facts = self.facts[seen:]
        for receiver, wanted in zip(self.town.receivers, (None, SELECTED), strict=True):
            await self._is_called_for(
                receiver, {body["id"] for type, body in facts if wanted is None or type in wanted}
            )
            versions: dict[str, list[int]] = defaultdict(list)
            bodies: dict[str, dict[str, Any]] = {}
            for call in receiver.calls:
                body, id = json.loads(call.body), call.headers["webhook-id"]
                assert bodies.setdefault(id, body) == body, "a copy says the same"
                if len(bodies) > sum(map(len, versions.values())):
                    versions[body["ticket_id"] or body["subject"]["id"]].append(
                        body["version"] or body["subject"]["version"]
                    )
            assert all(told == sorted(told) for told in versions.values())


def _address(mail: EmailMessage) -> str:
    (to,) = mail["To"].addresses
    return f"{to.addr_spec}"


def _words(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return f"{body.get_content()}".replace("\r\n", "\n")


def _written(mail: EmailMessage) -> Written:
    """Return what a contact is told by a mail."""
    words = _words(mail)
    answers = tuple(line for line in words.split("\n") if line.startswith("Answer "))
    return Written(_address(mail), mail["Subject"], answers, resolved="With this, your request is resolved." in words)


def _read(mail: EmailMessage) -> dict[str, list[str]]:
    """Return the lines that a mail says of each ticket."""
    words = _words(mail).partition("\n\n--\n")[0]
    found: dict[str, list[str]] = defaultdict(list)
    for block in words.split("\n\n"):
        title, *lines = (line.strip() for line in block.split("\n"))
        if title.startswith("#") or title.endswith(" tickets"):
            found[title] += [line for line in lines if not line.startswith("http")]
    return {title: sorted(lines) for title, lines in found.items()}


def _shown(lines: list[str]) -> list[str]:
    times = {line: lines.count(line) for line in lines}
    said = [f"{line}, {many} times" if many > 1 else line for line, many in times.items()]
    more = sum([*times.values()][_LINES:])
    return [*said[:_LINES], *([f"… and {more} more"] if more else [])]


def _sentence(telling: Sequence[Told], first: str, then: str) -> str:
    ranked = sorted(telling, key=lambda told: STRONGEST_FIRST.index(told.kind))
    did: dict[tuple[str, str | None, str | None], str] = {}
    for told in ranked:
        did.setdefault((told.kind, told.old, told.new), _did(told, then if did else first))
    said = [*did.values()]
    return f"{telling[0].actor} {' and '.join(filter(None, [', '.join(said[:-1]), said[-1]]))}"


def _did(told: Told, it: str) -> str:
    match told.kind:
        case "status":
            labels = {status.value: status.label for status in Status}
            return f"moved {it} from {labels[told.old or '']} to {labels[told.new or '']}"
        case "priority":
            return f"changed the priority from {f'{told.old}'.capitalize()} to {f'{told.new}'.capitalize()}"
        case "follow_up":
            return f"wrote to {it} though it is closed, so #{told.new} was opened"
    return _DID[told.kind].format(it=it)


@pytest.fixture
async def town(postgres_server: PostgresServer) -> AsyncIterator[Town]:
    async with a_town(postgres_server) as town:
        yield town


async def test_everybody_hears_what_the_model_says_and_nothing_twice(town: Town) -> None:
    run = Run(town, random.Random(COMMANDS))
    run.people[str(run.owner.user.id)] = run.owner
    await run.catch_up()
    for role in (Role.ADMIN, Role.MEMBER, Role.MEMBER, Role.MEMBER, Role.GUEST):
        await run.join(role)
    await run.meet()
    seen = len(run.facts)
    for receiver, types in zip(town.receivers, (["*"], sorted(SELECTED)), strict=True):
        made = await town.ask(run.owner, "POST", "webhooks", {"url": receiver.url, "event_types": types})
        assert made.is_success, made.text
    await run.catch_up()

    steps = range(1, COMMANDS + 1)
    kills = {*run.chance.sample(steps, KILLS)}
    mails = {*run.chance.sample(steps, MAILS)}
    again = {COMMANDS // 3, COMMANDS * 2 // 3}
    for nth in steps:
        await run.command()
        if nth in kills:
            town.receivers[nth % 2].does = (200, 500, "reset")[nth % 3]
            await town.notifications.dies()
        if nth in mails:
            await run.minute_passes(deadly=run.chance.random() < 0.3)
        if nth in again:
            await town.told_again()
    await run.minute_passes(deadly=True)
    await town.told_again()

    await run.inboxes_equal()
    await run.webhooks_equal(seen)
    await town.notifications.rebuilds()
    await run.inboxes_equal()
    await run.minute_passes()
    await run.webhooks_equal(seen)
    assert len({*run.mailed}) == len({mail["Message-ID"] for mail in town.box.mails})
    assert town.notifications.kills >= KILLS
    assert all(run.done[each] for each in ("create", "assign", "move", "write", "mute", "prefer", "arrive", "say"))
    assert run.causes
    assert "We have received your request" in {mail.subject for mail in run.written}
    assert any(mail.answers for mail in run.written)
    assert {told.kind for told, _ in run.model.inboxes} >= {"assigned", "mention", "note", "status", "message"}
