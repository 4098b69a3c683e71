"""Members and tickets as far as a notification needs them, who watches what, and everybody's inbox."""

from alembic import op

from chassis import schema

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    schema.plumbing(op)

    op.execute("""
        create table members (
            workspace_id text not null,
            user_id uuid not null,
            known boolean not null,
            role text check (role in ('owner', 'admin', 'member', 'guest')),
            told int not null default 0 check (told >= 0),
            primary key (workspace_id, user_id),
            check (known or role is null)
        )""")
    op.execute("comment on table members is 'Our copy: gateway owns them. Without a role: removed, or not known yet'")
    op.execute("comment on column members.told is 'How many items came into their inbox'")
    schema.tenant(op, "members", "select, insert, update")

    op.execute("""
        create table tickets (
            workspace_id text not null,
            id uuid not null,
            number int not null,
            subject text not null,
            primary key (workspace_id, id)
        )""")
    op.execute("comment on table tickets is 'Our copy of what an item shows: tickets owns them'")
    schema.tenant(op, "tickets", "select, insert, update")

    op.execute("""
        create table watchers (
            workspace_id text not null,
            ticket_id uuid not null,
            user_id uuid not null,
            reason text not null check (reason in ('creator', 'assignee')),
            primary key (workspace_id, ticket_id, user_id, reason),
            foreign key (workspace_id, ticket_id) references tickets
        )""")
    schema.tenant(op, "watchers", "select, insert, delete")

    op.execute("""
        create table items (
            workspace_id text not null,
            id uuid not null,
            recipient_id uuid not null,
            nth int check (nth > 0),
            cause uuid not null,
            kind text not null check (kind in ('assigned', 'status', 'note', 'mention')),
            audience text not null check (audience in ('everyone', 'team', 'admins')),
            ticket_id uuid not null,
            actor_kind text not null,
            actor_id text not null,
            actor_name text not null,
            at timestamptz not null,
            old text,
            new text,
            read_at timestamptz,
            primary key (workspace_id, id),
            unique (workspace_id, cause, recipient_id),
            unique (workspace_id, recipient_id, nth),
            foreign key (workspace_id, recipient_id) references members,
            foreign key (workspace_id, ticket_id) references tickets,
            check (read_at is null or nth is not null)
        )""")
    op.execute("comment on column items.nth is 'Place in the inbox; none while the recipient is not known yet'")
    op.execute(
        "create index items_unread on items (workspace_id, recipient_id, nth) where read_at is null and nth is not null"
    )
    schema.tenant(op, "items", "select, insert, update (nth, read_at), delete")
