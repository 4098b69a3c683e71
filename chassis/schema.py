"""What a migration says about every table: who may touch it, and the wall between workspaces.

Two roles per database: `…_owner` runs migrations and owns the tables, `…_app` owns nothing and is what a service
signs in as. Row-level security is forced, so that not even the owner sees past it.
"""

from typing import Any, Protocol


class Migration(Protocol):
    """What `alembic.op` can do."""

    def execute(self, sqltext: str, /) -> None: ...
    def get_bind(self) -> Any: ...


_WS = "(select nullif(current_setting('app.ws', true), ''))"
APP = "select replace(current_user, '_owner', '_app')"
"""Tells whoever migrates the name of the role that a service signs in as."""

_PLUMBING = """
create table event_log (
    seq bigint generated always as identity,
    workspace_id text not null,
    id uuid not null,
    position bigint,
    type text not null,
    about_kind text not null,
    about_id text not null,
    version int not null,
    at timestamptz not null,
    audience text not null,
    body jsonb not null,
    traceparent text,
    sent_at timestamptz,
    primary key (workspace_id, id),
    unique (workspace_id, position),
    unique (workspace_id, about_kind, about_id, version),
    check (sent_at is null or position is not null)
);
comment on table event_log is 'Every fact announced, words sealed; the relay gives the position, after the commit';
create index event_log_unnumbered on event_log (seq) where position is null;
create index event_log_unsent on event_log (workspace_id, position) where sent_at is null;

create table event_texts (
    workspace_id text not null,
    event_id uuid not null,
    pointer text not null,
    salt text not null check (salt ~ '^[0-9a-f]{32}$'),
    text text not null,
    primary key (workspace_id, event_id, pointer),
    foreign key (workspace_id, event_id) references event_log
);
comment on table event_texts is 'Words and names of the facts; deleting a row erases them, the record stays provable';

create table positions (
    workspace_id text primary key,
    last bigint not null
);

create table consumed (
    workspace_id text not null,
    consumer text not null,
    position bigint not null,
    primary key (workspace_id, consumer)
);
comment on table consumed is 'How far each book of another service has been applied here';

create table inbox (
    workspace_id text not null,
    source text not null,
    message_id text not null,
    at timestamptz not null default now(),
    primary key (workspace_id, source, message_id)
);
comment on table inbox is 'Messages of other systems that took effect, for ever';

create table idempotency (
    workspace_id text not null,
    actor text not null,
    route text not null,
    key text not null,
    fingerprint text not null,
    answer text,
    secret_of text,
    at timestamptz not null default now(),
    primary key (workspace_id, actor, route, key),
    check ((answer is null) <> (secret_of is null))
);
create index idempotency_age on idempotency (at);

create table dead_letters (
    id uuid primary key,
    workspace_id text,
    at timestamptz not null,
    stream text not null,
    sequence bigint not null,
    stored_at timestamptz not null,
    subject text not null,
    reason text not null,
    detail text not null,
    headers jsonb not null,
    body bytea not null,
    sent_at timestamptz,
    unique (stream, sequence, stored_at)
);
create index dead_letters_unsent on dead_letters (id) where sent_at is null;
create index dead_letters_newest on dead_letters (workspace_id, id desc);
"""


_ERASURES = """
create table erasures (
    workspace_id text not null,
    id uuid not null,
    owner text not null,
    person_kind text not null check (person_kind in ('contact', 'member')),
    person_id uuid not null,
    asked_at timestamptz not null,
    told_at timestamptz,
    done_at timestamptz,
    primary key (workspace_id, id, owner)
)"""


def _app_role(op: Migration) -> str:
    role: str = op.get_bind().exec_driver_sql(APP).scalar_one()
    return role


def grant(op: Migration, table: str, rights: str) -> None:
    """Give the app role these rights on a table, and no others."""
    role = _app_role(op)
    op.execute(f'revoke all on {table} from "{role}"')
    op.execute(f'grant {rights} on {table} to "{role}"')


def erasures(op: Migration) -> None:
    """Make the table of who was erased, and let stored answers be wiped with them."""
    op.execute(_ERASURES)
    op.execute("comment on table erasures is 'Orders by id: done again when the store is put back to an older day'")
    op.execute("comment on column erasures.owner is 'In whose record the words stand that are erased here too'")
    op.execute("create index erasures_due on erasures (asked_at) where done_at is null")
    tenant(op, "erasures", "select, insert, update (told_at, done_at)")
    grant(op, "idempotency", "select, insert, delete, update (answer, secret_of)")


def hexadecimal(op: Migration, table: str, column: str, digits: int) -> None:
    """Have a column checked for so many digits by reading them, a tenth of what a regular expression costs."""
    name = f"{table}_{column}_check"
    is_read = f"octet_length({column}) = {digits} and encode(decode({column}, 'hex'), 'hex') = {column}"
    op.execute(f"alter table {table} drop constraint {name}")
    # What is there has passed the expression.
    op.execute(f"alter table {table} add constraint {name} check ({is_read}) not valid")


def tenant(op: Migration, table: str, rights: str = "select, insert, update, delete") -> None:
    """Put the wall between workspaces around a table that has a `workspace_id`."""
    op.execute(f"alter table {table} enable row level security")
    op.execute(f"alter table {table} force row level security")
    # The setting is read in a subselect so that it is evaluated once per statement and not once per row.
    op.execute(f"create policy workspace on {table} using (workspace_id = {_WS} or {_WS} = '*')")
    grant(op, table, rights)


def shared(op: Migration, table: str, rights: str = "select, insert, update, delete") -> None:
    """Open a table that belongs to no workspace, such as people and their sessions."""
    grant(op, table, rights)


def plumbing(op: Migration) -> None:
    """Make the chassis' own tables; the first lines of each service's first migration."""
    for statement in _PLUMBING.split(";\n"):
        if statement.strip():
            op.execute(statement)
    tenant(op, "event_log", "select, insert, update (position, sent_at)")
    tenant(op, "event_texts", "select, insert, delete")
    tenant(op, "positions", "select, insert, update")
    tenant(op, "consumed", "select, insert, update")
    tenant(op, "inbox", "select, insert")
    tenant(op, "idempotency", "select, insert, delete")
    tenant(op, "dead_letters", "select, insert, update, delete")
