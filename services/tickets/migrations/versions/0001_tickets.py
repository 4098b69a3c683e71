"""Tickets, the people who asked, their conversations, notes, and what other systems asked before."""

from alembic import op

from chassis import schema

revision = "0001"
down_revision = None

_STATUSES = "('new', 'open', 'in_progress', 'waiting_on_customer', 'resolved', 'closed', 'spam')"


def upgrade() -> None:
    """Make the tables."""
    schema.plumbing(op)
    op.execute("create extension if not exists pg_trgm")
    _people()
    _tickets()
    _search()
    _around_a_ticket()
    _others()


def _people() -> None:
    # The key of an address is folded by us: what lower() does depends on the server's locale, and behind a policy an
    # index on an expression is not used, as lower() is not leakproof.
    op.execute("""
        create table contacts (
            workspace_id text not null,
            id uuid not null,
            name text not null check (char_length(name) between 1 and 120),
            email text check (char_length(email) <= 254),
            email_key text check (email_key <> ''),
            integration text,
            external_id text check (char_length(external_id) between 1 and 200),
            created_at timestamptz not null,
            primary key (workspace_id, id),
            check ((email is null) = (email_key is null)),
            check ((integration is null) = (external_id is null))
        )""")
    op.execute("create unique index contacts_email on contacts (workspace_id, email_key) where email_key is not null")
    op.execute(
        "create unique index contacts_source on contacts (workspace_id, integration, external_id)"
        " where external_id is not null"
    )
    schema.tenant(op, "contacts")

    op.execute("""
        create table conversations (
            workspace_id text not null,
            id uuid not null,
            integration text not null,
            external_id text not null check (char_length(external_id) between 1 and 200),
            url text check (char_length(url) <= 2000),
            created_at timestamptz not null,
            primary key (workspace_id, id),
            unique (workspace_id, integration, external_id)
        )""")
    schema.tenant(op, "conversations")


def _tickets() -> None:
    op.execute("""
        create table ticket_numbers (
            workspace_id text primary key,
            last int not null check (last > 0)
        )""")
    op.execute("comment on table ticket_numbers is 'Its row is locked until the commit, so that numbers have no holes'")
    schema.tenant(op, "ticket_numbers", "select, insert, update")

    op.execute(f"""
        create table tickets (
            workspace_id text not null,
            id uuid not null,
            number int not null check (number > 0),
            version int not null check (version > 0),
            subject text not null check (char_length(subject) between 1 and 200),
            description text not null check (octet_length(description) <= 65536),
            status text not null check (status in {_STATUSES}),
            status_before_spam text check (status_before_spam in {_STATUSES} and status_before_spam <> 'spam'),
            priority text not null check (priority in ('critical', 'high', 'normal', 'low')),
            priority_rank smallint not null generated always as (
                case priority when 'critical' then 0 when 'high' then 1 when 'normal' then 2 else 3 end
            ) stored,
            assignee_id uuid,
            assignee_name text,
            assignee_role text check (assignee_role in ('owner', 'admin', 'member')),
            contact_id uuid,
            tags text[] not null check (cardinality(tags) <= 20),
            created_at timestamptz not null,
            updated_at timestamptz not null,
            first_response_at timestamptz,
            resolved_at timestamptz,
            closed_at timestamptz,
            primary key (workspace_id, id),
            unique (workspace_id, number),
            foreign key (workspace_id, contact_id) references contacts,
            check ((status = 'spam') = (status_before_spam is not null)),
            check (status <> 'resolved' or resolved_at is not null),
            check (status <> 'closed' or closed_at is not null),
            check (num_nulls(assignee_id, assignee_name, assignee_role) in (0, 3))
        )""")
    for name, columns in {
        "updated": "updated_at desc, id desc",
        "created": "created_at desc, id desc",
        "priority": "priority_rank, id",
        # What is still open is little beside what was closed in years; and an agent asks for their own all day.
        "status": "status, updated_at desc, id desc",
        "assignee": "assignee_id, updated_at desc, id desc",
        "contact": "contact_id, updated_at desc, id desc",
    }.items():
        op.execute(f"create index tickets_{name} on tickets (workspace_id, {columns})")
    schema.tenant(op, "tickets", "select, insert, update")


def _search() -> None:
    op.execute("""
        create table ticket_search (
            workspace_id text not null,
            ticket_id uuid not null,
            words text not null,
            primary key (workspace_id, ticket_id),
            foreign key (workspace_id, ticket_id) references tickets
        )""")
    # The one table without a policy: `like` is not leakproof, so behind one the trigram index is never used. It is
    # only asked in a statement that joins its ids to `tickets`, which the policy guards.
    op.execute("comment on table ticket_search is 'Folded subjects; only asked joined to tickets, under their policy'")
    op.execute("create index ticket_search_words on ticket_search using gin (words gin_trgm_ops)")
    schema.grant(op, "ticket_search", "select, insert, update (words)")


def _around_a_ticket() -> None:
    op.execute("""
        create table ticket_conversations (
            workspace_id text not null,
            ticket_id uuid not null,
            conversation_id uuid not null,
            ticket_version int not null,
            primary key (workspace_id, ticket_id, conversation_id),
            foreign key (workspace_id, ticket_id) references tickets,
            foreign key (workspace_id, conversation_id) references conversations
        )""")
    op.execute("create index ticket_conversations_back on ticket_conversations (workspace_id, conversation_id)")
    schema.tenant(op, "ticket_conversations", "select, insert, delete")

    op.execute("""
        create table notes (
            workspace_id text not null,
            id uuid not null,
            ticket_id uuid not null,
            ticket_version int not null,
            kind text not null check (kind in ('note', 'comment')),
            body text not null check (octet_length(body) between 1 and 65536),
            pinned boolean not null check (not pinned or kind = 'note'),
            in_reply_to uuid check (in_reply_to is null or kind = 'comment'),
            author_kind text not null,
            author_id text not null,
            author_name text not null,
            created_at timestamptz not null,
            primary key (workspace_id, id),
            unique (workspace_id, ticket_id, id),
            unique (workspace_id, ticket_id, ticket_version),
            foreign key (workspace_id, ticket_id) references tickets,
            foreign key (workspace_id, ticket_id, in_reply_to) references notes (workspace_id, ticket_id, id)
        )""")
    schema.tenant(op, "notes", "select, insert, update (pinned)")


def _others() -> None:
    op.execute("""
        create table intake_sources (
            workspace_id text not null,
            integration text not null,
            kind text not null,
            external_id text not null check (char_length(external_id) between 1 and 200),
            ticket_id uuid not null,
            primary key (workspace_id, integration, kind, external_id),
            foreign key (workspace_id, ticket_id) references tickets
        )""")
    op.execute("comment on table intake_sources is 'What other systems asked for, by their own name: once, for ever'")
    schema.tenant(op, "intake_sources", "select, insert")

    op.execute("""
        create table workspaces (
            workspace_id text primary key,
            name text not null,
            slug text not null
        )""")
    op.execute("comment on table workspaces is 'Our copy: gateway owns them'")
    schema.tenant(op, "workspaces", "select, insert, update")
