"""Which tickets may be asked for: a list, its counts and a bulk change are refused alike."""

import datetime as dt

from contracts.base import Caller, Role
from contracts.refusals import Invalid, NotAllowed
from contracts.tickets import TicketFilter
from services.tickets.domain import policy

_RANGES = (("created_from", "created_to"), ("updated_from", "updated_to"))


def require_filter(wanted: TicketFilter, caller: Caller) -> None:
    """Raise NotAllowed to those who see no deleted tickets, and Invalid for a range that no moment is in."""
    if wanted.deleted:
        policy.require_desk(caller)
    if wanted.contact_q and not policy.sees_addresses(caller):
        raise NotAllowed
    for start, end in _RANGES:
        since, until = (_moment(wanted, name) for name in (start, end))
        if since is not None and until is not None and since >= until:
            raise Invalid.field(end, "range", f"must be later than {start}")


def require_bulk(*, ids: bool, filtered: bool, changes: bool, deletes: bool, caller: Caller) -> None:
    """Raise NotAllowed to guests, and Invalid unless one choice of tickets and one thing to do with them is named."""
    if caller.role is Role.GUEST:
        raise NotAllowed
    if filtered is ids:
        raise Invalid.field("ids", "ambiguous" if ids else "required", "give ids or filter, one of them")
    if changes is deletes:
        raise Invalid.field("change", "ambiguous" if deletes else "required", "change something or delete, one of them")


def _moment(wanted: TicketFilter, name: str) -> dt.datetime | None:
    value: dt.datetime | None = getattr(wanted, name)
    try:
        return value and value.astimezone(dt.UTC)
    except OverflowError:
        raise Invalid.field(name, "range", "is a time that no calendar has") from None
