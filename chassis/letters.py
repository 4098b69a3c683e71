"""Dead letters, a page at a time: every service cuts them alike, so that one cursor is good for all."""

from uuid import UUID

from chassis import cursors, inbox
from chassis.database import Transaction
from contracts.letters import DeadLetterPage
from contracts.refusals import Malformed


async def letter_page(tx: Transaction, service: str, cursor: str | None, limit: int) -> DeadLetterPage:
    """Return a page of this workspace's dead letters, newest first; raises Malformed."""
    before = _letter_before(tx.workspace_id, cursor) if cursor is not None else None
    letters = await inbox.dead_letters(tx, service, before, limit + 1)
    page = letters[:limit]
    more = place_after(tx.workspace_id, page[-1].id) if len(letters) > limit else None
    return DeadLetterPage(items=tuple(page), next_cursor=more)


def place_after(workspace_id: str, letter: UUID) -> str:
    """Return the cursor of what is older than a letter, in whichever service."""
    return cursors.encode(_scope(workspace_id), [str(letter)])


def _scope(workspace_id: str) -> str:
    return f"dead letters {workspace_id}"


def _letter_before(workspace_id: str, cursor: str) -> UUID:
    try:
        (id,) = cursors.decode(_scope(workspace_id), cursor)
        return UUID(id)
    except (ValueError, TypeError, AttributeError) as error:
        raise Malformed("the cursor is broken") from error
