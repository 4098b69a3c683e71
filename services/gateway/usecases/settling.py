"""The ticket settings of a workspace as pages need them: one of them is told to who may not read the rest."""

from chassis.bus import Bus
from contracts.base import ActorKind, Caller, Role
from contracts.tickets import ChangeSettings, GetSettings, SettingsSnapshot
from services.gateway.usecases.briefly import Briefly

_BY_MAIL: Briefly[str, bool] = Briefly(seconds=2, most=1024)


async def change_settings(bus: Bus, command: ChangeSettings) -> SettingsSnapshot:
    """Change them, and let pages know at once."""
    changed = await bus.ask(command)
    _BY_MAIL.forget(command.caller.workspace_id)
    return changed


async def answers_go_by_mail(bus: Bus, caller: Caller, within: float) -> bool:
    """Tell whether the workspace lets answers go by mail; raises what a request does after `within` seconds."""
    if (kept := _BY_MAIL.of(caller.workspace_id)) is not None:
        return kept
    # Members may not read the settings, and are told this one before they write.
    ourselves = caller.model_copy(
        update={"kind": ActorKind.SYSTEM, "id": "gateway", "name": "gateway", "role": Role.OWNER}
    )
    found = await bus.ask(GetSettings(caller=ourselves), within=within)
    return _BY_MAIL.keep(caller.workspace_id, found.mail_replied)
