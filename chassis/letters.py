"""Dead letters, a page at a time: every service cuts them alike, so that one cursor is good for all."""

from uuid import UUID

from chassis import cursors, inbox
from chassis.database import Transaction
from contracts.letters import DeadLetterPage, ListLetters


async def letter_page(tx: Transaction, service: str, wanted: ListLetters) -> DeadLetterPage:
    """Return a page of this workspace's dead letters; raises Malformed."""
    place = cursors.decode_id(_scope(tx.workspace_id), wanted.cursor) if wanted.cursor is not None else None
    letters = await inbox.dead_letters(
        tx,
        service,
        place,
        wanted.limit + 1,
        reason=wanted.reason,
        integration=wanted.integration,
        oldest_first=wanted.oldest_first,
    )
    page = letters[: wanted.limit]
    return DeadLetterPage(
        items=tuple(page),
        next_cursor=place_after(tx.workspace_id, page[-1].id) if len(letters) > wanted.limit else None,
        groups=tuple(await inbox.letter_groups(tx)) if place is None else (),
    )


def place_after(workspace_id: str, letter: UUID) -> str:
    """Return the cursor of what comes after a letter in a list, in whichever service."""
    return cursors.encode(_scope(workspace_id), [str(letter)])


def _scope(workspace_id: str) -> str:
    return f"dead letters {workspace_id}"
