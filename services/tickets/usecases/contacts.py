"""Contacts: added, edited, found and forgotten by agents."""

from chassis.database import Transaction
from contracts.base import Audience, Caller
from contracts.refusals import Conflict, NotFound, StaleVersion
from contracts.tickets import (
    ChangeContact,
    ContactPage,
    ContactSnapshot,
    CreateContact,
    DeleteContact,
    GetContact,
    ListContacts,
)
from services.tickets import domain, store
from services.tickets.domain import KnownContact
from services.tickets.usecases.shown import by


async def create_contact(command: CreateContact, tx: Transaction) -> ContactSnapshot:
    """Add somebody, for whom the agent vouches."""
    domain.require_team(command.caller)
    new, fact = KnownContact.create(
        id=command.contact_id,
        workspace_id=tx.workspace_id,
        name=command.name,
        email=command.email,
        external_ids=command.external_ids,
        verified=True,
        by=by(command),
    )
    if not await store.add_contact(tx, new):
        await store.require_free(tx, new)
        raise Conflict("There is a contact with this id already.")
    tx.announce(fact)
    return _shown(new, command.caller)


async def change_contact(command: ChangeContact, tx: Transaction) -> ContactSnapshot:
    """Edit what is set, all or nothing."""
    domain.require_team(command.caller)
    old = await store.hold_contact(tx, command.contact_id)
    await _require_version(command.expected_version, old, command.caller, tx)
    new, fact = old.change(command.change, by(command))
    if fact is not None:
        await store.save_contact(tx, new, old)
        tx.announce(fact)
    return _shown(new, command.caller)


async def delete_contact(command: DeleteContact, tx: Transaction) -> ContactSnapshot:
    """Forget somebody whom nothing names."""
    domain.require_team(command.caller)
    known = await store.hold_contact(tx, command.contact_id)
    await _require_version(command.expected_version, known, command.caller, tx)
    await store.delete_contact(tx, known.id)
    tx.announce(known.forget(by(command)))
    return _shown(known, command.caller)


async def get_contact(query: GetContact, tx: Transaction) -> ContactSnapshot:
    """Read a contact."""
    known = await store.known_contact(tx, query.contact_id)
    if known is None or not (domain.sees_addresses(query.caller) or await store.is_shown(tx, known.id)):
        raise NotFound
    return _shown(known, query.caller)


async def list_contacts(query: ListContacts, tx: Transaction) -> ContactPage:
    """Read a page of contacts."""
    domain.require_team(query.caller)
    found, more = await store.contact_page(tx, query)
    return ContactPage(items=tuple(_shown(known, query.caller) for known in found), next_cursor=more)


async def _require_version(expected: int | None, known: KnownContact, caller: Caller, tx: Transaction) -> None:
    if expected in (None, known.version):
        return
    facts = await store.contact_since(tx, known.id, expected)
    seen = [fact for fact in facts if Audience(fact["audience"]).includes(caller.role)]
    raise StaleVersion(version=known.version, missed=seen)


def _shown(known: KnownContact, caller: Caller) -> ContactSnapshot:
    whole = domain.sees_addresses(caller)
    return ContactSnapshot(
        id=known.id,
        name=known.name,
        email=known.email if whole else None,
        external_ids=known.external_ids if whole else (),
        verified=known.verified,
        version=known.version,
        created_at=known.created_at,
        updated_at=known.updated_at,
    )
