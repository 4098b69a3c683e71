"""A workspace that ended is forgotten."""

from alembic import op

from chassis import schema

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Let the app role forget."""
    schema.grant(op, "workspaces", "select, insert, update, delete")
