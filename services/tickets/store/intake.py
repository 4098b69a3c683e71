"""Remembers which workspaces there are, and what other systems asked for before."""

from uuid import UUID

from sqlalchemy import text

from chassis.database import Transaction
from contracts.tickets import TicketRequested

_KNOWN = text("select exists (select 1 from workspaces where workspace_id = :ws)")
_OPENED = text(
    "select ticket_id from intake_sources"
    " where workspace_id = :ws and integration = :integration and kind = :kind and external_id = :external_id"
)
_ASKED = text(
    "insert into intake_sources (workspace_id, integration, kind, external_id, ticket_id)"
    " values (:ws, :integration, :kind, :external_id, :ticket)"
)
_WORKSPACE = text(
    "insert into workspaces (workspace_id, name, slug) values (:ws, :name, :slug)"
    " on conflict (workspace_id) do update set name = excluded.name, slug = excluded.slug"
)
_FORGET_WORKSPACE = text("delete from workspaces where workspace_id = :ws")


async def knows_workspace(tx: Transaction) -> bool:
    """Tell whether there is such a workspace."""
    return bool(await tx.scalar(_KNOWN, {"ws": tx.workspace_id}))


async def opened(tx: Transaction, integration: str, external_id: str) -> UUID | None:
    """Return the ticket that this integration asked for by this name, if it did."""
    kind = TicketRequested.TYPE
    where = {"ws": tx.workspace_id, "integration": integration, "kind": kind, "external_id": external_id}
    id: UUID | None = await tx.scalar(_OPENED, where)
    return id


async def asked(tx: Transaction, integration: str, kind: str, external_id: str, ticket_id: UUID) -> None:
    """Remember for ever what this integration asked for, and what came of it."""
    await tx.execute(
        _ASKED,
        {
            "ws": tx.workspace_id,
            "integration": integration,
            "kind": kind,
            "external_id": external_id,
            "ticket": ticket_id,
        },
    )


async def workspace(tx: Transaction, name: str, slug: str) -> None:
    """Remember a workspace, or what it is called now."""
    await tx.execute(_WORKSPACE, {"ws": tx.workspace_id, "name": name, "slug": slug})


async def forget_workspace(tx: Transaction) -> None:
    """Forget that there was such a workspace; what happened in it stays."""
    await tx.execute(_FORGET_WORKSPACE, {"ws": tx.workspace_id})
