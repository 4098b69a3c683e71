"""Other systems that enter NATS."""

from alembic import op

from chassis import schema

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the table."""
    op.execute("""
        create table integrations (
            workspace_id text not null references workspaces,
            id uuid not null,
            name text not null check (name ~ '^[a-z0-9_-]{1,64}$'),
            internal boolean not null,
            maker_id uuid references users,
            token_hash bytea unique check (length(token_hash) = 32),
            created_at timestamptz not null,
            version int not null default 1 check (version > 0),
            seen_at timestamptz,
            revoked_at timestamptz,
            settled_at timestamptz,
            primary key (workspace_id, id),
            unique (workspace_id, name)
        )""")
    op.execute("comment on table integrations is 'A row stays when it is revoked: its name is never another''s'")
    op.execute("comment on column integrations.token_hash is 'None where it stands in the configuration of NATS'")
    op.execute("comment on column integrations.settled_at is 'When NATS was last as the row says'")
    op.execute("create index integrations_unsettled on integrations (id) where settled_at is null")
    schema.tenant(op, "integrations", "select, insert, update")
