"""A report reads the steps of its days and nothing else: each says itself whether its ticket counts."""

from alembic import op

from chassis import schema

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Say it of the steps that are there, and have it said of those to come."""
    op.execute("alter table report_steps add counts boolean not null default true")
    op.execute("comment on column report_steps.counts is 'Whether its ticket is neither deleted nor spam now'")
    op.execute("create index report_steps_of_a_ticket on report_steps (workspace_id, ticket_id)")
    _fill()
    op.execute("drop index report_steps_by_time")
    op.execute(
        "create index report_steps_by_time on report_steps (workspace_id, at)"
        " include (kind, waited, agent) where counts"
    )
    schema.grant(op, "report_steps", "select, insert, update (counts)")
    op.execute("""
        create function count_steps() returns trigger language plpgsql as $$
        begin
            update report_steps set counts = not (new.deleted or new.status = 'spam')
            where workspace_id = new.workspace_id and ticket_id = new.ticket_id;
            return null;
        end $$""")
    op.execute("""
        create trigger report_steps_counted after update on report_tickets for each row
        when ((old.deleted or old.status = 'spam') <> (new.deleted or new.status = 'spam'))
        execute function count_steps()""")


def _fill() -> None:
    op.execute("select set_config('app.ws', '*', true)")
    op.execute("""
        update report_steps as s set counts = false from report_tickets as t
        where t.workspace_id = s.workspace_id and t.ticket_id = s.ticket_id and (t.deleted or t.status = 'spam')""")
    op.execute("select set_config('app.ws', '', true)")
