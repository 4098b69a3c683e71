"""A file of a workspace put into another: the same but for ids and secrets, once, and the record proves itself."""

import asyncio
import hashlib
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from contracts import transfer
from contracts.base import Role, uuid7
from contracts.transfer import ENTRY
from tests.gateway.house import is_problem
from tests.gateway.newsroom import Desk
from tests.support.pages import ROOT
from tests.web.reader import Browser, Form, Page
from tests.web.test_export import fill

LINES = {"content-type": "application/jsonl"}
SAME = ("settings", "contact", "contact_name", "conversation", "visitor", "message", "ticket", "link", "note")
NEVER = {"workspace", "member", "invitation", "token", "integration", "webhook", "mail", "inbox_item", "correspondent"}


async def another(desk: Desk) -> Desk:
    return Desk(desk.room, desk.client, await desk.room.house.workspace(desk.owner), desk.owner)


async def sent(desk: Desk, file: str, *, dry_run: bool = False, who: Any = None) -> httpx.Response:
    path = desk.path(f"import?dry_run={str(dry_run).lower()}")
    return await desk.client.post(
        path, content=file.encode(), headers={**(who or desk.owner).bearer, **LINES}, timeout=60
    )


async def exported(desk: Desk) -> str:
    answer = await desk.send("GET", "export")
    assert answer.status_code == 200
    return answer.text


def rows(file: str, kind: str, **names: str) -> list[dict[str, Any]]:
    for old, new in names.items():
        file = file.replace(old, new)
    found = [json.loads(line)["row"] for line in file.splitlines() if f'"kind": "{kind}"' in line[:40]]
    return sorted(found, key=json.dumps)


async def test_a_workspace_comes_out_of_its_file_as_it_was(desk: Desk) -> None:
    await fill(desk)
    file = await exported(desk)
    lines = file.splitlines(keepends=True)
    copy = await another(desk)

    member = await desk.member(Role.ADMIN)
    assert (await sent(desk, file, who=member)).status_code == 403
    assert (await sent(desk, file)).status_code == 409
    for nothing, why in (
        ("", "is empty"),
        ("{}\n", "no export of a workspace"),
        ("no JSON\n", "its first line is not JSON"),
        (file.replace("\n", "\r\n"), "carriage return"),
    ):
        assert why in is_problem(await sent(copy, nothing), 400, "malformed")["detail"]
    assert (await copy.get("imports"))["items"] == []
    assert (await copy.send("POST", "import", {})).status_code == 415

    tried = (await sent(copy, file, dry_run=True)).json()
    assert (tried["faults"], tried["finished"]) == ([], False)
    assert tried["counts"] == {kind: many for kind, many in json.loads(lines[-1])["counts"].items() if many}
    assert set(tried["left_out"]) == (NEVER & tried["counts"].keys()) | {ENTRY}
    broken = [
        line.replace('"number": 1,', '"number": "one",') if '"kind": "ticket"' in line else line for line in lines
    ]
    at = next(nth for nth, (one, two) in enumerate(zip(lines, broken, strict=True), 1) if one != two)
    said = (await sent(copy, "".join([*broken[:-1], "no JSON\n", lines[-1]]), dry_run=True)).json()
    assert [fault["line"] for fault in said["faults"]][:2] == sorted([at, len(lines)])
    assert (await copy.get("tickets?status=all"))["items"] == []
    assert (await copy.get("imports"))["items"] == []

    # Cut off in the midst of the record, and once more from the beginning.
    cut = next(nth for nth, line in enumerate(lines) if '"book": "tickets", "seq": 4,' in line)
    first = is_problem(await sent(copy, "".join(lines[:cut])), 422, "invalid")
    assert (first["finished"], "cut off" in first["faults"][0]["detail"]) == (False, True)
    assert first["taken"] == cut
    assert [each["field"] for each in first["errors"]] == [f"line {cut}"]
    (state,) = (await copy.get("imports"))["items"]
    assert (state["lines"], state["finished_at"]) == (cut, None)
    again = (await sent(copy, file)).json()
    assert (again["finished"], again["faults"]) == (True, [])
    assert (await sent(copy, file)).status_code == 409

    there = await exported(copy)
    (old,), (new,) = rows(file, "assistant"), rows(there, "assistant")
    ids = {desk.workspace.id: copy.workspace.id, old["id"]: new["id"]}
    for kind in SAME:
        assert rows(file, kind, **ids) == rows(there, kind), kind
    for kind in ("watcher", "watch", "mute", "preference"):
        assert rows(file, kind) == rows(there, kind), kind
    was, now = (
        [json.loads(row["entry"]) for row in rows(one, ENTRY, **ids) if row["book"] == "tickets"]
        for one in (file, there)
    )
    assert sorted(was, key=lambda entry: entry["seq"]) == sorted(now, key=lambda entry: entry["seq"])
    proof = await copy.get("audit/verify")
    assert (proof["ok"], proof["tickets"]["entries"]) == (True, len(was))
    assert [entry["type"] for entry in (await copy.get("audit/people"))["items"]].count("workspace_imported") == 1
    assert (await copy.get("notifications"))["items"] == []

    found = (await copy.get("tickets?status=all&q=ticket"))["items"] + (await copy.get("tickets?status=all&tag=vip"))[
        "items"
    ]
    assert found
    made = await copy.ticket(subject="The next")
    assert made["number"] == max(row["number"] for row in rows(file, "ticket")) + 1
    await copy.recorded(made)
    assert (await copy.get("audit/verify"))["ok"]
    counts = Counter(json.loads(line)["kind"] for line in lines)
    assert counts[transfer.HEADER] == 1


def others(lines: list[str], cut: int) -> Iterator[str]:
    """Yield files that begin as this one, of which so many lines are in: with one more assistant, and a shorter one."""
    *_, footer = lines
    assistant = next(nth for nth, line in enumerate(lines) if '"kind": "assistant"' in line)
    stranger = json.loads(lines[assistant])
    stranger["row"] |= {"id": str(uuid7()), "name": "A stranger"}
    changed = [*lines[:assistant], json.dumps(stranger) + "\n", *lines[assistant:-1]]
    for body in (changed, lines[: cut - 1]):
        counts = Counter(json.loads(line)["kind"] for line in body[1:])
        digest = hashlib.sha256("".join(body).encode()).hexdigest()
        yield "".join([*body, json.dumps(json.loads(footer) | {"counts": counts, "sha256": digest}) + "\n"])


async def test_an_import_goes_on_with_its_own_file_alone(desk: Desk) -> None:
    await fill(desk)
    lines = (await exported(desk)).splitlines(keepends=True)
    copy = await another(desk)
    cut = next(nth for nth, line in enumerate(lines) if '"book": "tickets", "seq": 4,' in line)
    assert is_problem(await sent(copy, "".join(lines[:cut])), 422, "invalid")["taken"] == cut

    async def come_in(copy: Desk) -> list[str]:
        return [line for line in (await exported(copy)).splitlines()[1:-1] if '"book": "people"' not in line]

    known = await copy.get("imports")
    before = await come_in(copy)

    for other in others(lines, cut):
        refused = is_problem(await sent(copy, other), 409, "conflict")
        assert f"Up to line {cut} another file is in this workspace" in refused["detail"]

    assert await copy.get("imports") == known
    assert await come_in(copy) == before
    assert (await sent(copy, "".join(lines))).json()["finished"]


async def test_of_two_files_of_one_export_that_are_sent_at_once_one_is_finished_at_most(desk: Desk) -> None:
    await fill(desk)
    lines = (await exported(desk)).splitlines(keepends=True)
    (other, _) = others(lines, len(lines) - 1)
    for _ in range(3):
        copy = await another(desk)
        answers = await asyncio.gather(sent(copy, "".join(lines)), sent(copy, other))
        statuses = [answer.status_code for answer in answers]
        assert statuses.count(200) <= 1, statuses
        assert set(statuses) <= {200, 409, 422}


async def test_a_file_chosen_on_the_page_becomes_a_new_workspace(desk: Desk, browser: Browser) -> None:
    await desk.ticket(subject="Moving <b>", contact={"name": "Ida", "email": "ida@example.com"})
    file = await exported(desk)
    path = f"/w/{desk.workspace.slug}/settings/export"
    form = (await browser.open(path)).form(f"{path}/import#import")
    name, here = f"Moved {desk.workspace.slug}", {desk.workspace.slug}

    async def sends(content: str, to: Form = form, *, look: bool = False, **fields: Any) -> Page:
        action = to.action.replace("#", "/look#") if look else to.action
        return await browser.send(replace(to, action=action), file=content.encode(), **fields)

    def told(page: Page) -> dict[str, str]:
        cells = [each.words for each in page.all("td") if "table" in each.within]
        return dict(zip(cells[::3], cells[1::3], strict=False))

    async def owned() -> set[str]:
        answer = await desk.client.get("/api/v1/me", headers=desk.owner.bearer)
        return {each["slug"] for each in answer.json()["workspaces"]} - here

    looked = await sends(file, look=True)
    assert (looked.status, "This file can be imported. Nothing was changed." in looked.words) == (200, True)
    assert (told(looked)["Ticket"], told(looked)["Contact"]) == ("1", "1")
    wrong = await sends(file.replace('"number": 1,', '"number": "one",'), look=True)
    assert (wrong.status, "can't be imported as it is" in wrong.words) == (200, True)
    assert [each.words[:5] for each in wrong.all("li") if each.words.startswith("Line ")] == ["Line "] * 2
    assert (await sends(file, csrf="00" * 64, name=name)).status == 403
    nameless = await sends(file)
    assert (nameless.status, nameless.one("input", id="import-name").attributes["aria-invalid"]) == (422, "true")
    for nothing in ("", "{}"):
        page = await sends(nothing, look=True)
        assert (page.status, page.one("input", id="file").attributes["aria-invalid"]) == (422, "true")
    assert await owned() == set()

    lines = file.splitlines(keepends=True)
    cut = await sends("".join(lines[:-3]), name=name)
    assert (cut.status, f"ended at line {len(lines) - 3}" in cut.words) == (422, True)
    (slug,) = await owned()
    there = f"/w/{slug}/settings/export"
    page = await browser.open(there)
    assert "is not finished: send the same file again" in page.words
    on = page.form(f"{there}/import#import")
    assert "name" not in on.fields
    done = await sends(file, on)
    assert (done.status, f"Everything is in {name}." in done.words) == (200, True)
    assert "Moving <b>" in (await browser.open(f"/w/{slug}/tickets")).words
    assert await owned() == {slug}
    again = await sends(file, on, name=name)
    assert (again.status, again.one("input", id="import-name").attributes["aria-invalid"]) == (422, "true")

    browser.be(await desk.member(Role.ADMIN))
    assert [each for each in (await browser.open(path)).writing if "import" in each] == []
    assert (await sends(file, name="Theirs")).status == 403


async def test_a_shell_takes_a_workspace_from_one_place_to_another(desk: Desk, tmp_path: Path) -> None:
    await desk.ticket(subject="Moving", contact={"name": "Ida", "email": "ida@example.com"})
    copy, file = await another(desk), tmp_path / "desk.jsonl"
    said = await counterfoil(desk, "export", str(file))
    assert (said[0], file.stat().st_mode & 0o077) == (0, 0)
    assert {"ticket: 1", "contact: 1"} <= set(said[1].splitlines())
    code, told = await counterfoil(copy, "import", str(file), "--dry-run")
    assert (code, told.splitlines()[-1]) == (0, "a dry run: nothing was changed")
    code, told = await counterfoil(copy, "import", str(file))
    assert (code, told.splitlines()[-1]) == (0, "imported")
    assert [each["subject"] for each in (await copy.get("tickets"))["items"]] == ["Moving"]
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text("".join(lines[:-1]), encoding="utf-8")
    code, told = await counterfoil(await another(desk), "import", str(file))
    assert (code, f"line {len(lines) - 1}: the file ends before its last line" in told) == (1, True)
    third = await another(desk)
    code, told = await counterfoil(third, "import", str(file), "--resume")
    (state,) = (await third.get("imports"))["items"]
    assert (code, f"it is in up to line {state['lines']};" in told.splitlines()[-1]) == (1, True)
    assert (state["lines"] > 0, state["finished_at"]) == (True, None)
    code, told = await counterfoil(desk, "export", str(tmp_path / "nowhere" / "desk.jsonl"))
    assert (code, "Traceback" in told, "can't be written: No such file or directory" in told) == (2, False, True)


async def counterfoil(desk: Desk, *arguments: str) -> tuple[int | None, str]:
    """Run the command as the owner; return its exit code and what it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "client", "--url", desk.room.url, "--workspace", desk.workspace.slug, *arguments),
        cwd=ROOT,
        env=os.environ | {"COUNTERFOIL_TOKEN": desk.owner.token},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()
