"""Dead letters: what could not be applied, for those who run the desk."""

from chassis import inbox
from chassis.database import Transaction
from chassis.letters import letter_page
from contracts.base import DeadLetter
from contracts.letters import DeadLetterPage
from contracts.notifications import GetNotificationLetter, ListNotificationLetters
from contracts.refusals import NotAllowed, NotFound


async def list_letters(query: ListNotificationLetters, tx: Transaction) -> DeadLetterPage:
    """Read a page of what could not be applied."""
    if not query.caller.role.runs_the_desk:
        raise NotAllowed
    return await letter_page(tx, "notifications", query.cursor, query.limit)


async def get_letter(query: GetNotificationLetter, tx: Transaction) -> DeadLetter:
    """Read one of them whole."""
    if not query.caller.role.runs_the_desk:
        raise NotAllowed
    if letter := await inbox.dead_letter(tx, "notifications", query.id):
        return letter
    raise NotFound
