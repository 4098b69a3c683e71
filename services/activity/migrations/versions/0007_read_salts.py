"""Salts and hashes are checked by reading them: a regular expression took more than ten times as long."""

from alembic import op

from chassis import schema

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Check entries, their words and those of facts so."""
    schema.hexadecimal(op, "entries", "prev_hash", 64)
    schema.hexadecimal(op, "entries", "hash", 64)
    schema.hexadecimal(op, "entry_texts", "salt", 32)
    schema.hexadecimal(op, "event_texts", "salt", 32)
