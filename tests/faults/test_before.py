"""The code from before a service's newest migration works beside today's, on the schema that it left."""

import asyncio
import io
import re
import subprocess
import tarfile
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import httpx
import pytest

from contracts.base import SERVICES
from tests.support.eventually import eventually
from tests.support.infra import PROJECT
from tests.support.stack import Replica, Stack

pytestmark = pytest.mark.rehearsal

_CODE = ("chassis", "contracts", "services")


def _git(*words: str) -> bytes:
    return subprocess.run(["git", *words], cwd=PROJECT, capture_output=True, check=True).stdout


def _before(service: str) -> str:
    """The commit before the newest migration of this service; nothing where the history does not reach so far."""
    newest = max(path.name for path in (PROJECT / "services" / service / "migrations" / "versions").glob("0*.py"))
    path = f"services/{service}/migrations/versions/{newest}"
    try:
        added = _git("log", "--diff-filter=A", "--format=%H", "-1", "--", path).decode().strip()
        return _git("rev-parse", "--verify", "--quiet", f"{added}^").decode().strip() if added else ""
    except (OSError, subprocess.CalledProcessError):
        return ""


BEFORE = {service: _before(service) for service in SERVICES}


async def counted(replica: Replica) -> dict[str, float]:
    """What an old replica has done: its metrics, summed over all labels but the outcome."""
    async with httpx.AsyncClient(timeout=15) as http:
        text = (await http.get(f"http://127.0.0.1:{replica.port}/metrics")).text
    found: dict[str, float] = {}
    for name, labels, value in re.findall(r"^counterfoil_(\w+)(\{.*\})? (\S+)$", text, re.MULTILINE):
        if name.endswith("_created"):  # a time
            continue
        outcome = re.search(r'(?:outcome|status)="(\w+)"', labels)
        key = f"{name} {outcome[1]}" if outcome else name
        found[key] = found.get(key, 0) + float(value)
    return found


async def leads(replica: Replica) -> bool:
    return (await counted(replica))["leading"] == 1


@pytest.mark.skipif(not all(BEFORE.values()), reason="the history that is here does not reach back before a migration")
@pytest.mark.timeout(180)
async def test_the_code_of_before_answers_leads_and_hears_beside_todays(stack: Stack, tmp_path: Path) -> None:
    for service, commit in BEFORE.items():
        with tarfile.open(fileobj=io.BytesIO(_git("archive", commit, *_CODE))) as archive:
            archive.extractall(tmp_path / service, filter="data")
    desk = await stack.sign_in()
    async with AsyncExitStack() as held:
        old = {
            service: await held.enter_async_context(stack.replica(service, tmp_path / service)) for service in BEFORE
        }
        for service, replica in old.items():
            await eventually(replica.ready, within=60)
            await stack.kill(service)  # who stands by leads before another has started
            await eventually(partial(leads, replica), within=30)
        desk.url = f"http://127.0.0.1:{old['gateway'].port}"
        opened = await asyncio.gather(
            *(desk.insist("POST", "tickets", {"subject": f"Old and new {n}", "description": "x"}) for n in range(20))
        )
        for ticket in opened:
            await desk.insist("POST", f"tickets/{ticket['id']}/notes", {"body": "Noted."})
            assert (await desk.get(f"tickets/{ticket['id']}"))["subject"] == ticket["subject"]

        async def told() -> bool:
            proof = await desk.get("audit/verify")
            assert proof["ok"], proof
            return bool(proof["tickets"]["entries"] >= 2 * len(opened))

        await eventually(told, within=30)
        done = {service: await counted(replica) for service, replica in old.items()}
    assert done["gateway"]["http_seconds_count 201"] >= 2 * len(opened)
    assert done["tickets"]["request_seconds_count ok"] > 0
    assert done["tickets"]["relayed_total"] > 0
    assert done["activity"]["heard_total applied"] > 0
    assert done["notifications"]["heard_total applied"] > 0
    for service, counts in done.items():
        crashed = {key: n for key, n in counts.items() if key.endswith((" internal", " buried", " 500")) and n}
        assert crashed == {}, service
