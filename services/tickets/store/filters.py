"""What a filter means in SQL: the same for a list, its counts and a bulk change."""

from collections.abc import Sequence
from typing import Any

from contracts.tickets import ACTIVE, Status, TicketFilter
from services.tickets.store.pages import WILDCARDS
from services.tickets.store.search import search
from services.tickets.store.tickets import folded

_HERE = "t.workspace_id = :ws"
_PRIORITIES = "t.priority_rank = any(cast(:priorities as smallint[]))"
_NOBODYS = "t.assignee_id is null"
_TAG = "t.id in (select g.ticket_id from ticket_tags g where g.workspace_id = :ws and g.tag = :tag{})"
_OF_CONTACT = (
    "t.contact_id in (select n.id from contacts n where n.workspace_id = :ws and n.words like :contact_word{})"
)
_VALUES = {
    "contact": "t.contact_id = :contact",
    "created_from": "t.created_at >= :created_from",
    "created_to": "t.created_at < :created_to",
    "updated_from": "t.updated_at >= :updated_from",
    "updated_to": "t.updated_at < :updated_to",
}


def is_shown(wanted: TicketFilter, statuses: Sequence[Status]) -> bool:
    """Tell whether nothing is asked for but what is shown by default."""
    return not wanted.deleted and set(statuses) <= set(ACTIVE)


def where(wanted: TicketFilter, statuses: Sequence[Status]) -> tuple[list[str], dict[str, Any]]:
    """Return the conditions on a ticket `t` and their values, but for `ws`; no statuses: those usually shown."""
    shown = statuses or (tuple(Status) if wanted.deleted else ACTIVE)
    conditions = [_HERE, f"t.deleted_at is {'not null' if wanted.deleted else 'null'}"]
    values: dict[str, Any] = {}
    if set(shown) != set(Status):
        # As constants: only so is it known beforehand that an index of some statuses holds all that are wanted.
        names = ", ".join(f"'{status.value}'" for status in Status if status in shown)
        conditions.append(f"t.status in ({names})")
    if wanted.priorities:
        conditions.append(_PRIORITIES)
        values["priorities"] = sorted({priority.rank for priority in wanted.priorities})
    if wanted.assignee == "none":
        conditions.append(_NOBODYS)
    elif wanted.assignee is not None:
        conditions.append("t.assignee_id = :assignee")
        values["assignee"] = wanted.assignee
    if wanted.tag is not None:
        conditions.append(_TAG.format(" and g.shown" if is_shown(wanted, statuses) else ""))
        values["tag"] = wanted.tag
    for name, condition in _VALUES.items():
        if (value := getattr(wanted, name)) is not None:
            conditions.append(condition)
            values[name] = value
    for nth, word in enumerate(dict.fromkeys(folded(wanted.contact_q).split())):
        conditions.append(_OF_CONTACT.format(nth))
        values[f"contact_word{nth}"] = f"%{word.translate(WILDCARDS)}%"
    if wanted_words := search(wanted.q):
        conditions.append(f"t.id in ({wanted_words.found})")
        values |= wanted_words.values
    return conditions, values
