"""How a workspace handles its tickets, and what a change of that says."""

from contracts.base import Caller, Subject
from contracts.refusals import Invalid
from contracts.tickets import SettingsChange, SettingsChanged, TicketSettings
from services.tickets.domain import policy
from services.tickets.domain.facts import By

_MAY_BE_TAKEN_AWAY = {"auto_close_days", "follow_up_days"}


def change_settings(
    old: TicketSettings, version: int, change: SettingsChange, caller: Caller, by: By
) -> SettingsChanged | None:
    """Return the fact of a change to the settings of this version, or None where nothing changes.

    Raises NotAllowed, or Invalid for a null in a setting that always has a value.
    """
    policy.require_desk(caller)
    nulls = [name for name in sorted(change.model_fields_set - _MAY_BE_TAKEN_AWAY) if getattr(change, name) is None]
    if nulls:
        raise Invalid(errors=[{"field": name, "code": "required", "detail": "can't be null"} for name in nulls])
    new = old.model_copy(update={name: getattr(change, name) for name in change.model_fields_set})
    if new == old:
        return None
    return SettingsChanged(
        at=by.now,
        workspace_id=caller.workspace_id,
        actor=by.actor,
        via=by.via,
        cause=by.cause,
        audience=SettingsChanged.AUDIENCE,
        subject=Subject(kind="settings", id=caller.workspace_id, version=version + 1),
        old=old,
        new=new,
    )
