"""What the API says of itself is so: Schemathesis tries every operation with good data, bad data, and in sequences."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from tests.access.callers import As, Premises, Scene, premises
from tests.access.recipes.book import a_ticket
from tests.support.infra import PROJECT
from tests.support.stack import Stack

_CONFIG = Path(__file__).with_name("schemathesis.toml")
_MOST_SESSIONS = 500


@pytest.fixture(scope="module")
async def house(stack: Stack) -> AsyncIterator[Premises]:
    async with premises(stack) as entered:
        yield entered


async def tried(scene: Scene, who: As, directory: Path, phases: Sequence[str], examples: int) -> None:
    """Let Schemathesis try every operation as somebody of this workspace; it must find nothing."""
    visitor = await scene.person(who)
    tokens = [(await scene.premises.house.sign_in(visitor.user)).token for _ in range(_MOST_SESSIONS)]
    sessions = directory / "sessions"
    sessions.write_text("\n".join(tokens), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(_CONFIG)),
        *("run", f"{scene.premises.stack.url}/api/openapi.json", "--no-color"),
        *("--phases", ",".join(phases), "--max-examples", str(examples)),
        cwd=directory,
        env=os.environ
        | {
            "PYTHONPATH": str(PROJECT),
            "DESK_WORKSPACE": scene.workspace.id,
            "DESK_USER": str(visitor.user.id),
            "DESK_TOKEN": visitor.token,
            "DESK_SESSIONS": str(sessions),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


def crashes(stack: Stack) -> list[str]:
    """Return the errors that the services have logged."""
    lines = [
        line for log in (stack.data / "log").glob("*.log") for line in log.read_text(encoding="utf-8").splitlines()
    ]
    read = [json.loads(line) for line in lines if line.startswith("{")]
    return [str(line) for line in read if line.get("level") in ("error", "critical")]


async def test_what_the_api_says_of_itself_is_so_for_an_owner(house: Premises, tmp_path: Path) -> None:
    scene = await house.scene()
    await a_ticket(scene)
    await house.dead_letter(scene.workspace.id)
    before = crashes(house.stack)
    await tried(scene, As.OWNER, tmp_path, ["coverage", "fuzzing", "stateful"], 10)
    assert crashes(house.stack) == before


async def test_what_the_api_says_of_itself_is_so_for_a_guest(house: Premises, tmp_path: Path) -> None:
    scene = await house.scene()
    await a_ticket(scene)
    await tried(scene, As.GUEST, tmp_path, ["coverage", "stateful"], 5)
