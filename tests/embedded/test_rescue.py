"""A desk is backed up while people write, destroyed, and restored elsewhere: what came after is gone, nothing else."""

import asyncio
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from chassis.embedded.process import EmbeddedError
from chassis.rescue import Rescue
from tests.support.eventually import eventually
from tests.support.infra import temporary_directory
from tests.support.pages import DOCS, bash, blocks, run
from tests.support.stack import Desk, Stack, publish, running_stack

pytestmark = pytest.mark.rehearsal


class Operator:
    """Whoever looks after the desk of a data directory."""

    def __init__(self, data: Path) -> None:
        """Work there, and listen to what is said."""
        self.said: list[str] = []
        self._data = data
        self.rescue = Rescue(None, data, self.said.append)

    async def tool(self, *words: str) -> str:
        """Use the ledger's tools."""
        given = [
            f"COUNTERFOIL_{name}_FILE={self._data}/secrets/activity.{file}"
            for name, file in (("NATS_URL", "nats-url"), ("DATABASE_URL", "database-url"))
        ]
        return await run(self._data, "env", *given, sys.executable, "-m", "services.activity", *words)

    def told(self, words: str) -> bool:
        """Tell whether this was said, and forget all that was."""
        found = words in "\n".join(self.said)
        self.said.clear()
        return found


async def opened(desk: Desk, subject: str, **more: Any) -> Any:
    return await desk.insist("POST", "tickets", {"subject": subject, "description": "", **more})


async def ask_for(stack: Stack, name: str) -> None:
    """Ask for a ticket as the integration of the first day, always under the same id."""
    access = stack.env("integration")
    subject = f"tickets.intake.v1.ticket_requested.{access['WORKSPACE_ID']}.{access['INTEGRATION']}"
    async with stack.nats("integration") as client:
        await publish(client, subject, {"external_id": name, "subject": name}, {"ce-id": name})


async def subjects(desk: Desk) -> list[str]:
    page = await desk.get("tickets?status=all&limit=100")
    assert page["next_cursor"] is None
    return sorted(ticket["subject"] for ticket in page["items"])


async def steps(desk: Desk, ticket: Any) -> Any:
    """Return how a ticket was opened and noted on."""
    return (await desk.get(f"tickets/{ticket['id']}/activity?min_version=2"))["items"]


async def goes_on(stack: Stack, desk: Desk, lost: Any) -> None:
    """Nothing that was given out is given to anything else, and nothing takes effect twice."""
    await ask_for(stack, "disk-full")
    fresh = await opened(desk, "fresh")
    assert fresh["number"] > lost["number"]
    assert (await subjects(desk)).count("disk-full") == 1
    (mail,) = (await desk.get("mails"))["items"]
    assert (mail["state"], mail["reason"]) == ("uncertain", "restored")


async def erased_again(desk: Desk, operator: Operator, kept: Path, hers: Any) -> None:
    """Who was erased since the backup is erased again by the list that was kept elsewhere; the books are whole."""
    (*_, afterwards) = blocks(DOCS / "runbooks.md", "sh", "A database is lost")
    assert "BROKEN" not in await bash(kept.parent, afterwards.text)

    async def is_erased() -> bool:
        return bool((await desk.get(f"tickets/{hers['id']}"))["subject"] == "[erased]")

    await eventually(is_erased, within=120)
    await operator.rescue.reconcile()
    books = (await desk.get("audit/verify"))["books"]
    assert [book["ok"] for book in books] == [True, True]
    assert books[0]["erased"] > 0


@pytest.mark.timeout(300)
async def test_a_desk_is_put_back_to_its_backup_and_goes_on() -> None:
    with temporary_directory() as place:
        backup, kept = place / "backup", place / "erasures.jsonl"
        async with running_stack(place / "first") as stack:
            operator, desk = Operator(stack.data), await stack.sign_in()
            hers = await opened(desk, "Of Mira", contact={"name": "Mira Lund", "email": "mira@example.com"})
            await desk.insist("POST", f"tickets/{hers['id']}/notes", {"body": "kept"})
            await desk.insist("POST", "invitations", {"email": "new@example.com", "name": "New", "role": "member"})
            before = await steps(desk, hers)

            async def keep_writing() -> None:
                while len(meanwhile) < 40:
                    meanwhile.append((await opened(desk, "meanwhile"))["number"])

            meanwhile: list[int] = []
            writing = asyncio.create_task(keep_writing())
            await eventually(lambda: len(meanwhile) > 2, within=30)
            await ask_for(stack, "disk-full")
            acknowledged = list(meanwhile)
            await operator.rescue.backup(backup)
            assert operator.told("holds the desk as of")
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
            with pytest.raises(EmbeddedError, match="is there already"):
                await operator.rescue.backup(backup)

            lost = await opened(desk, "lost")
            await desk.insist("POST", f"contacts/{hers['contact']['id']}/erase", {"confirm": "erase"})
            # The answer is 202: the ledger, of which the list is made, hears of it a moment later.
            kept.write_text(str(await eventually(lambda: operator.tool("erasures"))), encoding="utf-8")
            with pytest.raises(EmbeddedError, match="end it first"):
                await operator.rescue.restore(backup)
        shutil.rmtree(place / "first")

        operator = Operator(place / "var")
        await operator.rescue.restore(backup)
        assert operator.told("what came after that is gone")
        with pytest.raises(EmbeddedError, match="restore into an empty directory"):
            await operator.rescue.restore(backup)
        async with running_stack(place / "var") as stack:
            desk = await stack.sign_in()
            await operator.rescue.reconcile()
            assert operator.told("TICKETS again")
            page = (await desk.get("tickets?status=all&limit=100"))["items"]
            numbers = {ticket["number"]: ticket["subject"] for ticket in page}
            assert {*acknowledged, hers["number"]} <= set(numbers)
            assert set(numbers.values()) == {"Of Mira", "disk-full", "meanwhile"}
            assert (await desk.send("GET", f"tickets/{lost['id']}")).status_code == 404
            assert await steps(desk, hers) == before

            await goes_on(stack, desk, lost)
            await erased_again(desk, operator, kept, hers)


async def test_what_is_no_whole_backup_is_not_restored(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match="holds no whole backup"):
        await Operator(tmp_path / "var").rescue.restore(tmp_path)

    assert not (tmp_path / "var" / "postgres").exists()
