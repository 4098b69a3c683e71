"""What a workspace settles about its tickets."""

from chassis.database import Transaction
from contracts.refusals import StaleVersion
from contracts.tickets import ChangeSettings, GetSettings, SettingsSnapshot, TicketSettings
from services.tickets import domain, store
from services.tickets.usecases.shown import by


async def get_settings(query: GetSettings, tx: Transaction) -> SettingsSnapshot:
    """Read the settings."""
    domain.require_desk(query.caller)
    return await store.settings(tx)


async def change_settings(command: ChangeSettings, tx: Transaction) -> SettingsSnapshot:
    """Change what is set, all or nothing."""
    domain.require_desk(command.caller)
    settings = await store.settings(tx, for_update=True)
    if command.expected_version not in (None, settings.version):
        missed = await store.settings_since(tx, command.expected_version or 0)
        raise StaleVersion(version=settings.version, missed=missed)
    old = TicketSettings.model_validate(settings, from_attributes=True)
    fact = domain.change_settings(old, settings.version, command.change, command.caller, by(command))
    if fact is None:
        return settings
    tx.announce(fact)
    return await store.save_settings(tx, fact)
