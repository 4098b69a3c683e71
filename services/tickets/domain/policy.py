"""The one answer to who may do what with a ticket; items, lists, changes and facts all ask here."""

from typing import Protocol

from contracts.base import ActorKind, Audience, Caller, Person, Role, TicketEvent
from contracts.refusals import NotAllowed
from contracts.tickets import Action, Allowed, Status
from services.tickets.domain.status import moves, right_for

_EVERYONE = (Action.WATCH,)
_TEAM = (Action.READ_NOTES, Action.WATCH)
_ASSIGNEE = (Action.EDIT, Action.MOVE, Action.NOTE, Action.READ_NOTES, Action.LINK, Action.REPLY, Action.WATCH)
_DESK = tuple(action for action in Action if action not in (Action.CLAIM, Action.RESTORE))
_DESK_WHILE_NOBODY_HAS_IT = tuple(action for action in Action if action is not Action.RESTORE)


class Standing(Protocol):
    """What the policy looks at: whose ticket it is, and where it stands."""

    @property
    def workspace_id(self) -> str: ...
    @property
    def status(self) -> Status: ...
    @property
    def assignee(self) -> Person | None: ...


def allowed(caller: Caller, ticket: Standing) -> Allowed:
    """Return what this caller may do with this ticket, and where they may move it."""
    actions = _actions(caller, ticket)
    return Allowed(
        actions=actions,
        statuses=tuple(new for new in moves(ticket.status) if right_for(ticket.status, new) in actions),
    )


def require(action: Action, caller: Caller, ticket: Standing) -> None:
    """Raise NotAllowed unless this caller may do that with this ticket."""
    if action not in _actions(caller, ticket):
        raise NotAllowed


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


def audience_of(fact: type[TicketEvent]) -> Audience:
    """Return who may see a fact of this type: the team's own words stay with the team, the rest is for everyone."""
    return fact.AUDIENCE


def sees_addresses(caller: Caller) -> bool:
    """Tell whether the caller sees more of a contact than the name."""
    return caller.role is not Role.GUEST


def _actions(caller: Caller, ticket: Standing) -> tuple[Action, ...]:
    if caller.workspace_id != ticket.workspace_id:
        return ()
    if caller.role.runs_the_desk:
        return _DESK_WHILE_NOBODY_HAS_IT if ticket.assignee is None else _DESK
    if caller.role is Role.GUEST:
        return _EVERYONE
    return _ASSIGNEE if ticket.assignee and _is(caller, ticket.assignee) else _TEAM


def _is(caller: Caller, person: Person) -> bool:
    return caller.kind is ActorKind.USER and caller.id == str(person.id)
