"""Webhooks, what is on its way to them, and what came of each try."""

from alembic import op

from chassis import schema

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the tables."""
    op.execute("""
        create table webhooks (
            workspace_id text not null,
            id uuid not null,
            url text not null,
            event_types text[] not null check (cardinality(event_types) > 0),
            description text not null,
            secret text not null,
            old_secret text,
            old_secret_until timestamptz,
            enabled boolean not null default true,
            disabled_because text check (disabled_because in ('by_hand', 'gone', 'exhausted')),
            failing_since timestamptz,
            tickets_after bigint not null,
            people_after bigint not null,
            version int not null default 1 check (version > 0),
            created_at timestamptz not null,
            updated_at timestamptz not null,
            primary key (workspace_id, id),
            check (enabled = (disabled_because is null)),
            check ((old_secret is null) = (old_secret_until is null))
        )""")
    op.execute("comment on column webhooks.tickets_after is 'How far the tickets book has been queued for it'")
    schema.tenant(op, "webhooks")

    # What is sent is read from its owner's log when it is: nobody's words lie here.
    op.execute("""
        create table webhook_deliveries (
            workspace_id text not null,
            id uuid not null,
            webhook_id uuid not null,
            event_id uuid not null,
            book text not null check (book in ('tickets', 'people', 'test')),
            position bigint not null,
            type text not null,
            about_kind text not null,
            about_id text not null,
            version int not null,
            event_at timestamptz not null,
            state text not null default 'pending' check (state in ('pending', 'delivered', 'failed')),
            attempts int not null default 0 check (attempts >= 0),
            not_before timestamptz not null,
            settled_at timestamptz,
            primary key (workspace_id, id),
            unique (workspace_id, webhook_id, event_id),
            foreign key (workspace_id, webhook_id) references webhooks on delete cascade,
            check ((state = 'pending') = (settled_at is null))
        )""")
    op.execute(
        "create index webhook_deliveries_due on webhook_deliveries (workspace_id, webhook_id, not_before)"
        " where state = 'pending'"
    )
    op.execute(
        "create index webhook_deliveries_turn on webhook_deliveries"
        " (workspace_id, webhook_id, book, about_id, position) where state = 'pending'"
    )
    op.execute("create index webhook_deliveries_newest on webhook_deliveries (workspace_id, webhook_id, id desc)")
    op.execute("create index webhook_deliveries_over on webhook_deliveries (settled_at) where state <> 'pending'")
    schema.tenant(op, "webhook_deliveries")

    op.execute("""
        create table webhook_tries (
            workspace_id text not null,
            delivery_id uuid not null,
            nth bigint generated always as identity,
            at timestamptz not null,
            status int,
            reason text,
            latency_ms int not null,
            primary key (workspace_id, delivery_id, nth),
            foreign key (workspace_id, delivery_id) references webhook_deliveries on delete cascade
        )""")
    op.execute("comment on table webhook_tries is 'Status and latency alone: nothing of what a receiver said'")
    schema.tenant(op, "webhook_tries", "select, insert, delete")

    op.execute("""
        create table webhook_replays (
            workspace_id text not null,
            id uuid not null,
            webhook_id uuid not null,
            from_time timestamptz,
            from_sequence bigint,
            tickets_after bigint,
            tickets_until bigint not null,
            people_after bigint,
            people_until bigint not null,
            told int not null default 0,
            primary key (workspace_id, id),
            foreign key (workspace_id, webhook_id) references webhooks on delete cascade,
            check (num_nulls(from_time, from_sequence) = 1)
        )""")
    op.execute("comment on column webhook_replays.tickets_after is 'How far it has come; null: the book is through'")
    schema.tenant(op, "webhook_replays", "select, insert, update, delete")
