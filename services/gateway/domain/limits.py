"""How often something may be tried before whoever tries must wait."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `amount` within any span of this length."""

    amount: int
    within: dt.timedelta


LIMITS: Mapping[str, Limit] = {
    # Only tries that failed count here: who knows the password is never kept out by having used it.
    "password_by_address": Limit(5, dt.timedelta(minutes=5)),
    "password_by_account": Limit(10, dt.timedelta(minutes=15)),
    "reset_by_address": Limit(5, dt.timedelta(minutes=30)),
    "reset_by_account": Limit(5, dt.timedelta(hours=1)),
}
