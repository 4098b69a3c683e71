"""Finds at once whether a ticket is deleted, however long its history is."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the index."""
    op.execute(
        "create index entries_of_deletions on entries (workspace_id, ticket_id, version)"
        " where type in ('ticket_deleted', 'ticket_restored')"
    )
