"""What is told together: the facts of one cause, and a burst of them."""

from alembic import op

from chassis import schema

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Say of each row which item it is part of; what is there stands alone."""
    op.execute("select set_config('app.ws', '*', true)")
    op.execute("alter table items add because uuid, add first int, add opened int")
    op.execute("update items set because = cause, first = nth")
    op.execute("alter table items alter because set not null, add check ((first is null) = (nth is null))")
    op.execute("comment on column items.because is 'The cause, which facts of one command share'")
    op.execute("comment on column items.first is 'Place of the first row of its item: rows with the same are one item'")
    op.execute("comment on column items.opened is 'Place of the first row of its window; none: it is in none'")
    op.execute("create index items_of_one on items (workspace_id, recipient_id, first, nth)")
    op.execute("drop index items_unread")
    op.execute(
        "create index items_unread on items (workspace_id, recipient_id, first)"
        " where read_at is null and nth is not null"
    )
    op.execute("create index items_because on items (workspace_id, recipient_id, because)")
    op.execute("create index items_opened on items (workspace_id, recipient_id, opened)")
    schema.grant(op, "items", "select, insert, update (id, nth, first, opened, read_at, actor_name), delete")

    op.execute("alter table members add opened int, add opened_at timestamptz, add causes int not null default 0")
    op.execute("alter table members add check ((opened is null) = (opened_at is null))")
    op.execute("comment on column members.opened is 'The last window of their inbox: place of its first row'")

    op.execute("alter table news add because uuid")
    op.execute("update news set because = cause")
    op.execute("alter table news alter because set not null")
    op.execute("create index news_because on news (workspace_id, recipient_id, because)")
