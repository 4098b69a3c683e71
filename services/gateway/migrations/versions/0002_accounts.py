"""Workspaces that end, API tokens, new passwords by mail, and how often something was tried."""

from alembic import op

from chassis import schema

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables."""
    op.execute("alter table workspaces add column deleted_at timestamptz")
    op.execute("create unique index workspaces_slug on workspaces (slug) where deleted_at is null")
    op.execute("alter table workspaces drop constraint workspaces_slug_key")

    op.execute("alter table sessions add column client text not null default ''")
    op.execute("comment on column sessions.client is 'The sort of program that signed in, as its owner is shown it'")

    op.execute("""
        create table api_tokens (
            workspace_id text not null references workspaces,
            id uuid not null,
            maker_id uuid not null references users,
            parent_id uuid,
            name text not null,
            role text not null check (role in ('admin', 'member', 'guest')),
            scopes text[] not null check (cardinality(scopes) > 0),
            token_hash bytea not null unique check (length(token_hash) = 32),
            created_at timestamptz not null,
            expires_at timestamptz not null check (expires_at <= created_at + interval '365 days'),
            used_at timestamptz,
            primary key (workspace_id, id),
            foreign key (workspace_id, parent_id) references api_tokens
        )""")
    op.execute("create index api_tokens_maker on api_tokens (workspace_id, maker_id)")
    op.execute("create index api_tokens_parent on api_tokens (workspace_id, parent_id)")
    op.execute("create index api_tokens_end on api_tokens (expires_at)")
    schema.tenant(op, "api_tokens")

    op.execute("""
        create table password_resets (
            id uuid primary key,
            user_id uuid not null references users,
            asked_at timestamptz not null,
            due_at timestamptz not null,
            tries int not null default 0,
            sent_at timestamptz
        )""")
    op.execute("comment on column password_resets.due_at is 'When its mail is to be asked for, unless it is sent'")
    op.execute("create index password_resets_due on password_resets (due_at) where sent_at is null")
    op.execute("create index password_resets_user on password_resets (user_id)")
    schema.shared(op, "password_resets")
    op.execute("""
        create table password_reset_tokens (
            token_hash bytea primary key check (length(token_hash) = 32),
            reset_id uuid not null references password_resets on delete cascade,
            expires_at timestamptz not null
        )""")
    op.execute("create index password_reset_tokens_reset on password_reset_tokens (reset_id)")
    schema.shared(op, "password_reset_tokens", "select, insert")

    # Lost in a crash of the database, which nobody outside can bring about, and cheap to write until then.
    op.execute("""
        create unlogged table tries (
            key bytea not null check (length(key) = 32),
            at timestamptz not null,
            ends_at timestamptz not null
        )""")
    op.execute("create index tries_key on tries (key, at)")
    op.execute("create index tries_end on tries (ends_at)")
    schema.shared(op, "tries", "select, insert, delete")
