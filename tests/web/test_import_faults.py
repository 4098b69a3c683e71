"""A file whose lines are not what an export holds: refused by line, or everything can be read afterwards."""

import asyncio
import copy
import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from contracts.rows import ROWS
from contracts.transfer import ENTRY
from tests.gateway.house import is_problem
from tests.gateway.newsroom import Desk
from tests.support.eventually import eventually
from tests.web.reader import Browser
from tests.web.test_export import fill
from tests.web.test_import import another, exported, rows, sent

ROUNDS, EACH = 2, 42
SEED = 20261128
VALUES: Sequence[Any] = (
    *(None, True, 0, -1, 1, 5, 1.5, 2**31, 2**53, 2**64, float("nan"), "", " ", "x", "\0", "\ud800", "\u202egnp"),
    *("\u200b", "a\r\nb", "x" * 51, "x" * 121, "x" * 201, "x" * 501, "я" * 33_000, "=1+1", "null", "not mail"),
    *("<script>@x.y", "9999-12-31T00:00:00Z", "0001-01-01T00:00:00+23:59", "2026-01-01", "-infinity", "spam", "owner"),
    *(
        "closed",
        [],
        {},
        [5],
        {"Bad Key": "x"},
        {"a": 1},
        ["x"] * 21,
        ["\ud800"],
        "00000000-0000-0000-0000-000000000000",
    ),
)

type Lines = list[dict[str, Any]]


def whole(lines: Lines) -> str:
    """Return the lines as a file, with both books chained and the last line as it must be."""
    heads: dict[str, str] = {}
    for line in lines:
        row = line["row"] if line["kind"] == ENTRY else {}
        if isinstance(row.get("entry"), str):
            row["prev_hash"] = heads.get(row["book"], "00" * 32)
            text = row["entry"].encode("utf-8", "surrogatepass")
            row["hash"] = heads[row["book"]] = hashlib.sha256(bytes.fromhex(row["prev_hash"]) + text).hexdigest()
    written = "".join(json.dumps(line) + "\n" for line in lines[:-1])
    counts = Counter(line["kind"] for line in lines[1:-1])
    footer = lines[-1] | {"counts": counts, "sha256": hashlib.sha256(written.encode()).hexdigest()}
    return written + json.dumps(footer) + "\n"


def holders(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list) and value:
        yield value
        for each in value.values() if isinstance(value, dict) else value:
            yield from holders(each)


def content(line: Mapping[str, Any]) -> Any:
    """Return what a line says: of an entry, what is hashed."""
    return json.loads(line["row"]["entry"]) if line["kind"] == ENTRY else copy.deepcopy(line["row"])


def mutated(chance: random.Random, line: Mapping[str, Any], lines: Lines) -> dict[str, Any]:
    """Return a line with one place of what it says changed."""
    said = content(line)
    holder = chance.choice(list(holders(said)))
    at: Any = chance.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    match chance.randrange(8):
        case 0:
            del holder[at]
        case 1 if isinstance(holder, dict):
            holder[chance.choice(("Bad Key", "x" * 60, "", "id", "\ud800"))] = chance.choice(VALUES)
        case 2:
            holder[at] = copy.deepcopy(chance.choice(list(holders(said))))
        case 3 | 4 | 5:  # what another says there
            others = [each for each in lines if each["kind"] == line["kind"]]
            found = [
                each[at] for each in holders(content(chance.choice(others))) if isinstance(each, dict) and at in each
            ]
            holder[at] = copy.deepcopy(chance.choice(found or [None]))
        case _:
            holder[at] = copy.deepcopy(chance.choice(VALUES))
    row = said
    if line["kind"] == ENTRY:
        written = json.dumps(said, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        row = {**line["row"], "entry": written}
    return {**line, "row": row}


async def of_every_kind(desk: Desk) -> Lines:
    """Return the lines of a desk that holds erased words, old rows, and a row of each kind."""
    await fill(desk)
    gone = await desk.ticket(contact={"name": "Gone", "email": "gone@example.com"}, fields={"order": "A 18"})
    await desk.send("POST", f"tickets/{gone['id']}/notes", {"body": "Gone called", "kind": "comment"})
    await desk.change(gone, status="closed", tags=["x", "y"])
    answer = await desk.send("POST", f"contacts/{gone['contact']['id']}/erase", {"confirm": "erase"})
    assert answer.status_code == 202

    await are_erased(desk)
    lines = [json.loads(line) for line in (await exported(desk)).splitlines()]
    ticket, at = gone["id"], "2026-01-01T00:00:00+00:00"
    user = str(desk.owner.user.id)
    old: dict[str, Any] = {
        "request": {"integration": "crm", "kind": "ticket_requested", "external_id": "9", "ticket_id": ticket},
        "heard": {"source": "crm words", "message_id": "9", "at": at},
        "called_back": {"ticket_id": ticket, "user_id": user, "version": 2},
        "watch": {"ticket_id": ticket, "user_id": user, "since": "-infinity", "watches": True, "ticket_version": None},
        "suppressed": {"id": ticket, "address": "ida@example.com", "reason": "refused", "since": at},
    }
    lines[-1:-1] = [{"kind": kind, "row": row} for kind, row in old.items()]
    for line in lines:
        for later in ("via", "unverified_sender", "mentions", "mail_received"):
            if line["kind"] in {"message", "note", "settings"}:
                line["row"].pop(later, None)
    return lines


async def are_erased(desk: Desk) -> None:
    """Wait until who was to be erased is, everywhere."""

    async def done() -> bool:
        (erasure,) = (await desk.get("erasures"))["items"]
        return bool(erasure["done"])

    await eventually(done, within=30)


async def is_read(desk: Desk, browser: Browser, *, finished: bool) -> None:
    """Read all that there is to read."""
    tickets = (await desk.get("tickets?status=all&limit=100"))["items"]
    contacts = (await desk.get("contacts?limit=100"))["items"]
    talks = (await desk.get("conversations"))["items"]
    assert tickets or not finished
    paths = ["tickets.csv?status=all", "settings", "assistants", "views", "notifications/preferences", "export"]
    paths += ["tickets?q=ticket&status=all", "tickets?deleted=true", "tickets/counts", "conversations?q=parcel"]
    paths += ["audit/verify", "reports", "mails/suppressed"]
    paths += [f"contacts/{each['id']}" for each in contacts]
    paths += [f"conversations/{each['id']}{more}" for each in talks for more in ("", "/messages")]
    for each in tickets:
        paths += [f"tickets/{each['number']}{more}" for more in ("", "/activity", "/notes", "?as_of=1")]
    answers = await asyncio.gather(*(desk.send("GET", path) for path in paths))
    said = {path: answer for path, answer in zip(paths, answers, strict=True) if answer.status_code != 200}
    # Of a file that ended in its midst a ticket may be there before its history.
    assert {path: answer.text for path, answer in said.items() if finished or answer.status_code >= 500} == {}
    pages = ["tickets", "contacts", "conversations", *(f"tickets/{each['number']}" for each in tickets)]
    for path in pages:
        page = await browser.open(f"/w/{desk.workspace.slug}/{path}")
        assert page.status == 200 or (not finished and page.status < 500), path


async def test_what_no_export_holds_is_refused_by_its_line(desk: Desk, browser: Browser) -> None:
    lines = await of_every_kind(desk)
    tried = (await sent(await another(desk), whole(lines), dry_run=True)).json()
    assert tried["faults"] == []
    here = await another(desk)
    at = {kind: nth for nth, kind in reversed(list(enumerate(line["kind"] for line in lines)))}
    wrong: list[tuple[str, dict[str, Any], str]] = [
        ("contact", {"email": "not mail"}, "e-mail address"),
        ("contact", {"email": "<script>@x.y"}, "e-mail address"),
        ("contact", {"created_at": "9999-01-01T00:00:00Z"}, "created_at"),
        ("conversation", {"contact_id": here.workspace.id}, "names no contact"),
        ("message", {"unverified_sender": "x" * 300_000}, "larger"),
        ("message", {"more": "x" * 600_000}, "longer than 512 KiB"),
        ("ticket", {"fields": {"Bad Key": "x"}}, "fields.Bad Key"),
        ("ticket", {"tags": [5]}, "tags.0"),
        ("ticket", {"status": "spam"}, "does not fit"),
        ("ticket", {"subject": "x" * 201}, "at most 200"),
        ("note", {"body": 5}, "body"),
        ("note", {"created_at": None}, "created_at"),
        ("heard", {"source": "a\0b"}, "does not fit"),
    ]
    for kind, change, detail in wrong:
        spoilt = lines.copy()
        spoilt[at[kind]] = {"kind": kind, "row": lines[at[kind]]["row"] | change}
        file, line = whole(spoilt), at[kind] + 1
        tried = (await sent(here, file, dry_run=True)).json()
        assert [(each["line"], detail in each["detail"]) for each in tried["faults"]][:1] == [(line, True)], change
        refused = is_problem(await sent(here, file), 422, "invalid")
        assert [(each["line"], detail in each["detail"]) for each in refused["faults"]] == [(line, True)], change
    await is_read(here, browser, finished=False)
    twice = [*lines]
    second = [nth for nth, line in enumerate(lines) if line["kind"] == "ticket"][1]
    twice[second] = {"kind": "ticket", "row": lines[second]["row"] | {"number": 1}}
    (fault,) = (await sent(here, whole(twice), dry_run=True)).json()["faults"]
    assert (fault["line"], fault["detail"]) == (second + 1, "has the number of a line before it")
    begun = await another(desk)
    refused = is_problem(await sent(begun, whole(twice)), 422, "invalid")
    (state,) = (await begun.get("imports"))["items"]
    numbers = [each["number"] for each in (await begun.get("tickets?status=all"))["items"]]
    assert (refused["taken"], state["lines"], numbers) == (second, second, [1])
    assert (await sent(here, whole(lines))).json()["finished"]
    await is_read(here, browser, finished=True)
    await are_erased(here)


async def test_a_line_may_be_as_long_as_an_export_makes_it(desk: Desk) -> None:
    ticket = await desk.ticket(description="я" * 32_768, tags=["ж" * 50])
    changed = await desk.change(ticket, description="ю" * 32_768)
    await desk.change(changed, fields={f"f{nth}": "😀" * 500 for nth in range(20)})
    for _ in range(3):
        await desk.note(ticket, "щ" * 32_768)
    await desk.recorded(await desk.get("tickets/1"))
    file = await exported(desk)
    assert max(map(len, file.splitlines())) > 384 * 1024
    here = await another(desk)
    assert (await sent(here, file, dry_run=True)).json()["faults"] == []
    assert (await sent(here, file)).json()["finished"]
    assert rows(file, "note", **{desk.workspace.id: here.workspace.id}) == rows(await exported(here), "note")


async def test_two_who_send_one_file_at_once_share_it(desk: Desk) -> None:
    await desk.ticket(subject="Moving", contact={"name": "Ida", "email": "ida@example.com"})
    file = await exported(desk)
    for _ in range(3):
        here = await another(desk)
        answers = await asyncio.gather(*(sent(here, file) for _ in range(3)))
        assert {answer.status_code for answer in answers} <= {200, 409}
        assert 200 in {answer.status_code for answer in answers}
        assert [each["subject"] for each in (await here.get("tickets"))["items"]] == ["Moving"]
        assert (await here.get("audit/verify"))["ok"]
        people = (await here.get("audit/people"))["items"]
        assert [entry["type"] for entry in people].count("workspace_imported") == 1


@pytest.mark.timeout(180)
async def test_after_a_random_change_a_file_is_refused_or_can_be_read(desk: Desk, browser: Browser) -> None:
    lines = await of_every_kind(desk)
    chance = random.Random(SEED)
    can = [nth for nth, line in enumerate(lines) if line["kind"] in ROWS and line["row"].get("book") != "people"]
    taken = refused = 0
    for _ in range(ROUNDS):
        tried = {nth: mutated(chance, lines[nth], lines) for nth in chance.sample(can, min(EACH, len(can)))}

        def spoilt(tried: Mapping[int, dict[str, Any]] = tried) -> str:
            return whole([copy.deepcopy(tried.get(nth, line)) for nth, line in enumerate(lines)])

        here = await another(desk)
        answer = await sent(here, spoilt(), dry_run=True)
        assert answer.status_code == 200, answer.text
        for fault in answer.json()["faults"]:
            refused += tried.pop(fault["line"] - 1, None) is not None
        while True:
            answer = await sent(here, spoilt())
            assert answer.status_code in {200, 422}, answer.text
            at = 0 if answer.is_success else answer.json()["faults"][0]["line"] - 1
            if at not in tried:  # all of it is here, or another line does not go with one that was changed
                break
            refused += tried.pop(at) is not None
        await is_read(here, browser, finished=answer.is_success)
        taken += len(tried)
    assert (taken > 5, refused > 30) == (True, True), (taken, refused)
