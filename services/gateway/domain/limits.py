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
    # Visitors of the widget, of whom nothing is known but where they come from.
    "widget_by_address": Limit(300, dt.timedelta(minutes=1)),
    "config_by_address": Limit(120, dt.timedelta(minutes=1)),
    "conversations_by_address": Limit(60, dt.timedelta(hours=1)),
    "messages_by_address": Limit(120, dt.timedelta(minutes=1)),
    "messages_by_visitor": Limit(30, dt.timedelta(minutes=1)),
    "tickets_by_address": Limit(5, dt.timedelta(minutes=10)),
    "tickets_by_address_hourly": Limit(20, dt.timedelta(hours=1)),
    "tickets_by_assistant": Limit(60, dt.timedelta(minutes=1)),
}
