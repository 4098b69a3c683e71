"""What people want to hear of, and three more reasons to be told."""

from alembic import op

from chassis import schema

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table."""
    # No foreign key: somebody may choose before they are known here.
    op.execute("""
        create table preferences (
            workspace_id text not null,
            user_id uuid not null,
            kind text not null check (kind in (
                'assigned', 'unassigned', 'mention', 'message', 'note', 'status', 'priority', 'created'
            )),
            since timestamptz not null,
            inbox boolean not null,
            primary key (workspace_id, user_id, kind, since)
        )""")
    op.execute("comment on table preferences is 'Chosen by people, told by no fact: never rebuilt'")
    op.execute("comment on column preferences.since is 'Facts from then on, until another choice'")
    op.execute("create index preferences_curious on preferences (workspace_id, user_id, since) where kind = 'created'")
    schema.tenant(op, "preferences", "select, insert, update (inbox)")

    op.execute("alter table items drop constraint items_kind_check")
    op.execute("""
        alter table items add check (kind in (
            'assigned', 'status', 'note', 'mention', 'message', 'follow_up', 'unassigned', 'priority', 'created'
        ))""")
