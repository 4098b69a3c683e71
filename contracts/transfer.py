"""What leaves a desk whole: the rows of one workspace as their owner keeps them, and the file that they make."""

from typing import Any

from contracts.base import Model, Query

FORMAT = "counterfoil workspace 1"
"""What the first line of the file says it is."""

HEADER, FOOTER, ENTRY = "header", "footer", "entry"
"""Kinds of lines that are no rows of a store: the first, the last, and those of the books."""

TICKETS_KINDS = (
    *("settings", "contact", "contact_name", "assistant", "conversation", "visitor", "message"),
    *("ticket", "link", "note", "request", "heard"),
)
"""Kinds of rows that tickets owns; each comes after those that it names."""
NOTIFICATIONS_KINDS = (
    *("preference", "correspondent", "watcher", "watch", "called_back", "mute"),
    *("inbox_item", "webhook", "mail", "suppressed"),
)


class RowPage(Model):
    """The next rows, as many as fit into one message."""

    rows: tuple[dict[str, Any], ...]
    after: str | None
    """What `after` says for the rows behind them; null at the end."""


class ReadRows(Query[RowPage]):
    """Read a workspace's rows of one kind, without secrets and what is made of others."""

    kind: str
    after: str | None = None


class ExportTickets(ReadRows, subject="tickets.requests.v1.export"):
    """Read what tickets owns of a workspace. Refused: not_allowed, not_found (no such kind), malformed."""


class ExportNotifications(ReadRows, subject="notifications.requests.v1.export"):
    """Read what notifications owns of a workspace. Refused: not_allowed, not_found (no such kind), malformed."""
