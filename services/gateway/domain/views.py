"""Views: lists of tickets that somebody gave a name, for themself or for everybody in the workspace."""

import datetime as dt
from dataclasses import dataclass, replace
from uuid import UUID

from contracts.base import Role
from contracts.refusals import Conflict, NotAllowed, NotFound

VIEW_NAME = 60
VIEWS_EACH = 50
"""How many views one person may keep."""


@dataclass(frozen=True, slots=True)
class View:
    """A list of tickets by name."""

    id: UUID
    workspace_id: str
    owner_id: UUID
    name: str
    query: str
    """What its address asks for."""
    shared: bool
    created_at: dt.datetime
    version: int = 1


def check_may_save_view(role: Role, *, shared: bool, owned: int) -> None:
    """Refuse guests, one view too many, and whoever shares one without running the desk."""
    if role is Role.GUEST:
        raise NotAllowed("Guests keep no views.")
    _check_may_share(role, shared=shared)
    if owned >= VIEWS_EACH:
        raise Conflict(f"You have {VIEWS_EACH} views; delete one first.")


def check_may_change_view(view: View, user_id: UUID, role: Role) -> None:
    """Refuse anybody but its owner; of a view that is not shared others learn nothing."""
    if view.owner_id != user_id:
        raise NotAllowed("Only who made a view may change it.") if view.shared else NotFound
    if role is Role.GUEST:
        raise NotAllowed("Guests keep no views.")


def change_view(view: View, role: Role, *, name: str | None, query: str | None, shared: bool | None) -> View:
    """Return the view with other values; None leaves one as it is. Raises NotAllowed as sharing does."""
    _check_may_share(role, shared=bool(shared) and not view.shared)
    changed = replace(
        view,
        name=view.name if name is None else name,
        query=view.query if query is None else query,
        shared=view.shared if shared is None else shared,
    )
    return view if changed == view else replace(changed, version=view.version + 1)


def _check_may_share(role: Role, *, shared: bool) -> None:
    if shared and not role.runs_the_desk:
        raise NotAllowed("Only owners and admins share views.")
