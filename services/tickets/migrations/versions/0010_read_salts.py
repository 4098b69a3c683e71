"""Salts are checked by reading them: a regular expression took a tenth of what a new ticket costs the store."""

from alembic import op

from chassis import schema

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Check the words of facts so."""
    schema.hexadecimal(op, "event_texts", "salt", 32)
