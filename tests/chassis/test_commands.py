"""Commands that queue behind a commit share the next one, and none of them can tell."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from chassis.commands import Ahead, Commands
from chassis.database import Database, Transaction
from chassis.telemetry import traced
from contracts.base import Command, IdempotencyKey
from contracts.refusals import Conflict, InProgress, KeyReused, NotFound
from tests.support.eventually import eventually
from tests.support.infra import PostgresServer
from tests.support.plumbing import plumbed
from tests.support.replicas import HEARD, a_fact, a_note, a_workspace, heard, note_down, the_note

ROWS = "create table rows (workspace_id text not null, name text not null, primary key (workspace_id, name))"


@pytest.fixture(scope="module")
async def database(postgres_server: PostgresServer) -> AsyncIterator[Database]:
    urls = await plumbed(postgres_server, "tickets", HEARD, ROWS, tenants=["heard", "rows"])
    database = Database(urls.app, "tickets")
    yield database
    await database.close()


@pytest.fixture
def desk(database: Database) -> "Desk":
    return Desk(database)


class Desk:
    """Sends commands, all of them behind one that is still being committed."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.commands = Commands(database)
        self.acts: dict[str, Callable[[Any, Transaction], Awaitable[None]]] = {}
        self.aheads: dict[str, Ahead] = {}

    async def act(self, command: Any, tx: Transaction) -> Any:
        if special := self.acts.get(command.body):
            await special(command, tx)
        else:
            await note_down(tx, command.body)
            tx.announce(a_fact(tx.workspace_id, command.body))
        return the_note(command)

    async def send(self, command: Command[Any]) -> str:
        told = await self.commands.together(command, self.act, self.aheads.get(getattr(command, "body", "")))
        return told if told is not None else await self.commands.alone(command, self.act)

    async def together(self, *commands: Command[Any], first: str = "first") -> list[str | BaseException]:
        """Have these queue behind another of their workspace; return how each ended."""
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def wait(command: Any, tx: Transaction) -> None:
            begun.set()
            await go_on.wait()
            await note_down(tx, command.body)

        self.acts[first] = wait
        ahead = asyncio.create_task(self.send(a_note(commands[0].caller.workspace_id, first)))
        await begun.wait()
        sent = [asyncio.create_task(self.send(command)) for command in commands]
        await eventually(lambda: self.waiting(commands[0].caller.workspace_id) == len(commands))
        go_on.set()
        told = await asyncio.gather(*sent, return_exceptions=True)
        await ahead
        return told

    def waiting(self, ws: str) -> int:
        """How many queue."""
        return len(self.commands._together._lanes[ws].waiting)

    async def commits(self, ws: str) -> int:
        """In how many commits the notes of a workspace came."""
        async with self.database.transaction(ws) as tx:
            return int(await tx.scalar(text("select count(distinct xmin::text) from heard")))


async def test_sixty_four_in_flight_are_a_few_commits_each_with_its_own_answer_and_trace(desk: Desk) -> None:
    ws = a_workspace()
    commands = [a_note(ws, f"note {n}") for n in range(64)]

    async def send(nth: int, command: Any) -> str:
        with traced(f"00-{nth + 1:032x}-b7ad6b7169203331-01"):
            answer = await desk.send(command)
        # It is told when it is committed: somebody else sees it.
        async with desk.database.transaction(ws) as tx:
            assert await tx.scalar(text("select count(*) from heard where what = :what"), {"what": command.body}) == 1
        return answer

    answers = await asyncio.gather(*(send(nth, command) for nth, command in enumerate(commands)))

    assert all(str(command.note_id) in answer for command, answer in zip(commands, answers, strict=True))
    assert await heard(desk.database, ws) == [command.body for command in commands]
    assert await desk.commits(ws) <= 8
    async with desk.database.transaction(ws) as tx:
        facts = await tx.all(text("select body ->> 'slug' as slug, traceparent from event_log order by seq"))
        kept = await tx.scalar(text("select count(*) from idempotency"))
    assert [row["slug"] for row in facts] == [command.body for command in commands]
    assert [int(row["traceparent"][3:35], 16) for row in facts] == list(range(1, 65))
    assert kept == 64


async def test_workspaces_share_nothing(desk: Desk) -> None:
    mine, theirs = a_workspace(), a_workspace()

    async def look(_: Any, tx: Transaction) -> None:
        seen = await tx.all(text("select distinct workspace_id from heard"))
        assert {row["workspace_id"] for row in seen} <= {tx.workspace_id}
        await note_down(tx, "looked")

    desk.acts["look"] = look
    await asyncio.gather(*(desk.send(a_note(ws, "look")) for _ in range(10) for ws in (mine, theirs)))
    assert await heard(desk.database, mine) == await heard(desk.database, theirs) == ["looked"] * 10
    async with desk.database.every_workspace("a test") as tx:
        shared = await tx.scalar(
            text(
                "select count(*) from (select xmin::text from heard where workspace_id in (:a, :b)"
                " group by 1 having count(distinct workspace_id) > 1) as mixed"
            ),
            {"a": mine, "b": theirs},
        )
    assert shared == 0


async def test_a_refusal_that_wrote_nothing_disturbs_nobody(desk: Desk) -> None:
    ws = a_workspace()

    async def refuse(_: Any, tx: Transaction) -> None:
        tx.announce(a_fact(ws, "never"))
        raise NotFound

    desk.acts["refused"] = refuse
    told = await desk.together(*(a_note(ws, what) for what in ("a", "refused", "b", "refused", "c")))
    assert [type(each) for each in told] == [str, NotFound, str, NotFound, str]
    assert await heard(desk.database, ws) == ["first", "a", "b", "c"]
    assert await desk.commits(ws) == 2
    async with desk.database.transaction(ws) as tx:
        assert await tx.scalar(text("select count(*) from event_log where body ->> 'slug' = 'never'")) == 0


async def test_a_refusal_behind_a_question_that_failed_is_told_as_one(desk: Desk) -> None:
    ws = a_workspace()

    async def ask_wrongly(_command: Any, tx: Transaction) -> None:
        try:
            await tx.scalar(text("select 1 / 0"))
        except asyncpg.DataError as error:
            raise NotFound from error

    desk.acts["wrong"] = ask_wrongly
    with pytest.raises(NotFound):
        await desk.send(a_note(ws, "wrong"))
    told = await desk.together(a_note(ws, "one"), a_note(ws, "wrong"), a_note(ws, "two"))

    assert isinstance(told[1], NotFound)
    assert await heard(desk.database, ws) == ["first", "one", "two"]


@pytest.mark.parametrize("how", ["refused", "crashed", "broken"])
async def test_one_that_fails_in_the_middle_fails_alone(desk: Desk, how: str) -> None:
    ws = a_workspace()

    async def fail(_: Any, tx: Transaction) -> None:
        await note_down(tx, "half done")
        if how == "broken":
            await tx.execute(text("select 1 / 0"))
        raise Conflict if how == "refused" else KeyError("a bug")

    desk.acts["fails"] = fail
    told = await desk.together(*(a_note(ws, what) for what in ("a", "fails", "b")))
    assert isinstance(told[1], {"refused": Conflict, "crashed": KeyError, "broken": asyncpg.PostgresError}[how])
    assert [type(each) for each in (told[0], told[2])] == [str, str]
    assert sorted(await heard(desk.database, ws)) == ["a", "b", "first"]


async def test_what_is_for_later_goes_out_together_and_before_whatever_might_ask(desk: Desk) -> None:
    ws = a_workspace()
    told = "from json_to_recordset(cast(:rows as json)) as told (name text)"
    add = text(f"insert into rows (workspace_id, name) select :ws, name {told}")
    rename = text(f"update rows set name = told.name {told} where workspace_id = :ws and rows.name = 'c'")
    async with desk.database.transaction(ws) as tx:
        for name in ("a", "b", "c"):
            tx.later(add, {"name": name})
        for name in ("never", "d"):
            tx.later(rename, {"name": name}, key="c")
        names = [row["name"] for row in await tx.all(text("select name from rows order by 1"))]
        tx.later(add, {"name": "e"})
    assert names == ["a", "b", "d"]
    async with desk.database.transaction(ws) as tx:
        assert await tx.scalar(text("select count(*) from rows")) == 4


async def test_what_turns_out_later_to_be_taken_befalls_no_other(desk: Desk) -> None:
    ws = a_workspace()

    async def take(command: Any, tx: Transaction) -> None:
        told = "json_array_elements(cast(:rows as json))"
        add = text(f"insert into rows (workspace_id, name) select :ws, 'one' from {told}")
        tx.later(add, {}, taken=Conflict("It is taken."))

    async def ask(_: Any, tx: Transaction) -> None:
        await tx.scalar(text("select count(*) from rows"))

    desk.acts |= {"take": take, "take again": take, "ask": ask}
    told = await desk.together(*(a_note(ws, what) for what in ("take", "take again", "ask", "a")))
    # All are tried alone then, in any order.
    assert sorted(type(each).__name__ for each in told[:2]) == ["Conflict", "str"]
    assert [type(each) for each in told[2:]] == [str, str]
    assert await heard(desk.database, ws) == ["first", "a"]


async def test_what_some_need_is_read_at_once_for_those_that_follow_one_another(desk: Desk) -> None:
    ws = a_workspace()
    repeated = a_note(ws, "repeated")
    asked, found = list[list[str]](), dict[str, list[str]]()

    async def read(commands: Sequence[Any], tx: Transaction) -> None:
        asked.append([command.body for command in commands])
        tx.ahead |= dict.fromkeys(asked[-1])

    async def look(command: Any, tx: Transaction) -> None:
        found[command.body] = sorted(map(str, tx.ahead))

    desk.aheads = dict.fromkeys(("a", "b", "c", "d", "e", "repeated"), read)
    await desk.send(repeated)
    desk.acts = dict.fromkeys(("a", "b", "other", "c", "d", "e"), look)
    await desk.together(*(a_note(ws, what) for what in ("a", "b", "other", "c")), repeated, a_note(ws, "d"))
    await desk.send(a_note(ws, "e"))
    assert asked == [["a", "b"], ["c", "d"]]
    assert found == {"a": ["a", "b"], "b": ["a", "b"], "other": [], "c": ["c", "d"], "d": ["c", "d"], "e": []}


async def test_repeats_in_one_group_are_one_command(desk: Desk) -> None:
    ws = a_workspace()

    def named(body: str, fingerprint: str = "f") -> Any:
        return a_note(ws, body, idempotency=IdempotencyKey(key="k", route="r", fingerprint=fingerprint))

    first, again, other = await desk.together(named("a"), named("a"), named("another", "g"))
    assert first == again
    assert isinstance(other, KeyReused)
    assert await desk.send(named("a")) == first
    assert await heard(desk.database, ws) == ["first", "a"]


async def test_a_key_at_work_elsewhere_holds_up_nobody(desk: Desk) -> None:
    ws = a_workspace()
    busy = a_note(ws, "busy")
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(command: Any, tx: Transaction) -> Any:
        begun.set()
        await go_on.wait()
        return the_note(command)

    elsewhere = asyncio.create_task(desk.commands.alone(busy, slowly))
    await begun.wait()
    told = await desk.together(a_note(ws, "a"), busy, a_note(ws, "b"))
    go_on.set()
    await elsewhere
    assert [type(each) for each in told] == [str, InProgress, str]


async def test_a_group_lets_go_before_it_can_be_part_of_a_deadlock(desk: Desk) -> None:
    ws = a_workspace()
    async with desk.database.transaction(ws) as tx:
        for name in ("one", "two"):
            await tx.execute(text("insert into rows values (:ws, :name)"), {"ws": ws, "name": name})
    lock = text("select name from rows where name = :name for update")

    why: list[str | None] = []

    async def take(command: Any, tx: Transaction) -> None:
        try:
            await tx.execute(lock, {"name": command.body})
        except asyncpg.PostgresError as error:
            why.append(error.sqlstate)
            raise
        await note_down(tx, command.body)

    desk.acts |= {"one": take, "two": take}
    async with desk.database.transaction(ws) as other:
        await other.execute(lock, {"name": "two"})
        group = asyncio.create_task(desk.together(a_note(ws, "one"), a_note(ws, "two")))
        blocked = text("select count(*) from pg_locks where not granted")
        await eventually(lambda: other.scalar(blocked))
        await other.execute(lock, {"name": "one"})
    assert [type(each) for each in await group] == [str, str]
    # A deadlock that PostgreSQL had to find would be 40P01, here or in whoever holds the other row.
    assert why == ["55P03"]
    assert sorted(await heard(desk.database, ws)) == ["first", "one", "two"]


async def test_who_hangs_up_takes_nothing_from_the_others(desk: Desk) -> None:
    ws = a_workspace()
    begun = asyncio.Event()

    async def slowly(command: Any, tx: Transaction) -> None:
        begun.set()
        await tx.execute(text("select pg_sleep(0.1)"))
        await note_down(tx, command.body)

    desk.acts["slow"] = slowly
    gone = asyncio.create_task(desk.send(a_note(ws, "slow")))
    await begun.wait()
    waiting = [asyncio.create_task(desk.send(a_note(ws, what))) for what in ("a", "b")]
    await eventually(lambda: desk.waiting(ws) == 2)
    gone.cancel()
    waiting[0].cancel()
    await waiting[1]
    assert await heard(desk.database, ws) == ["slow", "a", "b"]
