"""What a conversation does to its tickets, held against a plain model of it."""

import datetime as dt
from typing import Any

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from contracts.base import Role
from contracts.refusals import Conflict, NotAllowed, NotFound, TransitionNotAllowed
from contracts.tickets import Author, AuthorKind, MessagePosted, Priority, Status, TicketChange, TicketRef
from services.tickets.domain import Conversation, Ticket, require_reply, talk, update_from_outside
from services.tickets.domain.conversation import MOST_LINKS
from tests.tickets.builders import ACME, NOON, a_ticket, by, caller, id_of, opened, person
from tests.tickets.desk import types_of


def a_conversation(**fields: Any) -> Conversation:
    given: dict[str, Any] = {"id": id_of("chat"), "workspace_id": ACME, "by": by()}
    begun, _ = Conversation.start(**given | fields)
    return begun


def a_message(kind: AuthorKind = AuthorKind.VISITOR, body: str = "Any news?") -> MessagePosted:
    _, posted = a_conversation().write(id=id_of("message"), author=Author(kind=kind, name="Kim"), body=body, by=by())
    return posted


# A conversation


@drawn(st.lists(st.sampled_from(AuthorKind), max_size=20))
def test_messages_are_numbered_without_holes_and_the_last_word_tells_who_waits(kinds: list[AuthorKind]) -> None:
    conversation, waits = a_conversation(), False
    for nth, kind in enumerate(kinds, 1):
        author = Author(kind=kind, name="Kim")
        conversation, posted = conversation.write(id=id_of(str(nth)), author=author, body="x", by=by(minute=nth))
        waits = {AuthorKind.VISITOR: True, AuthorKind.SYSTEM: waits}.get(kind, False)
        assert (posted.seq, posted.about.version) == (nth, nth + 1)
    assert (conversation.message_count, conversation.version) == (len(kinds), len(kinds) + 1)
    assert conversation.awaits_reply is waits


def test_another_systems_conversation_is_answered_there() -> None:
    a_conversation().require_own()
    with pytest.raises(Conflict) as refused:
        a_conversation(integration="chat", external_id="C-1", url="https://chat.example/1").require_own()
    assert refused.value.facts["url"] == "https://chat.example/1"


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(
    ("linked", "member"), [([], True), (["Me"], True), (["Ann"], False), ([None], False), (["Ann", "Me"], True)]
)
def test_who_may_answer(role: Role, linked: list[str | None], *, member: bool) -> None:
    tickets = [opened(assignee=person(name) if name else None)[0] for name in linked]
    may = {Role.OWNER: True, Role.ADMIN: True, Role.MEMBER: member, Role.GUEST: False}[role]

    if may:
        require_reply(caller("Me", role), tickets)
    else:
        with pytest.raises(NotAllowed):
            require_reply(caller("Me", role), tickets)


# A customer's message


@pytest.mark.parametrize("status", list(Status))
def test_who_waited_for_the_customer_is_open_again_and_the_others_stay(status: Status) -> None:
    ticket = a_ticket(status)
    version = ticket.version
    facts = talk.hear_customer(ticket, a_message(), by(minute=5))

    woken = status in (Status.WAITING_ON_CUSTOMER, Status.RESOLVED)
    assert types_of(facts) == ["customer_message", "status_changed"] if woken else ["customer_message"]
    assert ticket.status is (Status.OPEN if woken else status)
    assert [fact.version for fact in facts] == list(range(version + 1, version + 1 + len(facts)))
    assert ticket.state.first_response_at is None


def test_the_first_answer_is_remembered_and_only_the_first() -> None:
    ticket = a_ticket()
    talk.hear_agent(ticket, a_message(AuthorKind.AGENT), by(minute=5))
    talk.hear_agent(ticket, a_message(AuthorKind.AGENT), by(minute=9))

    assert ticket.state.first_response_at == NOON + dt.timedelta(minutes=5)


def a_follow_up(old: Ticket, status: Status = Status.NEW) -> Ticket:
    ticket, _ = Ticket.begin(
        id=id_of(f"follow-up of {old.id}"),
        workspace_id=ACME,
        number=old.state.number + 100,
        subject="Again",
        description="",
        priority=Priority.LOW,
        follow_up_of=TicketRef(id=old.id, number=old.state.number),
        by=by(),
    )
    if status is not Status.NEW:
        ticket.change(TicketChange(status=status), caller(), by(minute=1))
    return ticket


@pytest.mark.parametrize("status", list(Status))
def test_only_a_closed_ticket_is_followed_up(status: Status) -> None:
    ticket = a_ticket(status)

    assert talk.to_be_followed_up([ticket], NOON) is (ticket if status is Status.CLOSED else None)


@pytest.mark.parametrize("status", list(Status))
def test_while_a_follow_up_lives_there_is_no_second_one_and_then_it_is_followed_itself(status: Status) -> None:
    old = a_ticket(Status.CLOSED)
    new = a_follow_up(old, status)

    assert talk.to_be_followed_up([old, new], NOON) is (new if status is Status.CLOSED else None)


@pytest.mark.parametrize(
    ("days", "later", "followed"),
    [
        (None, dt.timedelta(days=5000), True),
        (3, dt.timedelta(days=3), True),
        (3, dt.timedelta(days=3, seconds=1), False),
        (3, dt.timedelta(0), True),
    ],
)
def test_what_was_closed_too_long_ago_is_not_followed_up(
    days: int | None, later: dt.timedelta, *, followed: bool
) -> None:
    ticket = a_ticket(Status.CLOSED)
    settled = Ticket(ticket.state, ticket.rules.model_copy(update={"follow_up_days": days}))
    closed_at = settled.state.closed_at
    assert closed_at is not None

    assert (talk.to_be_followed_up([settled], closed_at + later) is settled) is followed


def test_of_two_closed_tickets_the_one_closed_last_is_followed() -> None:
    first, second = a_ticket(Status.CLOSED, id=id_of("one"), number=2), a_ticket(id=id_of("two"), number=1)
    second.change(TicketChange(status=Status.CLOSED), caller(), by(minute=7))

    assert talk.to_be_followed_up([first, second], NOON) is second


def test_a_follow_up_takes_over_what_the_old_one_was_about() -> None:
    old = a_ticket(Status.CLOSED, priority=Priority.HIGH, assignee=person("Ann"), tags=("vip",))
    new, facts, said = talk.follow_up(
        old, a_conversation(), a_message(body="It smokes again."), id=id_of("new"), number=7, by=by(minute=9)
    )

    assert types_of(facts) == ["ticket_created", "conversation_linked"]
    assert types_of(said) == ["follow_up_opened"]
    state = new.state
    assert (state.subject, state.description, state.priority) == (old.state.subject, "It smokes again.", Priority.HIGH)
    assert (state.status, state.assignee, state.contact) == (Status.NEW, None, old.state.contact)
    assert state.follow_up_of == TicketRef(id=old.id, number=old.state.number)
    assert old.status is Status.CLOSED
    assert Ticket.replay(facts).state == state


# Everything that can happen between them, against a model

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("customer"), st.just(0)),
        st.tuples(st.just("agent"), st.sampled_from([None, *Status])),
        st.tuples(st.just("move"), st.sampled_from(Status)),
        st.tuples(st.just("link"), st.just(0)),
        st.tuples(st.just("unlink"), st.just(0)),
    ),
    max_size=25,
)


@drawn(STEPS)
def test_a_ticket_and_its_conversation_keep_to_a_plain_model(steps: list[tuple[str, Any]]) -> None:
    olivia, conversation = caller(), a_conversation()
    ticket, facts = opened(caller=olivia)
    status, linked, answered = Status.NEW, False, False
    for minute, (step, what) in enumerate(steps, 1):
        step_by, told = by(olivia, minute), []
        if step == "customer" and linked:
            told = talk.hear_customer(ticket, a_message(), step_by)
            status = Status.OPEN if status in (Status.WAITING_ON_CUSTOMER, Status.RESOLVED) else status
        elif step == "agent" and linked:
            may = what in ticket.allowed(olivia).statuses
            told = talk.hear_agent(ticket, a_message(AuthorKind.AGENT), step_by, status=what, caller=olivia)
            status, answered = (what if may else status), True
        elif step == "move" and what in ticket.allowed(olivia).statuses:
            told = ticket.change(TicketChange(status=what), olivia, step_by)
            status = what
        elif step == "link":
            told = ticket.link_conversation(conversation.ref, olivia, step_by)
            assert bool(told) is not linked
            linked = True
        elif step == "unlink" and linked:
            told = ticket.unlink_conversation(conversation.id, olivia, step_by)
            linked = False
        elif step == "unlink":
            with pytest.raises(NotFound):
                ticket.unlink_conversation(conversation.id, olivia, step_by)
        facts += told

    assert (ticket.status, bool(ticket.state.conversations)) == (status, linked)
    assert (ticket.state.first_response_at is not None) is answered
    assert [fact.version for fact in facts] == list(range(1, len(facts) + 1))
    assert Ticket.replay(facts).state == ticket.state


# Moves in the same command


def test_a_reply_moves_only_what_the_caller_may_move() -> None:
    mine, other = a_ticket(Status.OPEN, assignee=person("Me")), a_ticket(Status.OPEN, assignee=person("Ann"))
    me = caller("Me", Role.MEMBER)
    talk.require_a_move([other, mine], Status.WAITING_ON_CUSTOMER, me)
    for ticket in (mine, other):
        talk.hear_agent(ticket, a_message(AuthorKind.AGENT), by(me), status=Status.WAITING_ON_CUSTOMER, caller=me)

    assert (mine.status, other.status) == (Status.WAITING_ON_CUSTOMER, Status.OPEN)


def test_a_move_that_no_ticket_can_make_is_refused_with_those_that_some_can() -> None:
    closed, open_ = a_ticket(Status.CLOSED), a_ticket(Status.SPAM)

    with pytest.raises(TransitionNotAllowed) as refused:
        talk.require_a_move([closed, open_], Status.RESOLVED, caller())
    assert refused.value.facts["allowed"] == ["open", "closed", "spam"]
    with pytest.raises(TransitionNotAllowed):
        talk.require_a_move([], Status.RESOLVED, caller())


def test_a_move_that_others_may_make_is_refused_as_a_right() -> None:
    mine = a_ticket(Status.OPEN, assignee=person("Me"))

    with pytest.raises(NotAllowed):
        talk.require_a_move([mine], Status.CLOSED, caller("Me", Role.MEMBER))
    with pytest.raises(TransitionNotAllowed):
        talk.require_a_move([mine], Status.NEW, caller("Me", Role.MEMBER))


def test_a_ticket_that_stands_there_already_need_not_move() -> None:
    talk.require_a_move([a_ticket(Status.RESOLVED)], Status.RESOLVED, caller())


def test_a_conversation_is_linked_to_so_many_tickets_at_most() -> None:
    talk.require_room(MOST_LINKS - 1)
    with pytest.raises(Conflict):
        talk.require_room(MOST_LINKS)


# Subjects


@pytest.mark.parametrize(
    ("body", "subject"),
    [
        ("My printer\n\n is on   fire", "My printer is on fire"),
        ("x" * 200, "x" * 200),
        ("x" * 201, "x" * 199 + "…"),
        ("a\u202eb\u200bc", "a b c"),
        ("\u200b", "…"),
    ],
)
def test_a_subject_is_the_beginning_of_a_message_in_one_line(body: str, subject: str) -> None:
    assert talk.subject_of(body) == subject


# What another system may do to its own


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("new", list(Status))
def test_another_system_moves_its_ticket_as_the_table_says(status: Status, new: Status) -> None:
    ticket = a_ticket(status)
    open_moves = ticket.allowed(caller()).statuses
    if new is status or new in open_moves:
        facts = update_from_outside(ticket, status=new, by=by())
        assert types_of(facts) == ([] if new is status else ["status_changed"])
        assert ticket.status is new
        return
    before = ticket.state
    with pytest.raises(TransitionNotAllowed):
        update_from_outside(ticket, status=new, priority=Priority.LOW, note=(id_of("note"), "x"), by=by())
    assert ticket.state == before


def test_another_system_ranks_and_notes_in_one_go() -> None:
    ticket = a_ticket()
    facts = update_from_outside(
        ticket, status=Status.RESOLVED, priority=Priority.LOW, note=(id_of("note"), "Over."), by=by()
    )

    assert types_of(facts) == ["priority_changed", "status_changed", "note_added"]
