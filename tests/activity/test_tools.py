"""What an operator runs: proof, an export that anybody can check, and a ledger made again from the owners' logs."""

import asyncio
import hashlib
import io
import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from nats.aio.client import Client
from pydantic import BaseModel
from sqlalchemy import text

from chassis.connection import connect
from chassis.database import Database
from chassis.requests import ask
from chassis.service import Service
from chassis.settings import ServiceSettings
from contracts.activity import Book, BookHead, ExportPage
from contracts.base import Request, Role, uuid7
from contracts.tickets import AddNote, ChangeTicket, CreateTicket, Status, TicketChange
from services.activity import tools, usecases
from services.gateway import app as gateway_app
from services.gateway.settings import Settings as GatewaySettings
from tests.activity.ledger import Ledger, Owner, a_caller, a_database, a_workspace
from tests.gateway.house import House
from tests.support.eventually import eventually
from tests.support.infra import PROJECT, NatsServer, PostgresServer, Urls


def never() -> ServiceSettings:
    raise AssertionError("this verb needs no settings")


@pytest.mark.parametrize("verb", ["check-export", "erase-again"])
def test_a_file_that_is_not_there_is_named(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools, "configure", lambda *_: None)
    missing = tmp_path / "none.jsonl"
    with pytest.raises(SystemExit) as ended:
        tools.run([verb, str(missing)], never)
    assert ended.value.code == 2
    assert f"{missing}: No such file or directory" in capsys.readouterr().err


async def exported(ledger: Ledger, owner: Owner) -> list[str]:
    out = io.StringIO()
    assert await tools.export(ledger.database, workspace_id=owner.workspace, out=out) == 0
    return out.getvalue().splitlines(keepends=True)


# Export


async def test_an_export_is_checked_without_a_database_and_without_us(
    ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = Owner()
    await ledger.record(*owner.story(5), owner.promoted())
    lines = await exported(ledger, owner)
    file = tmp_path / "export.jsonl"
    file.write_text("".join(lines), encoding="ascii")
    head = await ledger.head(owner)

    # The log is a process' own: ours would be written where no later test can write.
    monkeypatch.setattr(tools, "configure", lambda *_: None)
    assert tools.run(["check-export", str(file), "--head", f"tickets:5:{head.hash}"], never) == 0
    assert "tickets ok entries=5 erased=0" in capsys.readouterr().out
    assert tools.run(["check-export", str(file), "--head", f"tickets:4:{head.hash}"], never) == 1
    assert tools.run(["check-export", str(file), "--head", f"tickets:6:{head.hash}"], never) == 1
    # And with nothing but SHA-256.
    prev = "00" * 32
    for line in map(json.loads, lines[1:6]):
        for each in line["texts"]:
            sealed = hashlib.sha256(bytes.fromhex(each["salt"]) + each["text"].encode()).hexdigest()
            assert sealed in line["entry"]
        prev = hashlib.sha256(bytes.fromhex(prev) + line["entry"].encode()).hexdigest()
        assert line["hash"] == prev


async def test_a_changed_export_is_found_out(ledger: Ledger) -> None:
    owner = Owner()
    await ledger.record(*owner.story(4), owner.promoted())
    lines = await exported(ledger, owner)

    def at(changed: list[str]) -> list[int | None]:
        return [verdict.broken_at for verdict in tools.check_export(changed) if not verdict.ok]

    assert at(lines) == []
    assert at([*lines[:2], lines[2].replace("resolved", "resolvee"), *lines[3:]]) == [2]
    assert at([*lines[:3], lines[3].replace("Step 3", "Step 4"), *lines[4:]]) == [3]
    assert at([*lines[:3], *lines[4:]]) == [3]
    assert at([*lines[:2], lines[3], lines[2], *lines[4:]]) == [2]
    assert at(lines[:-1]) == [1]
    assert at([*lines[:-1], lines[-1].replace('"people"', '"tickets"', 1)])
    assert at([*lines[:3], "rubbish\n"])[-1] == 0
    assert at([]) == [0]
    assert at(["{}"]) == [0]
    assert at(["[1]"]) == [0]
    assert at([lines[0].replace("ledger 1", "ledger 2"), *lines[1:]]) == [0]
    shorter = json.loads(lines[0])
    shorter["heads"] = [head for head in shorter["heads"] if head["book"] == "people"]
    assert at([json.dumps(shorter), *lines[1:]]) == [0]


async def test_what_was_erased_is_not_in_an_export_which_still_holds(ledger: Ledger) -> None:
    owner = Owner()
    await ledger.record(*owner.story(2))
    async with ledger.database.transaction(owner.workspace) as tx:
        await tx.execute(text("delete from entry_texts"))

    lines = await exported(ledger, owner)

    assert "Step 1" not in "".join(lines)
    assert [(verdict.ok, verdict.erased) for verdict in tools.check_export(lines)] == [(True, 3), (True, 0)]


async def test_an_export_is_as_long_as_the_book_however_many_pages(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.activity.store._AT_ONCE", 2)
    owner = Owner()
    await ledger.record(*owner.story(5))

    lines = await exported(ledger, owner)

    assert [json.loads(line)["seq"] for line in lines[1:]] == [1, 2, 3, 4, 5]


async def test_a_page_of_a_book_fits_into_a_message_as_it_is_written_there(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = 8_000
    monkeypatch.setattr("services.activity.usecases._ROOM", room)
    owner = Owner()
    await ledger.record(*owner.story(30))
    sizes: list[int] = []
    seqs = [0]

    async with ledger.database.transaction(owner.workspace) as tx:
        while page := await usecases.lines(tx, Book.TICKETS, seqs[-1], 30):
            sizes.append(len(ExportPage(lines=tuple(page)).model_dump_json().encode()))
            seqs += [line.seq for line in page]

    assert seqs == list(range(31))
    assert room / 2 < max(sizes) < room + len('{"lines":[]}')


# Proof


async def test_verify_names_each_book_and_says_by_its_exit_status_whether_all_are_whole(ledger: Ledger) -> None:
    owner = Owner()
    await ledger.record(*owner.story(3))
    said: list[str] = []

    assert await tools.verify(ledger.database, workspace_id=owner.workspace, heads=[], say=said.append) == 0
    assert said[0].startswith(f"{owner.workspace} tickets ok entries=3 erased=0 head=")
    forged = BookHead(book=Book.TICKETS, seq=3, hash="11" * 32)
    assert await tools.verify(ledger.database, workspace_id=owner.workspace, heads=[forged], say=said.append) == 1
    assert f"{owner.workspace} tickets BROKEN at 3" in said[2]
    assert await tools.verify(ledger.database, workspace_id=None, heads=[forged], say=said.append) == 1
    said.clear()
    assert await tools.verify(ledger.database, workspace_id=None, heads=[], say=said.append) == 0
    assert any(line.startswith(f"{owner.workspace} tickets ok") for line in said)


async def test_a_verb_is_run_as_an_operator_does(ledger: Ledger, activity_urls: Urls) -> None:
    owner = Owner()
    await ledger.record(*owner.story(3))

    async def command(*words: str) -> tuple[int | None, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.activity", *words),
            cwd=PROJECT,
            env=os.environ | {"COUNTERFOIL_NATS_URL": "nats://nowhere", "COUNTERFOIL_DATABASE_URL": activity_urls.app},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
        return process.returncode, out.decode()

    status, said = await command("verify", "--workspace", owner.workspace)
    assert (status, said.splitlines()[0].split(" head=")[0]) == (0, f"{owner.workspace} tickets ok entries=3 erased=0")
    status, said = await command("verify", "--workspace", owner.workspace, "--head", f"tickets:9:{'0' * 64}")
    assert status == 1
    status, said = await command("export", "--workspace", owner.workspace)
    assert status == 0
    assert all(verdict.ok for verdict in tools.check_export(said.splitlines()))


# Rebuilding


@dataclass(frozen=True)
class World:
    """Both owners and activity, at work."""

    nats_url: str
    gateway: Client
    people: House

    async def asks[R: BaseModel](self, request: Request[R]) -> R:
        return await ask(self.gateway, request)


@pytest.fixture(scope="module")
async def world(
    broker: NatsServer, postgres_server: PostgresServer, tickets_service: Service, service: Service
) -> AsyncIterator[World]:
    """Everything that a ledger is made of."""
    urls = await postgres_server.migrated_database("gateway")
    people = gateway_app.build(GatewaySettings(nats_url=broker.url_for("gateway"), database_url=urls.app))
    await people.start()
    database = Database(urls.app, "gateway", pool=2)
    nats = await connect(broker.url_for("gateway"), "gateway", closing=lambda: True)
    yield World(broker.url_for("activity"), nats, House(database))
    await nats.close()
    await database.close()
    await people.stop()


@pytest.fixture
async def empty(postgres_server: PostgresServer) -> AsyncIterator[Ledger]:
    """A ledger that nothing was written in yet."""
    urls = await a_database(postgres_server)
    database = Database(urls.app, "activity", pool=2)
    yield Ledger(database, urls.owner)
    await database.close()


async def test_a_ledger_made_again_from_the_owners_logs_is_the_same_to_the_byte(
    world: World,
    live: Ledger,
    empty: Ledger,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Several pages, and pages that end inside a workspace.
    monkeypatch.setattr(tools, "_PAGE", 7)
    steps = 0
    for n in range(3):
        caller = a_caller(a_workspace())
        ticket = uuid7()
        await world.asks(CreateTicket(caller=caller, ticket_id=ticket, subject=f"Größe {n}", description="“\n\t\\"))
        for status in (Status.OPEN, Status.IN_PROGRESS, Status.RESOLVED):
            change = TicketChange(status=status, tags=("a", status.value))
            await world.asks(ChangeTicket(caller=caller, ticket=str(ticket), change=change))
        await world.asks(AddNote(caller=caller, ticket=str(ticket), note_id=uuid7(), body="A note \U0001f525"))
        steps += 8
        desk = await world.people.workspace(await world.people.somebody())
        await world.people.member(desk, Role.GUEST)
        steps += 3

    async def all_there() -> bool:
        return len(await live.rows()) == steps

    await eventually(all_there, within=20)
    said: list[str] = []
    assert await tools.rebuild(empty.database, nats_url=world.nats_url, say=said.append) == 0, said

    again = await empty.rows()
    assert again == await live.rows()
    assert said == ["tickets: 24 entries written", "people: 9 entries written"]
    for ledger in (live, empty):
        assert await tools.verify(ledger.database, workspace_id=None, heads=[], say=lambda _: None) == 0
        async with ledger.database.every_workspace("test") as tx:
            rows = await tx.all(
                text("select workspace_id, book, seq, pointer, salt, text from entry_texts order by 1, 2, 3, 4")
            )
            positions = await tx.all(text("select * from consumed order by workspace_id, consumer"))
        texts = [dict(row) for row in rows]
        consumed = [dict(row) for row in positions]
        if ledger is live:
            kept = texts, consumed
    assert kept == (texts, consumed)

    # Once more: nothing is lacking, and nothing is announced that was announced before.
    assert await tools.rebuild(empty.database, nats_url=world.nats_url, say=said.append) == 0
    assert said[2:] == ["tickets: 0 entries written", "people: 0 entries written"]
    async with empty.database.every_workspace("test") as tx:
        assert await tx.scalar(text("select count(*) from event_log")) == 0


async def a_log(world: World, live: Ledger) -> str:
    """A workspace whose ticket has three entries."""
    caller = a_caller(a_workspace())
    ticket = uuid7()
    await world.asks(CreateTicket(caller=caller, ticket_id=ticket, subject="Fire"))
    for status in (Status.OPEN, Status.RESOLVED):
        change = TicketChange(status=status)
        await world.asks(ChangeTicket(caller=caller, ticket=str(ticket), change=change))

    async def all_there() -> bool:
        return len(await live.rows(caller.workspace_id)) == 3

    await eventually(all_there)
    return caller.workspace_id


async def test_what_a_ledger_lacks_is_filled_and_its_consumer_goes_on_after_it(
    world: World,
    live: Ledger,
    empty: Ledger,
) -> None:
    workspace = await a_log(world, live)
    assert await tools.rebuild(empty.database, nats_url=world.nats_url, say=lambda _: None) == 0
    owners = Database(empty.owner_url, "activity", pool=1)
    try:
        async with owners.transaction(workspace) as tx:
            for statement in (
                "alter table entries disable trigger user",
                "delete from entry_texts where seq > 1",
                "delete from entries where seq > 1",
                "delete from report_steps where seq > 1",
                "alter table entries enable trigger user",
            ):
                await tx.execute(text(statement))
    finally:
        await owners.close()

    said: list[str] = []
    assert await tools.rebuild(empty.database, nats_url=world.nats_url, say=said.append) == 0

    assert said[0] == "tickets: 2 entries written"
    assert await empty.rows() == await live.rows()


@pytest.mark.parametrize("broken", ["another word", "more than the log"])
async def test_a_ledger_that_says_something_else_is_left_as_it_is(
    world: World,
    live: Ledger,
    empty: Ledger,
    broken: str,
) -> None:
    workspace = await a_log(world, live)
    owner = Owner(workspace if broken == "another word" else a_workspace())
    await empty.record(owner.noted())
    before = await empty.rows(owner.workspace)
    said: list[str] = []

    assert await tools.rebuild(empty.database, nats_url=world.nats_url, say=said.append) == 1

    assert owner.workspace in said[-1]
    assert await empty.rows(owner.workspace) == before
