"""An item says itself whether its ticket is deleted: what is shown and counted reads items and nothing else."""

from alembic import op

from chassis import schema

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Say it of the items that are there, and have it said of those to come."""
    op.execute("alter table items add hidden boolean not null default false")
    op.execute("comment on column items.hidden is 'Whether its ticket is deleted now'")
    op.execute("select set_config('app.ws', '*', true)")
    op.execute("""
        update items as i set hidden = true from tickets as t
        where t.workspace_id = i.workspace_id and t.id = i.ticket_id and t.deleted""")
    op.execute("select set_config('app.ws', '', true)")
    op.execute("create index items_of_a_ticket on items (workspace_id, ticket_id)")
    op.execute("drop index tickets_deleted, items_unread")
    op.execute(
        "create index items_unread on items (workspace_id, recipient_id, first)"
        " include (nth, audience, ticket_id, hidden) where read_at is null and nth is not null"
    )
    schema.grant(op, "items", "select, insert, update (id, nth, first, opened, read_at, actor_name, hidden), delete")
    # Who tells of a ticket while it is deleted waits for that, and that for them: neither misses the other.
    op.execute("""
        create function hide_item() returns trigger language plpgsql as $$
        begin
            new.hidden := coalesce((
                select deleted from tickets where workspace_id = new.workspace_id and id = new.ticket_id for share
            ), false);
            return new;
        end $$""")
    op.execute("""
        create trigger items_hidden before insert on items for each row
        when (new.ticket_id is not null) execute function hide_item()""")
    op.execute("""
        create function hide_items() returns trigger language plpgsql as $$
        begin
            update items set hidden = new.deleted where workspace_id = new.workspace_id and ticket_id = new.id;
            return null;
        end $$""")
    op.execute("""
        create trigger tickets_hidden after update on tickets for each row
        when (old.deleted <> new.deleted) execute function hide_items()""")
