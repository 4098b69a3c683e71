"""What the API says of itself is so: Schemathesis tries every operation with good data and bad.

`COUNTERFOIL_EXAMPLES` is how often an owner tries each; where it is set, as by `make faults`, every edge of every
schema is tried too, and sequences of operations.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from tests.access.callers import As, Premises, Scene, premises
from tests.access.recipes.contacts import get_contact, get_conversation__of_a_ticket
from tests.access.recipes.integrations import get_integration
from tests.access.recipes.people import revoke_invitation, revoke_token
from tests.access.recipes.tickets import change_note, get_bulk
from tests.support.infra import PROJECT
from tests.support.stack import Stack

pytestmark = pytest.mark.rehearsal

_CONFIG = Path(__file__).with_name("schemathesis.toml")
_EXAMPLES = int(os.environ.get("COUNTERFOIL_EXAMPLES", "0"))
_MORE = ["coverage", "stateful"] if _EXAMPLES else []
_MOST_SESSIONS = 500 if _EXAMPLES else 50


@pytest.fixture(scope="module")
async def house(stack: Stack) -> AsyncIterator[Premises]:
    async with premises(stack) as entered:
        yield entered


async def tried(scene: Scene, who: As, directory: Path, phases: Sequence[str], examples: int) -> None:
    """Let Schemathesis try every operation as somebody of this workspace; it must find nothing."""
    house, visitor = scene.premises.house, await scene.person(who)
    mine = (await scene.premises.send("GET", "/api/v1/sessions", visitor.token)).json()
    sessions = directory / "sessions"
    tokens = [(await house.sign_in(visitor.user)).token for _ in range(_MOST_SESSIONS)]
    sessions.write_text("\n".join(tokens), encoding="utf-8")
    talk = await scene.talk()
    told = {
        "PYTHONPATH": str(PROJECT),
        "DESK_WORKSPACE": scene.workspace.id,
        "DESK_OTHER_WORKSPACE": (await house.workspace(visitor)).id,
        "DESK_USER": str(visitor.user.id),
        "DESK_TOKEN": visitor.token,
        "DESK_SESSION": next(session["id"] for session in mine["items"] if session["current"]),
        "DESK_SESSIONS": str(sessions),
        "DESK_ASSISTANT": await scene.assistant(),
        "DESK_CONVERSATION": talk["conversation_id"],
        "DESK_VISITOR": talk["visitor_token"],
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(_CONFIG)),
        *("run", f"{scene.premises.stack.url}/api/openapi.json", "--no-color"),
        *("--phases", ",".join(phases), "--max-examples", str(examples)),
        cwd=directory,
        env=os.environ | told,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


async def furnished(house: Premises) -> Scene:
    """Found a workspace that has one of everything."""
    scene = await house.scene()
    people = (revoke_invitation, revoke_token, get_integration)
    for make in (get_bulk, change_note, get_contact, get_conversation__of_a_ticket, *people):
        await make(scene)
    await scene.person(As.MEMBER)
    await house.dead_letter(scene.workspace.id)
    return scene


def crashes(stack: Stack) -> list[str]:
    """Return the errors that the services have logged."""
    lines = [
        line for log in (stack.data / "log").glob("*.log") for line in log.read_text(encoding="utf-8").splitlines()
    ]
    read = [json.loads(line) for line in lines if line.startswith("{")]
    return [str(line) for line in read if line.get("level") in ("error", "critical")]


@pytest.mark.timeout(240 + 30 * _EXAMPLES)
async def test_what_the_api_says_of_itself_is_so_for_an_owner(house: Premises, tmp_path: Path) -> None:
    scene = await furnished(house)
    before = crashes(house.stack)
    await tried(scene, As.OWNER, tmp_path, ["fuzzing", *_MORE], _EXAMPLES or 2)
    assert crashes(house.stack) == before


async def test_what_the_api_says_of_itself_is_so_for_a_guest(house: Premises, tmp_path: Path) -> None:
    scene = await furnished(house)
    await tried(scene, As.GUEST, tmp_path, ["fuzzing"], _EXAMPLES or 1)
