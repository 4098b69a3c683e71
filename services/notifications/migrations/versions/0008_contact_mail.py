"""What contacts are to be written of, and which strangers were written to today."""

from alembic import op

from chassis import schema

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make the tables."""
    op.execute("""
        create table contact_news (
            workspace_id text not null,
            kind text not null check (kind in ('received', 'replied', 'resolved')),
            cause uuid not null,
            ticket_id uuid not null,
            at timestamptz not null,
            not_before timestamptz not null,
            settled_at timestamptz,
            primary key (workspace_id, kind, cause)
        )""")
    op.execute("comment on table contact_news is 'What contacts are written of, each once: of the ledger of mail'")
    op.execute("create index contact_news_due on contact_news (not_before) where settled_at is null")
    op.execute("create index contact_news_over on contact_news (settled_at) where settled_at is not null")
    op.execute("create index contact_news_of on contact_news (workspace_id, ticket_id) where settled_at is null")
    schema.tenant(op, "contact_news", "select, insert, update (not_before, settled_at), delete")

    op.execute("create table strangers (address_key bytea primary key, written_at timestamptz not null)")
    op.execute(
        "comment on table strangers is 'SHA-256 of addresses that nobody vouches for, for a day: of no workspace, as"
        " one that is written to by each of a thousand workspaces is written to a thousand times'"
    )
    op.execute("create index strangers_over on strangers (written_at)")
    schema.shared(op, "strangers", "select, insert, update, delete")
