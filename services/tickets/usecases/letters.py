"""Dead letters: what could not be applied, for those who run the desk."""

from uuid import UUID

from chassis import cursors, inbox
from chassis.database import Transaction
from contracts.base import DeadLetter
from contracts.refusals import Malformed, NotFound
from contracts.tickets import DeadLetterPage, GetDeadLetter, ListDeadLetters
from services.tickets import domain


async def list_dead_letters(query: ListDeadLetters, tx: Transaction) -> DeadLetterPage:
    """Read a page of what could not be applied."""
    domain.require_desk(query.caller)
    scope = f"dead letters {tx.workspace_id}"
    before = _letter_before(scope, query.cursor) if query.cursor is not None else None
    letters = await inbox.dead_letters(tx, "tickets", before, query.limit + 1)
    page = letters[: query.limit]
    more = cursors.encode(scope, [str(page[-1].id)]) if len(letters) > query.limit else None
    return DeadLetterPage(items=tuple(page), next_cursor=more)


async def get_dead_letter(query: GetDeadLetter, tx: Transaction) -> DeadLetter:
    """Read one of them whole."""
    domain.require_desk(query.caller)
    if letter := await inbox.dead_letter(tx, "tickets", query.id):
        return letter
    raise NotFound


def _letter_before(scope: str, cursor: str) -> UUID:
    try:
        (id,) = cursors.decode(scope, cursor)
        return UUID(id)
    except (ValueError, TypeError, AttributeError) as error:
        raise Malformed("the cursor is broken") from error
