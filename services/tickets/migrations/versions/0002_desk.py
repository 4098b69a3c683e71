"""The whole desk: contacts with many names elsewhere, transcripts, assistants, settings, deletion and bulk changes."""

from alembic import op

from chassis import schema

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make what is new and widen what is there."""
    _contacts()
    _assistants()
    _conversations()
    _visitors()
    _tickets()
    _settings()
    _bulk()


def _contacts() -> None:
    op.execute("""
        alter table contacts
            add version int not null default 1 check (version > 0),
            add updated_at timestamptz,
            add verified boolean not null default false,
            add words text
    """)
    op.execute("alter table contacts no force row level security")
    op.execute("update contacts set updated_at = created_at, words = lower(name) || ' ' || coalesce(email_key, '')")
    op.execute("alter table contacts alter updated_at set not null, alter words set not null")
    op.execute("alter table contacts alter version drop default")
    op.execute("comment on column contacts.words is 'Name and address, folded: where a search looks'")
    op.execute("alter table contacts alter verified drop default")
    op.execute("""
        create table contact_sources (
            workspace_id text not null,
            source text not null check (source ~ '^[a-z0-9_-]{1,64}$'),
            external_id text not null check (char_length(external_id) between 1 and 200),
            contact_id uuid not null,
            primary key (workspace_id, source, external_id),
            foreign key (workspace_id, contact_id) references contacts
        )""")
    op.execute(
        "insert into contact_sources select workspace_id, integration, external_id, id from contacts"
        " where external_id is not null"
    )
    op.execute("alter table contacts drop integration, drop external_id")
    op.execute("alter table contacts force row level security")
    op.execute("create index contact_sources_contact on contact_sources (workspace_id, contact_id)")
    op.execute("create index contacts_name on contacts (workspace_id, name, id)")
    schema.tenant(op, "contact_sources")


def _assistants() -> None:
    op.execute("""
        create table assistants (
            workspace_id text not null,
            id uuid not null unique,
            name text not null check (char_length(name) between 1 and 200),
            widget jsonb not null,
            identity_secret text not null,
            version int not null check (version > 0),
            created_at timestamptz not null,
            updated_at timestamptz not null,
            deleted_at timestamptz,
            primary key (workspace_id, id)
        )""")
    op.execute("create index assistants_name on assistants (workspace_id, name, id) where deleted_at is null")
    schema.tenant(op, "assistants", "select, insert, update")

    op.execute("""
        create table identity_nonces (
            workspace_id text not null,
            assistant_id uuid not null,
            nonce text not null,
            expires_at timestamptz not null,
            primary key (workspace_id, assistant_id, nonce),
            foreign key (workspace_id, assistant_id) references assistants
        )""")
    op.execute("comment on table identity_nonces is 'A site vouches for its visitor once with each; kept until void'")
    op.execute("create index identity_nonces_end on identity_nonces (expires_at)")
    schema.tenant(op, "identity_nonces", "select, insert, delete")


def _conversations() -> None:
    op.execute("""
        alter table conversations
            alter integration drop not null,
            alter external_id drop not null,
            add check ((integration is null) = (external_id is null)),
            add assistant_id uuid,
            add contact_id uuid,
            add version int not null default 1 check (version > 0),
            add message_count int not null default 0 check (message_count >= 0),
            add awaits_reply boolean not null default false,
            add updated_at timestamptz,
            add foreign key (workspace_id, assistant_id) references assistants,
            add foreign key (workspace_id, contact_id) references contacts
    """)
    op.execute("alter table conversations no force row level security")
    op.execute("update conversations set updated_at = created_at")
    op.execute("alter table conversations force row level security")
    op.execute("alter table conversations alter updated_at set not null")
    for name, columns in {
        "updated": "updated_at desc, id desc",
        "contact": "contact_id, updated_at desc, id desc",
        "assistant": "assistant_id, updated_at desc, id desc",
    }.items():
        op.execute(f"create index conversations_{name} on conversations (workspace_id, {columns})")

    op.execute("""
        create table messages (
            workspace_id text not null,
            id uuid not null,
            conversation_id uuid not null,
            seq int not null check (seq > 0),
            author_kind text not null check (author_kind in ('visitor', 'agent', 'bot', 'system')),
            author_id text,
            author_name text not null,
            body text not null check (octet_length(body) between 1 and 65536),
            at timestamptz not null,
            external_id text check (char_length(external_id) between 1 and 200),
            primary key (workspace_id, id),
            unique (workspace_id, conversation_id, seq),
            foreign key (workspace_id, conversation_id) references conversations
        )""")
    op.execute(
        "create unique index messages_external on messages (workspace_id, conversation_id, external_id)"
        " where external_id is not null"
    )
    schema.tenant(op, "messages", "select, insert")


def _visitors() -> None:
    op.execute("""
        create table visitors (
            workspace_id text not null,
            conversation_id uuid not null,
            assistant_id uuid not null,
            name text check (char_length(name) between 1 and 120),
            email text check (char_length(email) <= 254),
            identified boolean not null,
            primary key (workspace_id, conversation_id),
            foreign key (workspace_id, conversation_id) references conversations,
            foreign key (workspace_id, assistant_id) references assistants
        )""")
    op.execute("comment on table visitors is 'What they said of themselves; identified: what their site vouched for'")
    schema.tenant(op, "visitors", "select, insert, update (name, email)")


def _tickets() -> None:
    op.execute("""
        alter table tickets
            add deleted_at timestamptz,
            add follow_up_of uuid,
            add foreign key (workspace_id, follow_up_of) references tickets
    """)
    op.execute(
        "create index tickets_deleted on tickets (workspace_id, updated_at desc, id desc) where deleted_at is not null"
    )
    op.execute(
        "create index tickets_resolved on tickets (workspace_id, resolved_at)"
        " where status = 'resolved' and deleted_at is null"
    )
    op.execute("alter table notes add mentions jsonb not null default '[]'")


def _settings() -> None:
    op.execute("""
        create table ticket_settings (
            workspace_id text primary key,
            members_may_claim boolean not null,
            members_may_note_any boolean not null,
            default_priority text not null check (default_priority in ('critical', 'high', 'normal', 'low')),
            auto_close_days int check (auto_close_days between 1 and 3650),
            follow_up_days int check (follow_up_days between 1 and 3650),
            version int not null check (version > 0),
            updated_at timestamptz not null
        )""")
    schema.tenant(op, "ticket_settings", "select, insert, update")


def _bulk() -> None:
    op.execute("""
        create table bulks (
            workspace_id text not null,
            id uuid not null,
            command jsonb,
            actor_id text not null,
            created_at timestamptz not null,
            finished_at timestamptz,
            primary key (workspace_id, id),
            check ((command is null) = (finished_at is not null))
        )""")
    op.execute("create index bulks_running on bulks (created_at) where finished_at is null")
    schema.tenant(op, "bulks", "select, insert, update (command, finished_at)")

    op.execute("""
        create table bulk_items (
            workspace_id text not null,
            bulk_id uuid not null,
            number int not null,
            ticket_id uuid not null,
            outcome text not null default 'pending' check (outcome in ('pending', 'changed', 'unchanged', 'refused')),
            code text,
            detail text,
            version int,
            primary key (workspace_id, bulk_id, number),
            foreign key (workspace_id, bulk_id) references bulks,
            foreign key (workspace_id, ticket_id) references tickets
        )""")
    op.execute(
        "create index bulk_items_pending on bulk_items (workspace_id, bulk_id, number) where outcome = 'pending'"
    )
    schema.tenant(op, "bulk_items", "select, insert, update (outcome, code, detail, version)")
