"""Choices keep since when they hold, so that inboxes made anew are the same."""

from alembic import op

from chassis import schema

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the time, and what ends a choice."""
    # What was chosen before holds for all that is heard again.
    op.execute("alter table choices add since timestamptz not null default '-infinity'")
    op.execute("alter table choices alter since drop default")
    op.execute("alter table choices drop constraint choices_pkey")
    op.execute("alter table choices add primary key (workspace_id, ticket_id, user_id, since)")
    op.execute("comment on column choices.since is 'Facts from then on, until another choice'")
    op.execute("""
        create table called_back (
            workspace_id text not null,
            ticket_id uuid not null,
            user_id uuid not null,
            version int not null check (version > 0),
            primary key (workspace_id, ticket_id, user_id)
        )""")
    op.execute("comment on table called_back is 'Who was assigned last when: who had left before watches again'")
    schema.tenant(op, "called_back", "select, insert, update, delete")
    # What is made anew keeps its ids.
    schema.grant(op, "items", "select, insert, update (id, nth, read_at), delete")
