"""Dead letters: what could not be applied, for those who run the desk."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from chassis import inbox
from chassis.database import Transaction
from chassis.letters import letter_page
from contracts.base import DeadLetter
from contracts.letters import DeadLetterPage
from contracts.refusals import NotFound
from contracts.tickets import (
    DeadLetterDropped,
    DeadLetterRetried,
    DropDeadLetter,
    GetDeadLetter,
    ListDeadLetters,
    RetryDeadLetter,
)
from services.tickets import domain
from services.tickets.usecases.shown import by


async def list_dead_letters(query: ListDeadLetters, tx: Transaction) -> DeadLetterPage:
    """Read a page of what could not be applied."""
    domain.require_desk(query.caller)
    return await letter_page(tx, "tickets", query)


async def get_dead_letter(query: GetDeadLetter, tx: Transaction) -> DeadLetter:
    """Read one of them whole."""
    domain.require_desk(query.caller)
    if letter := await inbox.dead_letter(tx, "tickets", query.id):
        return letter
    raise NotFound


async def retry_dead_letter(
    command: RetryDeadLetter, tx: Transaction, again: Callable[[Transaction, UUID], Awaitable[DeadLetter]]
) -> DeadLetter:
    """Apply one of them now, by the handler that refused it; `again` is how, and raises why it is refused again."""
    domain.require_desk(command.caller)
    letter = await again(tx, command.id)
    tx.announce(domain.settled(DeadLetterRetried, letter, tx.workspace_id, by(command)))
    return letter


async def drop_dead_letter(command: DropDeadLetter, tx: Transaction) -> DeadLetter:
    """Forget one of them."""
    domain.require_desk(command.caller)
    if letter := await inbox.drop_letter(tx, "tickets", command.id):
        tx.announce(domain.settled(DeadLetterDropped, letter, tx.workspace_id, by(command)))
        return letter
    raise NotFound
