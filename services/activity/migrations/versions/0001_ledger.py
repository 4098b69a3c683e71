"""The ledger: entries that are only ever added, and beside them the words that may be erased."""

from alembic import op

from chassis import schema

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    schema.plumbing(op)
    _entries()
    _texts()
    _announcements()


def _entries() -> None:
    # What is looked up is generated from what is hashed, so that a column can't say anything else than its entry. No
    # other whole index begins with the workspace: before the first ANALYZE, foreign keys would be checked by that one.
    op.execute("""
        create table entries (
            workspace_id text not null,
            book text not null check (book in ('tickets', 'people')),
            seq bigint not null check (seq > 0),
            entry text not null,
            prev_hash text not null check (prev_hash ~ '^[0-9a-f]{64}$'),
            hash text not null check (hash ~ '^[0-9a-f]{64}$'),
            id uuid not null generated always as (cast(cast(entry as jsonb) ->> 'id' as uuid)) stored,
            type text not null generated always as (
                substring(cast(entry as jsonb) ->> 'type' from '[^.]*$')
            ) stored,
            ticket_id uuid generated always as (cast(cast(entry as jsonb) ->> 'ticket_id' as uuid)) stored,
            version int generated always as (cast(cast(entry as jsonb) ->> 'version' as int)) stored,
            audience text generated always as (cast(entry as jsonb) ->> 'audience') stored,
            primary key (workspace_id, book, seq),
            unique (id, workspace_id)
        )""")
    op.execute(
        "comment on table entries is 'Each step once, in canonical JSON (RFC 8785), chained; only ever added to'"
    )
    op.execute(
        "create index entries_of_a_ticket on entries (workspace_id, ticket_id, version) where ticket_id is not null"
    )
    schema.tenant(op, "entries", "select, insert")
    op.execute("""
        create function refuse_to_rewrite() returns trigger language plpgsql as $$
        begin
            raise exception 'what stands in the ledger is never changed' using errcode = 'insufficient_privilege';
        end $$""")
    op.execute(
        "create trigger entries_stand before update or delete on entries"
        " for each row execute function refuse_to_rewrite()"
    )
    op.execute(
        "create trigger entries_stay before truncate on entries for each statement execute function refuse_to_rewrite()"
    )


def _texts() -> None:
    op.execute("""
        create table entry_texts (
            workspace_id text not null,
            book text not null,
            seq bigint not null,
            pointer text not null,
            salt text not null check (salt ~ '^[0-9a-f]{32}$'),
            text text not null,
            primary key (workspace_id, book, seq, pointer),
            foreign key (workspace_id, book, seq) references entries
        )""")
    op.execute(
        "comment on table entry_texts is"
        " 'Words and names of the entries; deleting a row erases them, and the chain still holds'"
    )
    schema.tenant(op, "entry_texts", "select, insert, delete")
    op.execute(
        "create trigger entry_texts_stand before update on entry_texts"
        " for each row execute function refuse_to_rewrite()"
    )


def _announcements() -> None:
    # Activity announces what can be read from its books, so its own log is an outbox and no more: it may forget. Not
    # even its role can delete anything younger, or anything that was not sent.
    schema.grant(op, "event_log", "select, insert, update (position, sent_at), delete")
    op.execute(
        "create policy outlived on event_log as restrictive for delete using (sent_at < now() - interval '30 days')"
    )
    op.execute("create index event_log_sent on event_log (sent_at) where sent_at is not null")
