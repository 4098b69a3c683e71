"""Remembers who asked, and the conversations of other systems."""

from uuid import UUID

from sqlalchemy import RowMapping, text

from chassis.database import Transaction
from contracts.base import now, uuid7
from contracts.tickets import ConversationRef
from services.tickets.domain import Contact
from services.tickets.store.tickets import folded

_BY_ID = text("select id, name, email from contacts where workspace_id = :ws and id = :id")
_BY_SOURCE = text(
    "select c.id, c.name, c.email from contact_sources s"
    " join contacts c on c.workspace_id = s.workspace_id and c.id = s.contact_id"
    " where s.workspace_id = :ws and s.source = :source and s.external_id = :external_id"
)
# Whoever has this address already is met again, under the name they have here. The update that changes nothing makes
# the statement return the row.
_MEET = text("""
    insert into contacts as c (workspace_id, id, name, email, email_key, version, verified, created_at, updated_at)
    values (:ws, :id, :name, :email, :email_key, 1, false, :at, :at)
    on conflict (workspace_id, email_key) where email_key is not null do update set email_key = excluded.email_key
    returning id, name, email
""")
_CALLED = text(
    "insert into contact_sources (workspace_id, source, external_id, contact_id)"
    " values (:ws, :source, :external_id, :contact) on conflict do nothing"
)
_CONVERSATION = text("""
    insert into conversations as v (workspace_id, id, integration, external_id, url, created_at, updated_at)
    values (:ws, :id, :integration, :external_id, :url, :at, :at)
    on conflict (workspace_id, integration, external_id) do update set url = coalesce(excluded.url, v.url)
    returning id, external_id, url
""")
_BEHIND = text("""
    select v.id, v.external_id, v.url, c.id as contact_id, c.name, c.email
    from conversations v left join contacts c on c.workspace_id = v.workspace_id and c.id = v.contact_id
    where v.workspace_id = :ws and v.id = :id
""")


async def contact(tx: Transaction, id: UUID) -> Contact | None:
    """Return the contact with this id, if there is one."""
    return _contact(await tx.one(_BY_ID, {"ws": tx.workspace_id, "id": id}))


async def meet(
    tx: Transaction, name: str, email: str | None, *, integration: str | None = None, external_id: str | None = None
) -> Contact:
    """Return the contact whom an integration knows by `external_id`, else who has this address, else a new one."""
    source = {"ws": tx.workspace_id, "source": integration, "external_id": external_id}
    if external_id is not None and (known := _contact(await tx.one(_BY_SOURCE, source))):
        return known
    new = {"id": uuid7(), "name": name, "email": email, "email_key": folded(email) if email else None, "at": now()}
    met = Contact(**(await tx.execute(_MEET, {"ws": tx.workspace_id, **new})).mappings().one())
    if external_id is not None:
        await tx.execute(_CALLED, source | {"contact": met.id})
    return met


async def conversation(tx: Transaction, integration: str, external_id: str, url: str | None) -> ConversationRef:
    """Return the conversation that an integration knows by this id, made if it is new; a newer address is kept."""
    row = await tx.one(
        _CONVERSATION,
        {
            "ws": tx.workspace_id,
            "id": uuid7(),
            "integration": integration,
            "external_id": external_id,
            "url": url,
            "at": now(),
        },
    )
    return ConversationRef.model_validate(row)


async def behind(tx: Transaction, id: UUID) -> tuple[ConversationRef, Contact | None] | None:
    """Return the conversation with this id and who writes in it, if there is one."""
    row = await tx.one(_BEHIND, {"ws": tx.workspace_id, "id": id})
    if row is None:
        return None
    contact = Contact(row["contact_id"], row["name"], row["email"]) if row["contact_id"] else None
    return ConversationRef(id=row["id"], external_id=row["external_id"], url=row["url"]), contact


def _contact(row: RowMapping | None) -> Contact | None:
    return Contact(row["id"], row["name"], row["email"]) if row else None
