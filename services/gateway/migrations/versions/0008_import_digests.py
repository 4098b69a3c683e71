"""Which lines of a file are in the workspace, not only how many."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add what tells the file from another that has the same first line."""
    op.execute("alter table imports add column digest text, add column digest_lines bigint")
    op.execute("comment on column imports.digest is 'SHA-256 of the first digest_lines lines of the file, in hex'")
