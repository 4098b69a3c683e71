"""Meets who asks: whoever is known already is found again, under the name they have here."""

from chassis.database import Transaction
from contracts.base import uuid7
from contracts.refusals import Conflict
from contracts.tickets import ExternalRef
from services.tickets import store
from services.tickets.domain import By, Contact, KnownContact


async def meet(
    tx: Transaction,
    by: By,
    *,
    name: str,
    email: str | None = None,
    called: ExternalRef | None = None,
    verified: bool = False,
) -> Contact:
    """Return the contact who is `called` so elsewhere, else who has this address, else a new one.

    Whoever says `called` vouches for it: a contact who is known by the address alone is called so from then on. What a
    stranger claims of themself is a name and an address, and changes nobody who is known. `verified`: see KnownContact.
    """
    if called is not None and (known := await store.contact_called(tx, called)):
        return known.shown
    known = await store.contact_at(tx, email) if email is not None else None
    if known is None:
        new, fact = KnownContact.create(
            id=uuid7(),
            workspace_id=tx.workspace_id,
            name=name,
            email=email,
            external_ids=(called,) if called else (),
            verified=verified,
            by=by,
        )
        if await store.add_contact(tx, new):
            tx.announce(fact)
            return new.shown
        # Somebody else met them at the same moment.
        known = await store.contact_at(tx, email or "")
        if known is None:
            raise Conflict("The contact was changed at the same moment; try again.")
    return (await _call(tx, by, known, called, verified=verified)).shown if called else known.shown


async def _call(tx: Transaction, by: By, known: KnownContact, name: ExternalRef, *, verified: bool) -> KnownContact:
    before = await store.hold_contact(tx, known.id)
    after, fact = before.call(name, by, verified=verified)
    if fact is not None:
        await store.save_contact(tx, after, before)
        tx.announce(fact)
    return after
