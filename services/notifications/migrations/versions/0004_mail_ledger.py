"""A ledger for mail of every kind, the addresses that no mail goes to any more, and what the mail server last said."""

from alembic import op

from chassis import schema

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the tables."""
    op.execute("alter table mails add workspace_id text, add cause text, add recipient text, add letter jsonb")
    op.execute("alter table mails add ticket_id uuid, add nth bigint generated always as identity")
    # What is on its way while this runs is still sent, in plain text.
    op.execute("""
        update mails set cause = id::text, recipient = 'address', letter = case when url is not null then
            jsonb_build_object('subject', 'Choose a new password', 'html', '', 'text',
                'Hello ' || to_name || E',\\n\\nchoose a new password here:\\n\\n' || url || E'\\n')
        end""")
    op.execute("alter table mails drop column url")
    op.execute("alter table mails alter cause set not null, alter recipient set not null")
    op.execute("alter table mails add unique (cause, recipient)")
    op.execute("alter table mails drop constraint mails_kind_check")
    op.execute("""
        alter table mails add check (
            kind in ('password_reset', 'invitation', 'news', 'received', 'replied', 'resolved')
        )""")
    op.execute("alter table mails drop constraint mails_state_check")
    op.execute("""
        alter table mails add check (state in ('pending', 'sent', 'failed', 'uncertain', 'suppressed'))""")
    op.execute("alter table mails add check ((to_email is null) = (to_name is null))")
    op.execute("alter table mails add check ((to_email is null) = (letter is null))")
    op.execute("alter table mails add check (state <> 'sent' or letter is null)")
    op.execute("alter table mails add check (state <> 'pending' or letter is not null or kind = 'news')")
    op.execute("alter table mails add check (workspace_id is not null or kind = 'password_reset')")
    op.execute("create index mails_over on mails (expires_at) where letter is not null or state = 'pending'")
    op.execute("create index mails_newest on mails (workspace_id, nth desc)")
    op.execute("create index mails_to on mails (workspace_id, recipient, settled_at)")
    op.execute("comment on table mails is 'An effect in it is never repeated; words go when it is over'")
    schema.tenant(op, "mails", "select, insert, update")

    op.execute("""
        create table suppressed (
            workspace_id text not null,
            id uuid not null,
            address text not null,
            reason text not null,
            since timestamptz not null,
            primary key (workspace_id, id),
            unique (workspace_id, address)
        )""")
    op.execute("comment on table suppressed is 'Addresses that mail was refused at for good, until an admin lifts it'")
    schema.tenant(op, "suppressed", "select, insert, delete")

    op.execute("""
        create table mail_server (
            one boolean primary key default true check (one),
            said text not null,
            at timestamptz not null
        )""")
    op.execute("comment on table mail_server is 'What the mail server last said, in a word: of no workspace'")
    schema.shared(op, "mail_server", "select, insert, update")
