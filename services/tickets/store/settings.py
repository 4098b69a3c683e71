"""Remembers what each workspace has settled about its tickets."""

from typing import Any

from sqlalchemy import text

from chassis.database import Transaction
from chassis.outbox import events_since
from contracts.tickets import SettingsChanged, SettingsSnapshot
from services.tickets.store.tickets import next_number

# There is no row to lock before the first change.
_LOCK = text("select pg_advisory_xact_lock(hashtextextended('settings:' || cast(:ws as text), 0))")
_LOAD = text("select * from ticket_settings where workspace_id = :ws")
_SAVE = text("""
    insert into ticket_settings as s (
        workspace_id, members_may_claim, members_may_note_any, default_priority, auto_close_days, follow_up_days,
        mail_received, mail_replied, mail_resolved, version, updated_at
    ) values (
        :ws, :members_may_claim, :members_may_note_any, :default_priority, :auto_close_days, :follow_up_days,
        :mail_received, :mail_replied, :mail_resolved, :version, :updated_at
    ) on conflict (workspace_id) do update set
        members_may_claim = excluded.members_may_claim, members_may_note_any = excluded.members_may_note_any,
        default_priority = excluded.default_priority, auto_close_days = excluded.auto_close_days,
        follow_up_days = excluded.follow_up_days, mail_received = excluded.mail_received,
        mail_replied = excluded.mail_replied, mail_resolved = excluded.mail_resolved,
        version = excluded.version, updated_at = excluded.updated_at
""")


async def settings(tx: Transaction, *, for_update: bool = False) -> SettingsSnapshot:
    """Return the settings as they are. `for_update`: nobody changes them before the commit."""
    if for_update:
        await tx.execute(_LOCK, {"ws": tx.workspace_id})
    row = await tx.one(_LOAD, {"ws": tx.workspace_id})
    return SettingsSnapshot.model_validate(dict(row) if row else {"version": 1, "updated_at": None})


async def save_settings(tx: Transaction, fact: SettingsChanged) -> SettingsSnapshot:
    """Remember what this fact, the newest of the settings, has changed."""
    stamp = {"version": fact.subject.version, "updated_at": fact.at}
    tx.known.pop(next_number, None)
    await tx.execute(_SAVE, {"ws": tx.workspace_id, **fact.new.model_dump(mode="json"), **stamp})
    return SettingsSnapshot.model_validate(fact.new.model_dump() | stamp)


async def settings_since(tx: Transaction, version: int) -> list[dict[str, Any]]:
    """Return what happened to the settings after this version, as it was told."""
    return await events_since(tx, "settings", tx.workspace_id, version)
