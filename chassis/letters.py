"""Dead letters, a page at a time: every service cuts them alike, so that one cursor is good for all."""

from uuid import UUID

from chassis import cursors, inbox
from chassis.database import Transaction
from contracts.letters import DeadLetterPage


async def letter_page(tx: Transaction, service: str, cursor: str | None, limit: int) -> DeadLetterPage:
    """Return a page of this workspace's dead letters, newest first; raises Malformed."""
    before = cursors.decode_id(_scope(tx.workspace_id), cursor) if cursor is not None else None
    letters = await inbox.dead_letters(tx, service, before, limit + 1)
    page = letters[:limit]
    more = place_after(tx.workspace_id, page[-1].id) if len(letters) > limit else None
    return DeadLetterPage(items=tuple(page), next_cursor=more)


def place_after(workspace_id: str, letter: UUID) -> str:
    """Return the cursor of what is older than a letter, in whichever service."""
    return cursors.encode(_scope(workspace_id), [str(letter)])


def _scope(workspace_id: str) -> str:
    return f"dead letters {workspace_id}"
