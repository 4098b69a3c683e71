"""What every change in a workspace begins with: who asks, as they are now, and whether they have asked before."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from pydantic import BaseModel

from chassis.database import Transaction
from contracts.base import IdempotencyKey
from contracts.refusals import NotFound, Unauthenticated
from services.gateway import store
from services.gateway.domain import Acting, Cause, Visitor, outranks, revoke_token


async def acting(tx: Transaction, visitor: Visitor) -> Acting:
    """Return the visitor as they are in this transaction: who asks may have been demoted a moment ago."""
    workspace, _ = visitor.here
    token = visitor.token
    if token is None:
        member = await store.member(tx, workspace.id, visitor.user.id)
        if member is None:
            raise NotFound
        return member.acting
    maker = await store.member(tx, workspace.id, token.maker_id)
    held = await store.token_by_id(tx, workspace.id, token.id)
    if maker is None or held is None or not outranks(maker.role, held.role):
        raise Unauthenticated
    return held.acting


async def revoke_above(tx: Transaction, visitor: Visitor, member_id: UUID, cause: Cause) -> None:
    """End the tokens of a member that have more than they have now."""
    workspace, _ = visitor.here
    member = await store.member(tx, workspace.id, member_id)
    ended = await store.remove_tokens_above(tx, workspace.id, member_id, member.role if member else None)
    tx.announce(*(revoke_token(token, actor=visitor.actor, cause=cause) for token in ended))


async def once[R: BaseModel](
    tx: Transaction,
    actor: str,
    key: IdempotencyKey | None,
    reply: type[R],
    act: Callable[[], Awaitable[R]],
    *,
    secret_id: Callable[[R], str] | None = None,
) -> R:
    """Act; with a key, once for this actor."""
    return await act() if key is None else await tx.once(actor, key, reply, act, secret_id=secret_id)
