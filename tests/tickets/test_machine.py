"""A ticket beside a plain model of one: whatever is done to both, they agree, and refusals change nothing."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from contracts.base import Caller, Message, Person, Role, TicketEvent, uuid7
from contracts.refusals import (
    Conflict,
    Deleted,
    Invalid,
    NotAllowed,
    NotFound,
    Refusal,
    TransitionNotAllowed,
)
from contracts.tickets import MOST_FIELDS, NoteKind, Priority, Status, TicketChange, TicketSettings
from services.tickets.domain import Contact, Ticket, field_values
from tests.tickets.builders import a_contact, by, caller, id_of, opened, person

PEOPLE = [person("Me"), person("Ann", Role.ADMIN), person("Gus", Role.GUEST)]
CONTACTS = [a_contact("Casey"), a_contact("Kim", None)]
CALLERS = [
    caller("Olivia", Role.OWNER),
    caller("Ann", Role.ADMIN),
    caller("Me", Role.MEMBER),
    caller("Max", Role.MEMBER),
    caller("Gus", Role.GUEST),
]
MOVES = {
    "new": "open in_progress waiting_on_customer resolved closed spam",
    "open": "in_progress waiting_on_customer resolved closed spam",
    "in_progress": "open waiting_on_customer resolved closed spam",
    "waiting_on_customer": "open in_progress resolved closed spam",
    "resolved": "open in_progress waiting_on_customer closed spam",
    "closed": "open spam",
    "spam": "open closed",
}
EVENTS = {
    "subject": "subject_changed",
    "description": "description_changed",
    "priority": "priority_changed",
    "tags": "tags_changed",
    "fields": "fields_changed",
    "status": "status_changed",
}


@dataclass
class Model:
    """A ticket as a table of values."""

    values: dict[str, Any]
    rules: TicketSettings
    version: int = 1
    deleted: bool = False
    before_spam: str | None = None
    notes: list[UUID] = field(default_factory=list)

    def is_mine(self, who: Caller) -> bool:
        assignee: Person | None = self.values["assignee"]
        return assignee is not None and str(assignee.id) == who.id

    def may(self, who: Caller, what: str) -> bool:
        if who.role in (Role.OWNER, Role.ADMIN):
            return True
        if who.role is Role.GUEST:
            return False
        if what == "note" and self.rules.members_may_note_any:
            return True
        if what == "claim":
            return self.rules.members_may_claim
        return what in ("edit", "move", "note") and self.is_mine(who)

    def may_move(self, who: Caller, new: str) -> bool:
        old = self.values["status"]
        if old == new:
            return self.may(who, "move")
        if new == "closed":
            return self.may(who, "close")
        return self.may(who, "reopen" if old == "closed" else "move")

    def unseen(self, who: Caller) -> type[Refusal] | None:
        """Why nothing can be done with a deleted ticket."""
        if not self.deleted:
            return None
        return Deleted if who.role in (Role.OWNER, Role.ADMIN) else NotFound

    def change(self, change: dict[str, Any], who: Caller) -> type[Refusal] | list[str]:
        if refused := self.unseen(who) or self._unlawful(change, who):
            return refused
        change = self._merged(change)
        told = [EVENTS[name] for name in EVENTS if name in change and change[name] != self.values[name]]
        if "contact" in change and change["contact"] != self.values["contact"]:
            told.append("contact_linked" if change["contact"] else "contact_unlinked")
        if "assignee" in change and change["assignee"] != self.values["assignee"]:
            told.append("assigned" if change["assignee"] else "unassigned")
        if "status" in change and change["status"] != self.values["status"]:
            self.before_spam = self.values["status"] if change["status"] == "spam" else None
        self.values |= change
        self.version += len(told)
        return told

    def _merged(self, change: dict[str, Any]) -> dict[str, Any]:
        if "fields" not in change:
            return change
        merged = {name: value for name, value in (self.values["fields"] | change["fields"]).items() if value}
        return change | {"fields": merged}

    def _unlawful(self, change: dict[str, Any], who: Caller) -> type[Refusal] | None:
        old = self.values["status"]
        new = change.get("status", old)
        known = new == old or new in MOVES[old].split()
        claims = self.values["assignee"] is None and change.get("assignee") and str(change["assignee"].id) == who.id
        rights = [self.may(who, "edit") for name in change if name not in ("status", "assignee")]
        rights += [self.may(who, "claim" if claims else "assign")] if "assignee" in change else []
        rights += [self.may_move(who, new)] if "status" in change and known else []
        if not all(rights):
            return NotAllowed
        if not known:
            return TransitionNotAllowed
        assignee = change.get("assignee")
        crowded = len(self._merged(change).get("fields", {})) > MOST_FIELDS
        return Invalid if crowded or (assignee and assignee.role is Role.GUEST) else None


MANY = {f"f{nth}": "x" for nth in range(MOST_FIELDS - 1)}
"""So many that there is room for one more."""
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "subject": st.sampled_from(["Fire", "Smoke"]),
        "description": st.sampled_from(["", "It smokes."]),
        "status": st.sampled_from([status.value for status in Status]),
        "priority": st.sampled_from([priority.value for priority in Priority]),
        "assignee": st.none() | st.sampled_from(PEOPLE),
        "contact": st.none() | st.sampled_from(CONTACTS),
        "tags": st.sampled_from([(), ("a",), ("b", "a")]),
        "fields": st.dictionaries(st.sampled_from(["room", "floor"]), st.none() | st.sampled_from(["3", "It's 4"]))
        | st.sampled_from([MANY, dict.fromkeys(MANY)]),
    },
).filter(bool)


def command(change: dict[str, Any]) -> TicketChange:
    said = dict(change)
    if "contact" in said:
        contact: Contact | None = said.pop("contact")
        said["contact_id"] = contact and contact.id
    return TicketChange.model_validate(said)


class Life(RuleBasedStateMachine):
    """What can happen to a ticket."""

    @initialize(
        rules=st.builds(
            TicketSettings,
            members_may_claim=st.booleans(),
            members_may_note_any=st.booleans(),
            default_priority=st.sampled_from(Priority),
        ),
        priority=st.none() | st.sampled_from(Priority),
        assignee=st.none() | st.just(person("Me")),
    )
    def create(self, rules: TicketSettings, priority: Priority | None, assignee: Person | None) -> None:
        self.ticket, self.facts = opened(priority=priority, rules=rules, assignee=assignee)
        self.model = Model(
            {
                "subject": "Printer on fire",
                "description": "It smokes.",
                "status": "new",
                "priority": (priority or rules.default_priority).value,
                "assignee": assignee,
                "contact": None,
                "tags": (),
                "fields": {},
            },
            rules,
        )
        self.minute = 0

    def both(self, expected: type[Refusal] | list[str], act: Any) -> None:
        before = self.ticket.state
        self.minute += 1
        facts: list[TicketEvent] = []
        refused: type[Refusal] | None = None
        try:
            facts = act()
        except Refusal as refusal:
            refused = type(refusal)
        if refused or not isinstance(expected, list):
            assert refused is expected
            assert self.ticket.state == before
            return
        assert sorted(fact.TYPE for fact in facts) == sorted(expected)
        if not facts:
            assert self.ticket.state == before
        self.facts += facts

    @rule(change=CHANGES, who=st.sampled_from(CALLERS))
    def change(self, change: dict[str, Any], who: Caller) -> None:
        expected = self.model.change(change, who)
        self.both(
            expected,
            lambda: self.ticket.change(command(change), who, by(who, self.minute), change.get("contact")),
        )

    @rule(who=st.sampled_from(CALLERS), assignee=st.none() | st.sampled_from(PEOPLE))
    def assign(self, who: Caller, assignee: Person | None) -> None:
        self.change(change={"assignee": assignee}, who=who)

    @rule(status=st.sampled_from([Status.CLOSED, Status.SPAM, Status.RESOLVED, Status.OPEN]))
    def move(self, status: Status) -> None:
        """Let whoever runs the desk bring the ticket to where chance alone seldom brings it."""
        self.change(change={"status": status.value}, who=CALLERS[0])

    @rule(who=st.sampled_from(CALLERS), kind=st.sampled_from(NoteKind))
    def note(self, who: Caller, kind: NoteKind) -> None:
        refused = self.model.unseen(who) or (None if self.model.may(who, "note") else NotAllowed)
        id = uuid7()
        if not refused:
            self.model.notes.append(id)
            self.model.version += 1
        self.both(
            refused or ["note_added" if kind is NoteKind.NOTE else "comment_added"],
            lambda: self.ticket.add_note(id=id, body="x", kind=kind, caller=who, by=by(who, self.minute)),
        )

    @rule(who=st.sampled_from(CALLERS))
    def delete(self, who: Caller) -> None:
        refused = self.model.unseen(who) or (None if self.model.may(who, "delete") else NotAllowed)
        if not refused:
            self.model.deleted = True
            self.model.version += 1
        self.both(refused or ["ticket_deleted"], lambda: self.ticket.delete(who, by(who, self.minute)))

    @rule(who=st.sampled_from(CALLERS))
    def restore(self, who: Caller) -> None:
        runs = who.role in (Role.OWNER, Role.ADMIN)
        expected: type[Refusal] | list[str] = ["ticket_restored"] if self.model.deleted else []
        if not runs:
            expected = NotFound if self.model.deleted else NotAllowed
        elif self.model.deleted:
            self.model.deleted = False
            self.model.version += 1
        self.both(expected, lambda: self.ticket.restore(who, by(who, self.minute)))

    @rule(who=st.sampled_from(CALLERS))
    def not_spam(self, who: Caller) -> None:
        before = self.model.before_spam
        refused = self.model.unseen(who)
        if not refused:
            may = self.model.may(who, "close" if before == "closed" else "move")
            refused = None if may else NotAllowed
        refused = refused or (None if before else Conflict)
        if not refused:
            self.model.values["status"], self.model.before_spam = before, None
            self.model.version += 1
        self.both(refused or ["status_changed"], lambda: self.ticket.not_spam(who, by(who, self.minute)))

    @invariant()
    def they_agree(self) -> None:
        state = self.ticket.state
        values = {name: getattr(state, name) for name in self.model.values}
        assert values | {"fields": field_values(state.fields)} == self.model.values
        assert sorted(state.fields, key=lambda field: field.name) == list(state.fields)
        assert state.version == self.model.version
        assert self.ticket.deleted is self.model.deleted
        assert state.status_before_spam == self.model.before_spam

    @invariant()
    def the_facts_tell_the_ticket(self) -> None:
        assert [fact.version for fact in self.facts] == list(range(1, self.ticket.version + 1))
        told = [Message.registry[fact.SUBJECT].model_validate_json(fact.model_dump_json()) for fact in self.facts]
        assert Ticket.replay(told).state == self.ticket.state  # type: ignore[arg-type]

    @invariant()
    def what_is_allowed_is_done(self) -> None:
        """A move that is offered is open, and one that is not is not."""
        for who in CALLERS:
            for status in Status:
                offered = status in self.ticket.allowed(who).statuses
                tried = Ticket(self.ticket.state, self.ticket.rules)
                try:
                    done = bool(tried.change(TicketChange(status=status), who, by(who, self.minute)))
                except Refusal:
                    done = False
                assert offered is done, (who.role, status)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)


def test_the_model_knows_every_status() -> None:
    assert set(MOVES) == {status.value for status in Status}
    assert id_of("Me") == PEOPLE[0].id
