"""News by mail: who is written to and how, what waits to be written, muted tickets, and items without a ticket."""

from alembic import op

from chassis import schema

revision = "0005"
down_revision = "0004"

_KINDS = """(
    'assigned', 'status', 'note', 'mention', 'message', 'follow_up', 'unassigned', 'priority', 'created', 'arrived',
    'dead_letter', 'webhook'
)"""


def upgrade() -> None:
    """Make the tables."""
    op.execute("select set_config('app.ws', '*', true)")
    op.execute("alter table members add email text, add name text")
    op.execute("comment on column members.email is 'Of those who joined before it was kept: heard again'")

    op.execute("""
        create table workspaces (
            workspace_id text primary key,
            name text not null,
            slug text not null
        )""")
    op.execute("comment on table workspaces is 'Our copy of what a mail names: gateway owns them'")
    schema.tenant(op, "workspaces", "select, insert, update")
    # Addresses, names and slugs were not kept before: what is heard next from the gateway shows a gap, which is closed
    # from its log.
    op.execute("update consumed set position = 0 where consumer = 'GATEWAY'")

    op.execute("alter table preferences add mail boolean")
    op.execute("update preferences set mail = kind in ('assigned', 'mention')")
    op.execute("alter table preferences alter mail set not null")
    op.execute("alter table preferences drop constraint preferences_kind_check")
    op.execute(f"alter table preferences add check (kind in {_KINDS})")
    op.execute("drop index preferences_curious")
    op.execute("create index preferences_by_kind on preferences (workspace_id, kind, user_id, since)")
    schema.grant(op, "preferences", "select, insert, update (inbox, mail)")

    op.execute("alter table items drop constraint items_kind_check")
    op.execute(f"alter table items add check (kind in {_KINDS})")
    op.execute("alter table items alter ticket_id drop not null")
    op.execute("alter table items add check ((ticket_id is null) = (kind in ('dead_letter', 'webhook')))")

    op.execute("""
        create table mutes (
            workspace_id text not null,
            ticket_id uuid not null,
            user_id uuid not null,
            since timestamptz not null,
            muted boolean not null,
            primary key (workspace_id, ticket_id, user_id, since)
        )""")
    op.execute("comment on table mutes is 'Chosen by people, told by no fact: never rebuilt'")
    schema.tenant(op, "mutes", "select, insert, update (muted)")

    op.execute("""
        create table correspondents (
            workspace_id text not null,
            user_id uuid not null,
            paused boolean not null default false,
            quiet_from smallint check (quiet_from between 0 and 1439),
            quiet_until smallint check (quiet_until between 0 and 1439),
            zone text,
            leave_token text unique,
            primary key (workspace_id, user_id),
            check (num_nulls(quiet_from, quiet_until, zone) in (0, 3))
        )""")
    op.execute("comment on table correspondents is 'How somebody is written to: chosen by them, never rebuilt'")
    op.execute("comment on column correspondents.leave_token is 'Whoever has it may stop this mail, and nothing else'")
    schema.tenant(op, "correspondents", "select, insert, update")

    # No foreign keys: it is a part of the ledger, which is kept when everything else is made anew.
    op.execute(f"""
        create table news (
            workspace_id text not null,
            recipient_id uuid not null,
            cause uuid not null,
            kind text not null check (kind in {_KINDS}),
            audience text not null check (audience in ('everyone', 'team', 'admins')),
            ticket_id uuid,
            actor_kind text not null,
            actor_name text not null,
            at timestamptz not null,
            old text,
            new text,
            not_before timestamptz not null,
            mail_id uuid,
            primary key (workspace_id, recipient_id, cause)
        )""")
    op.execute("comment on table news is 'What is told by mail, each once; without a mail yet it waits for others'")
    op.execute("create index news_waiting on news (workspace_id, recipient_id, not_before) where mail_id is null")
    op.execute("create index news_of on news (mail_id) where mail_id is not null")
    schema.tenant(op, "news", "select, insert, update (not_before, mail_id), delete")
