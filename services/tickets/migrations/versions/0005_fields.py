"""What people add to a ticket: fields with names of their own."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Give each ticket room for them; there are none yet."""
    op.execute("alter table tickets add fields jsonb not null default '{}' check (jsonb_typeof(fields) = 'object')")
