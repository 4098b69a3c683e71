"""How far the import of a file has come."""

from alembic import op

from chassis import schema

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the table."""
    op.execute("""
        create table imports (
            workspace_id text primary key references workspaces,
            export_id uuid not null,
            lines bigint not null default 0 check (lines >= 0),
            begun_at timestamptz not null,
            finished_at timestamptz
        )""")
    op.execute("comment on table imports is 'One for each workspace: so many lines of the file are in it'")
    schema.tenant(op, "imports", "select, insert, update")
