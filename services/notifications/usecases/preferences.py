"""What a member wants to hear of. A choice counts for facts from then on: what is in an inbox stays there."""

from chassis.database import Transaction
from contracts.base import now
from contracts.notifications import ChangePreferences, GetPreferences, Preferences, Wanted
from services.notifications import domain, store


async def get_preferences(query: GetPreferences, tx: Transaction) -> Preferences:
    """Read what the caller wants to hear of."""
    return await _of(tx, query)


async def change_preferences(command: ChangePreferences, tx: Transaction) -> Preferences:
    """Remember what the caller wants to hear of otherwise."""
    person = domain.owner_of_inbox(command.caller)
    change = command.change.model_dump(exclude_none=True)
    before = await _of(tx, command)
    inbox = {kind: wanted["inbox"] for kind, wanted in change.items() if getattr(before, kind) != Wanted(**wanted)}
    await store.prefer(tx, person, inbox, now())
    return await _of(tx, command)


async def _of(tx: Transaction, request: GetPreferences | ChangePreferences) -> Preferences:
    person = domain.owner_of_inbox(request.caller)
    return (await store.preferences(tx, [person], now())).get(person, Preferences())
