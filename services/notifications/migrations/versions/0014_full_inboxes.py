"""What is unread is counted by indexes alone, and which tickets are deleted is known without reading the others."""

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Make the indexes."""
    op.execute("drop index items_unread")
    op.execute(
        "create index items_unread on items (workspace_id, recipient_id, first)"
        " include (nth, audience, ticket_id) where read_at is null and nth is not null"
    )
    op.execute("create index tickets_deleted on tickets (workspace_id, id) where deleted")
