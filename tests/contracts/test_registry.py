"""A message claims its subject, a request names its reply, a refusal its code: each once, and nonsense at import."""

import re
from collections.abc import Callable
from typing import assert_type
from uuid import UUID

import pytest
from pydantic import BaseModel

from chassis.bus import Bus
from contracts import refusals
from contracts.base import (
    SERVICES,
    ActorKind,
    Caller,
    Command,
    Errand,
    Event,
    IdempotencyKey,
    Intake,
    LookUp,
    Message,
    Query,
    Request,
    Role,
)
from contracts.refusals import Crashed, Invalid, Refusal, StaleVersion, TransitionNotAllowed
from contracts.tickets import (
    AddNote,
    ChangeTicket,
    CreateTicket,
    GetTicket,
    ListTickets,
    NoteSnapshot,
    TicketChange,
    TicketPage,
    TicketSnapshot,
)
from tests.support.each import for_each

CALLER = Caller(workspace_id="northwind", kind=ActorKind.USER, id="ada", name="Ada", role=Role.OWNER)
TICKET = UUID(int=42)


# Subjects


def an_event(subject: str, **options: tuple[str, ...]) -> None:
    class Something(Event, subject=subject, **options):
        pass


def a_query(subject: str) -> None:
    class Something(Query[TicketSnapshot], subject=subject):
        pass


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "tickets",
        "tickets.events.v1",
        "tickets.events.v1.",
        "tickets.events.v0.born",
        "tickets.events.v01.born",
        "tickets.events.1.born",
        "tickets.events.v1.Born",
        "tickets.events.v1.born.again",
        "tickets.events.v1.*",
        "tickets.events.v1.>",
        "tickets.events.v1.born ",
        "tickets.events.v1.born\n",
        "tickets.gossip.v1.born",
        "billing.events.v1.born",
        "events.v1.born",
    ],
)
def test_a_subject_outside_the_grammar_is_a_type_error(subject: str) -> None:
    known = dict(Message.registry)

    with pytest.raises(TypeError, match="<owner>"):
        an_event(subject)
    assert Message.registry == known


@pytest.mark.parametrize("subject", ["tickets.requests.v1.born", "tickets.intake.v1.born", "tickets.deadletters.v1.x"])
def test_an_event_can_not_claim_another_kinds_subject(subject: str) -> None:
    with pytest.raises(TypeError, match=r"<owner>[.]events"):
        an_event(subject)


def test_a_request_can_not_claim_an_events_subject() -> None:
    with pytest.raises(TypeError, match=r"<owner>[.]requests"):
        a_query("tickets.events.v1.asked")


def test_a_subject_belongs_to_one_message() -> None:
    with pytest.raises(TypeError, match="belongs to TicketCreated"):
        an_event("tickets.events.v1.ticket_created")


def test_only_services_hear() -> None:
    known = dict(Message.registry)

    with pytest.raises(TypeError, match="billing"):
        an_event("tickets.events.v1.born", heard_by=("activity", "billing"))
    assert Message.registry == known


@for_each("kind", Message.registry.values())
def test_a_message_knows_its_owner_and_type_and_says_what_it_is_for(kind: type[Message]) -> None:
    owner, _, _, name = kind.SUBJECT.split(".")

    assert (owner, name) == (kind.OWNER, kind.TYPE)
    assert kind.__doc__
    assert set(kind.HEARD_BY) <= set(SERVICES)


@for_each("kind", [*Event.of_kind(), *Intake.of_kind()])
def test_what_is_stored_is_heard_by_somebody(kind: type[Message]) -> None:
    """What the ledger and the inbox announce is only followed: it hints at what can be read from them."""
    assert bool(kind.HEARD_BY) is (kind.OWNER not in ("activity", "notifications"))


# Requests and replies


@for_each("kind", Request.of_kind())
def test_a_request_names_its_reply(kind: type[Request[BaseModel]]) -> None:
    assert issubclass(kind.reply(), BaseModel)
    assert issubclass(kind, Query | Command | LookUp | Errand)


def reply_to[R: BaseModel](request: Request[R]) -> type[R]:
    return request.reply()


def test_the_reply_follows_the_request() -> None:
    """What `assert_type` says is checked by mypy; here it runs as well."""
    create = CreateTicket(caller=CALLER, ticket_id=TICKET, subject="Fire")
    change = ChangeTicket(caller=CALLER, ticket="1", change=TicketChange())
    note = AddNote(caller=CALLER, ticket="1", note_id=TICKET, body="Out")

    assert assert_type(reply_to(create), type[TicketSnapshot]) is TicketSnapshot
    assert assert_type(reply_to(change), type[TicketSnapshot]) is TicketSnapshot
    assert assert_type(reply_to(note), type[NoteSnapshot]) is NoteSnapshot
    assert assert_type(reply_to(GetTicket(caller=CALLER, ticket="1")), type[TicketSnapshot]) is TicketSnapshot
    assert assert_type(reply_to(ListTickets(caller=CALLER)), type[TicketPage]) is TicketPage


async def asked(bus: Bus) -> None:
    """Is never called: mypy reads it."""
    assert_type(await bus.ask(GetTicket(caller=CALLER, ticket="1")), TicketSnapshot)
    assert_type(await bus.ask(ListTickets(caller=CALLER)), TicketPage)
    assert_type(await bus.ask(AddNote(caller=CALLER, ticket="1", note_id=TICKET, body="Out"), within=1), NoteSnapshot)


def test_a_command_without_a_clients_key_is_its_own() -> None:
    one, two = (CreateTicket(caller=CALLER, ticket_id=TICKET, subject="Fire") for _ in range(2))
    again = CreateTicket.model_validate_json(one.model_dump_json())
    key = IdempotencyKey(key="k", route="r", fingerprint="f")

    assert one.key == again.key
    assert one.key != two.key
    assert one.model_copy(update={"idempotency": key}).key == key


def test_null_and_not_set_stay_two_things_on_the_wire() -> None:
    command = ChangeTicket(caller=CALLER, ticket="1", change=TicketChange(assignee=None))
    again = ChangeTicket.model_validate_json(command.model_dump_json())

    assert again.change.model_fields_set == {"assignee"}
    assert again.change.assignee is None


# Refusals


def every_refusal(kind: type[Refusal] = Refusal) -> set[type[Refusal]]:
    return {found for below in kind.__subclasses__() for found in (below, *every_refusal(below))}


def test_the_tree_of_refusals_is_drawn_whole() -> None:
    drawn: dict[type[Refusal], tuple[int, str]] = {}
    branch: list[type[Refusal]] = [Refusal]
    for line in (refusals.__doc__ or "").splitlines():
        if found := re.fullmatch(r"((?:[│ ] {3})*)[├└]── (\w+) +(?:(\d{3})  )?([a-z_]+)\b.*", line):
            depth = len(found[1]) // 4 + 1
            kind: type[Refusal] = getattr(refusals, found[2])
            assert kind.__bases__ == (branch[depth - 1],), line
            branch[depth:] = [kind]
            drawn[kind] = (int(found[3]) if found[3] else branch[depth - 1].status, found[4])

    assert drawn == {kind: (kind.status, kind.code) for kind in every_refusal()}


def test_a_code_is_one_refusals() -> None:
    assert len({kind.code for kind in every_refusal()}) == len(every_refusal())
    with pytest.raises(TypeError, match="belongs to NotFound"):
        type("Gone", (Refusal,), {"code": "not_found"})


@for_each("kind", Refusal.registry.values())
def test_a_refusal_comes_out_as_it_went_in(kind: type[Refusal]) -> None:
    again = Refusal.from_wire(kind("Because.", retry_after=5).to_wire())

    assert type(again) is kind
    assert (again.detail, again.facts) == ("Because.", {"retry_after": 5})
    assert kind().detail.endswith(".")


@pytest.mark.parametrize(
    ("make", "fact"),
    [
        (lambda: TransitionNotAllowed(allowed=["open"]), "allowed"),
        (lambda: StaleVersion(version=4, missed=[]), "missed"),
        (lambda: Invalid.field("subject", "missing", "is required"), "errors"),
    ],
)
def test_the_facts_of_a_refusal_travel(make: Callable[[], Refusal], fact: str) -> None:
    refusal = make()

    assert Refusal.from_wire(refusal.to_wire()).facts[fact] == refusal.facts[fact]


def test_a_code_of_tomorrow_is_taken_for_a_crash() -> None:
    assert type(Refusal.from_wire({"code": "from_the_future", "detail": "?"})) is Crashed
