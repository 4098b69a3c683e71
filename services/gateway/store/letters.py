"""What the book of people says of dead letters."""

from uuid import UUID

from sqlalchemy import text

from chassis.database import Transaction
from contracts.gateway import LetterRetried
from services.gateway.domain import Settled

_SETTLED = text(
    "select type, at from event_log where workspace_id = :ws and about_kind = 'dead_letter' and about_id = :id"
)


async def settled_letter(tx: Transaction, id: UUID) -> Settled | None:
    """Return what somebody did with a letter; None where nobody did anything."""
    row = await tx.one(_SETTLED, {"ws": tx.workspace_id, "id": str(id)})
    if row is None:
        return None
    return Settled(applied=row["type"].rpartition(".")[2] == LetterRetried.TYPE, at=row["at"])
