"""Dead letters: what could not be applied, for those who run the desk."""

from collections.abc import Awaitable, Callable
from uuid import UUID

from chassis import inbox
from chassis.database import Transaction
from chassis.letters import letter_page
from contracts.base import Caller, DeadLetter
from contracts.letters import DeadLetterPage
from contracts.notifications import (
    DropNotificationLetter,
    GetNotificationLetter,
    ListNotificationLetters,
    RetryNotificationLetter,
)
from contracts.refusals import Conflict, NotAllowed, NotFound
from services.notifications import store
from services.notifications.usecases.inbound import BY_MAIL


async def list_letters(query: ListNotificationLetters, tx: Transaction) -> DeadLetterPage:
    """Read a page of what could not be applied."""
    _require_manager(query.caller)
    return await letter_page(tx, "notifications", query)


async def get_letter(query: GetNotificationLetter, tx: Transaction) -> DeadLetter:
    """Read one of them whole."""
    _require_manager(query.caller)
    if letter := await inbox.dead_letter(tx, "notifications", query.id):
        return letter
    raise NotFound


async def retry_letter(
    command: RetryNotificationLetter, tx: Transaction, again: Callable[[Transaction, UUID], Awaitable[DeadLetter]]
) -> DeadLetter:
    """Apply one of them now, or deliver a mail once more; `again` raises why it is refused again."""
    _require_manager(command.caller)
    row = await inbox.take_letter(tx, command.id)
    if row is None:
        raise NotFound
    if row["stream"] != BY_MAIL:
        return await again(tx, command.id)
    if not await store.receive_again(tx, row["sequence"]):
        raise Conflict("The mail itself is not kept any more, so it can't be delivered.")
    await inbox.forget_letter(tx, command.id)
    return inbox.dead_letter_of("notifications", row)


async def drop_letter(command: DropNotificationLetter, tx: Transaction) -> DeadLetter:
    """Forget one of them."""
    _require_manager(command.caller)
    if letter := await inbox.drop_letter(tx, "notifications", command.id):
        return letter
    raise NotFound


def _require_manager(caller: Caller) -> None:
    if not caller.role.runs_the_desk:
        raise NotAllowed
