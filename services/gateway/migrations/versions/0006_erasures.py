"""Orders to erase somebody."""

from alembic import op

from chassis import schema

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the table."""
    schema.erasures(op)
