"""Decides when somebody is left in peace."""

import datetime as dt
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from contracts.preferences import QuietHours
from contracts.refusals import Invalid

_DAY = dt.timedelta(days=1)


def check_quiet(quiet: QuietHours) -> None:
    """Refuse a time zone that there is none of, and hours that never end; raises Invalid."""
    try:
        ZoneInfo(quiet.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        detail = "There is no such time zone; one is Europe/Berlin."
        fault = {"field": "quiet_hours.zone", "code": "unknown_zone", "detail": detail}
        raise Invalid("There is no such time zone.", errors=[fault]) from None
    if quiet.start == quiet.end:
        detail = "Choose another time than the beginning."
        fault = {"field": "quiet_hours.end", "code": "no_end", "detail": detail}
        raise Invalid("Quiet hours must end.", errors=[fault])


def quiet_until(quiet: QuietHours | None, now: dt.datetime) -> dt.datetime | None:
    """Return when the quiet hours end that it is in, by the clock on the wall there; None: it is in none."""
    if quiet is None:
        return None
    zone = ZoneInfo(quiet.zone)
    start, end = dt.time.fromisoformat(quiet.start), dt.time.fromisoformat(quiet.end)
    today = now.astimezone(zone).date()
    for day in (today - _DAY, today):
        last = day if start < end else day + _DAY
        begins = dt.datetime.combine(day, start, zone).astimezone(dt.UTC)
        ends = dt.datetime.combine(last, end, zone).astimezone(dt.UTC)
        if begins <= now < ends:
            return ends
    return None
