"""What a member wants to hear of. A choice counts for facts from then on: what is in an inbox stays there."""

from chassis.database import Transaction
from contracts.base import now
from contracts.preferences import ChangePreferences, GetPreferences, Preferences, Wanted, WantedChange
from contracts.refusals import StaleVersion
from services.notifications import domain, store
from services.notifications.store import Wishes


async def get_preferences(query: GetPreferences, tx: Transaction) -> Preferences:
    """Read what the caller wants to hear of."""
    return await _of(tx, query)


async def change_preferences(command: ChangePreferences, tx: Transaction) -> Preferences:
    """Remember what the caller wants to hear of otherwise."""
    person = domain.owner_of_inbox(command.caller)
    before, change = await _of(tx, command), command.change
    _require_version(command, before.version)
    chosen = {}
    for kind in change.model_fields_set - {"mail_paused", "quiet_hours"}:
        was: Wanted = getattr(before, kind)
        asked: WantedChange | None = getattr(change, kind)
        wanted = was.model_copy(update=asked.model_dump(exclude_none=True) if asked else {})
        if wanted != was:
            chosen[kind] = wanted
    wishes = Wishes(
        paused=before.mail_paused if change.mail_paused is None else change.mail_paused,
        quiet=change.quiet_hours if "quiet_hours" in change.model_fields_set else before.quiet_hours,
    )
    if wishes.quiet is not None:
        domain.check_quiet(wishes.quiet)
    if chosen or wishes != Wishes(before.mail_paused, before.quiet_hours):
        await store.prefer(tx, person, chosen, now())
        # Who came between was waited for: theirs is the version before this one.
        _require_version(command, await store.wish(tx, person, wishes) - 1)
    return await _of(tx, command)


async def _of(tx: Transaction, request: GetPreferences | ChangePreferences) -> Preferences:
    person = domain.owner_of_inbox(request.caller)
    chosen = (await store.preferences(tx, [person], now())).get(person, Preferences())
    wishes, version = await store.wishes(tx, person)
    return chosen.model_copy(update={"mail_paused": wishes.paused, "quiet_hours": wishes.quiet, "version": version})


def _require_version(command: ChangePreferences, version: int) -> None:
    if command.expected_version not in (None, version):
        raise StaleVersion(version=version, missed=[])
