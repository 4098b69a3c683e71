"""Somebody is erased from a running desk: from every table, stream and log; the record holds, and tickets stay."""

import asyncio
import json
import os
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import nats
import pytest

from contracts.base import SERVICES
from tests.erasure import places
from tests.erasure.doors import Planter
from tests.support.eventually import eventually
from tests.support.infra import temporary_directory
from tests.support.pages import ROOT
from tests.support.stack import Desk, Stack, running_stack


@pytest.fixture(scope="module")
async def stack() -> AsyncIterator[Stack]:
    """A desk of its own: it is put back to an older day."""
    with temporary_directory() as directory:
        async with running_stack(directory / "var", COUNTERFOIL_DEMO="0") as running:
            yield running


@pytest.fixture(scope="module")
async def desk(stack: Stack) -> Desk:
    return await stack.sign_in()


@dataclass(slots=True)
class Mira:
    """Everything that one contact leaves behind."""

    by: Planter
    contact: str = ""
    tickets: list[str] = field(default_factory=list)
    talks: list[str] = field(default_factory=list)

    async def comes(self) -> None:
        by = self.by
        name, address = by.word("name") + " Anand", by.address("address")
        contact = {"name": name, "email": address}
        first = await by.does(
            "POST",
            "tickets",
            {
                "subject": by.word("subject"),
                "description": f"{by.word('description')} umlaut ü",
                "contact": contact,
                "fields": {"order": by.word("field")},
            },
        )
        self.contact = first["contact"]["id"]
        await by.does("PATCH", f"tickets/{first['id']}", {"subject": by.word("second subject")})
        await by.does("POST", f"tickets/{first['id']}/notes", {"body": f"Ask {by.word('name')} again"})
        other = await by.does("POST", "tickets", {"subject": "Another's", "description": f"As {address} said"})
        await by.does("POST", f"tickets/{other['id']}/notes", {"body": f"Write to {address}", "kind": "comment"})
        await self.talks_by_widget(name, address)
        await self.is_told_of(name, address)
        await self.is_buried(address)
        change = {"name": by.word("new name"), "external_ids": [{"source": "crm", "id": by.word("own name")}]}
        await by.does("PATCH", f"contacts/{self.contact}", change)
        await by.does("POST", "views", {"name": "Hers", "query": f"q={by.words['new name']}"})
        self.tickets = [
            each["id"] for each in (await by.desk.get(f"tickets?status=all&contact={self.contact}"))["items"]
        ]
        await by.desk.get(f"tickets/{first['id']}/activity?min_version=3")

    async def talks_by_widget(self, name: str, address: str) -> None:
        by = self.by
        assistant = await by.does("POST", "assistants", {"name": "Shop", "widget": {"allow_ticket_creation": True}})
        outside = Desk(by.stack, "")
        said = {"body": by.word("first words"), "contact": {"name": name, "email": address}}
        begun = (await outside.send("POST", f"/widget/v1/{assistant['id']}/conversations", said)).json()
        visitor = Desk(by.stack, begun["visitor_token"])
        talk = f"/widget/v1/{assistant['id']}/conversations/{begun['conversation_id']}"
        opened = await visitor.send(
            "POST", f"{talk}/ticket", {"subject": by.word("widget's subject"), **contact_of(said)}
        )
        assert opened.is_success, opened.text
        assert (await visitor.send("POST", f"{talk}/messages", {"body": by.word("message")})).is_success
        reply = {"body": f"Dear {name}, {by.word('reply')}"}
        await by.does("POST", f"conversations/{begun['conversation_id']}/messages", reply)

    async def is_told_of(self, name: str, address: str) -> None:
        by = self.by
        asked = {
            "external_id": str(uuid.uuid4()),
            "subject": by.word("intake's subject"),
            "contact": {"name": name, "email": address},
            "conversation": {"external_id": "chat-1", "url": f"https://chat.example.com/{by.code('url')}"},
        }
        await by.tells("ticket_requested", asked)
        message = {
            "conversation_external_id": "chat-1",
            "message_external_id": "1",
            "author": {"kind": "visitor", "name": name, "email": address},
            "body": by.word("intake's message"),
            "at": "2026-03-02T09:00:00Z",
        }
        await by.tells("message_received", message)

        async def heard() -> bool:
            found = await places.tables(by.stack, {"it": by.words["intake's message"]})
            return {"tickets.messages.body", "activity.entry_texts.text"} <= found.keys()

        await eventually(heard, within=15)

    async def is_buried(self, address: str) -> None:
        body = {"external_id": "x", "subject": [address, self.by.word("buried")]}
        await self.by.tells("ticket_requested", body)

        async def buried() -> bool:
            return bool(places.streams(self.by.stack, {"it": self.by.words["buried"]})) and bool(
                (await self.by.desk.get("dead-letters"))["items"]
            )

        await eventually(buried, within=15)


def contact_of(said: dict[str, Any]) -> dict[str, str]:
    return dict(said["contact"])


async def erased(desk: Desk, path: str) -> str:
    """Have somebody erased, and wait until everybody has done it."""
    wrong = await desk.send("POST", path, {"confirm": "yes"})
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "confirm")
    answer = await desk.send("POST", path, {"confirm": "erase"})
    assert answer.status_code == 202, answer.text
    order: str = answer.json()["id"]

    async def done() -> bool:
        return all(each["done"] for each in (await desk.get("erasures"))["items"] if each["id"] == order)

    await eventually(done, within=20)
    return order


async def counts(stack: Stack) -> dict[str, int]:
    """Return how many rows of the record and of tickets there are."""
    found = {}
    wanted = {"activity": ["entries"], "tickets": ["tickets", "messages", "notes", "contacts", "event_log"]}
    for service, tables in wanted.items():
        connection = await asyncpg.connect(places.owner_url(stack, service))
        await connection.execute("select set_config('app.ws', '*', false)")
        for table in tables:
            found[table] = await connection.fetchval(f"select count(*) from {table}")
        await connection.close()
    return found


class Outside:
    """Another system, which reads all that is told to everyone, from the beginning."""

    def __init__(self, made: Any) -> None:
        """Read as the integration that was made."""
        self._made = made
        self.told: dict[str, Any] = {}

    async def read(self) -> None:
        """Read what is there now."""
        client = await nats.connect(self._made["nats_url"], inbox_prefix=self._made["inbox_prefix"])
        reader = await client.jetstream().pull_subscribe_bind(self._made["consumer"], stream=self._made["stream"])
        with suppress(TimeoutError):
            while True:
                for fact in await reader.fetch(100, timeout=1):
                    assert fact.headers
                    self.told[fact.headers["ce-id"]] = json.loads(fact.data)
                    await fact.ack_sync()
        await client.close()

    async def again(self, desk: Desk) -> None:
        """Throw away what was read, and read anew from the first fact."""
        self.told.clear()
        replay = f"integrations/{self._made['id']}/replay"
        assert (await desk.send("POST", replay, {"from": 1})).is_success
        await self.read()


async def test_a_contact_is_erased_everywhere_and_the_record_still_holds(stack: Stack, desk: Desk) -> None:
    mira = Mira(Planter(stack, desk))
    await mira.comes()
    words = mira.by.words
    before, books = await counts(stack), (await desk.get("audit/verify"))["books"]
    outside = Outside(await desk.insist("POST", "integrations", {"name": "crm"}))
    await outside.again(desk)
    facts = dict(outside.told)
    assert [(book["ok"], book["erased"]) for book in books] == [(True, 0)] * 2
    assert places.streams(stack, words) != {}

    order = await erased(desk, f"contacts/{mira.contact}/erase")

    assert await places.tables(stack, words) == {}
    assert places.streams(stack, words) == {}
    assert places.logs(stack, words) == {}
    books = (await desk.get("audit/verify"))["books"]
    assert [book["ok"] for book in books] == [True] * 2
    assert books[0]["erased"] > 20
    told = {"event_log": 2, "entries": 2 + (await counts(stack))["entries"] - before["entries"] - 2}
    after = await counts(stack)
    assert {name: after[name] - before[name] - told.get(name, 0) for name in before} == dict.fromkeys(before, 0)

    # Who has read it is told once more, without the words; who reads only now misses nothing but them.
    for read in (outside.read, partial(outside.again, desk)):
        await read()
        assert outside.told.keys() == facts.keys()
        opened = [each for each in outside.told.values() if each["ticket_id"] in mira.tickets and each["version"] == 1]
        assert [each["subject"][:7] for each in opened] == ["sha256:"] * 3

    assert len(mira.tickets) == 3
    for ticket in mira.tickets:
        shown = await desk.get(f"tickets/{ticket}")
        assert (shown["subject"], shown["contact"]["name"]) == ("[erased]", "[erased]")
        history = await desk.get(f"tickets/{ticket}/activity")
        assert history["items"][0]["data"]["subject"].startswith("sha256:")
    others = (await desk.get("tickets?status=all&q=another"))["items"]
    assert [each["subject"] for each in others] == ["Another's"]
    assert (await desk.get(f"tickets/{others[0]['id']}"))["description"] == "As [erased] said"
    people = await desk.get("feed?after=0&limit=100")
    orders = [entry for entry in people["items"] if entry["type"] == "erasure_ordered"]
    assert [entry["data"]["person"] for entry in orders] == [{"kind": "contact", "id": mira.contact}]
    assert (await desk.get(f"contacts/{mira.contact}"))["email"] is None
    assert (await desk.get("tickets?status=all&q=" + words["subject"]))["items"] == []
    assert [each["id"] for each in (await desk.get("erasures"))["items"]] == [order]


async def test_a_member_who_left_is_erased_and_the_account_with_them(stack: Stack, desk: Desk) -> None:
    by = Planter(stack, desk)
    name, address = by.word("name") + " Kern", by.address("address")
    invited = (await desk.send("POST", "invitations", {"email": address, "name": name, "role": "member"})).json()
    accept = f"/api/v1/invitations/{invited['token']}/accept"
    joined = (await Desk(stack, "").send("POST", accept, {"password": "a long enough pass phrase"})).json()
    member, user = Desk(stack, joined["token"]), joined["user"]["id"]
    ticket = await by.does("POST", "tickets", {"subject": "Printer", "assignee_id": user})
    note = {"body": "Somebody look", "kind": "comment", "mentions": [user]}
    await by.does("POST", f"tickets/{ticket['id']}/notes", note)
    assert (await member.send("POST", f"tickets/{ticket['id']}/notes", {"body": "I did"})).is_success
    assert (await member.send("PATCH", "notifications/preferences", {"mail_paused": True})).is_success
    await by.desk.get(f"tickets/{ticket['id']}/activity?min_version=3")
    path = f"former-members/{user}/erase"
    assert (await desk.send("POST", path, {"confirm": "erase"})).status_code == 409
    await by.does("DELETE", f"members/{user}")
    assert {"id": user, "name": name} in (await desk.get("former-members"))["items"]

    await erased(desk, path)

    assert await places.tables(stack, by.words) == {}
    assert places.streams(stack, by.words) == {}
    assert places.logs(stack, by.words) == {}
    assert (await desk.get("audit/verify"))["ok"]
    shown = await desk.get(f"tickets/{ticket['id']}")
    assert shown["assignee"] == {"id": user, "name": "[erased]", "role": "member"}
    notes = (await desk.get(f"tickets/{ticket['id']}/notes"))["items"]
    assert [each["body"] for each in notes] == ["Somebody look", "I did"]
    assert (await desk.get("former-members"))["items"] == []
    again = {"email": address, "password": "a long enough pass phrase"}
    assert (await Desk(stack, "").send("POST", "/api/v1/sessions", again)).status_code == 401


@asynccontextmanager
async def superuser(stack: Stack, database: str = "postgres") -> AsyncIterator[asyncpg.Connection]:
    location = stack.data / "postgres.location"
    home = Path(location.read_text(encoding="utf-8").strip()) if location.exists() else stack.data / "postgres"
    words = next(path for path in (home / "password", stack.data / "postgres" / "password") if path.exists())
    url = urlsplit(stack.secret("tickets.database-url"))
    socket = parse_qs(url.query)["host"][0]
    connection = await asyncpg.connect(
        host=socket, user="postgres", password=words.read_text(encoding="utf-8").strip(), database=database
    )
    yield connection
    await connection.close()


async def copied(connection: asyncpg.Connection, source: str, target: str) -> None:
    """Make a database a copy of another; whoever is in one of them is thrown out, and comes back."""
    for name in (source, target):
        if await connection.fetchval("select 1 from pg_database where datname = $1", name):
            await connection.execute(f'alter database "{name}" allow_connections false')
            await connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name)
    owner = await connection.fetchval("select datdba::regrole::text from pg_database where datname = $1", source)
    await connection.execute(f'drop database if exists "{target}" with (force)')
    await connection.execute(f'create database "{target}" template "{source}" owner {owner}')
    await connection.execute(f'alter database "{source}" allow_connections true')
    app = target.removesuffix("_before") + "_app"
    await connection.execute(f'grant connect on database "{target}" to "{app}"')


@pytest.mark.rehearsal
@pytest.mark.timeout(300)
async def test_who_was_erased_is_erased_again_when_a_store_is_put_back_to_the_day_before(
    stack: Stack, desk: Desk, tmp_path: Path
) -> None:
    by = Planter(stack, desk)
    contact = {"name": by.word("name") + " Anand", "email": by.address("address")}
    ticket = await by.does("POST", "tickets", {"subject": by.word("subject"), "contact": contact})
    await by.desk.get(f"tickets/{ticket['id']}/activity?min_version=1")
    async with superuser(stack) as connection:
        for service in SERVICES:
            await copied(connection, service, f"{service}_before")
        desk = await signed_in(stack)
        await erased(desk, f"contacts/{ticket['contact']['id']}/erase")
        listed = await run(stack, "erasures")
        assert by.words["name"] not in listed

        # The ledger alone: the others tell it, as soon as it is there.
        async with superuser(stack, "activity_before") as before:
            told = "select count(*) from entry_texts where strpos(text, $1) > 0"
            assert await before.fetchval(told, by.words["subject"]) == 1
        await copied(connection, "activity_before", "activity")
        await gone(stack, by)

        # The whole desk: nobody is left who knows, but for the list.
        for service in SERVICES:
            await copied(connection, f"{service}_before", service)
        assert {"tickets.contacts.name", "activity.entry_texts.text"} <= (await places.tables(stack, by.words)).keys()
        kept = tmp_path / "erasures.jsonl"
        kept.write_text(listed, encoding="utf-8")
        await run(stack, "erase-again", str(kept))
        await gone(stack, by)

    desk = await signed_in(stack)
    assert (await desk.get(f"tickets/{ticket['id']}"))["subject"] == "[erased]"
    assert (await desk.get("audit/verify"))["ok"]


async def gone(stack: Stack, by: Planter) -> None:
    async def nowhere() -> bool:
        return await places.tables(stack, by.words) == {}

    await eventually(nowhere, within=90)


async def signed_in(stack: Stack) -> Desk:
    async def sign_in() -> Desk:
        return await stack.sign_in()

    return await eventually(sign_in, within=30)


async def run(stack: Stack, *arguments: str) -> str:
    secrets = stack.data / "secrets"
    told = {
        "COUNTERFOIL_NATS_URL_FILE": str(secrets / "activity.nats-url"),
        "COUNTERFOIL_DATABASE_URL_FILE": str(secrets / "activity.database-url"),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.activity", *arguments),
        cwd=ROOT,
        env=os.environ | told,
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    return said.decode()
