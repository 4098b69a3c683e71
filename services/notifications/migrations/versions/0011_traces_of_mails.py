"""A mail belongs to the trace of whatever asked for it."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute("alter table mails add column traceparent text")
