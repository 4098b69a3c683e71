"""What is searched knows the week of its ticket's last change, and whether it is shown by default.

So what is shown, and the latest of it, is found without the others.
"""

from alembic import op

from chassis import schema

revision = "0011"
down_revision = "0010"


_IS = "week = week_of({0}.updated_at), shown = is_shown({0}.status, {0}.deleted_at)"


def upgrade() -> None:
    """Put both down, beside the words in one index, and keep them so."""
    op.execute("create extension if not exists btree_gin")
    # Both are put in place of their calls; so this one may not be said to be immutable, as `extract` is not.
    op.execute("""
        create function week_of(at timestamptz) returns int language sql stable
        as 'select cast(floor(extract(epoch from at) / 604800) as int)'""")
    op.execute("""
        create function is_shown(status text, deleted_at timestamptz) returns boolean language sql immutable
        as $$ select deleted_at is null and status not in ('closed', 'spam') $$""")
    op.execute("alter table ticket_search add column week int, add column shown boolean")
    # Without the index meanwhile, which would be told of each row again.
    op.execute("drop index ticket_search_words")
    op.execute("select set_config('app.ws', '*', true)")
    op.execute(f"""
        update ticket_search s set {_IS.format("t")} from tickets t
        where t.workspace_id = s.workspace_id and t.id = s.ticket_id""")  # noqa: S608 - constants
    op.execute("select set_config('app.ws', '', true)")
    # For code from before: its tickets are changed when they are written, and what isn't shown may be said to be.
    op.execute("""
        alter table ticket_search
            alter column week set default week_of(now()), alter column shown set default true""")
    op.execute("create index ticket_search_words on ticket_search using gin (week, shown, words gin_trgm_ops)")
    schema.grant(op, "ticket_search", "select, insert, update (words, week, shown)")
    op.execute(f"""
        create function search_again() returns trigger language plpgsql as $$
        begin
            update ticket_search set {_IS.format("new")}
            where workspace_id = new.workspace_id and ticket_id = new.id;
            return null;
        end $$""")  # noqa: S608 - constants
    op.execute("""
        create trigger tickets_searched_again after update on tickets for each row
        when ((week_of(old.updated_at), is_shown(old.status, old.deleted_at))
            <> (week_of(new.updated_at), is_shown(new.status, new.deleted_at)))
        execute function search_again()""")
