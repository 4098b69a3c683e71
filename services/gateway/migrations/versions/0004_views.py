"""Lists of tickets by name."""

from alembic import op

from chassis import schema

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table."""
    op.execute("""
        create table views (
            workspace_id text not null references workspaces,
            id uuid not null,
            owner_id uuid not null,
            name text not null check (length(name) between 1 and 60),
            query text not null,
            shared boolean not null,
            created_at timestamptz not null,
            version int not null check (version > 0),
            primary key (workspace_id, id),
            foreign key (workspace_id, owner_id) references memberships on delete cascade
        )""")
    op.execute("create index views_owner on views (workspace_id, owner_id)")
    schema.tenant(op, "views")
