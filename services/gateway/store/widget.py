"""Remembers which conversations visitors may get back into. Of their tokens only hashes are kept."""

import datetime as dt

from sqlalchemy import text

from chassis.database import Transaction
from services.gateway.domain import VisitorToken

_ADD = text(
    "insert into visitor_tokens (workspace_id, id, token_hash, assistant_id, conversation_id, expires_at)"
    " values (:ws, :id, :hash, :assistant, :conversation, :expires_at)"
)
_FIND = text(
    "select t.workspace_id, t.id, t.assistant_id, t.conversation_id, t.expires_at from visitor_tokens t"
    " join workspaces w on w.workspace_id = t.workspace_id and w.deleted_at is null where t.token_hash = :hash"
)
_OPEN = text("select exists (select 1 from workspaces where workspace_id = :ws and deleted_at is null)")
_PURGE = text("delete from visitor_tokens where expires_at <= :now")


async def add_visitor_token(tx: Transaction, token: VisitorToken, token_hash: bytes) -> None:
    """Remember a token."""
    values = {
        "ws": token.workspace_id,
        "id": token.id,
        "hash": token_hash,
        "assistant": token.assistant_id,
        "conversation": token.conversation_id,
        "expires_at": token.expires_at,
    }
    await tx.execute(_ADD, values)


async def visitor_token(tx: Transaction, token_hash: bytes) -> VisitorToken | None:
    """Return what this token opens, unless its workspace is gone."""
    row = await tx.one(_FIND, {"hash": token_hash})
    return VisitorToken(**row) if row else None


async def is_open(tx: Transaction, workspace_id: str) -> bool:
    """Tell whether there is such a workspace."""
    return bool(await tx.scalar(_OPEN, {"ws": workspace_id}))


async def purge_visitor_tokens(tx: Transaction, now: dt.datetime) -> int:
    """Forget the tokens that open nothing any more; returns how many."""
    return await tx.execute(_PURGE, {"now": now})
