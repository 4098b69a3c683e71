"""Remembers assistants, what they sign with, and which signatures were used."""

import datetime as dt
import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text

from chassis import cursors
from chassis.database import Row, Transaction
from chassis.outbox import events_since
from contracts.refusals import Conflict, Malformed
from contracts.tickets import WidgetSettings
from services.tickets.domain import ASSISTANT, Assistant
from services.tickets.store.pages import fitting

_MISSED = 5
"""A change tells two lists of sites, and a refusal is one NATS message of 256 KiB."""

_ADD = text("""
    insert into assistants (workspace_id, id, name, widget, identity_secret, version, created_at, updated_at)
    values (:ws, :id, :name, cast(:widget as jsonb), :secret, :version, :created_at, :updated_at)
    on conflict do nothing
""")
_COLUMNS = "workspace_id, id, name, widget, version, created_at, updated_at"
_HERE = f"select {_COLUMNS} from assistants where deleted_at is null and id = :id"  # noqa: S608 - constants
_LOAD = text(_HERE + " and workspace_id = :ws")
_LOAD_LOCKED = text(_LOAD.text + " for update")
# Visitors know an assistant's id and nothing else: ids are unique over all workspaces.
_FIND = text(_HERE)
_SAVE = text("""
    update assistants set name = :name, widget = cast(:widget as jsonb), version = :version, updated_at = :updated_at,
        identity_secret = coalesce(cast(:secret as text), identity_secret),
        deleted_at = cast(:deleted_at as timestamptz)
    where workspace_id = :ws and id = :id and version = :version - 1 and deleted_at is null
""")
_PAGE = text(
    f"select {_COLUMNS} from assistants where workspace_id = :ws and deleted_at is null"  # noqa: S608 - constants
    " and (cast(:name as text) is null or (name, id) > (cast(:name as text), cast(:id as uuid)))"
    " order by name, id limit :many"
)
_SECRET = text("select identity_secret from assistants where workspace_id = :ws and id = :id and deleted_at is null")
_USE_NONCE = text(
    "insert into identity_nonces (workspace_id, assistant_id, nonce, expires_at)"
    " values (:ws, :assistant, :nonce, :expires_at) on conflict do nothing"
)
_FORGET_NONCES = text("delete from identity_nonces where expires_at <= :now")


async def add_assistant(tx: Transaction, assistant: Assistant, secret: str) -> None:
    """Remember a new assistant; raises Conflict when its id is taken, here or elsewhere."""
    added = await tx.execute(_ADD, _values(assistant) | {"secret": secret, "created_at": assistant.created_at})
    if not added:
        raise Conflict("There is an assistant with this id already.")


async def assistant(tx: Transaction, id: UUID, *, for_update: bool = False) -> Assistant | None:
    """Return the assistant with this id, unless it was deleted."""
    row = await tx.one(_LOAD_LOCKED if for_update else _LOAD, {"ws": tx.workspace_id, "id": id})
    return _assistant(row) if row else None


async def find_assistant(tx: Transaction, id: UUID) -> Assistant | None:
    """Return the assistant with this id in whichever of the workspaces that the transaction sees."""
    row = await tx.one(_FIND, {"id": id})
    return _assistant(row) if row else None


async def save_assistant(
    tx: Transaction, assistant: Assistant, *, secret: str | None = None, deleted_at: dt.datetime | None = None
) -> None:
    """Remember its next version; raises Conflict if others came between."""
    saved = await tx.execute(_SAVE, _values(assistant) | {"secret": secret, "deleted_at": deleted_at})
    if not saved:
        raise Conflict("The assistant was changed at the same moment; read it again.")


async def assistant_page(tx: Transaction, cursor: str | None, limit: int) -> tuple[Sequence[Assistant], str | None]:
    """Return a page of assistants by name, no more than fit, and the cursor of the next one."""
    scope = f"assistants {tx.workspace_id}"
    name, id = _place(scope, cursor) if cursor is not None else (None, None)
    rows = await tx.all(_PAGE, {"ws": tx.workspace_id, "name": name, "id": id, "many": limit + 1})
    found = [_assistant(row) for row in rows[:limit]]
    page = found[: fitting([len(each.snapshot.model_dump_json().encode()) for each in found])] if found else []
    more = len(rows) > len(page)
    return page, cursors.encode(scope, [page[-1].name, str(page[-1].id)]) if more else None


async def assistant_since(tx: Transaction, assistant: Assistant, version: int) -> list[dict[str, Any]]:
    """Return what happened to the assistant after this version, as it was told."""
    return await events_since(tx, ASSISTANT, str(assistant.id), version, limit=_MISSED)


async def identity_secret(tx: Transaction, id: UUID) -> str | None:
    """Return what the customer's site signs its visitors with."""
    secret: str | None = await tx.scalar(_SECRET, {"ws": tx.workspace_id, "id": id})
    return secret


async def use_nonce(tx: Transaction, assistant_id: UUID, nonce: str, expires_at: dt.datetime) -> bool:
    """Use a signature; False when it was used before."""
    used = await tx.execute(
        _USE_NONCE, {"ws": tx.workspace_id, "assistant": assistant_id, "nonce": nonce, "expires_at": expires_at}
    )
    return bool(used)


async def forget_nonces(tx: Transaction, now: dt.datetime) -> int:
    """Forget the signatures that are void by now; returns how many."""
    return await tx.execute(_FORGET_NONCES, {"now": now})


def _values(assistant: Assistant) -> dict[str, Any]:
    return {
        "ws": assistant.workspace_id,
        "id": assistant.id,
        "name": assistant.name,
        "widget": json.dumps(assistant.widget.model_dump(mode="json"), ensure_ascii=False),
        "version": assistant.version,
        "updated_at": assistant.updated_at,
    }


def _assistant(row: Row) -> Assistant:
    return Assistant(**{**row, "widget": WidgetSettings.model_validate(row["widget"])})


def _place(scope: str, cursor: str) -> tuple[str, UUID]:
    match cursors.decode(scope, cursor):
        case [str(name), str(id)]:
            try:
                return name, UUID(id)
            except ValueError:
                pass
    raise Malformed("the cursor is broken")
