"""A full desk is as quick as an empty one: what is shown by default has indexes of its own, and counts are kept."""

from alembic import op

from chassis import schema

revision = "0008"
down_revision = "0007"

_SHOWN = "deleted_at is null and status in ('new', 'open', 'in_progress', 'waiting_on_customer', 'resolved')"


def upgrade() -> None:
    """Make indexes and tables, and count what is there."""
    # In years most tickets are closed: whoever looks for the others must not read past those.
    for name, columns in {
        "updated": "updated_at desc, id desc",
        "created": "created_at desc, id desc",
        "priority": "priority_rank, id",
        "number": "number, id",
        "assignee": "assignee_id, updated_at desc, id desc",
    }.items():
        op.execute(f"create index tickets_shown_{name} on tickets (workspace_id, {columns}) where {_SHOWN}")
    # Whatever is critical is seldom left open: one by one, neither tells how few are both.
    op.execute("create statistics tickets_sorts (mcv) on priority_rank, status, assignee_id from tickets")
    _counts()
    _tags()


def _counts() -> None:
    op.execute("""
        create table ticket_counts (
            workspace_id text not null,
            deleted boolean not null,
            status text not null,
            priority text not null,
            assignee_id uuid,
            many bigint not null,
            unique nulls not distinct (workspace_id, deleted, status, priority, assignee_id)
        )""")
    op.execute("comment on table ticket_counts is 'How many tickets there are of each sort, but for the steps since'")
    schema.tenant(op, "ticket_counts", "select, insert, update")
    # Whoever changes a ticket adds a row and waits for nobody; the sums are made of them now and then.
    op.execute("""
        create table ticket_count_steps (
            workspace_id text not null,
            id bigint generated always as identity,
            deleted boolean not null,
            status text not null,
            priority text not null,
            assignee_id uuid,
            change smallint not null,
            primary key (workspace_id, id)
        )""")
    op.execute(
        "comment on table ticket_count_steps is 'What has come to a sort of tickets, or left it, since the sums'"
    )
    schema.tenant(op, "ticket_count_steps", "select, insert, delete")
    op.execute("""
        create function count_ticket() returns trigger language plpgsql as $$
        begin
            if tg_op <> 'INSERT' then
                insert into ticket_count_steps (workspace_id, deleted, status, priority, assignee_id, change)
                values (old.workspace_id, old.deleted_at is not null, old.status, old.priority, old.assignee_id, -1);
            end if;
            if tg_op <> 'DELETE' then
                insert into ticket_count_steps (workspace_id, deleted, status, priority, assignee_id, change)
                values (new.workspace_id, new.deleted_at is not null, new.status, new.priority, new.assignee_id, 1);
            end if;
            return null;
        end $$""")
    op.execute(
        "create trigger tickets_counted after insert or delete on tickets for each row execute function count_ticket()"
    )
    op.execute("""
        create trigger tickets_counted_again after update on tickets for each row
        when ((old.deleted_at is null, old.status, old.priority, old.assignee_id)
            is distinct from (new.deleted_at is null, new.status, new.priority, new.assignee_id))
        execute function count_ticket()""")
    op.execute("select set_config('app.ws', '*', true)")
    op.execute("""
        insert into ticket_counts (workspace_id, deleted, status, priority, assignee_id, many)
        select workspace_id, deleted_at is not null, status, priority, assignee_id, count(*)
        from tickets group by 1, 2, 3, 4, 5""")
    op.execute("select set_config('app.ws', '', true)")


def _tags() -> None:
    op.execute("""
        create table ticket_tags (
            workspace_id text not null,
            tag text not null,
            ticket_id uuid not null,
            shown boolean not null,
            primary key (workspace_id, tag, ticket_id)
        )""")
    op.execute("comment on table ticket_tags is 'The tags of tickets, turned round: which tickets have one'")
    op.execute("create index ticket_tags_shown on ticket_tags (workspace_id, tag, ticket_id) where shown")
    schema.tenant(op, "ticket_tags", "select, insert, update (shown), delete")
    op.execute("""
        create function find_by_tags() returns trigger language plpgsql as $$
        declare shown boolean := new.deleted_at is null and new.status not in ('closed', 'spam');
        begin
            if tg_op = 'UPDATE' then
                delete from ticket_tags where workspace_id = old.workspace_id and ticket_id = old.id
                    and tag = any(old.tags) and tag <> all(new.tags);
            end if;
            insert into ticket_tags as t (workspace_id, tag, ticket_id, shown)
            select new.workspace_id, tag, new.id, shown from unnest(new.tags) as tag
            on conflict (workspace_id, tag, ticket_id) do update set shown = excluded.shown
            where t.shown <> excluded.shown;
            return null;
        end $$""")
    op.execute("""
        create trigger tickets_tagged after insert on tickets for each row
        when (new.tags <> '{}') execute function find_by_tags()""")
    op.execute("""
        create trigger tickets_tagged_again after update on tickets for each row
        when ((old.tags <> '{}' or new.tags <> '{}') and (old.tags, old.status, old.deleted_at is null)
            is distinct from (new.tags, new.status, new.deleted_at is null))
        execute function find_by_tags()""")
    op.execute("select set_config('app.ws', '*', true)")
    op.execute("""
        insert into ticket_tags (workspace_id, tag, ticket_id, shown)
        select distinct workspace_id, unnest(tags), id, deleted_at is null and status not in ('closed', 'spam')
        from tickets""")
    op.execute("select set_config('app.ws', '', true)")
