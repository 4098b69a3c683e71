"""A ticket: it decides what a command changes, and says so in facts; each fact is one version."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Self
from uuid import UUID

from contracts.base import Caller, Person, Role, TicketEvent
from contracts.refusals import Conflict, Invalid, NotFound, TransitionNotAllowed
from contracts.tickets import (
    MOST_TAGS,
    Action,
    Allowed,
    Assigned,
    CommentAdded,
    ContactLinked,
    ContactUnlinked,
    ConversationLinked,
    ConversationRef,
    ConversationUnlinked,
    DescriptionChanged,
    FieldsChanged,
    NoteAdded,
    NoteKind,
    NotePinned,
    NoteSnapshot,
    Priority,
    PriorityChanged,
    Status,
    StatusChanged,
    SubjectChanged,
    TagsChanged,
    TicketChange,
    TicketCreated,
    TicketDeleted,
    TicketRef,
    TicketRestored,
    TicketSettings,
    Unassigned,
)
from services.tickets.domain import policy
from services.tickets.domain.facts import By, of_ticket
from services.tickets.domain.fields import changed, fields_of
from services.tickets.domain.state import Contact, TicketState, after, born
from services.tickets.domain.status import moves, right_for

_RIGHTS = {
    "subject": Action.EDIT,
    "description": Action.EDIT,
    "priority": Action.EDIT,
    "contact_id": Action.EDIT,
    "tags": Action.EDIT,
    "add_tags": Action.EDIT,
    "remove_tags": Action.EDIT,
    "fields": Action.EDIT,
}
_MAY_BE_TAKEN_AWAY = {"assignee", "contact_id"}
_NOTHING_SETTLED = TicketSettings()

type Step = tuple[type[TicketEvent], dict[str, Any]]
"""A fact to be: its class, and what it says beside who, why and when."""


class Ticket:
    """One question from creation to resolution.

    Every method that changes it returns the facts and has applied them already; one that refuses has changed nothing.
    """

    __slots__ = ("_rules", "_state")

    def __init__(self, state: TicketState, rules: TicketSettings = _NOTHING_SETTLED) -> None:
        """Take a ticket as it was remembered, and what its workspace has settled; a new one is made by `open`."""
        self._state = state
        self._rules = rules

    @property
    def state(self) -> TicketState:
        """The ticket as it is."""
        return self._state

    @property
    def id(self) -> UUID:
        return self._state.id

    @property
    def workspace_id(self) -> str:
        return self._state.workspace_id

    @property
    def version(self) -> int:
        return self._state.version

    @property
    def status(self) -> Status:
        return self._state.status

    @property
    def assignee(self) -> Person | None:
        return self._state.assignee

    @property
    def deleted(self) -> bool:
        return self._state.deleted_at is not None

    @property
    def rules(self) -> TicketSettings:
        """What the workspace has settled."""
        return self._rules

    def allowed(self, caller: Caller) -> Allowed:
        """Return what this caller may do with it."""
        return policy.allowed(caller, self)

    @classmethod
    def open(
        cls,
        *,
        id: UUID,
        number: int,
        subject: str,
        description: str,
        caller: Caller,
        by: By,
        rules: TicketSettings = _NOTHING_SETTLED,
        priority: Priority | None = None,
        assignee: Person | None = None,
        contact: Contact | None = None,
        tags: Iterable[str] = (),
        fields: Mapping[str, str] | None = None,
        conversation: ConversationRef | None = None,
        external_id: str | None = None,
    ) -> tuple[Self, list[TicketEvent]]:
        """Open a ticket; the conversation it comes from is linked by the same right, and brings its contact.

        Raises NotAllowed, or Invalid for an assignee who can't work on tickets.
        """
        policy.require_creation(caller, assignee)
        _require_worker(assignee)
        return cls.begin(
            id=id,
            workspace_id=caller.workspace_id,
            number=number,
            subject=subject,
            description=description,
            priority=priority,
            by=by,
            assignee=assignee,
            contact=contact,
            tags=tags,
            fields=fields,
            conversation=conversation,
            external_id=external_id,
            rules=rules,
        )

    @classmethod
    def begin(
        cls,
        *,
        id: UUID,
        workspace_id: str,
        number: int,
        subject: str,
        description: str,
        by: By,
        rules: TicketSettings = _NOTHING_SETTLED,
        priority: Priority | None = None,
        assignee: Person | None = None,
        contact: Contact | None = None,
        tags: Iterable[str] = (),
        fields: Mapping[str, str] | None = None,
        conversation: ConversationRef | None = None,
        external_id: str | None = None,
        follow_up_of: TicketRef | None = None,
    ) -> tuple[Self, list[TicketEvent]]:
        """Let a ticket be that nobody's right has to allow, such as a customer's own."""
        created = TicketCreated(
            **of_ticket(TicketCreated, workspace_id, id, 1, by),
            number=number,
            subject=subject,
            description=description,
            status=Status.NEW,
            priority=priority or rules.default_priority,
            assignee=assignee,
            contact=contact.ref if contact else None,
            tags=_distinct(tags),
            fields=fields_of(fields or {}),
            external_id=external_id,
            follow_up_of=follow_up_of,
        )
        ticket = cls(replace(born(created), contact=contact), rules)
        linked = [(ConversationLinked, {"new": conversation})] if conversation else []
        return ticket, [created, *ticket.record(linked, by)]

    @classmethod
    def replay(cls, facts: Iterable[TicketEvent], rules: TicketSettings = _NOTHING_SETTLED) -> Self:
        """Tell the ticket again from its facts, the first of which is its creation; raises ValueError at a gap."""
        life = iter(facts)
        first = next(life, None)
        if not isinstance(first, TicketCreated) or first.version != 1:
            msg = "a ticket's life begins with version 1, its creation"
            raise ValueError(msg)
        ticket = cls(born(first), rules)
        for fact in life:
            ticket.apply(fact)
        return ticket

    def apply(self, fact: TicketEvent) -> None:
        """Let this fact have happened; raises ValueError when it is not the next one."""
        self._state = after(self._state, fact)

    def change(self, change: TicketChange, caller: Caller, by: By, contact: Contact | None = None) -> list[TicketEvent]:
        """Change the fields that are set, all or none; `contact` is who `change.contact_id` names.

        A named field takes its right even where its value stays, which is no fact. Raises NotAllowed,
        TransitionNotAllowed, or Invalid for a null where there is always a value, too many custom fields, and somebody
        who isn't there.
        """
        named = change.model_fields_set
        self.require_rights(change, caller)
        if change.status is not None and change.status is not self.status:
            self._require_move(change.status, caller)
        nulls = [name for name in sorted(named - _MAY_BE_TAKEN_AWAY) if getattr(change, name) is None]
        if nulls:
            raise Invalid(errors=[{"field": name, "code": "required", "detail": "can't be null"} for name in nulls])
        if change.assignee is not None:
            _require_worker(change.assignee)
        if change.contact_id is not None and (contact is None or contact.id != change.contact_id):
            raise Invalid.field("contact_id", "not_found", "there is no such contact")
        facts = self.record(self._differences(change, contact), by)
        if change.contact_id is not None:
            self._state = replace(self._state, contact=contact)
        return facts

    def add_note(
        self,
        *,
        id: UUID,
        body: str,
        kind: NoteKind,
        caller: Caller,
        by: By,
        pinned: bool = False,
        in_reply_to: UUID | None = None,
        mentions: tuple[Person, ...] = (),
    ) -> list[TicketEvent]:
        """Add a standing note, which may be pinned, or a comment, which may answer another.

        Raises NotAllowed or Invalid.
        """
        policy.require(Action.NOTE, caller, self)
        if kind is NoteKind.COMMENT:
            if pinned:
                raise Invalid.field("pinned", "not_for_comments", "only a standing note can be pinned")
            said = {"note_id": id, "body": body, "in_reply_to": in_reply_to, "mentions": mentions}
            return self.record([(CommentAdded, said)], by)
        if in_reply_to:
            raise Invalid.field("in_reply_to", "not_for_notes", "only a comment can answer another")
        said = {"note_id": id, "body": body, "pinned": pinned, "mentions": mentions}
        return self.record([(NoteAdded, said)], by)

    def pin_note(self, note: NoteSnapshot, caller: Caller, by: By, *, pinned: bool) -> list[TicketEvent]:
        """Pin or unpin a standing note of this ticket; no fact when it is so already. Raises NotAllowed or Invalid."""
        policy.require(Action.NOTE, caller, self)
        if note.kind is NoteKind.COMMENT:
            raise Invalid.field("pinned", "not_for_comments", "only a standing note can be pinned")
        if note.pinned == pinned:
            return []
        return self.record([(NotePinned, {"note_id": note.id, "old": note.pinned, "new": pinned})], by)

    def link_conversation(self, conversation: ConversationRef, caller: Caller, by: By) -> list[TicketEvent]:
        """Tie a conversation to the ticket; no fact when it is tied already. Raises NotAllowed."""
        policy.require(Action.LINK, caller, self)
        if any(known.id == conversation.id for known in self._state.conversations):
            return []
        return self.record([(ConversationLinked, {"new": conversation})], by)

    def unlink_conversation(self, conversation_id: UUID, caller: Caller, by: By) -> list[TicketEvent]:
        """Untie a conversation. Raises NotAllowed, or NotFound when it is not tied to the ticket."""
        policy.require(Action.LINK, caller, self)
        for known in self._state.conversations:
            if known.id == conversation_id:
                return self.record([(ConversationUnlinked, {"old": known})], by)
        raise NotFound

    def delete(self, caller: Caller, by: By) -> list[TicketEvent]:
        """Hide the ticket from all but those who run the desk. Raises NotAllowed."""
        policy.require(Action.DELETE, caller, self)
        return self.record([(TicketDeleted, {})], by)

    def restore(self, caller: Caller, by: By) -> list[TicketEvent]:
        """Bring a deleted ticket back; no fact when it is not deleted. Raises NotAllowed."""
        policy.require(Action.RESTORE if self.deleted else Action.DELETE, caller, self)
        return self.record([(TicketRestored, {})] if self.deleted else [], by)

    def not_spam(self, caller: Caller, by: By) -> list[TicketEvent]:
        """Give back the status that was held before spam. Raises NotAllowed, or Conflict where it is no spam."""
        before = self._state.status_before_spam
        policy.require(right_for(Status.SPAM, before) if before else Action.MOVE, caller, self)
        if before is None:
            raise Conflict("The ticket is not spam.")
        return self.record([(StatusChanged, {"old": Status.SPAM, "new": before})], by)

    def close_if_untouched(self, caller: Caller, by: By) -> list[TicketEvent]:
        """Close what has been resolved, and nothing has happened to, for as long as the workspace has settled."""
        days, state = self._rules.auto_close_days, self._state
        if days is None or self.deleted or self.status is not Status.RESOLVED:
            return []
        if state.updated_at > by.now - dt.timedelta(days=days):
            return []
        return self.change(TicketChange(status=Status.CLOSED), caller, by)

    def require_rights(self, change: TicketChange, caller: Caller) -> None:
        """Raise NotAllowed unless this caller may change every field that is named."""
        policy.require_sight(caller, self)
        for name in sorted(change.model_fields_set - {"status", "assignee"}):
            policy.require(_RIGHTS[name], caller, self)
        if "assignee" in change.model_fields_set:
            policy.require_assigning(caller, self, change.assignee)
        new = change.status or self.status
        # A move that nobody can make is refused as such below, whoever asks; but nobody moves what is deleted.
        if self.deleted:
            policy.require(Action.MOVE, caller, self)
        if "status" in change.model_fields_set and new in (self.status, *moves(self.status)):
            policy.require(right_for(self.status, new), caller, self)

    def _require_move(self, new: Status, caller: Caller) -> None:
        if new not in moves(self.status):
            raise TransitionNotAllowed(allowed=[status.value for status in self.allowed(caller).statuses])

    def _differences(self, change: TicketChange, contact: Contact | None) -> Iterator[Step]:
        named, state = change.model_fields_set, self._state
        if change.subject not in (None, state.subject):
            yield SubjectChanged, {"old": state.subject, "new": change.subject}
        if change.description not in (None, state.description):
            yield DescriptionChanged, {"old": state.description, "new": change.description}
        if change.priority not in (None, state.priority):
            yield PriorityChanged, {"old": state.priority, "new": change.priority}
        if (tags := _tagged(state.tags, change)) != state.tags:
            yield TagsChanged, {"old": state.tags, "new": tags}
        if change.fields is not None and (fields := changed(state.fields, change.fields)) != state.fields:
            yield FieldsChanged, {"old": state.fields, "new": fields}
        if "contact_id" in named:
            yield from _contact_differs(state.contact, contact if change.contact_id else None)
        if "assignee" in named:
            yield from _assignee_differs(state.assignee, change.assignee)
        if change.status not in (None, state.status):
            yield StatusChanged, {"old": state.status, "new": change.status}

    def record(self, steps: Iterable[Step], by: By) -> list[TicketEvent]:
        """Let these facts happen one after the other; whoever asks has decided that they may."""
        facts = [
            kind(**of_ticket(kind, self.workspace_id, self.id, version, by), **words)
            for version, (kind, words) in enumerate(steps, self.version + 1)
        ]
        for fact in facts:
            self.apply(fact)
        return facts


def _contact_differs(old: Contact | None, new: Contact | None) -> Iterator[Step]:
    if new is not None and (old is None or old.id != new.id):
        yield ContactLinked, {"old": old.ref if old else None, "new": new.ref}
    elif old is not None and new is None:
        yield ContactUnlinked, {"old": old.ref}


def _assignee_differs(old: Person | None, new: Person | None) -> Iterator[Step]:
    if new is not None and (old is None or old.id != new.id):
        yield Assigned, {"old": old, "new": new}
    elif old is not None and new is None:
        yield Unassigned, {"old": old}


def _require_worker(assignee: Person | None) -> None:
    if assignee is not None and assignee.role is Role.GUEST:
        raise Invalid.field("assignee_id", "guest", "a guest can't work on tickets")


def _tagged(old: tuple[str, ...], change: TicketChange) -> tuple[str, ...]:
    """Return the tags that a ticket has after a change; raises Invalid where they are too many."""
    kept = old if change.tags is None else change.tags
    new = tuple(tag for tag in _distinct((*kept, *change.add_tags)) if tag not in change.remove_tags)
    if len(new) > MOST_TAGS:
        raise Invalid.field("add_tags", "too_long", f"a ticket has at most {MOST_TAGS} tags")
    return new


def _distinct(tags: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tags))
