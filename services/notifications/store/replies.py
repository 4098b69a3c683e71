"""Remembers the addresses that contacts answer to, each for one ticket, conversation, contact and address."""

import secrets
from base64 import b32encode
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from chassis.database import Transaction
from contracts.base import now

_BYTES = 20

_MAKE = text(
    "insert into reply_addresses (workspace_id, token, ticket_id, conversation_id, contact_id, email, made_at)"
    " values (:ws, :token, :ticket, :conversation, :contact, :email, :at)"
    " on conflict (workspace_id, ticket_id, conversation_id, contact_id, email) do nothing returning token"
)
_FIND = text(
    "select token from reply_addresses where workspace_id = :ws and ticket_id = :ticket"
    " and conversation_id is not distinct from :conversation and contact_id = :contact and email = :email"
)
_BEHIND = text("select * from reply_addresses where token = lower(:token)")
_FORGET = text("delete from reply_addresses where workspace_id = :ws")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyAddress:
    """Whom an answer to this token is from, and where it belongs."""

    token: str
    workspace_id: str
    ticket_id: UUID
    conversation_id: UUID | None
    contact_id: UUID
    email: str
    """The address that was written to."""


async def reply_token(
    tx: Transaction, ticket_id: UUID, conversation_id: UUID | None, contact_id: UUID, email: str
) -> str:
    """Return the one token of these four, of 160 bits that nobody guesses; it is made when first asked for."""
    where = {
        "ws": tx.workspace_id,
        "ticket": ticket_id,
        "conversation": conversation_id,
        "contact": contact_id,
        "email": email,
    }
    drawn = b32encode(secrets.token_bytes(_BYTES)).decode().lower()
    token: str | None = await tx.scalar(_MAKE, where | {"token": drawn, "at": now()})
    # A statement of its own: its snapshot shows what somebody else made at the same moment.
    return token or str(await tx.scalar(_FIND, where))


async def reply_address(tx: Transaction, token: str) -> ReplyAddress | None:
    """Return what a token stands for, in whatever case it came back."""
    row = await tx.one(_BEHIND, {"token": token})
    if row is None:
        return None
    return ReplyAddress(
        token=row["token"],
        workspace_id=row["workspace_id"],
        ticket_id=row["ticket_id"],
        conversation_id=row["conversation_id"],
        contact_id=row["contact_id"],
        email=row["email"],
    )


async def forget_reply_addresses(tx: Transaction) -> None:
    """Take no answers for this workspace any more."""
    await tx.execute(_FORGET, {"ws": tx.workspace_id})
