"""What leaves a desk whole: the rows of one workspace as their owner keeps them, and the file that they make."""

from typing import Annotated, Any

from pydantic import Field

from contracts.base import Command, LoggedFact, Model, Query

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


class Imported(Model):
    """How much was not there before."""

    fresh: int


class ImportRows(Command[Imported]):
    """Put rows of a file into the caller's workspace; those that are there stay. Owners only.

    With `dry_run` it is only told whether they could be.
    """

    kind: str
    rows: Annotated[tuple[dict[str, Any], ...], Field(max_length=500)]
    dry_run: bool = False


class ImportIntoTickets(ImportRows, subject="tickets.requests.v1.import_rows"):
    """Put rows into what tickets owns; `entry`: facts of its record. Refused: not_allowed, not_found, invalid."""


class ImportIntoNotifications(ImportRows, subject="notifications.requests.v1.import_rows"):
    """Put rows into what notifications owns; `heard_to`: how far the record counts as heard.

    Refused: not_allowed, not_found (kind), invalid.
    """


class ImportEntries(Command[Imported], subject="activity.requests.v1.import_entries"):
    """Record facts of tickets that were imported, in their order. Refused: not_allowed, conflict (another book)."""

    facts: Annotated[tuple[LoggedFact, ...], Field(max_length=500)]
