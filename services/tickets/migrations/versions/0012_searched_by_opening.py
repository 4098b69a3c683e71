"""What is searched knows the week in which its ticket was opened, for those who ask for the newest or the oldest."""

from alembic import op

from chassis import schema

revision = "0012"
down_revision = "0011"


_IS = """
    week = week_of({0}.updated_at), opened_week = week_of({0}.created_at),
    shown = is_shown({0}.status, {0}.deleted_at)"""


def upgrade() -> None:
    """Put it down, beside the words in one index, and keep it so."""
    op.execute("alter table ticket_search add column opened_week int")
    # Without the index meanwhile, which would be told of each row again.
    op.execute("drop index ticket_search_words")
    op.execute("select set_config('app.ws', '*', true)")
    op.execute(f"""
        update ticket_search s set {_IS.format("t")} from tickets t
        where t.workspace_id = s.workspace_id and t.id = s.ticket_id""")  # noqa: S608 - constants
    op.execute("select set_config('app.ws', '', true)")
    # For code from before: its tickets are opened when they are written.
    op.execute("alter table ticket_search alter column opened_week set default week_of(now())")
    op.execute(
        "create index ticket_search_words on ticket_search using gin (week, opened_week, shown, words gin_trgm_ops)"
    )
    schema.grant(op, "ticket_search", "select, insert, update (words, week, opened_week, shown)")
    op.execute(f"""
        create or replace function search_again() returns trigger language plpgsql as $$
        begin
            update ticket_search set {_IS.format("new")}
            where workspace_id = new.workspace_id and ticket_id = new.id;
            return null;
        end $$""")  # noqa: S608 - constants
