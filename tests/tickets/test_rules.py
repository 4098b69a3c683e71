"""What a workspace settles widens what its members may do, and nobody else; and what a deletion does to all rights."""

from itertools import product
from typing import Any

import pytest

from contracts.base import ActorKind, Caller, Person, Role
from contracts.refusals import Conflict, Deleted, Invalid, NotAllowed, NotFound, Refusal
from contracts.tickets import (
    Action,
    NoteKind,
    Priority,
    SettingsChange,
    Status,
    TicketChange,
    TicketDeleted,
    TicketRestored,
    TicketSettings,
)
from services.tickets.domain import (
    Ticket,
    allowed,
    change_settings,
    clock,
    integration,
    require,
    require_creation,
    require_sight,
)
from tests.support.each import for_each
from tests.tickets.builders import ACME, NOON, a_ticket, by, caller, id_of, opened, person, the_clock

ASSIGNMENTS: dict[str, Person | None] = {"nobody": None, "me": person("Me"), "another": person("Ann")}
DESK = "edit move note read_notes link reply assign close reopen delete watch"
MINE = "edit move note read_notes link reply watch"

RIGHTS: dict[tuple[str, str, bool, bool], str] = {
    # role, assignment, members_may_claim, members_may_note_any
    ("member", "nobody", False, False): "read_notes watch",
    ("member", "nobody", True, False): "read_notes claim watch",
    ("member", "nobody", False, True): "note read_notes watch",
    ("member", "nobody", True, True): "note read_notes claim watch",
    ("member", "me", False, False): MINE,
    ("member", "me", True, False): MINE,
    ("member", "me", False, True): MINE,
    ("member", "me", True, True): MINE,
    ("member", "another", False, False): "read_notes watch",
    ("member", "another", True, False): "read_notes watch",
    ("member", "another", False, True): "note read_notes watch",
    ("member", "another", True, True): "note read_notes watch",
    **{
        (role, assignment, claim, note): rights
        for role, assignment, rights in [
            ("owner", "nobody", DESK + " claim"),
            ("owner", "me", DESK),
            ("owner", "another", DESK),
            ("admin", "nobody", DESK + " claim"),
            ("admin", "me", DESK),
            ("admin", "another", DESK),
            ("guest", "nobody", "watch"),
            ("guest", "me", "watch"),
            ("guest", "another", "watch"),
        ]
        for claim, note in product((False, True), repeat=2)
    },
}


def me(role: Role) -> Caller:
    return caller("Me", role)


def settled(**rules: Any) -> TicketSettings:
    return TicketSettings(**rules)


EVERY_RULE = settled(members_may_claim=True, members_may_note_any=True)


@for_each("standing", RIGHTS)
def test_a_right_is_the_tables_under_every_settlement(standing: tuple[str, str, bool, bool]) -> None:
    role, assignment, claim, note = standing
    rules = settled(members_may_claim=claim, members_may_note_any=note)
    ticket = a_ticket(assignee=ASSIGNMENTS[assignment], rules=rules)
    who = me(Role(role))

    assert {action.value for action in allowed(who, ticket).actions} == set(RIGHTS[standing].split())
    for action in Action:
        if action.value in RIGHTS[standing].split():
            require(action, who, ticket)
        else:
            with pytest.raises(NotAllowed):
                require(action, who, ticket)


def test_the_table_has_every_standing() -> None:
    assert set(RIGHTS) == set(product([role.value for role in Role], ASSIGNMENTS, (False, True), (False, True)))


def test_a_program_has_the_rights_of_its_role_on_the_tickets_of_the_member_behind_it() -> None:
    program = Caller(
        workspace_id=ACME,
        kind=ActorKind.INTEGRATION,
        id="token:1",
        name="Assistant",
        role=Role.MEMBER,
        behind=person("Me").id,
    )
    told = {name: allowed(program, a_ticket(assignee=who, rules=EVERY_RULE)) for name, who in ASSIGNMENTS.items()}
    assert {action.value for action in told["me"].actions} == set(MINE.split())
    # What a workspace lets its members do besides is for people.
    assert {action.value for action in told["nobody"].actions} == {"read_notes", "watch"}
    assert {action.value for action in told["another"].actions} == {"read_notes", "watch"}

    require_creation(program, person("Me"))
    with pytest.raises(NotAllowed):
        require_creation(program, person("Ann"))


def test_a_member_takes_a_ticket_that_nobody_has_for_themself_only() -> None:
    member = me(Role.MEMBER)
    ticket = a_ticket(rules=EVERY_RULE)

    with pytest.raises(NotAllowed):
        ticket.change(TicketChange(assignee=person("Ann")), member, by(member))
    with pytest.raises(NotAllowed):
        ticket.change(TicketChange(assignee=None), member, by(member))
    (fact,) = ticket.change(TicketChange(assignee=person("Me")), member, by(member))
    assert (fact.TYPE, ticket.assignee) == ("assigned", person("Me"))
    with pytest.raises(NotAllowed):
        ticket.change(TicketChange(assignee=None), member, by(member))


def test_what_another_has_is_not_taken() -> None:
    member = me(Role.MEMBER)
    ticket = a_ticket(assignee=person("Ann"), rules=EVERY_RULE)

    with pytest.raises(NotAllowed):
        ticket.change(TicketChange(assignee=person("Me")), member, by(member))


def test_claiming_gives_no_other_right_in_the_same_breath() -> None:
    member = me(Role.MEMBER)
    ticket = a_ticket(rules=EVERY_RULE)

    with pytest.raises(NotAllowed):
        ticket.change(TicketChange(assignee=person("Me"), status=Status.OPEN), member, by(member))
    assert ticket.version == 1


def test_another_system_is_no_member_to_whom_rights_are_given() -> None:
    robot = integration(ACME, "status-page")
    ticket = a_ticket(rules=EVERY_RULE)

    for action in (Action.CLAIM, Action.NOTE, Action.ASSIGN):
        with pytest.raises(NotAllowed):
            require(action, robot, ticket)


def test_a_ticket_without_a_priority_has_the_workspaces() -> None:
    rules = settled(default_priority=Priority.HIGH)

    assert opened(priority=None, rules=rules)[0].state.priority is Priority.HIGH
    assert opened(priority=Priority.LOW, rules=rules)[0].state.priority is Priority.LOW


# Deletion


@pytest.mark.parametrize("role", Role)
def test_only_who_runs_the_desk_deletes_restores_and_sees_what_is_deleted(role: Role) -> None:
    who = me(role)
    ticket = a_ticket(assignee=person("Me"), rules=EVERY_RULE)
    if not role.runs_the_desk:
        for attempt in (ticket.delete, ticket.restore):
            with pytest.raises(NotAllowed):
                attempt(who, by(who))
    ticket.delete(caller(), by(minute=3))

    assert ticket.state.deleted_at == by(minute=3).now
    if role.runs_the_desk:
        require_sight(who, ticket)
        assert allowed(who, ticket).model_dump() == {"actions": (Action.RESTORE,), "statuses": ()}
        (restored,) = ticket.restore(who, by(who))
        assert isinstance(restored, TicketRestored)
        assert not ticket.deleted
    else:
        assert allowed(who, ticket).model_dump() == {"actions": (), "statuses": ()}
        with pytest.raises(NotFound):
            require_sight(who, ticket)
        with pytest.raises(NotFound):
            ticket.restore(who, by(who))


@for_each("action", Action)
@for_each("role", Role)
def test_a_deleted_ticket_may_be_read_and_restored_by_those_who_see_it(role: Role, action: Action) -> None:
    ticket = a_ticket(assignee=person("Me"), rules=EVERY_RULE)
    ticket.delete(caller(), by())

    if not role.runs_the_desk:
        with pytest.raises(NotFound):
            require(action, me(role), ticket)
    elif action in (Action.READ_NOTES, Action.RESTORE):
        require(action, me(role), ticket)
    else:
        with pytest.raises(Deleted):
            require(action, me(role), ticket)


@pytest.mark.parametrize(
    "attempt",
    [
        lambda ticket, who: ticket.change(TicketChange(subject="x"), who, by()),
        lambda ticket, who: ticket.change(TicketChange(status=Status.OPEN), who, by()),
        lambda ticket, who: ticket.change(TicketChange(status=Status.NEW), who, by()),
        lambda ticket, who: ticket.change(TicketChange(assignee=None), who, by()),
        lambda ticket, who: ticket.add_note(id=id_of("n"), body="x", kind=NoteKind.NOTE, caller=who, by=by()),
        lambda ticket, who: ticket.delete(who, by()),
        lambda ticket, who: ticket.not_spam(who, by()),
    ],
    ids=["edit", "move", "no_such_move", "unassign", "note", "delete", "not_spam"],
)
def test_nothing_is_written_on_a_deleted_ticket(attempt: Any) -> None:
    ticket = a_ticket(Status.CLOSED, assignee=person("Me"))
    ticket.delete(caller(), by())
    before = ticket.state

    with pytest.raises(Deleted):
        attempt(ticket, caller())
    with pytest.raises(NotFound):
        attempt(ticket, me(Role.MEMBER))
    assert ticket.state == before


def test_a_restored_ticket_is_as_it_was() -> None:
    ticket = a_ticket(Status.RESOLVED, assignee=person("Ann"), tags=("a",))
    before = ticket.state
    (deleted,) = ticket.delete(caller(), by(minute=1))
    (restored,) = ticket.restore(caller(), by(minute=1))

    assert isinstance(deleted, TicketDeleted)
    assert (deleted.version, restored.version) == (before.version + 1, before.version + 2)
    assert {**as_dict(ticket), "version": before.version} == as_dict(Ticket(before))
    assert ticket.restore(caller(), by()) == []


def as_dict(ticket: Ticket) -> dict[str, Any]:
    return {name: getattr(ticket.state, name) for name in ticket.state.__slots__ if name != "updated_at"}


# Spam


@pytest.mark.parametrize("before", [status for status in Status if status is not Status.SPAM])
@pytest.mark.parametrize("role", [Role.OWNER, Role.MEMBER])
def test_what_is_no_spam_is_what_it_was_even_new(before: Status, role: Role) -> None:
    who = me(role)
    ticket = a_ticket(before, assignee=person("Me"))
    ticket.change(TicketChange(status=Status.SPAM), caller(), by(minute=2))

    if role is Role.MEMBER and before is Status.CLOSED:  # closing takes more than moving
        with pytest.raises(NotAllowed):
            ticket.not_spam(who, by(who))
        return
    (fact,) = ticket.not_spam(who, by(who, minute=3))
    assert (fact.TYPE, ticket.status, ticket.state.status_before_spam) == ("status_changed", before, None)


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.SPAM])
def test_what_is_not_spam_can_not_be_called_so(status: Status) -> None:
    ticket = a_ticket(status)

    with pytest.raises(Conflict) as refused:
        ticket.not_spam(caller(), by())
    assert refused.value.code == "conflict"
    with pytest.raises(NotAllowed):
        ticket.not_spam(me(Role.MEMBER), by())


# The clock


@pytest.mark.parametrize(
    ("status", "days", "age", "closes"),
    [
        (Status.RESOLVED, 3, 3 * 24 * 60, True),
        (Status.RESOLVED, 3, 3 * 24 * 60 - 1, False),
        (Status.RESOLVED, None, 10**6, False),
        (Status.OPEN, 3, 10**6, False),
        (Status.WAITING_ON_CUSTOMER, 3, 10**6, False),
        (Status.CLOSED, 3, 10**6, False),
        (Status.SPAM, 3, 10**6, False),
    ],
)
def test_what_lies_resolved_and_untouched_is_closed_by_the_clock(
    status: Status, days: int | None, age: int, *, closes: bool
) -> None:
    ticket = a_ticket(status, rules=settled(auto_close_days=days))
    facts = ticket.close_if_untouched(clock(ACME), by(clock(ACME), minute=age + 1))

    assert [fact.TYPE for fact in facts] == (["status_changed"] if closes else [])
    if closes:
        assert ticket.status is Status.CLOSED
        assert facts[0].actor == the_clock().actor


def test_whatever_happens_to_a_ticket_touches_it() -> None:
    ticket = a_ticket(Status.RESOLVED, rules=settled(auto_close_days=1))
    day = 24 * 60
    ticket.add_note(id=id_of("n"), body="x", kind=NoteKind.NOTE, caller=caller(), by=by(minute=day))

    assert ticket.close_if_untouched(clock(ACME), by(minute=day + 1)) == []
    assert ticket.close_if_untouched(clock(ACME), by(minute=2 * day))


def test_a_deleted_ticket_is_left_alone_by_the_clock() -> None:
    ticket = a_ticket(Status.RESOLVED, rules=settled(auto_close_days=1))
    ticket.delete(caller(), by())

    assert ticket.close_if_untouched(clock(ACME), by(minute=10**6)) == []


# Settings


def test_a_change_of_settings_tells_both_whole() -> None:
    old = settled(auto_close_days=3)
    fact = change_settings(old, 4, SettingsChange(auto_close_days=None, members_may_claim=True), caller(), by())

    assert fact is not None
    assert (fact.old, fact.new) == (old, settled(members_may_claim=True))
    assert fact.subject.model_dump() == {"kind": "settings", "id": ACME, "version": 5}
    assert (fact.audience, fact.at, fact.actor) == ("admins", NOON, caller().actor)


def test_settings_that_stay_are_no_fact() -> None:
    same = SettingsChange(auto_close_days=None, members_may_claim=False, default_priority=Priority.NORMAL)

    assert change_settings(settled(), 1, same, caller(), by()) is None


@pytest.mark.parametrize(
    ("role", "change", "refusal"),
    [
        (Role.MEMBER, SettingsChange(members_may_claim=True), NotAllowed),
        (Role.GUEST, SettingsChange(members_may_claim=True), NotAllowed),
        (Role.ADMIN, SettingsChange(members_may_claim=None), Invalid),
        (Role.ADMIN, SettingsChange(members_may_note_any=None), Invalid),
        (Role.ADMIN, SettingsChange(default_priority=None), Invalid),
    ],
)
def test_settings_are_changed_by_those_who_run_the_desk_to_values_that_there_are(
    role: Role, change: SettingsChange, refusal: type[Refusal]
) -> None:
    with pytest.raises(refusal):
        change_settings(settled(), 1, change, me(role), by())
