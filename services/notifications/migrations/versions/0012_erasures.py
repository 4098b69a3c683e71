"""Orders to erase somebody, and the right to write over who did what."""

from alembic import op

from chassis import schema

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Make the table, and open what was only ever added to."""
    schema.erasures(op)
    schema.grant(op, "items", "select, insert, update (id, nth, read_at, actor_name), delete")
    schema.grant(op, "news", "select, insert, update (not_before, mail_id, actor_name), delete")
