"""What is asked of the stores of a full desk: by the services' own functions, with what their callers give them."""

import datetime as dt
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from chassis.database import Transaction
from contracts.activity import Book, Feed, History
from contracts.base import ActorKind, Audience, Caller, Role
from contracts.tickets import CountTickets, ListTickets, Priority, Status
from services.activity import store as books
from services.activity import usecases as record
from services.notifications import store as inboxes
from services.tickets import store as tickets

type Ask = Callable[[Transaction], Awaitable[object]]

_EVERY = {"statuses": tuple(Status)}
_LIMIT = 50


@dataclass(frozen=True, slots=True)
class Known:
    """What whoever asks knows of a desk."""

    caller: Caller
    agent: UUID
    """Somebody who has tickets."""
    middle: UUID
    """The ticket in the middle, by number."""
    contact: UUID
    rare: str
    """A part of a word that only that ticket has."""
    deep: Mapping[str, str]
    """Cursors of pages far behind the first, by what is listed."""


def known(workspace_id: str, owner: UUID, agent: UUID, middle: Mapping[str, Any], deep: Mapping[str, str]) -> Known:
    """Return what is known, of the ticket in the middle as it is read over HTTP."""
    caller = Caller(workspace_id=workspace_id, kind=ActorKind.USER, id=str(owner), name="Owner", role=Role.OWNER)
    rare = middle["subject"].split()[-1][1:9]
    return Known(caller, agent, UUID(middle["id"]), UUID(middle["contact"]["id"]), rare, deep)


def of_tickets(known: Known) -> dict[str, Ask]:
    """Return what is asked of tickets' store."""
    lists: dict[str, dict[str, Any]] = {
        "list": {},
        "list, least recently updated": {"sort": "updated"},
        "list, newest": {"sort": "-created"},
        "list, oldest": {"sort": "created"},
        "list, by priority": {"sort": "priority"},
        "list, by number": {"sort": "number"},
        "list, a deep page": {"cursor": known.deep["shown"]},
        "list of every status": _EVERY,
        "list of every status, by priority": {**_EVERY, "sort": "priority"},
        "list of every status, oldest, a deep page": {**_EVERY, "sort": "created", "cursor": known.deep["every"]},
        "list, new": {"statuses": (Status.NEW,)},
        "list, closed": {"statuses": (Status.CLOSED,)},
        "list, one agent's": {"assignee": known.agent},
        "list, nobody's": {"assignee": "none"},
        "list, critical": {"priorities": (Priority.CRITICAL,)},
        "list, a contact's": {**_EVERY, "contact": known.contact},
        "list, a tag's": {"tag": "billing-0"},
        "list, deleted": {"deleted": True},
        "search, a word of many": {"q": "invoice"},
        "search, two words": {**_EVERY, "q": "tent boot"},
        "search, a part of a word of few": {**_EVERY, "q": known.rare[:3]},
        "search, a part of a word of one": {**_EVERY, "q": known.rare},
        "search, nothing": {"q": "nowhere"},
        "search, a contact's name": {"contact_q": "ada berg"},
    }
    counts: dict[str, dict[str, Any]] = {
        "counts": {},
        "counts, one agent's": {"assignee": known.agent},
        "counts, critical": {"priorities": (Priority.CRITICAL,)},
        "counts, a tag's": {"tag": "billing-0"},
        "counts, a word of many": {"q": "invoice"},
        "counts, a part of a word of one": {"q": known.rare},
    }
    return {
        **{name: _page(ListTickets(caller=known.caller, limit=_LIMIT, **asked)) for name, asked in lists.items()},
        **{name: _count(CountTickets(caller=known.caller, **asked)) for name, asked in counts.items()},
        "a ticket": lambda tx: tickets.load(tx, str(known.middle)),
        "tags": tickets.tags,
    }


def of_activity(known: Known) -> dict[str, Ask]:
    """Return what is asked of the ledger's store."""
    ends = dt.datetime.now(dt.UTC)
    begins = ends - dt.timedelta(days=30)
    caller = known.caller
    return {
        "a ticket's history": lambda tx: record.history(History(caller=caller, ticket_id=known.middle), tx),
        "the feed": lambda tx: record.feed(Feed(caller=caller, book=Book.TICKETS, after=1_000), tx),
        "report, by day": lambda tx: books.counts_by_day(tx, begins, ends),
        "report, times": lambda tx: books.times(tx, begins, ends),
        "report, people": lambda tx: books.agents(tx, begins, ends),
        "report, backlog": lambda tx: books.backlog(tx, ends),
    }


def of_notifications(known: Known) -> dict[str, Ask]:
    """Return what is asked of the inboxes' store."""
    reader = inboxes.Reader(UUID(known.caller.id), tuple(Audience))
    return {
        "an inbox": lambda tx: inboxes.notices(tx, reader, unread_only=False, cursor=None, limit=_LIMIT),
        "an inbox, unread": lambda tx: inboxes.notices(tx, reader, unread_only=True, cursor=None, limit=_LIMIT),
        "how many are unread": lambda tx: inboxes.unread(tx, reader),
        "which tickets are unread": lambda tx: inboxes.unread_tickets(tx, reader),
    }


def _page(asked: ListTickets) -> Ask:
    return lambda tx: tickets.page(tx, asked)


def _count(asked: CountTickets) -> Ask:
    return lambda tx: tickets.count(tx, asked)
