"""A ticket as it was: told again by its facts, up to a version or a moment."""

from chassis.database import Transaction
from contracts.base import TicketEvent
from contracts.refusals import NotFound
from contracts.tickets import Allowed, GetTicket, TicketSnapshot
from services.tickets import domain, store
from services.tickets.domain import Ticket
from services.tickets.usecases.shown import snapshot


async def as_it_was(ticket: Ticket, query: GetTicket, tx: Transaction) -> TicketSnapshot:
    """Return the ticket as it was then, as this caller sees it; raises NotFound where it was not there.

    Nothing is allowed with what is past.
    """
    if query.as_of_version is not None and query.as_of_version > ticket.version:
        raise NotFound
    past: Ticket | None = None
    async for fact in store.life(tx, ticket):
        if _is_later(fact, query):
            break
        if past is None:
            past = Ticket.replay([fact])
        else:
            past.apply(fact)
    if past is None:
        raise NotFound
    domain.require_sight(query.caller, past)
    return snapshot(past, query.caller).model_copy(update={"allowed": Allowed(actions=(), statuses=())})


def _is_later(fact: TicketEvent, query: GetTicket) -> bool:
    if query.as_of_version is not None:
        return fact.version > query.as_of_version
    return query.as_of_time is not None and fact.at > query.as_of_time
