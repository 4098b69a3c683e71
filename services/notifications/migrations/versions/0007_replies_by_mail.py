"""Addresses that contacts answer to, and the mail that came in by them."""

from alembic import op

from chassis import schema

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the tables."""
    op.execute("""
        create table reply_addresses (
            workspace_id text not null,
            token text not null unique check (token ~ '^[a-z2-7]{26,64}$'),
            ticket_id uuid not null,
            conversation_id uuid,
            contact_id uuid not null,
            email text not null,
            made_at timestamptz not null,
            primary key (workspace_id, token),
            unique nulls not distinct (workspace_id, ticket_id, conversation_id, contact_id, email)
        )""")
    op.execute("comment on table reply_addresses is 'Who has a token may write as this contact, and read nothing'")
    schema.tenant(op, "reply_addresses", "select, insert, delete")

    op.execute("""
        create table inbound_mails (
            workspace_id text,
            id uuid primary key,
            nth bigint generated always as identity,
            token text not null,
            known_as text not null,
            sender text not null,
            raw bytea not null,
            received_at timestamptz not null,
            state text not null default 'received' check (state in ('received', 'delivered', 'ignored', 'buried')),
            reason text,
            attempts int not null default 0,
            not_before timestamptz not null,
            settled_at timestamptz,
            check ((state = 'received') = (settled_at is null))
        )""")
    op.execute(
        "comment on table inbound_mails is 'Mail as it came, for 30 days; without a workspace: for nobody known'"
    )
    op.execute("create index inbound_mails_due on inbound_mails (not_before, nth) where state = 'received'")
    op.execute("create index inbound_mails_rate on inbound_mails (token, settled_at) where state = 'delivered'")
    op.execute("create index inbound_mails_over on inbound_mails (received_at)")
    op.execute("create index inbound_mails_newest on inbound_mails (nth desc)")
    schema.tenant(op, "inbound_mails")
