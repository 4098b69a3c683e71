"""What reports count, beside the books and made of them: where each ticket stands, and the steps that are counted."""

from alembic import op

from chassis import schema

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the tables, and fill them from what stands in the books already."""
    op.execute("""
        create table report_tickets (
            workspace_id text not null,
            ticket_id uuid not null,
            created_at timestamptz not null,
            status text not null,
            answered boolean not null default false,
            deleted boolean not null default false,
            primary key (workspace_id, ticket_id)
        )""")
    op.execute("comment on table report_tickets is 'Where each ticket stands, as reports count it'")
    op.execute(
        "create index report_backlog on report_tickets (workspace_id, status, created_at)"
        " where not deleted and status not in ('resolved', 'closed', 'spam')"
    )
    schema.tenant(op, "report_tickets", "select, insert, update")
    op.execute("""
        create table report_steps (
            workspace_id text not null,
            seq bigint not null,
            ticket_id uuid not null,
            kind text not null check (kind in ('created', 'answered', 'replied', 'resolved')),
            at timestamptz not null,
            waited double precision not null,
            agent uuid,
            primary key (workspace_id, seq)
        )""")
    op.execute(
        "comment on table report_steps is"
        " 'Steps that reports count; `answered` is a first reply, `waited` the seconds since the ticket was opened'"
    )
    op.execute("create index report_steps_by_time on report_steps (workspace_id, at)")
    schema.tenant(op, "report_steps", "select, insert")
    _fill()


def _fill() -> None:
    op.execute("select set_config('app.ws', '*', true)")
    op.execute("""
        create temporary table told on commit drop as
        select workspace_id, seq, type, ticket_id, cast(said ->> 'at' as timestamptz) as at,
            case type when 'ticket_created' then said ->> 'status'
                when 'status_changed' then said ->> 'new' end as status,
            case when who ->> 'kind' = 'user' and who ->> 'id' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
                then cast(who ->> 'id' as uuid) end as agent
        from entries, lateral (select cast(entry as jsonb) as said) as a, lateral (select said -> 'actor' as who) as b
        where book = 'tickets' and ticket_id is not null
            and type in ('ticket_created', 'status_changed', 'agent_replied', 'ticket_deleted', 'ticket_restored')""")
    op.execute("create index told_of_a_ticket on told (workspace_id, ticket_id, seq)")
    op.execute("""
        insert into report_tickets (workspace_id, ticket_id, created_at, status, answered, deleted)
        select c.workspace_id, c.ticket_id, c.at,
            (select m.status from told as m where m.workspace_id = c.workspace_id and m.ticket_id = c.ticket_id
                and m.status is not null order by m.seq desc limit 1),
            exists (select 1 from told as r where r.workspace_id = c.workspace_id and r.ticket_id = c.ticket_id
                and r.type = 'agent_replied'),
            coalesce((select d.type = 'ticket_deleted' from told as d where d.workspace_id = c.workspace_id
                and d.ticket_id = c.ticket_id and d.type in ('ticket_deleted', 'ticket_restored')
                order by d.seq desc limit 1), false)
        from told as c where c.type = 'ticket_created' on conflict do nothing""")
    op.execute("""
        insert into report_steps (workspace_id, seq, ticket_id, kind, at, waited, agent)
        select s.workspace_id, s.seq, s.ticket_id,
            case when s.type = 'ticket_created' then 'created' when s.type = 'status_changed' then 'resolved'
                when s.earlier = 0 then 'answered' else 'replied' end,
            s.at, extract(epoch from s.at - t.created_at), s.agent
        from (
            select *,
                lag(status) over (partition by workspace_id, ticket_id, status is null order by seq) as before,
                count(*) filter (where type = 'agent_replied') over (
                    partition by workspace_id, ticket_id order by seq rows between unbounded preceding and 1 preceding
                ) as earlier
            from told
        ) as s join report_tickets as t on t.workspace_id = s.workspace_id and t.ticket_id = s.ticket_id
        where s.type in ('ticket_created', 'agent_replied')
            or s.type = 'status_changed' and s.status in ('resolved', 'closed')
                and s.before not in ('resolved', 'closed', 'spam')""")
    op.execute("select set_config('app.ws', '', true)")
