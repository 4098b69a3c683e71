"""Remembers the people who ask, their addresses and what other systems call them."""

from typing import Any
from uuid import UUID

from sqlalchemy import text

from chassis.database import Row, Transaction
from chassis.outbox import events_since
from contracts.refusals import Conflict, NotFound, Taken
from contracts.tickets import ExternalRef
from services.tickets.domain import Contact, KnownContact
from services.tickets.store.tickets import folded

NAMES = """
    (select json_agg(json_build_object('source', s.source, 'id', s.external_id) order by s.source, s.external_id)
     from contact_sources s where s.workspace_id = c.workspace_id and s.contact_id = c.id) as external_ids
"""
"""What other systems call a contact `c`."""

_SELECT = f"select c.*, {NAMES} from contacts c where c.workspace_id = :ws"  # noqa: S608 - constants
_HOLD = text("select id from contacts where workspace_id = :ws and id = :id for no key update")
_BY_ID = text(_SELECT + " and c.id = :id")
_BY_ADDRESS = text(_SELECT + " and c.email_key = :email_key")
_SOURCE = text(
    "select contact_id from contact_sources"
    " where workspace_id = :ws and source = :source and external_id = :external_id"
)
# Of two who want one address, the second waits and then sees it taken: an update has no `on conflict`, and would break.
_LOCK_ADDRESS = "pg_advisory_xact_lock(hashtextextended('contact ' || cast(:ws as text) || :email_key, 0))"
_ONE_BY_ONE = text(f"select {_LOCK_ADDRESS}")
_INSERT = text(f"""
    insert into contacts (workspace_id, id, name, email, email_key, words, version, verified, created_at, updated_at)
    select :ws, cast(:id as uuid), :name, :email, cast(:email_key as text), :words, cast(:version as int),
        cast(:verified as boolean), cast(:created_at as timestamptz), cast(:updated_at as timestamptz)
    where cast(:email_key as text) is null or {_LOCK_ADDRESS} is not null
    on conflict do nothing
""")
_UPDATE = text("""
    update contacts set name = :name, email = :email, email_key = :email_key, words = :words, version = :version,
        verified = :verified, updated_at = :updated_at
    where workspace_id = :ws and id = :id and version = cast(:version as int) - 1
""")
_CALLED = text(
    "insert into contact_sources (workspace_id, source, external_id, contact_id)"
    " select :ws, n.source, n.id, cast(:contact as uuid)"
    " from unnest(cast(:sources as text[]), cast(:ids as text[])) as n(source, id)"
    " on conflict do nothing"
)
_NOT_CALLED = text(
    "delete from contact_sources where workspace_id = :ws and contact_id = :contact"
    " and (source, external_id) in (select * from unnest(cast(:sources as text[]), cast(:ids as text[])))"
)
_VOUCH = text(
    "update contacts set verified = true"
    " where workspace_id = :ws and id = :id and email_key = :email_key and not verified"
)
_LOCK = text("select id from contacts where workspace_id = :ws and id = :id for update")
_NAMED = text("""
    select exists (select 1 from tickets where workspace_id = :ws and contact_id = :id)
        or exists (select 1 from conversations where workspace_id = :ws and contact_id = :id)
""")
_SHOWN = text(
    "select exists (select 1 from tickets where workspace_id = :ws and contact_id = :id and deleted_at is null)"
)
_NAMELESS = text("delete from contact_sources where workspace_id = :ws and contact_id = :id")
_DELETE = text("delete from contacts where workspace_id = :ws and id = :id")


async def contact(tx: Transaction, id: UUID) -> Contact | None:
    """Return the contact with this id as tickets show them, if there is one."""
    known = await known_contact(tx, id)
    return known.shown if known else None


async def known_contact(tx: Transaction, id: UUID) -> KnownContact | None:
    """Return everything about the contact with this id, if there is one."""
    return _known(await tx.one(_BY_ID, {"ws": tx.workspace_id, "id": id}))


async def hold_contact(tx: Transaction, id: UUID) -> KnownContact:
    """Return the contact with this id, whom nobody changes before the commit; raises NotFound."""
    await tx.execute(_HOLD, {"ws": tx.workspace_id, "id": id})
    if known := await known_contact(tx, id):
        return known
    raise NotFound


async def contact_at(tx: Transaction, email: str) -> KnownContact | None:
    """Return who has this address, in any case."""
    return _known(await tx.one(_BY_ADDRESS, {"ws": tx.workspace_id, "email_key": folded(email)}))


async def contact_called(tx: Transaction, name: ExternalRef) -> KnownContact | None:
    """Return whom another system calls so."""
    id = await tx.scalar(_SOURCE, {"ws": tx.workspace_id, "source": name.source, "external_id": name.id})
    return await known_contact(tx, id) if id else None


async def add_contact(tx: Transaction, known: KnownContact) -> bool:
    """Remember somebody new; False where the id or the address is another's. Raises Taken for a name elsewhere."""
    if not await tx.execute(_INSERT, _values(known)):
        return False
    await _call(tx, known.id, set(known.external_ids))
    return True


async def save_contact(tx: Transaction, known: KnownContact, old: KnownContact) -> None:
    """Remember what was edited; raises Taken for an address or a name elsewhere that is another's."""
    if known.email is not None and known.email != old.email:
        await tx.execute(_ONE_BY_ONE, {"ws": tx.workspace_id, "email_key": folded(known.email)})
        await require_free(tx, known)
    if not await tx.execute(_UPDATE, _values(known)):
        raise Conflict("The contact was changed at the same moment; read it again.")
    if gone := set(old.external_ids) - set(known.external_ids):
        await tx.execute(_NOT_CALLED, _names(tx, known.id, gone))
    await _call(tx, known.id, set(known.external_ids) - set(old.external_ids))


async def vouch(tx: Transaction, id: UUID, email: str) -> None:
    """Remember that somebody has answered from this address, if it is the contact's still."""
    await tx.execute(_VOUCH, {"ws": tx.workspace_id, "id": id, "email_key": folded(email)})


async def delete_contact(tx: Transaction, id: UUID) -> None:
    """Forget a contact; raises Conflict where a ticket or a conversation names them."""
    where = {"ws": tx.workspace_id, "id": id}
    # Whoever is naming them at this moment holds their key, so this waits and then sees it.
    await tx.execute(_LOCK, where)
    if await tx.scalar(_NAMED, where):
        raise Conflict("Tickets or conversations name this contact.")
    await tx.execute(_NAMELESS, where)
    await tx.execute(_DELETE, where)


async def contact_since(tx: Transaction, id: UUID, version: int) -> list[dict[str, Any]]:
    """Return what happened to the contact after this version, as it was told."""
    return await events_since(tx, "contact", str(id), version)


async def is_shown(tx: Transaction, id: UUID) -> bool:
    """Tell whether a ticket that is not deleted names the contact."""
    return bool(await tx.scalar(_SHOWN, {"ws": tx.workspace_id, "id": id}))


async def require_free(tx: Transaction, known: KnownContact) -> None:
    """Raise Taken if the contact's address is another's."""
    other = await contact_at(tx, known.email) if known.email else None
    if other is not None and other.id != known.id:
        raise _taken("email", "another contact has this address")


async def _call(tx: Transaction, contact_id: UUID, names: set[ExternalRef]) -> None:
    if not names:
        return
    if await tx.execute(_CALLED, _names(tx, contact_id, names)) < len(names):
        raise _taken("external_ids", "another contact is called so")


def _taken(field: str, detail: str) -> Taken:
    return Taken(detail.capitalize() + ".", errors=[{"field": field, "code": "taken", "detail": detail}])


def _names(tx: Transaction, contact_id: UUID, names: set[ExternalRef]) -> dict[str, object]:
    # In one order, so that two who add the same names don't wait in a circle.
    ordered = sorted(names, key=lambda name: (name.source, name.id))
    return {
        "ws": tx.workspace_id,
        "contact": contact_id,
        "sources": [name.source for name in ordered],
        "ids": [name.id for name in ordered],
    }


def _values(known: KnownContact) -> dict[str, object]:
    return {
        "ws": known.workspace_id,
        "id": known.id,
        "name": known.name,
        "email": known.email,
        "email_key": folded(known.email) if known.email else None,
        "words": folded(f"{known.name} {known.email or ''}"),
        "version": known.version,
        "verified": known.verified,
        "created_at": known.created_at,
        "updated_at": known.updated_at,
    }


def _known(row: Row | None) -> KnownContact | None:
    return known_of(row) if row else None


def known_of(row: Row) -> KnownContact:
    """Return the contact that a row tells of."""
    return KnownContact(
        id=row["id"],
        workspace_id=row["workspace_id"],
        name=row["name"],
        email=row["email"],
        external_ids=tuple(ExternalRef.model_validate(each) for each in row["external_ids"] or ()),
        verified=row["verified"],
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
