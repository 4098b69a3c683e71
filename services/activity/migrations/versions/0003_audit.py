"""Finds what was done to a workspace itself among everything that happened to its tickets."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the index."""
    op.execute(
        "create index entries_of_settings on entries (workspace_id, book, seq)"
        " where ticket_id is null and audience = 'admins'"
    )
