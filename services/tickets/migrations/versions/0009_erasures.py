"""Orders to erase somebody, and the right to write over what was said."""

from alembic import op

from chassis import schema

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Make the table, and open what was only ever added to."""
    schema.erasures(op)
    schema.grant(op, "messages", "select, insert, update (body, author_name, unverified_sender)")
    schema.grant(op, "notes", "select, insert, update (pinned, body, author_name, mentions)")
