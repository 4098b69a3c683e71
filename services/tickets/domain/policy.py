"""The one answer to who may do what with a ticket; items, lists, changes and facts all ask here."""

from typing import Protocol

from contracts.base import Actor, ActorKind, Audience, Caller, Person, RecordEvent, Role, TicketEvent
from contracts.refusals import Deleted, NotAllowed, NotFound
from contracts.tickets import Action, Allowed, Status, TicketSettings
from services.tickets.domain.status import moves, right_for

_EVERYONE = (Action.WATCH,)
_TEAM = (Action.READ_NOTES, Action.WATCH)
_ASSIGNEE = (Action.EDIT, Action.MOVE, Action.NOTE, Action.READ_NOTES, Action.LINK, Action.REPLY, Action.WATCH)
_DESK = tuple(action for action in Action if action not in (Action.CLAIM, Action.RESTORE))
_DESK_WHILE_NOBODY_HAS_IT = tuple(action for action in Action if action is not Action.RESTORE)


class Standing(Protocol):
    """What the policy looks at: whose ticket it is, where it stands, and what its workspace has settled."""

    @property
    def workspace_id(self) -> str: ...
    @property
    def status(self) -> Status: ...
    @property
    def assignee(self) -> Person | None: ...
    @property
    def deleted(self) -> bool: ...
    @property
    def rules(self) -> TicketSettings: ...


def allowed(caller: Caller, ticket: Standing) -> Allowed:
    """Return what this caller may do with this ticket, and where they may move it."""
    actions = _actions(caller, ticket)
    return Allowed(
        actions=actions,
        statuses=tuple(new for new in moves(ticket.status) if right_for(ticket.status, new) in actions),
    )


def require_sight(caller: Caller, ticket: Standing) -> None:
    """Raise NotFound unless the ticket is there for this caller: a deleted one is for those who run the desk alone."""
    if ticket.deleted and not caller.role.runs_the_desk:
        raise NotFound


def require(action: Action, caller: Caller, ticket: Standing) -> None:
    """Raise unless this caller may do that with this ticket.

    NotAllowed, or for a deleted ticket NotFound and, to those who see it, Deleted: it may be read and restored.
    """
    require_sight(caller, ticket)
    if action in _actions(caller, ticket):
        return
    if ticket.deleted and caller.workspace_id == ticket.workspace_id:
        if action is Action.READ_NOTES:
            return
        raise Deleted
    raise NotAllowed


def require_assigning(caller: Caller, ticket: Standing, assignee: Person | None) -> None:
    """Raise as `require` does, unless this caller may give the ticket to this person, or to nobody."""
    takes_it = ticket.assignee is None and assignee is not None and _is(caller, assignee)
    require(Action.CLAIM if takes_it else Action.ASSIGN, caller, ticket)


def require_creation(caller: Caller, assignee: Person | None) -> None:
    """Raise NotAllowed unless this caller may open a ticket that starts with this assignee."""
    if caller.role.runs_the_desk:
        return
    if caller.role is Role.GUEST or not (assignee is None or _is(caller, assignee)):
        raise NotAllowed


def require_desk(caller: Caller) -> None:
    """Raise NotAllowed unless this caller runs the desk: owner or admin."""
    if not caller.role.runs_the_desk:
        raise NotAllowed


def integration(workspace_id: str, name: str) -> Caller:
    """Return another system as a caller: a member whom nobody can assign to, so it opens tickets and touches none."""
    return Caller(
        workspace_id=workspace_id,
        kind=ActorKind.INTEGRATION,
        id=f"integration:{name}",
        name=name,
        role=Role.MEMBER,
    )


def clock(workspace_id: str) -> Caller:
    """Return the clock as a caller: it does for those who run the desk what they have settled."""
    actor = Actor(kind=ActorKind.SYSTEM, id="timer", name="Timer")
    return Caller(workspace_id=workspace_id, kind=actor.kind, id=actor.id, name=actor.name, role=Role.ADMIN)


def audience_of(fact: type[TicketEvent] | type[RecordEvent]) -> Audience:
    """Return who may see a fact of this type: the team's own words stay with the team, the rest is for everyone."""
    return fact.AUDIENCE


def sees_addresses(caller: Caller) -> bool:
    """Tell whether the caller sees more of a contact than the name."""
    return caller.role is not Role.GUEST


def _actions(caller: Caller, ticket: Standing) -> tuple[Action, ...]:
    if caller.workspace_id != ticket.workspace_id:
        return ()
    if ticket.deleted:
        return (Action.RESTORE,) if caller.role.runs_the_desk else ()
    if caller.role.runs_the_desk:
        return _DESK_WHILE_NOBODY_HAS_IT if ticket.assignee is None else _DESK
    if caller.role is Role.GUEST:
        return _EVERYONE
    rights = {*(_ASSIGNEE if ticket.assignee and _is(caller, ticket.assignee) else _TEAM)}
    # What a workspace lets its members do is for people: another system is none.
    if caller.kind is ActorKind.USER:
        if ticket.rules.members_may_claim and ticket.assignee is None:
            rights.add(Action.CLAIM)
        if ticket.rules.members_may_note_any:
            rights.add(Action.NOTE)
    return tuple(action for action in Action if action in rights)


def _is(caller: Caller, person: Person) -> bool:
    """Tell whether this is the caller, or who stands behind a program."""
    return person.id == caller.behind or (caller.kind is ActorKind.USER and caller.id == str(person.id))
