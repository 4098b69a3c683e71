"""Remembers API tokens. One whose maker left, or may no longer do as much, is not found."""

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text

from chassis.database import Row, Transaction
from contracts.base import Role
from services.gateway.domain import ApiToken, Scope, Workspace, outranks
from services.gateway.store.rows import workspace_of

_ADD = text(
    "insert into api_tokens"
    " (workspace_id, id, maker_id, parent_id, name, role, scopes, token_hash, created_at, expires_at)"
    " values (:ws, :id, :maker, :parent, :name, :role, :scopes, :hash, :created_at, :expires_at)"
)
_COLUMNS = (
    "t.workspace_id, t.id as token_id, t.maker_id, t.parent_id, t.name as token_name, t.role, t.scopes,"
    " t.created_at as made_at, t.expires_at, t.used_at"
)
_SELECT = "select {}{} from {} where {}"
_HERE = "t.workspace_id = :ws"
_HELD = _SELECT.format(
    _COLUMNS,
    ", m.role as maker_role, w.slug, w.name, w.version, w.created_at",
    "api_tokens t join workspaces w on w.workspace_id = t.workspace_id and w.deleted_at is null"
    " join memberships m on m.workspace_id = t.workspace_id and m.user_id = t.maker_id",
    "t.token_hash = asked.hash offset 0",
)
_FOUND = text(
    _SELECT.format(
        "nth, found.*",
        "",
        "unnest(array(select unnest(cast(:hashes as bytea[])))) with ordinality as asked (hash, nth)"
        f" cross join lateral ({_HELD}) as found",
        "true",
    )
)
_BY_ID = text(_SELECT.format(_COLUMNS, "", "api_tokens t", f"{_HERE} and t.id = :id"))
_TOKENS = text(
    _SELECT.format(
        _COLUMNS,
        "",
        "api_tokens t",
        f"{_HERE} and (cast(:before as uuid) is null or t.id < cast(:before as uuid)) order by t.id desc limit :limit",
    )
)
_PRESENT = text(
    _SELECT.format(
        _COLUMNS,
        ", m.role as maker_role",
        "unnest(cast(:tokens as uuid[]), cast(:workspaces as text[])) as asked (token_id, workspace_id)"
        " join api_tokens t on t.workspace_id = asked.workspace_id and t.id = asked.token_id"
        " join memberships m on m.workspace_id = t.workspace_id and m.user_id = t.maker_id",
        "true",
    )
)
_USED = text("update api_tokens set used_at = :now where workspace_id = :ws and id = :id")
_REMOVE = (
    "with recursive doomed as ("
    " select id from api_tokens where workspace_id = :ws and {}"
    " union select t.id from api_tokens t join doomed d on t.workspace_id = :ws and t.parent_id = d.id)"
    " delete from api_tokens t where t.workspace_id = :ws and t.id in (select id from doomed) returning {}"
)
_REMOVE_ONE = text(_REMOVE.format("id = :id", _COLUMNS))
_REMOVE_ABOVE = text(_REMOVE.format("maker_id = :maker and role = any(cast(:roles as text[]))", _COLUMNS))
_PURGE = text("delete from api_tokens where expires_at <= :before")


async def add_token(tx: Transaction, token: ApiToken, token_hash: bytes) -> None:
    """Add a token."""
    values = {
        "ws": token.workspace_id,
        "id": token.id,
        "maker": token.maker_id,
        "parent": token.parent_id,
        "name": token.name,
        "role": token.role.value,
        "scopes": [scope.value for scope in token.scopes],
        "hash": token_hash,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
    }
    await tx.execute(_ADD, values)


async def find_tokens(tx: Transaction, hashes: Sequence[bytes]) -> list[tuple[ApiToken, Workspace] | None]:
    """Return the token of each secret, by its hash, and where it is good; None where it has more than its maker now."""
    found: list[tuple[ApiToken, Workspace] | None] = [None] * len(hashes)
    for row in await tx.all(_FOUND, {"hashes": list(hashes)}):
        if outranks(Role(row["maker_role"]), Role(row["role"])):
            found[row["nth"] - 1] = _token(row), workspace_of(row)
    return found


async def token_by_id(tx: Transaction, workspace_id: str, id: UUID) -> ApiToken | None:
    """Return one token."""
    row = await tx.one(_BY_ID, {"ws": workspace_id, "id": id})
    return _token(row) if row else None


async def tokens(tx: Transaction, workspace_id: str, before: UUID | None, limit: int) -> Sequence[ApiToken]:
    """Return tokens, newest first, beginning before this id."""
    return [_token(row) for row in await tx.all(_TOKENS, {"ws": workspace_id, "before": before, "limit": limit})]


async def present_tokens(tx: Transaction, asked: Sequence[tuple[UUID, str]]) -> list[ApiToken]:
    """Return which of these (token, workspace) still are."""
    tokens, workspaces = [token for token, _ in asked], [workspace for _, workspace in asked]
    rows = await tx.all(_PRESENT, {"tokens": tokens, "workspaces": workspaces})
    return [_token(row) for row in rows if outranks(Role(row["maker_role"]), Role(row["role"]))]


async def used(tx: Transaction, token: ApiToken, now: dt.datetime) -> None:
    """Remember that the token is in use."""
    await tx.execute(_USED, {"ws": token.workspace_id, "id": token.id, "now": now})


async def remove_token(tx: Transaction, workspace_id: str, id: UUID) -> list[ApiToken]:
    """Forget a token and those that were made with it; returns them, none where it is not there."""
    return [_token(row) for row in await tx.all(_REMOVE_ONE, {"ws": workspace_id, "id": id})]


async def remove_tokens_above(tx: Transaction, workspace_id: str, maker_id: UUID, role: Role | None) -> list[ApiToken]:
    """Forget the tokens of a maker that have more than this role; all of them where they are no member any more."""
    roles = [each.value for each in Role if role is None or not outranks(role, each)]
    values = {"ws": workspace_id, "maker": maker_id, "roles": roles}
    return [_token(row) for row in await tx.all(_REMOVE_ABOVE, values)]


async def purge_tokens(tx: Transaction, before: dt.datetime) -> int:
    """Forget tokens that ended before this; returns how many."""
    return await tx.execute(_PURGE, {"before": before})


def _token(row: Row) -> ApiToken:
    return ApiToken(
        id=row["token_id"],
        workspace_id=row["workspace_id"],
        maker_id=row["maker_id"],
        parent_id=row["parent_id"],
        name=row["token_name"],
        role=Role(row["role"]),
        scopes=tuple(Scope(scope) for scope in row["scopes"]),
        created_at=row["made_at"],
        expires_at=row["expires_at"],
        used_at=row["used_at"],
    )
