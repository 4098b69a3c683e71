"""Workspaces, the people in them, the links that ask others in, and who is signed in."""

from alembic import op

from chassis import schema

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    schema.plumbing(op)

    op.execute("""
        create table workspaces (
            workspace_id text primary key,
            slug text not null unique check (slug ~ '^[a-z0-9-]{2,40}$'),
            name text not null,
            version int not null check (version > 0),
            created_at timestamptz not null,
            examples_due boolean not null default false
        )""")
    op.execute(
        "comment on column workspaces.examples_due is 'Whether the first tickets are still to be written into it'"
    )
    schema.tenant(op, "workspaces")

    op.execute("""
        create table users (
            id uuid primary key,
            email text not null,
            name text not null,
            password_hash text not null,
            created_at timestamptz not null
        )""")
    op.execute("create unique index users_email on users (lower(email))")
    schema.shared(op, "users")

    op.execute("""
        create table memberships (
            workspace_id text not null references workspaces,
            user_id uuid not null references users,
            role text not null check (role in ('owner', 'admin', 'member', 'guest')),
            version int not null check (version > 0),
            joined_at timestamptz not null,
            primary key (workspace_id, user_id)
        )""")
    op.execute("create index memberships_user on memberships (user_id)")
    schema.tenant(op, "memberships")

    op.execute("""
        create table invitations (
            workspace_id text not null references workspaces,
            id uuid not null,
            email text not null,
            name text not null,
            role text not null check (role in ('owner', 'admin', 'member', 'guest')),
            token_hash bytea not null unique check (length(token_hash) = 32),
            expires_at timestamptz not null,
            used_at timestamptz,
            primary key (workspace_id, id)
        )""")
    op.execute("create unique index invitations_open on invitations (workspace_id, lower(email)) where used_at is null")
    op.execute("create index invitations_end on invitations (expires_at)")
    schema.tenant(op, "invitations")

    op.execute("""
        create table sessions (
            id uuid primary key,
            user_id uuid not null references users,
            token_hash bytea not null unique check (length(token_hash) = 32),
            created_at timestamptz not null,
            seen_at timestamptz not null,
            expires_at timestamptz not null
        )""")
    op.execute("create index sessions_user on sessions (user_id)")
    op.execute("create index sessions_end on sessions (expires_at)")
    schema.shared(op, "sessions")
