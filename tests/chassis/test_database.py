"""One transaction holds all or nothing, and a wall stands between workspaces whatever the SQL says."""

import ast
import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from chassis.database import SILENT, Database, Transaction, is_weather
from chassis.statements import Session
from contracts.base import Errand, IdempotencyKey, LookUp, Message
from contracts.tickets import NotePage
from tests.support.eventually import eventually
from tests.support.infra import PROJECT, PostgresServer, Urls
from tests.support.plumbing import plumbed
from tests.support.replicas import HEARD, a_fact, a_workspace, heard, note_down

PURPOSES = {
    "activity": {"forget announcements", "operator's tools", "tell who was erased"},
    "chassis": {
        "relay",
        "count dead letters",
        "dead letters without a workspace",
        "forget what is kept for a while",
        "find orders to erase",
        "take up orders to erase",
    },
    "notifications": {
        "answers by mail",
        "count what waits",
        "mail",
        "tell of dead letters",
        "tell who was erased",
        "webhooks",
    },
    "gateway": {
        "erase an account that is a member nowhere",
        "example tickets",
        "first workspace",
        "integrations that NATS must be told of",
        "invitation look-up",
        "limits",
        "new workspace",
        "own account",
        "password reset",
        "purge of what is over",
        "session look-up",
        "sign-in",
        "tell the log again",
        "tell what was erased",
        "tell who was erased",
        "visitor look-up",
    },
    "tickets": {
        "find bulk changes that go on",
        "find tickets that lie untouched",
        "purge of identity nonces",
        "sum up counts of tickets",
        "assistant look-up",
        "tell the log again",
        "tell what was erased",
        "tell who was erased",
    },
}
"""Why a transaction may see every workspace. Whoever adds one says it here, where it is read by others."""

# Of no workspace, as people's addresses are: only behind the wall does PostgreSQL keep rows out of its errors itself.
NAMES = "create table names (name text unique)", "grant select, insert on names to public"
PROMISES = "create table promises (workspace_id text not null, n int unique deferrable initially deferred)"


@dataclass(slots=True)
class Vault:
    urls: Urls
    database: Database

    def transaction(self, ws: str) -> Any:
        return self.database.transaction(ws)


@pytest.fixture(scope="module")
async def vault(postgres_server: PostgresServer) -> AsyncIterator[Vault]:
    urls = await plumbed(postgres_server, "gateway", HEARD, PROMISES, *NAMES, tenants=["heard", "promises"])
    database = Database(urls.app, "gateway", pool=10)
    yield Vault(urls, database)
    await database.close()


async def everything(vault: Vault, ws: str) -> dict[str, int]:
    async with vault.transaction(ws) as tx:
        return {
            table: await tx.scalar(text(f"select count(*) from {table}"))
            for table in ("heard", "promises", "event_log", "event_texts", "idempotency")
        }


async def test_a_commit_holds_the_state_the_facts_and_the_answer_and_a_rollback_takes_them_all(vault: Vault) -> None:
    ws = a_workspace()

    async def act(tx: Transaction, *promised: int) -> NotePage:
        await note_down(tx, "done")
        tx.announce(a_fact(ws, "done"))
        for n in promised:
            await tx.execute(text("insert into promises values (:ws, :n)"), {"ws": ws, "n": n})
        return NotePage(items=(), next_cursor=None)

    async def send(*promised: int) -> None:
        key = IdempotencyKey(key="1", route="r", fingerprint="")
        async with vault.transaction(ws) as tx:
            await tx.once("ada", key, NotePage, lambda: act(tx, *promised))

    # The promise is broken at the commit itself: after everything was written.
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await send(1, 1)
    assert set((await everything(vault, ws)).values()) == {0}

    await send(1)
    assert await everything(vault, ws) == {
        "heard": 1,
        "promises": 1,
        "event_log": 1,
        "event_texts": 2,
        "idempotency": 1,
    }


async def test_a_commit_that_postgresql_turns_into_a_rollback_is_no_commit(vault: Vault) -> None:
    ws = a_workspace()

    async def swallow() -> None:
        async with vault.database.transaction(ws) as tx:
            await note_down(tx, "acknowledged?")
            with suppress(asyncpg.DivisionByZeroError):
                await tx.scalar(text("select 1 / 0"))

    with pytest.raises(asyncpg.InFailedSQLTransactionError):
        await swallow()
    assert await heard(vault.database, ws) == []


@pytest.mark.parametrize("ws", ["", "A", "it's", "x'; drop table heard; --", "ws\x00", "w" * 65])
async def test_no_transaction_begins_for_what_can_be_no_workspace(vault: Vault, ws: str) -> None:
    with pytest.raises(ValueError, match="no workspace"):
        async with vault.database.transaction(ws):
            pass


async def test_a_commit_that_announces_wakes_the_relay_and_no_other_does(vault: Vault) -> None:
    ws, woken = a_workspace(), list[int]()
    vault.database.wake = lambda: woken.append(1)
    try:
        async with vault.transaction(ws) as tx:
            await note_down(tx, "quiet")
        with pytest.raises(asyncpg.PostgresError):
            async with vault.transaction(ws) as tx:
                tx.announce(a_fact(a_workspace(), "refused"))
        assert woken == []
        async with vault.transaction(ws) as tx:
            tx.announce(a_fact(ws, "told"))
        assert woken == [1]
    finally:
        vault.database.wake = lambda: None


# The wall


async def test_a_workspace_sees_its_own_rows_alone_even_where_the_sql_forgets_to_ask(vault: Vault) -> None:
    mine, theirs = a_workspace(), a_workspace()
    for ws in (mine, theirs):
        async with vault.transaction(ws) as tx:
            await note_down(tx, f"of {ws}")
            tx.announce(a_fact(ws, "told"))

    assert await heard(vault.database, mine) == [f"of {mine}"]
    async with vault.transaction(mine) as tx:
        for table in ("event_log", "event_texts"):
            assert {row["workspace_id"] for row in await tx.all(text(f"select * from {table}"))} == {mine}
        assert await tx.execute(text("update heard set what = 'mine'")) == 1
        assert await tx.execute(text("delete from heard where workspace_id = :ws"), {"ws": theirs}) == 0
    assert await heard(vault.database, theirs) == [f"of {theirs}"]


@pytest.mark.parametrize(
    "statement",
    [
        "insert into heard (workspace_id, what, trace) values (:theirs, '', '')",
        "update heard set workspace_id = :theirs",
        "insert into inbox (workspace_id, source, message_id) values (:theirs, 's', '1')",
        "insert into consumed (workspace_id, consumer, position) values (:theirs, 's', 1)",
        "insert into positions (workspace_id, last) values (:theirs, 1)",
        "insert into event_texts values (:theirs, gen_random_uuid(), '/a', repeat('0', 32), '')",
        "insert into idempotency (workspace_id, actor, route, key, answer) values (:theirs, '', '', '', '')",
    ],
)
async def test_nothing_is_written_into_another_workspace(vault: Vault, statement: str) -> None:
    mine, theirs = a_workspace(), a_workspace()
    async with vault.transaction(mine) as tx:
        await note_down(tx, "mine")
    with pytest.raises(asyncpg.PostgresError, match="row-level security"):
        async with vault.transaction(mine) as tx:
            await tx.execute(text(statement), {"theirs": theirs})


async def test_a_fact_of_another_workspace_is_not_announced(vault: Vault) -> None:
    with pytest.raises(asyncpg.PostgresError, match="row-level security"):
        async with vault.transaction(a_workspace()) as tx:
            tx.announce(a_fact(a_workspace(), "forged"))


@pytest.mark.parametrize("role", ["app", "owner"])
async def test_a_session_without_a_workspace_sees_nothing_not_even_the_owners(vault: Vault, role: str) -> None:
    async with vault.transaction(a_workspace()) as tx:
        await note_down(tx, "hidden")
    session = await asyncpg.connect(getattr(vault.urls, role))
    try:
        for said in (None, "", "nobody"):
            if said is not None:
                await session.execute(f"set app.ws = '{said}'")
            assert await session.fetchval("select count(*) from heard") == 0
            assert await session.fetchval("select count(*) from event_log") == 0
    finally:
        await session.close()


async def test_a_pooled_connection_forgets_whose_it_was(vault: Vault) -> None:
    database = Database(vault.urls.app, "gateway", pool=1)
    try:
        async with database.transaction(a_workspace()) as tx:
            await note_down(tx, "mine")
            first = await tx.scalar(text("select pg_backend_pid()"))
        async with database._session("begin") as session:
            second = await session.fetchval("select pg_backend_pid()")
            count = await session.fetchval("select count(*) from heard")
        assert first == second
        assert count == 0
    finally:
        await database.close()


async def test_who_closes_lets_go_of_every_connection_also_of_those_at_work(vault: Vault) -> None:
    database = Database(vault.urls.app, "gateway-closing", pool=2)
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        async with database.transaction(a_workspace()) as tx:
            begun.set()
            await go_on.wait()
            await note_down(tx, "too late")

    working = asyncio.create_task(work())
    await begun.wait()
    await _enter(database)
    opened = await _sessions(vault, "gateway-closing")
    assert opened == 2

    await database.close()
    await eventually(partial(_none_of, vault, "gateway-closing"))
    go_on.set()
    with pytest.raises((asyncpg.InterfaceError, asyncpg.PostgresError)) as cut:
        await working
    assert is_weather(cut.value)

    with pytest.raises(asyncpg.InterfaceError) as late:
        await _enter(database)
    assert is_weather(late.value)


async def test_every_table_with_a_workspace_stands_behind_the_wall(vault: Vault) -> None:
    session = await asyncpg.connect(vault.urls.owner)
    try:
        tables = await session.fetch(
            "select relname, relrowsecurity, relforcerowsecurity,"
            " (select pg_get_expr(polqual, polrelid) from pg_policy where polrelid = c.oid and polcmd = '*') as rule"
            " from pg_class c where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace"
            " and exists (select from pg_attribute where attrelid = c.oid and attname = 'workspace_id')"
        )
    finally:
        await session.close()
    assert {
        "event_log",
        "event_texts",
        "positions",
        "consumed",
        "inbox",
        "idempotency",
        "dead_letters",
    } <= {table["relname"] for table in tables}
    for table in tables:
        assert table["relrowsecurity"], table["relname"]
        assert table["relforcerowsecurity"], table["relname"]
        assert "current_setting('app.ws'" in table["rule"]


async def test_the_role_that_a_service_signs_in_as_owns_nothing_and_passes_no_wall(vault: Vault) -> None:
    session = await asyncpg.connect(vault.urls.app)
    try:
        role = await session.fetchrow("select * from pg_roles where rolname = current_user")
        owned = await session.fetchval("select count(*) from pg_class where relowner = current_user::regrole")
        creates = await session.fetchval("select has_schema_privilege('public', 'create')")
    finally:
        await session.close()
    assert role is not None
    assert not any(
        role[right] for right in ("rolsuper", "rolbypassrls", "rolcreaterole", "rolcreatedb", "rolreplication")
    )
    assert owned == 0
    assert not creates


@pytest.mark.parametrize(
    "statement",
    [
        "update event_log set body = '{}'",
        "update event_log set version = 7",
        "delete from event_log",
        "truncate event_log cascade",
        "update event_texts set text = 'other'",
        "delete from inbox",
        "update inbox set message_id = ''",
        "delete from consumed",
        "delete from positions",
        "update idempotency set answer = ''",
        "alter table event_log disable row level security",
        "drop policy workspace on event_log",
    ],
)
async def test_the_record_cannot_be_rewritten_by_the_service_that_keeps_it(vault: Vault, statement: str) -> None:
    with pytest.raises(asyncpg.PostgresError, match=r"permission denied|must be owner"):
        async with vault.transaction(a_workspace()) as tx:
            await tx.execute(text(statement))


async def test_who_wants_every_workspace_must_say_so_and_why(vault: Vault) -> None:
    with pytest.raises(ValueError, match="every_workspace"):
        async with vault.database.transaction("*"):
            pass
    with pytest.raises(ValueError, match="purpose"):
        async with vault.database.every_workspace(""):
            pass
    with pytest.raises(ValueError, match="purpose"):
        async with vault.database.glance(""):
            pass


async def test_a_glance_sees_every_workspace_and_writes_in_none(vault: Vault) -> None:
    ours, theirs = a_workspace(), a_workspace()
    for ws in (ours, theirs):
        async with vault.database.transaction(ws) as tx:
            await note_down(tx, "seen")
    noted = text("select workspace_id from heard where workspace_id = any(:two) order by workspace_id")
    async with vault.database.glance("relay") as tx:
        assert [row["workspace_id"] for row in await tx.all(noted, {"two": [ours, theirs]})] == sorted([ours, theirs])
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await note_down(tx, "written")
        assert await tx.all(noted, {"two": []}) == []
    assert await heard(vault.database, ours) == ["seen"]
    assert vault.database.at_work() == 0


async def test_who_is_called_off_at_a_glance_whose_session_is_lost_is_told_so(vault: Vault) -> None:
    looking = asyncio.Event()

    async def look() -> None:
        async with vault.database.glance("relay") as tx:
            pid = await tx.scalar(text("select pg_backend_pid()"))
            async with vault.transaction(a_workspace()) as other:
                await other.execute(text("select pg_terminate_backend(:pid)"), {"pid": pid})
            await eventually(lambda: vault.database.at_work() == 0)
            looking.set()
            await asyncio.Event().wait()

    looker = asyncio.create_task(look())
    await looking.wait()
    looker.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looker


def test_every_purpose_of_a_transaction_over_all_workspaces_is_listed() -> None:
    found: dict[str, set[str]] = {}
    for top in ("chassis", "services"):
        for path in sorted((PROJECT / top).rglob("*.py")):
            for purpose in purposes(path.read_text(encoding="utf-8")):
                found.setdefault(_owner(path.relative_to(PROJECT)), set()).add(purpose)
    for message in Message.registry.values():
        if issubclass(message, LookUp | Errand):
            found.setdefault(message.OWNER, set()).add(message.PURPOSE)
    assert found == PURPOSES


def purposes(source: str) -> list[str]:
    """Return what a module says to whatever sees every workspace: a string, or a name that the module gives one."""
    tree = ast.parse(source)
    names = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    found = list[str]()
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="every_workspace" | "glance"), args=[ast.Constant(value=str(purpose))]
            ):
                found.append(purpose)
            case ast.Call(func=ast.Attribute(attr="every_workspace" | "glance"), args=[ast.Constant(value=str(why))]):
                found.append(why)
            case ast.Call(func=ast.Attribute(attr="every_workspace" | "glance"), args=[ast.Name(id=name)]):
                found.append(str(names[name]))
            case ast.Attribute(attr="every_workspace" | "glance") if node not in [
                call.func for call in ast.walk(tree) if isinstance(call, ast.Call)
            ]:
                found.append(f"not called on the spot, line {node.lineno}")
    return found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("db.every_workspace('relay')", ["relay"]),
        ("WHY = 'relay'\nself._database.every_workspace(WHY)", ["relay"]),
        ("db.glance('relay')", ["relay"]),
        ("db.transaction('relay')", []),
        ("begin = db.every_workspace", ["not called on the spot, line 1"]),
    ],
)
def test_the_reader_of_purposes_finds_each(source: str, found: list[str]) -> None:
    assert purposes(source) == found


def _owner(path: Path) -> str:
    return path.parts[0] if path.parts[0] == "chassis" else path.parts[1]


# Errors


@pytest.mark.parametrize(
    ("state", "passes"),
    [
        ("08006", True),  # connection failure
        ("40001", True),  # serialization failure
        ("40P01", True),  # deadlock
        ("53100", True),  # disk full
        ("53300", True),  # too many connections
        ("55P03", True),  # lock not available
        ("57014", True),  # statement timeout
        ("57P01", True),  # administrator's command
        ("58030", True),  # I/O error
        ("22P02", False),  # not a number
        ("23505", False),  # unique violation
        ("42501", False),  # no right
        ("42703", False),  # no such column
        ("P0001", False),  # raised by a function
    ],
)
async def test_what_passes_by_itself_is_told_from_a_bug(vault: Vault, state: str, passes: bool) -> None:  # noqa: FBT001
    with pytest.raises(asyncpg.PostgresError) as raised:
        async with vault.transaction(a_workspace()) as tx:
            await tx.execute(text(f"do $$ begin raise exception 'so' using errcode = '{state}'; end $$"))
    assert is_weather(raised.value) is passes


async def test_a_lost_session_is_weather_and_the_next_transaction_has_another(vault: Vault) -> None:
    with pytest.raises(asyncpg.PostgresError) as raised:
        async with vault.transaction(a_workspace()) as tx:
            await tx.execute(text("select pg_terminate_backend(pg_backend_pid())"))
    assert is_weather(raised.value)
    assert await heard(vault.database, a_workspace()) == []


async def test_a_session_whose_end_was_told_but_not_yet_seen_is_weather(vault: Vault) -> None:
    session, asking = await asyncpg.connect(vault.urls.app), list[asyncio.Task[str]]()
    try:
        where = {"pid": session.get_server_pid()}
        session._transport.pause_reading()  # type: ignore[attr-defined]

        async def gone() -> bool:
            async with vault.transaction(a_workspace()) as tx:
                await tx.execute(text("select pg_terminate_backend(:pid)"), where)
                return not await tx.scalar(text("select count(*) from pg_stat_activity where pid = :pid"), where)

        await eventually(gone)
        # What the server said last is read in the loop's next turn, that it hung up in the one after the next; what is
        # called soon begins between them, as does all that wakes up in a process that was frozen.
        session._transport.resume_reading()  # type: ignore[attr-defined]
        asyncio.get_running_loop().call_soon(lambda: asking.append(asyncio.create_task(session.execute("select 1"))))
        (asked,) = await eventually(lambda: asking)
        with pytest.raises(asyncpg.InternalClientError, match="another operation") as raised:
            await asked
        assert is_weather(raised.value)
    finally:
        session.terminate()


async def test_a_store_that_cannot_be_reached_is_weather(tmp_path: Path) -> None:
    database = Database(f"postgresql://nobody@/nowhere?host={tmp_path}", "gateway")
    with pytest.raises(OSError, match=r"No such file|refused") as raised:
        async with database.transaction("w"):
            pass
    assert is_weather(raised.value)
    assert await database.wrong() == SILENT


async def test_an_error_repeats_neither_parameters_nor_rows(vault: Vault) -> None:
    async def insert() -> None:
        async with vault.transaction(a_workspace()) as tx:
            await tx.execute(text("insert into names values (:name)"), {"name": "somebody's words"})

    await insert()
    with pytest.raises(asyncpg.IntegrityConstraintViolationError) as raised:
        await insert()
    error: BaseException | None = raised.value
    while error is not None:
        assert "somebody's words" not in f"{error} {error!r}"
        error = error.__cause__ or error.__context__


async def test_who_waits_for_a_connection_longer_than_five_seconds_is_told_so_by_weather(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(vault.urls.app, "gateway", pool=1)
    monkeypatch.setattr("chassis.database._PATIENCE", 0.1)  # five seconds, told shorter
    try:
        async with database.transaction("one"):
            with pytest.raises(TimeoutError) as raised:
                await _enter(database)
        assert is_weather(raised.value)
    finally:
        await database.close()


async def _sessions(vault: Vault, name: str) -> int:
    async with vault.database.transaction("w") as tx:
        asked = text("select count(*) from pg_stat_activity where application_name = :name")
        return int(await tx.scalar(asked, {"name": name}))


async def _none_of(vault: Vault, name: str) -> bool:
    return not await _sessions(vault, name)


async def _enter(database: Database) -> None:
    async with database.transaction("two"):
        pass


@pytest.mark.parametrize("step", ["begin", "commit"])
async def test_who_is_called_off_while_a_transaction_begins_or_ends_is_told_so(
    vault: Vault, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Whatever the session is still at: a timer that is told of that instead would never end."""
    asked: asyncio.Future[asyncio.Task[str]] = asyncio.get_running_loop().create_future()
    execute = asyncpg.Connection.execute

    async def hang(self: Session, query: str, *values: Any, **options: Any) -> str:
        if asyncio.current_task() is not working or not query.startswith(step):  # services of other tests go on
            return await execute(self, query, *values, **options)
        if step == "begin":
            await execute(self, query)
        at_work = asyncio.create_task(execute(self, "select pg_sleep(60)"))
        asked.set_result(at_work)
        return await asyncio.shield(at_work)

    async def work() -> None:
        async with vault.database.transaction(a_workspace()):
            pass

    monkeypatch.setattr(asyncpg.Connection, "execute", hang)
    working = asyncio.create_task(work())
    at_work = await asked
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    with pytest.raises(asyncpg.ConnectionDoesNotExistError):
        await at_work
    assert vault.database.at_work() == 0
