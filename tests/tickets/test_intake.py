"""What other systems write and move, once and for ever each: the handlers on a real PostgreSQL, behind real lanes."""

import datetime as dt
import json
import time
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from nats.aio.msg import Msg
from sqlalchemy import text

from chassis import lanes
from chassis.bus import Bus, NotYet
from chassis.lanes import Lanes
from chassis.telemetry import Metrics
from contracts.base import Intake, now, uuid7
from contracts.refusals import Deleted, NotFound, TransitionNotAllowed
from contracts.tickets import (
    AuthorKind,
    ConversationSnapshot,
    DeleteTicket,
    GetContact,
    ListContacts,
    ListConversations,
    ListNotes,
    MessageReceived,
    Priority,
    Status,
    TicketRequested,
    TicketUpdated,
)
from services.tickets.handlers import listen
from tests.support.eventually import eventually
from tests.tickets.desk import Desk, types_of

NOON = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)


def received(external_id: str = "M-1", chat: str = "C-1", **fields: Any) -> MessageReceived:
    author = {
        "kind": fields.pop("kind", "visitor"),
        "name": fields.pop("name", "Kim"),
        "email": fields.pop("email", None),
    }
    given = {"body": "Any news?", "at": NOON, "author": author}
    return MessageReceived.model_validate(
        {"conversation_external_id": chat, "message_external_id": external_id} | given | fields
    )


def requested(external_id: str = "E-1", **fields: Any) -> TicketRequested:
    return TicketRequested.model_validate({"external_id": external_id, "subject": "Disk full"} | fields)


def updated(external_id: str = "E-1", **fields: Any) -> TicketUpdated:
    return TicketUpdated.model_validate({"external_id": external_id} | fields)


@pytest.fixture
async def open_desk(desk: Desk) -> Desk:
    """A desk in a workspace that tickets knows."""
    await desk.opens()
    return desk


async def only_conversation(desk: Desk) -> ConversationSnapshot:
    (row,) = (await desk.ask(ListConversations(caller=desk.who()))).items
    return await desk.reads(row.id)


# Messages


async def test_a_conversation_begins_with_its_first_message(open_desk: Desk) -> None:
    desk = open_desk
    await desk.hears(received(email="kim@example.com", url="https://chat.example/1"), "chat", "ce-1")

    read = await only_conversation(desk)
    assert (read.integration, read.external_id, read.url) == ("chat", "C-1", "https://chat.example/1")
    assert read.contact is not None
    (message,) = read.messages
    assert (message.body, message.at, message.external_id) == ("Any news?", NOON, "M-1")
    assert (message.author.kind, message.author.id) == (AuthorKind.VISITOR, str(read.contact.id))
    facts = await desk.told_of(read.id)
    assert types_of(facts) == ["conversation_started", "message_posted"]
    assert {fact["actor"]["id"] for fact in facts} == {"integration:chat"}
    assert {fact["cause"] for fact in facts} == {"ce-1"}
    contact = await desk.ask(GetContact(caller=desk.who(), contact_id=read.contact.id))
    assert not contact.verified


async def test_n21_a_message_counts_once_whatever_its_envelope_says(open_desk: Desk) -> None:
    desk = open_desk
    for id in ("ce-1", "ce-2", ""):
        await desk.hears(received(body=f"said {id}"), "chat", id)
    await desk.hears(received(chat="C-2"), "chat")
    await desk.hears(received(), "mail")

    bodies = {each.message_count for each in (await desk.ask(ListConversations(caller=desk.who()))).items}
    assert bodies == {1}
    assert await desk.count("conversations") == 3


async def test_the_newest_address_is_kept_and_no_address_takes_none_away(open_desk: Desk) -> None:
    desk = open_desk
    for nth, url in enumerate(["https://chat.example/old", "https://chat.example/new", None]):
        await desk.hears(received(f"M-{nth}", url=url), "chat")

    assert (await only_conversation(desk)).url == "https://chat.example/new"


async def test_an_author_is_met_by_address_and_never_renamed(open_desk: Desk) -> None:
    desk = open_desk
    kim = (await desk.create(contact={"name": "Kim", "email": "kim@example.com"})).contact
    await desk.hears(received(name="Mallory", email="KIM@example.com"), "chat")
    await desk.hears(received("M-2", name="Lee", email="lee@example.com"), "chat")
    await desk.hears(received("M-3", name="Kim"), "chat")

    read = await only_conversation(desk)
    assert read.contact == kim
    assert kim is not None
    authors = [message.author for message in read.messages]
    assert [author.name for author in authors] == ["Mallory", "Lee", "Kim"]
    assert [author.id == str(kim.id) for author in authors] == [True, False, True]
    assert {each.name for each in (await desk.ask(ListContacts(caller=desk.who()))).items} == {"Kim", "Lee"}


@pytest.mark.parametrize("kind", list(AuthorKind))
async def test_who_writes_decides_what_the_tickets_hear(open_desk: Desk, kind: AuthorKind) -> None:
    desk = open_desk
    await desk.hears(requested(conversation={"external_id": "C-1"}), "chat")
    await desk.change("1", status="waiting_on_customer")
    await desk.hears(received(kind=kind), "chat", "ce-9")

    ticket = await desk.get("1")
    heard = [fact for fact in await desk.told(ticket) if fact["cause"] == "ce-9"]
    assert types_of(heard) == {
        AuthorKind.VISITOR: ["customer_message", "status_changed"],
        AuthorKind.AGENT: ["agent_replied"],
    }.get(kind, [])
    assert (ticket.first_response_at is not None) is (kind is AuthorKind.AGENT)
    assert (await only_conversation(desk)).awaits_reply is (kind is AuthorKind.VISITOR)
    assert {fact["actor"]["kind"] for fact in heard} <= {"integration"}


async def test_a_message_to_a_closed_ticket_opens_its_follow_up(open_desk: Desk) -> None:
    desk = open_desk
    await desk.hears(requested(conversation={"external_id": "C-1"}), "chat")
    await desk.change("1", status="closed")
    await desk.hears(received(email="kim@example.com"), "chat")
    await desk.hears(received("M-2", email="kim@example.com"), "chat")

    new = await desk.get("2")
    assert new.follow_up_of is not None
    assert new.follow_up_of.number == 1
    assert new.contact == (await only_conversation(desk)).contact
    assert await desk.count("tickets") == 2


async def test_a_ticket_is_asked_for_in_a_conversation_that_is_there_already(open_desk: Desk) -> None:
    desk = open_desk
    await desk.hears(received(), "chat")
    who = {"name": "Kim", "email": "kim@example.com", "external_id": "7"}
    await desk.hears(requested(conversation={"external_id": "C-1"}, contact=who), "chat")
    await desk.hears(requested("E-2", conversation={"external_id": "C-1"}), "chat")

    first, second = await desk.get("1"), await desk.get("2")
    read = await only_conversation(desk)
    assert [link.id for link in first.conversations] == [read.id]
    assert first.contact == second.contact == read.contact
    (contact,) = (await desk.ask(ListContacts(caller=desk.who(), source="chat", external_id="7"))).items
    assert contact.name == "Kim"


async def test_h2_an_assistant_of_another_workspace_is_left_out(open_desk: Desk) -> None:
    desk, other = open_desk, Desk(open_desk.database)
    theirs = uuid7()
    async with desk.database.transaction(other.workspace) as tx:
        await tx.execute(
            text(
                "insert into assistants"
                " (workspace_id, id, name, widget, identity_secret, version, created_at, updated_at)"
                " values (:ws, :id, 'Theirs', '{}', 's', 1, now(), now())"
            ),
            {"ws": other.workspace, "id": theirs},
        )
    for nth, assistant in enumerate((theirs, uuid7())):
        chat = {"external_id": f"C-{nth}", "assistant_id": str(assistant)}
        await desk.hears(requested(f"E-{nth}", conversation=chat), "chat")

    assert {each.assistant for each in (await desk.ask(ListConversations(caller=desk.who()))).items} == {None}
    assert await desk.count("tickets") == 2


@pytest.mark.parametrize("message", [received(), requested(), updated(status="open")], ids=lambda each: each.TYPE)
async def test_an_unknown_workspace_is_waited_for_a_minute(desk: Desk, message: Intake) -> None:
    with pytest.raises(NotYet) as wait:
        await desk.hears(message)
    assert wait.value.give_up_after == 60


# Moves


async def test_another_system_moves_ranks_and_notes_its_own_ticket(open_desk: Desk) -> None:
    desk = open_desk
    await desk.hears(requested(), "monitoring")
    await desk.change("1", assignee={"id": str(uuid7()), "name": "Ann", "role": "member"})
    await desk.hears(updated(status="resolved", priority="low", note="Disk freed."), "monitoring", "ce-2")

    ticket = await desk.get("1")
    assert (ticket.status, ticket.priority) == (Status.RESOLVED, Priority.LOW)
    (note,) = (await desk.ask(ListNotes(caller=desk.who(), ticket="1"))).items
    assert (note.body, note.author.id) == ("Disk freed.", "integration:monitoring")
    facts = [fact for fact in await desk.told(ticket) if fact["cause"] == "ce-2"]
    assert types_of(facts) == ["priority_changed", "status_changed", "note_added"]
    assert {fact["via"] for fact in facts} == {"intake"}


async def test_a_ticket_that_nobody_asked_for_is_not_there(open_desk: Desk) -> None:
    desk = open_desk
    await desk.hears(requested(), "monitoring")

    for external_id, integration in (("E-2", "monitoring"), ("E-1", "mail")):
        with pytest.raises(NotFound):
            await desk.hears(updated(external_id, status="open"), integration)


async def test_a_forbidden_move_changes_nothing(open_desk: Desk) -> None:
    desk = open_desk
    await desk.hears(requested(), "monitoring")
    await desk.change("1", status="closed")
    before = await desk.get("1")

    with pytest.raises(TransitionNotAllowed):
        await desk.hears(updated(status="resolved", priority="low", note="Over."), "monitoring")
    assert await desk.get("1") == before
    assert await desk.count("notes") == 0


async def test_n29_a_deleted_ticket_is_neither_moved_nor_opened_again(open_desk: Desk) -> None:
    desk = open_desk
    await desk.hears(requested(conversation={"external_id": "C-1"}), "monitoring")
    await desk.ask(DeleteTicket(caller=desk.who(), ticket="1"))

    with pytest.raises(Deleted):
        await desk.hears(updated(status="open"), "monitoring")
    await desk.hears(requested(subject="Again"), "monitoring")
    await desk.hears(received(), "monitoring")
    assert await desk.count("tickets") == 1
    assert (await desk.get("1")).deleted_at is not None
    assert types_of(await desk.told(await desk.get("1")))[-1] == "ticket_deleted"


# Through the lanes, as it comes from the broker


@dataclass
class Delivery:
    """A message as the broker brings it; notes how it was settled."""

    subject: str
    data: bytes
    headers: dict[str, str]
    sequence: int
    stored: dt.datetime = field(default_factory=now)
    settled: str = ""

    @property
    def metadata(self) -> Any:
        return SimpleNamespace(sequence=SimpleNamespace(stream=self.sequence), timestamp=self.stored, num_delivered=1)

    async def ack(self) -> None:
        self.settled = "applied"

    async def nak(self, delay: float = 0) -> None:
        self.settled = "waits"

    async def term(self) -> None:
        self.settled = "buried"

    async def in_progress(self) -> None: ...


@dataclass
class Line:
    """The intake of one desk."""

    desk: Desk
    lanes: Lanes
    sent: int = 0

    async def brings(
        self, *messages: Intake | bytes, kind: type[Intake] = MessageReceived, **more: Any
    ) -> list[Delivery]:
        """Deliver these together, each with a `ce-id` of its own unless told otherwise."""
        deliveries = []
        for message in messages:
            self.sent += 1
            about = type(message) if isinstance(message, Intake) else kind
            body = message.model_dump_json().encode() if isinstance(message, Intake) else message
            deliveries.append(
                Delivery(
                    about.subject_for(self.desk.workspace, more.get("integration", "chat")),
                    body,
                    more.get("headers", {"ce-id": f"ce-{self.sent}"}),
                    self.sent,
                    more.get("stored", now()),
                )
            )
        await self.lanes.take(cast(list[Msg], deliveries), time.monotonic())
        return deliveries

    async def reasons(self) -> list[str]:
        async with self.desk.database.transaction(self.desk.workspace) as tx:
            rows = await tx.all(
                text("select reason from dead_letters where workspace_id = :ws order by sequence"),
                {"ws": self.desk.workspace},
            )
        return [row["reason"] for row in rows]


@pytest.fixture
def line(open_desk: Desk) -> Line:
    metrics = Metrics("tickets")
    bus = Bus("", "tickets", open_desk.database, metrics)
    listen(bus)
    return Line(open_desk, Lanes(f"INTAKE-{open_desk.workspace}", "tickets", open_desk.database, metrics, bus._ears))


GOOD = json.loads(received().model_dump_json())

BAD = [
    pytest.param(b"not json", "invalid", id="N9"),
    pytest.param(b"", "invalid", id="N10"),
    pytest.param(b"null", "invalid", id="N11"),
    pytest.param(b"[]", "invalid", id="N12"),
    pytest.param(b'"' + b"x" * 190_000 + b'"', "invalid", id="N13"),
    pytest.param(json.dumps(GOOD | {"body": 7}).encode(), "invalid", id="N16-number-as-body"),
    pytest.param(json.dumps(GOOD | {"author": []}).encode(), "invalid", id="N16-list-as-author"),
    pytest.param(json.dumps(GOOD | {"author": {"kind": "owner", "name": "x"}}).encode(), "invalid", id="N16-kind"),
    pytest.param(json.dumps(GOOD | {"body": "a\0b"}).encode(), "invalid", id="N16-NUL"),
    pytest.param(json.dumps(GOOD | {"body": "x" * 66_000}).encode(), "invalid", id="N16-too-long"),
    pytest.param(json.dumps(GOOD | {"at": "yesterday"}).encode(), "invalid", id="N16-time"),
    pytest.param(json.dumps(GOOD | {"at": "2026-03-02T12:00:00"}).encode(), "invalid", id="N16-time-nowhere"),
    pytest.param(json.dumps(GOOD | {"url": "javascript:1"}).encode(), "invalid", id="N16-url"),
    pytest.param(json.dumps(GOOD | {"message_external_id": ""}).encode(), "invalid", id="N19"),
    pytest.param(json.dumps(GOOD | {"message_external_id": "x" * 10_000}).encode(), "invalid", id="N20"),
    pytest.param(json.dumps(GOOD | {"workspace_id": "globex"}).encode(), "not_allowed", id="N23"),
]


@pytest.mark.parametrize(("body", "reason"), BAD)
async def test_what_can_not_be_taken_in_is_buried_and_those_behind_it_pass(
    line: Line, body: bytes, reason: str
) -> None:
    *_, bad, good = await line.brings(received("M-0"), body, received("M-9"))

    assert (bad.settled, good.settled) == ("buried", "applied")
    assert await line.reasons() == [reason]
    assert [message.external_id for message in (await only_conversation(line.desk)).messages] == ["M-0", "M-9"]


async def test_n21_one_ce_id_has_one_effect_and_without_one_the_place_in_the_stream_counts(line: Line) -> None:
    await line.brings(requested())
    for headers in ({"ce-id": "same"}, {"ce-id": "same"}):
        await line.brings(updated(note="Once."), headers=headers)
    assert await line.desk.count("notes") == 1

    (first,) = await line.brings(updated(note="Twice."), headers={})
    first.settled = ""
    await line.lanes.take(cast(list[Msg], [first]), time.monotonic())
    await line.brings(updated(note="Thrice."), headers={})
    assert first.settled == "applied"
    assert await line.desk.count("notes") == 3


async def test_n27_messages_that_overtook_each_other_are_numbered_as_they_were_heard(line: Line) -> None:
    late, early = received("M-2", at=NOON + dt.timedelta(hours=1)), received("M-1")
    await line.brings(late, early)

    read = await only_conversation(line.desk)
    assert [(message.seq, message.external_id) for message in read.messages] == [(1, "M-2"), (2, "M-1")]
    assert read.messages[0].at > read.messages[1].at


async def test_an_update_of_no_ticket_is_buried_at_once_and_those_behind_it_pass(line: Line) -> None:
    lost, opens, moves = await line.brings(updated(status="open"), requested(), updated(status="open"))

    assert (lost.settled, opens.settled, moves.settled) == ("buried", "applied", "applied")
    assert await line.reasons() == ["not_found"]
    assert (await line.desk.get("1")).status is Status.OPEN


async def test_a_forbidden_move_and_a_deleted_ticket_are_dead_letters_with_their_reason(line: Line) -> None:
    await line.brings(requested(), requested("E-2"))
    await line.desk.change("1", status="closed")
    await line.desk.ask(DeleteTicket(caller=line.desk.who(), ticket="2"))
    await line.brings(updated(status="resolved"), updated("E-2", status="open"))

    assert await line.reasons() == ["transition_not_allowed", "ticket_deleted"]


async def test_what_was_turned_away_for_want_of_room_keeps_its_place_and_delays_only_its_own_system(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "_MOST_BYTES", 100)
    first, second = await line.brings(received("M-1"), received("M-2"))
    assert (first.settled, second.settled) == ("applied", "waits")
    (other,) = await line.brings(requested(), integration="monitoring")
    assert other.settled == "applied"

    (third,) = await line.brings(received("M-3"))
    assert third.settled == "", "it would overtake the one before it"
    monkeypatch.undo()
    second.settled = ""
    await line.lanes.take(cast(list[Msg], [second]), time.monotonic())

    async def both_applied() -> bool:
        await line.lanes.tend()
        return (second.settled, third.settled) == ("applied", "applied")

    await eventually(both_applied)
    assert [message.external_id for message in (await only_conversation(line.desk)).messages] == ["M-1", "M-2", "M-3"]


async def test_a_batch_with_everything_in_it_is_one_story(line: Line) -> None:
    await line.brings(
        received("M-1"),
        requested(conversation={"external_id": "C-1"}),
        *(received(f"M-{nth}") for nth in range(2, 30)),
        updated(status="closed"),
        received("M-30"),
        received("M-31"),
    )

    read = await only_conversation(line.desk)
    assert read.message_count == 31
    assert [(ticket.number, ticket.status) for ticket in read.tickets] == [(2, Status.NEW), (1, Status.CLOSED)]
    assert await line.reasons() == []
