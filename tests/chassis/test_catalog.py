"""What PostgreSQL itself says of every service's store, as its migrations leave it: who owns, and who may do what."""

import asyncpg
import pytest

from contracts.base import SERVICES
from tests.support.infra import PostgresServer

_OPEN = {"tickets": {"ticket_search"}}
"""Tables of workspaces without row-level security, and why: the planner can't use the index of words behind a policy,
so ids are found here and the tickets are read behind theirs."""
_OF_NO_WORKSPACE = {
    "notifications": {"mail_server", "strangers"},
    "gateway": {"password_reset_tokens", "password_resets", "sessions", "tries", "users"},
}
"""Tables that belong to the desk or to people, who may be members of several workspaces."""
_TABLES = """
    select c.relname as name, c.relrowsecurity and c.relforcerowsecurity as walled,
        exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'workspace_id') as tenant,
        exists (select from pg_policy p where p.polrelid = c.oid
                and pg_get_expr(p.polqual, p.polrelid) like '%app.ws%') as ruled,
        (select array_agg(r order by r) from unnest(array['DELETE', 'INSERT', 'MAINTAIN', 'REFERENCES', 'SELECT',
            'TRIGGER', 'TRUNCATE', 'UPDATE']) as r where has_table_privilege(c.oid, r)) as rights
    from pg_class c where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace
"""


_ROLE = """
    select *, has_schema_privilege('public', 'create') or has_database_privilege(current_database(), 'create') as makes,
        (select count(*) from pg_shdepend where refobjid = r.oid and deptype = 'o') as owns,
        (select count(*) from pg_auth_members where member = r.oid) as joins
    from pg_roles r where rolname = current_user
"""
_OF_OTHERS = """
    select datname from pg_database
    where datallowconn and has_database_privilege(oid, 'connect, temporary')
        and pg_get_userbyid(datdba) <> regexp_replace(current_user, '_app$', '_owner')
"""
_POWERS = ("rolsuper", "rolbypassrls", "rolcreaterole", "rolcreatedb", "rolreplication", "makes", "owns", "joins")


@pytest.mark.parametrize("service", SERVICES)
async def test_the_app_role_owns_nothing_and_every_table_of_workspaces_is_walled(
    postgres_server: PostgresServer, service: str
) -> None:
    urls = await postgres_server.migrated_database(service)
    session = await asyncpg.connect(urls.app)
    try:
        tables = {row["name"]: row for row in await session.fetch(_TABLES)}
        role = await session.fetchrow(_ROLE)
        assert [row["datname"] for row in await session.fetch(_OF_OTHERS)] == []
    finally:
        await session.close()
    assert role is not None
    assert [power for power in _POWERS if role[power]] == []

    walled = {name for name, table in tables.items() if table["walled"] and table["ruled"]}
    tenants = {name for name, table in tables.items() if table["tenant"]}
    assert tenants - walled == _OPEN.get(service, set())
    assert tables.keys() - tenants == _OF_NO_WORKSPACE.get(service, set()) | {"alembic_version"}

    rights = {name: set(table["rights"] or ()) for name, table in tables.items()}
    assert {name for name, may in rights.items() if may - {"SELECT", "INSERT", "UPDATE", "DELETE"}} == set()
    assert rights["alembic_version"] == {"SELECT"}
    assert "UPDATE" not in rights["event_log"]
    if service == "activity":
        assert rights["entries"] == {"SELECT", "INSERT"}, "the ledger is added to and nothing else"
