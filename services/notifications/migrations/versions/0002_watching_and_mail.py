"""What people chose to watch or not, deleted tickets, the customer's messages, and the ledger of mail."""

from alembic import op

from chassis import schema

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables."""
    op.execute("alter table watchers drop constraint watchers_reason_check")
    op.execute("alter table watchers add check (reason in ('creator', 'assignee', 'mentioned'))")
    op.execute("comment on table watchers is 'What facts alone say; who chose otherwise is in choices'")

    # No foreign key: somebody may choose before the ticket's creation has been heard.
    op.execute("""
        create table choices (
            workspace_id text not null,
            ticket_id uuid not null,
            user_id uuid not null,
            watches boolean not null,
            ticket_version int check (ticket_version > 0),
            primary key (workspace_id, ticket_id, user_id),
            check (watches = (ticket_version is null))
        )""")
    op.execute("comment on table choices is 'Chosen by people, told by no fact: never rebuilt'")
    op.execute("comment on column choices.ticket_version is 'Who watches no more does again once assigned after this'")
    schema.tenant(op, "choices", "select, insert, update, delete")

    op.execute("alter table tickets add deleted boolean not null default false")

    op.execute("alter table items drop constraint items_kind_check")
    op.execute(
        "alter table items add check (kind in ('assigned', 'status', 'note', 'mention', 'message', 'follow_up'))"
    )

    # The recipient and the link are there as long as they may still be needed, and then only that there was a mail.
    op.execute("""
        create table mails (
            id uuid primary key,
            kind text not null check (kind in ('password_reset')),
            state text not null check (state in ('pending', 'sent', 'failed', 'uncertain')),
            attempts int not null default 0 check (attempts >= 0),
            made_at timestamptz not null,
            not_before timestamptz not null,
            expires_at timestamptz not null,
            settled_at timestamptz,
            reason text,
            to_email text,
            to_name text,
            url text,
            check (num_nulls(to_email, to_name, url) in (0, 3)),
            check (state <> 'sent' or url is null),
            check (state <> 'pending' or url is not null),
            check ((state = 'pending') = (settled_at is null))
        )""")
    op.execute(
        "comment on table mails is 'Of no workspace. An effect in it is never repeated; words go when it is over'"
    )
    op.execute("create index mails_due on mails (not_before) where state = 'pending'")
    op.execute("create index mails_over on mails (expires_at) where url is not null")
    schema.shared(op, "mails", "select, insert, update")
