"""What lets visitors of a site back into their conversations."""

from alembic import op

from chassis import schema

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table."""
    op.execute("""
        create table visitor_tokens (
            workspace_id text not null references workspaces,
            id uuid not null,
            token_hash bytea not null unique check (length(token_hash) = 32),
            assistant_id uuid not null,
            conversation_id uuid not null,
            expires_at timestamptz not null,
            primary key (workspace_id, id)
        )""")
    op.execute("create index visitor_tokens_end on visitor_tokens (expires_at)")
    schema.tenant(op, "visitor_tokens", "select, insert, delete")
