"""Who may do what with a ticket, where it may go, and that its facts tell its whole life."""

import json
from collections.abc import Callable
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from contracts.base import Audience, Caller, Message, Person, Role, TicketEvent
from contracts.refusals import Invalid, NotAllowed, Refusal, TransitionNotAllowed
from contracts.tickets import (
    ACTIVE,
    Action,
    Assigned,
    CommentAdded,
    ContactLinked,
    ContactUnlinked,
    ConversationLinked,
    ConversationRef,
    NoteAdded,
    NoteKind,
    NotePinned,
    Priority,
    Status,
    StatusChanged,
    TagsChanged,
    TicketChange,
    TicketCreated,
    Unassigned,
)
from services.tickets.domain import (
    HIDDEN,
    Contact,
    Ticket,
    allowed,
    audience_of,
    field_values,
    integration,
    moves,
    require,
    require_creation,
    require_desk,
    sees_addresses,
)
from tests.support.each import for_each
from tests.tickets.builders import (
    ACME,
    GLOBEX,
    NOON,
    a_contact,
    a_ticket,
    by,
    caller,
    id_of,
    opened,
    person,
)

ASSIGNMENTS: dict[str, Person | None] = {"nobody": None, "me": person("Me"), "another": person("Ann")}

DESK = "edit move note read_notes link reply assign close reopen delete watch"
RIGHTS = {
    ("owner", "nobody"): DESK + " claim",
    ("owner", "me"): DESK,
    ("owner", "another"): DESK,
    ("admin", "nobody"): DESK + " claim",
    ("admin", "me"): DESK,
    ("admin", "another"): DESK,
    ("member", "nobody"): "read_notes watch",
    ("member", "me"): "edit move note read_notes link reply watch",
    ("member", "another"): "read_notes watch",
    ("guest", "nobody"): "watch",
    ("guest", "me"): "watch",
    ("guest", "another"): "watch",
}

CREATION = {
    "owner": "nobody me another",
    "admin": "nobody me another",
    "member": "nobody me",
    "guest": "",
}

MOVES = {
    "new": "open in_progress waiting_on_customer resolved closed spam",
    "open": "in_progress waiting_on_customer resolved closed spam",
    "in_progress": "open waiting_on_customer resolved closed spam",
    "waiting_on_customer": "open in_progress resolved closed spam",
    "resolved": "open in_progress waiting_on_customer closed spam",
    "closed": "open spam",
    "spam": "open closed",
}

every_standing = for_each(("role", "assignment"), product(Role, ASSIGNMENTS))
every_pair = for_each(("old", "new"), product(Status, Status))


def me(role: Role) -> Caller:
    return caller("Me", role)


# Rights


@every_standing
@for_each("action", Action)
def test_a_right_is_the_tables(role: Role, assignment: str, action: Action) -> None:
    ticket = a_ticket(assignee=ASSIGNMENTS[assignment])
    granted = action.value in RIGHTS[role.value, assignment].split()

    assert (action in allowed(me(role), ticket).actions) is granted
    if granted:
        require(action, me(role), ticket)
    else:
        with pytest.raises(NotAllowed):
            require(action, me(role), ticket)


@every_standing
def test_who_may_create_is_the_tables(role: Role, assignment: str) -> None:
    if assignment in CREATION[role.value].split():
        ticket, _ = opened(caller=me(role), assignee=ASSIGNMENTS[assignment])
        assert ticket.assignee == ASSIGNMENTS[assignment]
    else:
        with pytest.raises(NotAllowed):
            opened(caller=me(role), assignee=ASSIGNMENTS[assignment])


@pytest.mark.parametrize("role", Role)
def test_only_owner_and_admin_run_the_desk(role: Role) -> None:
    if role in (Role.OWNER, Role.ADMIN):
        require_desk(me(role))
    else:
        with pytest.raises(NotAllowed):
            require_desk(me(role))


@pytest.mark.parametrize("role", Role)
def test_a_caller_of_another_workspace_has_no_right_at_all(role: Role) -> None:
    stranger = caller("Me", role, workspace=GLOBEX)

    assert allowed(stranger, a_ticket(assignee=ASSIGNMENTS["me"])).model_dump() == {"actions": (), "statuses": ()}


def test_another_system_opens_tickets_and_touches_none() -> None:
    robot = integration(ACME, "status-page")
    ticket, _ = opened(caller=robot)

    assert robot.actor.model_dump() == {"kind": "integration", "id": "integration:status-page", "name": "status-page"}
    for action in (Action.EDIT, Action.MOVE, Action.NOTE, Action.LINK, Action.ASSIGN, Action.CLOSE):
        with pytest.raises(NotAllowed):
            require(action, robot, ticket)
    with pytest.raises(NotAllowed):
        require_creation(robot, person("Ann"))


def test_guests_know_contacts_by_name_only() -> None:
    assert [role for role in Role if not sees_addresses(me(role))] == [Role.GUEST]


def test_a_guest_can_not_be_given_work() -> None:
    guest = person("Gus", Role.GUEST)

    with pytest.raises(Invalid, match="value"):
        opened(assignee=guest)
    with pytest.raises(Invalid):
        a_ticket().change(TicketChange(assignee=guest), caller(), by())


@for_each("kind", TicketEvent.of_kind())
def test_the_teams_own_words_are_the_teams_and_the_rest_is_for_everyone(kind: type[TicketEvent]) -> None:
    teams = kind in (NoteAdded, NotePinned, CommentAdded)

    assert audience_of(kind) is (Audience.TEAM if teams else Audience.EVERYONE)


# Statuses


def test_a_status_is_either_active_or_hidden() -> None:
    assert {*ACTIVE, *HIDDEN} == set(Status)
    assert not {*ACTIVE} & {*HIDDEN}


@pytest.mark.parametrize("old", Status)
def test_the_moves_are_the_tables(old: Status) -> None:
    assert [new.value for new in moves(old)] == MOVES[old.value].split()


def moves_open_to(role: Role, assignment: str, old: Status) -> list[str]:
    table = MOVES[old.value].split()
    if role in (Role.OWNER, Role.ADMIN):
        return table
    if role is Role.MEMBER and assignment == "me" and old is not Status.CLOSED:
        return [new for new in table if new != "closed"]
    return []


@every_pair
@every_standing
def test_a_move_is_made_or_refused_as_the_tables_say(old: Status, new: Status, role: Role, assignment: str) -> None:
    ticket = a_ticket(old, assignee=ASSIGNMENTS[assignment])
    before = ticket.state
    open_moves = moves_open_to(role, assignment, old)
    assert [status.value for status in allowed(me(role), ticket).statuses] == open_moves

    def change() -> list[TicketEvent]:
        return ticket.change(TicketChange(status=new), me(role), by(me(role), minute=2))

    if new.value in open_moves:
        (fact,) = change()
        assert isinstance(fact, StatusChanged)
        assert (fact.old, fact.new, ticket.status) == (old, new, new)
        return
    if new is old and "move" in RIGHTS[role.value, assignment].split():
        assert change() == []
    elif new is old or new.value in MOVES[old.value].split():
        with pytest.raises(NotAllowed):
            change()
    else:
        with pytest.raises(TransitionNotAllowed) as refused:
            change()
        assert refused.value.facts == {"allowed": open_moves}
    assert ticket.state == before


def test_a_right_is_looked_at_before_a_move() -> None:
    ticket = a_ticket(Status.CLOSED, assignee=person("Ann"))

    with pytest.raises(NotAllowed):
        ticket.change(TicketChange(subject="Mine now", status=Status.RESOLVED), me(Role.MEMBER), by())
    with pytest.raises(TransitionNotAllowed):
        ticket.change(TicketChange(status=Status.RESOLVED), me(Role.MEMBER), by())


# Times


@pytest.mark.parametrize(
    ("path", "resolved", "closed"),
    [
        ("resolved", 1, None),
        ("resolved open", None, None),
        ("resolved waiting_on_customer", None, None),
        ("resolved closed", 1, 2),
        ("resolved closed open", None, None),
        ("resolved spam", 1, None),
        ("resolved spam open", None, None),
        ("resolved open resolved", 3, None),
        ("closed", None, 1),
        ("closed open", None, None),
        ("closed spam", None, 1),
        ("closed spam closed", None, 3),
        ("closed open resolved", 3, None),
    ],
)
def test_a_ticket_knows_since_when_it_is_resolved_and_closed(
    path: str, resolved: int | None, closed: int | None
) -> None:
    ticket = a_ticket()
    for minute, status in enumerate(path.split(), 1):
        ticket.change(TicketChange(status=Status(status)), caller(), by(minute=minute))

    state = ticket.state
    at: Callable[[int | None], Any] = lambda minute: None if minute is None else by(minute=minute).now  # noqa: E731
    assert (state.resolved_at, state.closed_at) == (at(resolved), at(closed))
    assert state.created_at == NOON
    assert state.updated_at == at(len(path.split()))
    assert state.first_response_at is None


def test_spam_remembers_what_the_ticket_was() -> None:
    ticket = a_ticket(Status.IN_PROGRESS)

    ticket.change(TicketChange(status=Status.SPAM), caller(), by())
    assert ticket.state.status_before_spam is Status.IN_PROGRESS
    ticket.change(TicketChange(status=Status.OPEN), caller(), by())
    assert ticket.state.status_before_spam is None


# Facts


def test_a_new_ticket_is_new_and_tells_so_once() -> None:
    ticket, facts = opened(tags=("vip", "paper", "vip"), contact=a_contact(), external_id="INC-7")

    (created,) = facts
    assert isinstance(created, TicketCreated)
    assert created.model_dump(include={"version", "status", "tags", "external_id", "via", "cause", "workspace_id"}) == {
        "version": 1,
        "status": "new",
        "tags": ("vip", "paper"),
        "external_id": "INC-7",
        "via": "web",
        "cause": "a command",
        "workspace_id": ACME,
    }
    assert created.actor == caller().actor
    assert created.at == NOON
    assert ticket.state.contact == a_contact()


def test_a_ticket_from_a_conversation_is_linked_at_once_by_the_right_to_create() -> None:
    conversation = ConversationRef(id=id_of("chat"), external_id="C-1", url="https://chat.example/C-1")
    ticket, facts = opened(caller=me(Role.MEMBER), conversation=conversation)

    assert [(type(fact), fact.version) for fact in facts] == [(TicketCreated, 1), (ConversationLinked, 2)]
    assert ticket.state.conversations == (conversation,)


def test_one_command_is_one_fact_per_change() -> None:
    ticket = a_ticket()
    facts = ticket.change(
        TicketChange(
            subject="Fire",
            description="Worse",
            status=Status.OPEN,
            priority=Priority.CRITICAL,
            assignee=person("Ann"),
            contact_id=id_of("Casey"),
            tags=("a", "b", "a"),
            fields={"room": "3.14"},
        ),
        caller(),
        by(minute=5),
        a_contact(),
    )

    assert [fact.TYPE for fact in facts] == [
        "subject_changed",
        "description_changed",
        "priority_changed",
        "tags_changed",
        "fields_changed",
        "contact_linked",
        "assigned",
        "status_changed",
    ]
    assert [fact.version for fact in facts] == list(range(2, 10))
    assert {(fact.cause, fact.at) for fact in facts} == {("a command", by(minute=5).now)}
    assert ticket.state.tags == ("a", "b")
    assert ticket.state.updated_at == by(minute=5).now


def test_tags_are_added_and_removed_beside_others() -> None:
    ticket = a_ticket(tags=("vip", "paper"))

    (fact,) = ticket.change(TicketChange(add_tags=("toner", "vip"), remove_tags=("paper", "none")), caller(), by())
    assert (fact.TYPE, ticket.state.tags) == ("tags_changed", ("vip", "toner"))
    assert ticket.change(TicketChange(add_tags=("vip",)), caller(), by()) == []
    ticket.change(TicketChange(tags=("a", "b"), add_tags=("c",), remove_tags=("a",)), caller(), by())
    assert ticket.state.tags == ("b", "c")

    with pytest.raises(Invalid) as refused:
        ticket.change(TicketChange(subject="Other", add_tags=tuple(f"t{n}" for n in range(19))), caller(), by())
    assert refused.value.facts["errors"][0]["field"] == "add_tags"
    assert (ticket.state.tags, ticket.version) == (("b", "c"), 3)


def test_nobody_else_is_told_a_contacts_address() -> None:
    ticket, created = opened(contact=a_contact())
    told = ticket.change(TicketChange(contact_id=id_of("Kim")), caller(), by(), a_contact("Kim", "kim@example.com"))
    told += ticket.change(TicketChange(contact_id=None), caller(), by())

    assert [type(fact) for fact in told] == [ContactLinked, ContactUnlinked]
    assert "@" not in "".join(fact.model_dump_json() for fact in [*created, *told])


def test_the_changed_ticket_shows_its_new_contacts_address() -> None:
    ticket = a_ticket()
    ticket.change(TicketChange(contact_id=id_of("Kim")), caller(), by(), a_contact("Kim", "kim@example.com"))

    assert ticket.state.contact is not None
    assert ticket.state.contact.email == "kim@example.com"


def test_the_same_person_under_another_name_is_no_other_assignee() -> None:
    ticket = a_ticket(assignee=person("Ann"))
    renamed = person("Ann").model_copy(update={"name": "Ann Lee", "role": Role.ADMIN})

    assert ticket.change(TicketChange(assignee=renamed), caller(), by()) == []


def test_taking_the_assignee_away_tells_who_it_was() -> None:
    ticket = a_ticket(assignee=person("Ann"))
    (fact,) = ticket.change(TicketChange(assignee=None), caller(), by())
    (again,) = ticket.change(TicketChange(assignee=person("Bob")), caller(), by())

    assert isinstance(fact, Unassigned)
    assert fact.old == person("Ann")
    assert isinstance(again, Assigned)
    assert again.old is None


def test_a_field_that_is_not_set_stays() -> None:
    ticket = a_ticket(assignee=person("Ann"), contact=a_contact(), tags=("vip",))

    (fact,) = ticket.change(TicketChange(tags=()), caller(), by())
    assert isinstance(fact, TagsChanged)
    assert ticket.assignee == person("Ann")
    assert ticket.state.contact == a_contact()


@pytest.mark.parametrize("field", ["subject", "description", "status", "priority", "tags", "fields"])
def test_what_always_has_a_value_can_not_be_taken_away(field: str) -> None:
    ticket = a_ticket()
    before = ticket.state

    with pytest.raises(Invalid) as refused:
        ticket.change(TicketChange.model_validate({field: None, "assignee": None}), caller(), by())
    assert [error["field"] for error in refused.value.facts["errors"]] == [field]
    assert ticket.state == before


@pytest.mark.parametrize("found", [None, a_contact("Kim")])
def test_a_contact_that_is_not_there_can_not_be_linked(found: Contact | None) -> None:
    ticket = a_ticket(contact=a_contact())
    before = ticket.state

    with pytest.raises(Invalid) as refused:
        ticket.change(TicketChange(contact_id=id_of("Lee"), subject="x"), caller(), by(), found)
    assert refused.value.facts["errors"][0]["field"] == "contact_id"
    assert ticket.state == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("subject", "x"),
        ("description", "x"),
        ("priority", "low"),
        ("tags", ["x"]),
        ("fields", {"x": None}),
        ("contact_id", None),
    ],
)
def test_a_named_field_takes_its_right_even_where_its_value_stays(field: str, value: object) -> None:
    ticket = a_ticket(assignee=person("Ann"))
    same = TicketChange.model_validate({field: value})
    ticket.change(same, caller(), by())

    with pytest.raises(NotAllowed):
        ticket.change(same, me(Role.GUEST), by())
    with pytest.raises(NotAllowed):
        ticket.change(same, me(Role.MEMBER), by())


# Notes and conversations


def test_a_note_may_be_pinned_and_a_comment_may_answer_another() -> None:
    ticket = a_ticket(assignee=person("Me"))
    (note,) = ticket.add_note(
        id=id_of("n1"), body="Call back", kind=NoteKind.NOTE, pinned=True, caller=me(Role.MEMBER), by=by()
    )
    (comment,) = ticket.add_note(
        id=id_of("n2"), body="Done", kind=NoteKind.COMMENT, in_reply_to=id_of("n1"), caller=me(Role.MEMBER), by=by()
    )

    assert isinstance(note, NoteAdded)
    assert note.pinned
    assert isinstance(comment, CommentAdded)
    assert comment.in_reply_to == id_of("n1")
    assert {note.audience, comment.audience} == {Audience.TEAM}
    assert ticket.version == 3


@pytest.mark.parametrize(
    ("kind", "extra", "field"),
    [
        (NoteKind.COMMENT, {"pinned": True}, "pinned"),
        (NoteKind.NOTE, {"in_reply_to": id_of("n1")}, "in_reply_to"),
    ],
)
def test_a_comment_is_not_pinned_and_a_note_answers_nothing(kind: NoteKind, extra: dict[str, Any], field: str) -> None:
    ticket = a_ticket()

    with pytest.raises(Invalid) as refused:
        ticket.add_note(id=id_of("n"), body="x", kind=kind, caller=caller(), by=by(), **extra)
    assert refused.value.facts["errors"][0]["field"] == field
    assert ticket.version == 1


def test_a_conversation_is_linked_once() -> None:
    ticket, chat = a_ticket(), ConversationRef(id=id_of("chat"))

    assert len(ticket.link_conversation(chat, caller(), by())) == 1
    assert ticket.link_conversation(chat, caller(), by()) == []
    with pytest.raises(NotAllowed):
        ticket.link_conversation(ConversationRef(id=id_of("other")), me(Role.GUEST), by())
    assert ticket.state.conversations == (chat,)


# Life as a whole

LINES = st.sampled_from(["Fire", "Smoke", 'Fumée 火 \\ "quoted"'])
PEOPLE = st.sampled_from([person("Ann"), person("Me"), person("Bob", Role.ADMIN), person("Gus", Role.GUEST)])
CONTACTS = [a_contact(), a_contact("Kim", None), a_contact("Lee", "lee@example.com")]
CALLERS = st.sampled_from([*(me(role) for role in Role), caller("Ann", Role.MEMBER), caller("Olivia")])
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "subject": LINES,
        "description": LINES,
        "status": st.sampled_from(Status),
        "priority": st.sampled_from(Priority),
        "assignee": st.none() | PEOPLE,
        "contact_id": st.none() | st.sampled_from([*(contact.id for contact in CONTACTS), id_of("Nobody")]),
        "tags": st.lists(st.sampled_from("abc"), max_size=4).map(tuple),
        "add_tags": st.lists(st.sampled_from("abcd"), max_size=2).map(tuple),
        "remove_tags": st.lists(st.sampled_from("abcd"), max_size=2).map(tuple),
        "fields": st.dictionaries(st.sampled_from("abc"), st.none() | LINES),
    },
).map(lambda fields: TicketChange(**fields))

type Command = Callable[[Ticket, int], list[TicketEvent]]


def a_change(who: Caller, change: TicketChange) -> Command:
    contact = next((known for known in CONTACTS if known.id == change.contact_id), None)
    return lambda ticket, minute: ticket.change(change, who, by(who, minute), contact)


def a_note(who: Caller, id: UUID, kind: NoteKind, *, pinned: bool) -> Command:
    return lambda ticket, minute: ticket.add_note(
        id=id, body="x", kind=kind, pinned=pinned, caller=who, by=by(who, minute)
    )


def a_link(who: Caller, id: UUID) -> Command:
    return lambda ticket, minute: ticket.link_conversation(ConversationRef(id=id), who, by(who, minute))


COMMANDS = st.lists(
    st.builds(a_change, CALLERS, CHANGES)
    | st.builds(a_note, CALLERS, st.uuids(), st.sampled_from(NoteKind), pinned=st.booleans())
    | st.builds(a_link, CALLERS, st.sampled_from([id_of("chat"), id_of("mail")])),
    max_size=12,
)


def told_by_mail(fact: TicketEvent) -> TicketEvent:
    """The fact as it arrives elsewhere."""
    return TypeAdapter(Message.registry[fact.SUBJECT]).validate_json(fact.model_dump_json())  # type: ignore[return-value]


@given(CALLERS.filter(lambda who: who.role is not Role.GUEST), st.none() | st.sampled_from(CONTACTS), COMMANDS)
def test_the_facts_of_a_ticket_tell_its_whole_life(
    who: Caller, contact: Contact | None, commands: list[Command]
) -> None:
    ticket, facts = opened(caller=who, contact=contact)
    for minute, command in enumerate(commands):
        before = ticket.state
        try:
            told = command(ticket, minute)
        except Refusal:
            assert ticket.state == before
            continue
        if not told:
            assert ticket.state == before
        facts += told

    assert [fact.version for fact in facts] == list(range(1, ticket.version + 1))
    assert all(fact.ticket_id == ticket.id and fact.workspace_id == ACME for fact in facts)
    assert Ticket.replay(told_by_mail(fact) for fact in facts).state == ticket.state


@given(COMMANDS)
def test_saying_it_again_is_no_fact(commands: list[Command]) -> None:
    ticket, _ = opened()
    for minute, command in enumerate(commands):
        try:
            command(ticket, minute)
        except Refusal:
            continue
    state = ticket.state
    same = TicketChange(
        subject=state.subject,
        description=state.description,
        status=state.status,
        priority=state.priority,
        assignee=state.assignee,
        contact_id=state.contact.id if state.contact else None,
        tags=(*state.tags, *state.tags),
        fields={"unknown": None, **field_values(state.fields)},
    )

    assert ticket.change(same, caller(), by(minute=99), state.contact) == []
    assert ticket.state == state


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_life_with_a_hole_is_not_told(lost: int) -> None:
    ticket, facts = opened()
    for status in (Status.OPEN, Status.RESOLVED, Status.CLOSED):
        facts += ticket.change(TicketChange(status=status), caller(), by())
    del facts[lost]

    with pytest.raises(ValueError, match="version"):
        Ticket.replay(facts)


def test_another_tickets_fact_is_refused() -> None:
    ticket, _ = opened()
    (foreign,) = a_ticket(id=id_of("other")).change(TicketChange(subject="x"), caller(), by())

    with pytest.raises(ValueError, match="does not follow"):
        ticket.apply(foreign)


def test_facts_are_plain_json() -> None:
    ticket, facts = opened(assignee=person("Ann"), contact=a_contact())
    facts += ticket.change(TicketChange(assignee=None, contact_id=None), caller(), by())

    for fact in facts:
        assert told_by_mail(fact) == fact
        json.dumps(fact.model_dump(mode="json"), allow_nan=False)
