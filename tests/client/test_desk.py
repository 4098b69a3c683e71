"""The client asks until it is answered, once in effect, and tells a refusal from a desk that is away."""

import base64
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import click
import httpx
import pytest
from click.testing import CliRunner

from client import Desk
from client.admins import main
from contracts.base import DeadLetter
from contracts.letters import DeadLetterPage
from contracts.refusals import Invalid, NotFound, StaleVersion, Unavailable
from contracts.tickets import Allowed, Priority, Status, TicketSnapshot
from tests.support.pages import ROOT

NOON = "2026-03-02T12:00:00Z"
ID = "0199c0de-0001-7abc-9def-000000000001"
TICKET = TicketSnapshot.model_validate(
    {
        "id": ID,
        "number": 42,
        "subject": "Printer on fire",
        "description": "It smokes.",
        "status": Status.NEW,
        "priority": Priority.HIGH,
        "assignee": None,
        "contact": None,
        "tags": ("vip",),
        "conversations": (),
        "version": 1,
        "created_at": NOON,
        "updated_at": NOON,
        "first_response_at": None,
        "resolved_at": None,
        "closed_at": None,
        "allowed": Allowed(actions=(), statuses=()),
    }
)


def entry(seq: int, **more: Any) -> dict[str, Any]:
    actor = {"kind": "user", "id": "ada", "name": "Ada"}
    known = {"seq": seq, "id": ID, "type": "status_changed", "ticket_id": ID, "version": seq, "subject": None}
    told = {"actor": actor, "via": "api", "at": NOON, "cause": "x", "audience": "everyone", "old": "new", "new": "open"}
    return known | told | {"data": {}, "prev_hash": "0" * 64, "hash": "1" * 64} | more


def problem(status: int, code: str, **facts: Any) -> httpx.Response:
    body = {"type": f"urn:{code}", "title": code, "status": status, "detail": f"It is {code}.", "code": code, **facts}
    return httpx.Response(status, json=body, headers={"content-type": "application/problem+json"})


def snapshot() -> httpx.Response:
    return httpx.Response(200, content=TICKET.model_dump_json())


class Door:
    """Answers one after the other, and remembers what was asked."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers, self.asked = [*answers], list[httpx.Request]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def desk(self, patience: float = 5) -> Desk:
        return Desk("http://desk", "demo", "secret", patience=patience, transport=httpx.MockTransport(self))


def test_a_write_that_must_be_sent_again_is_the_same_command() -> None:
    lost, busy = httpx.ReadError("cut"), problem(409, "in_progress")
    door = Door(lost, problem(503, "unavailable"), busy, snapshot())

    with door.desk() as desk:
        assert desk.create_ticket("Printer on fire", priority="high") == TICKET
    keys = {request.headers["idempotency-key"] for request in door.asked}
    assert (len(door.asked), len(keys)) == (4, 1)
    assert json.loads(door.asked[-1].content) == {"subject": "Printer on fire", "priority": "high"}
    assert door.asked[-1].headers["authorization"] == "Bearer secret"
    assert str(door.asked[-1].url) == "http://desk/api/v1/workspaces/demo/tickets"


def test_what_is_refused_is_not_asked_again() -> None:
    errors = [{"field": "subject", "code": "required", "detail": "is missing"}]
    door = Door(
        problem(422, "invalid", errors=errors), problem(412, "stale_version", version=3), problem(404, "not_found")
    )

    with door.desk() as desk:
        with pytest.raises(Invalid) as refused:
            desk.create_ticket("")
        assert refused.value.facts["errors"] == errors
        with pytest.raises(StaleVersion):
            desk.change_ticket(42, status="open", if_version=2)
        with pytest.raises(NotFound):
            desk.ticket(43)
    assert door.asked[1].headers["if-match"] == '"2"'
    assert len(door.asked) == 3


def test_a_desk_that_stays_away_is_unavailable() -> None:
    with Door(httpx.ConnectError("refused")).desk(patience=0) as desk, pytest.raises(Unavailable, match="refused"):
        desk.ticket(1)
    with Door(httpx.Response(502, text="<html>")).desk() as desk, pytest.raises(Unavailable, match="502"):
        desk.ticket(1)


def test_pages_are_read_to_the_end() -> None:
    row = json.loads(TICKET.model_dump_json(exclude={"description"}))
    door = Door(
        httpx.Response(200, json={"items": [row], "next_cursor": "more"}),
        httpx.Response(200, json={"items": [row, row], "next_cursor": None}),
    )
    with door.desk() as desk:
        assert [ticket.number for ticket in desk.tickets(status=["new", "open"])] == [42, 42, 42]
    assert [dict(request.url.params.multi_items()).get("cursor") for request in door.asked] == [None, "more"]
    assert door.asked[0].url.params.get_list("status") == ["new", "open"]


def test_a_stream_that_breaks_goes_on_behind_the_last_entry() -> None:
    def page(*entries: dict[str, Any], last: int, more: bool = False) -> httpx.Response:
        return httpx.Response(200, json={"items": entries, "next_cursor": last, "more": more})

    def stream(*entries: dict[str, Any]) -> httpx.Response:
        text = ": hello\n\n" + "".join(f"id: {each['seq']}\ndata: {json.dumps(each)}\n\n" for each in entries)
        return httpx.Response(200, text=text, headers={"content-type": "text/event-stream"})

    door = Door(
        page(entry(1), last=1, more=True),
        page(entry(2), last=2),
        stream(entry(3)),
        httpx.ConnectError("restarting"),
        page(entry(4), last=4),
        stream(entry(5)),
    )
    with door.desk() as desk:
        following = desk.follow()
        assert [next(following).seq for _ in range(5)] == [1, 2, 3, 4, 5]
    asked = [(request.url.path.rpartition("/")[2], request.url.params["after"]) for request in door.asked]
    assert asked == [("feed", "0"), ("feed", "1"), ("events", "2"), ("feed", "3"), ("feed", "3"), ("events", "4")]


@pytest.fixture
def counterfoil(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """The command, with a desk that answers so."""

    def run(
        *words: str, answers: tuple[httpx.Response, ...], said: str | bytes = "", door: Door | None = None
    ) -> tuple[int, str, str]:
        door = door or Door(*answers)
        monkeypatch.setattr("client.cli.Desk", lambda *_, **__: door.desk(patience=0))
        done = CliRunner().invoke(main, words, env={"COUNTERFOIL_TOKEN": "secret"}, input=said)
        return done.exit_code, done.stdout, done.stderr

    return run


@pytest.mark.parametrize(
    ("answer", "code", "says"),
    [
        (problem(409, "transition_not_allowed", allowed=["open", "spam"]), 1, "open to you: open, spam"),
        (problem(422, "invalid", errors=[{"field": "status", "code": "x", "detail": "is none"}]), 1, "status: is none"),
        (
            problem(412, "stale_version", missed=[{"type": "note_added", "actor": {"name": "Ada\x1b"}}]),
            1,
            "since then: note_added by Ada \n",
        ),
        (problem(401, "unauthenticated"), 3, "unauthenticated"),
        (problem(403, "not_allowed"), 3, "not_allowed"),
        (problem(404, "not_found"), 4, "not_found"),
        (problem(503, "unavailable"), 5, "unavailable"),
    ],
)
def test_exit_codes_tell_why(
    counterfoil: Callable[..., tuple[int, str, str]], answer: httpx.Response, code: int, says: str
) -> None:
    ended, out, err = counterfoil("tickets", "move", "42", "closed", answers=(answer,))
    assert (ended, out) == (code, "")
    assert says in err


def test_what_is_used_wrongly_asks_nothing(counterfoil: Callable[..., tuple[int, str, str]]) -> None:
    for words in (
        ("tickets", "move", "42", "sideways"),
        ("events", "--type", "nonsense"),
        ("--url", "localhost:8080", "tickets", "list"),
        ("dead-letters", "drop"),
        ("tickets", "create", "\udcff"),
        ("--token", "two\nlines", "tickets", "list"),
        ("--token", "schlüssel", "tickets", "list"),
        ("--token", " ", "tickets", "list"),
    ):
        ended, _, err = counterfoil(*words, answers=())
        assert (ended, "lines" in err, "schlüssel" in err) == (2, False, False), words
    assert counterfoil("tickets", "note", "42", "-", answers=(), said=b"\xff")[0] == 2
    assert CliRunner().invoke(main, ["tickets", "list"], env={"COUNTERFOIL_TOKEN": None}).exit_code == 2


def test_a_ticket_is_named_as_people_say_it(counterfoil: Callable[..., tuple[int, str, str]]) -> None:
    door = Door(snapshot(), problem(404, "not_found"))
    assert counterfoil("tickets", "show", "#42", answers=(), door=door)[0] == 0
    assert counterfoil("tickets", "show", "42?x=1/../7", answers=(), door=door)[0] == 4
    assert [request.url.raw_path.rpartition(b"/")[2] for request in door.asked] == [b"42", b"42%3Fx%3D1%2F..%2F7"]
    assert counterfoil("tickets", "show", "", answers=())[0] == 4


def test_words_of_others_move_no_terminal(counterfoil: Callable[..., tuple[int, str, str]]) -> None:
    evil = TICKET.model_copy(update={"subject": "\x1b[2JGone\n#43", "description": "One\n\x1b]0;title\x07Two"})
    answer = httpx.Response(200, content=evil.model_dump_json())
    ended, out, _ = counterfoil("tickets", "show", "42", answers=(answer,))
    assert ended == 0
    assert "\x1b" not in out
    assert out.splitlines()[0] == "#42  [2JGone #43"
    assert out.splitlines()[-3:-1] == ["One", " ]0;title Two"]


def test_a_description_comes_from_standard_input(counterfoil: Callable[..., tuple[int, str, str]]) -> None:
    words = ("tickets", "create", "Printer on fire", "--description", "-", "--json")
    ended, out, _ = counterfoil(*words, answers=(snapshot(),), said="It smokes.")
    assert ended == 0
    assert TicketSnapshot.model_validate_json(out) == TICKET


LETTER = DeadLetter.model_validate(
    {
        "id": ID,
        "at": NOON,
        "service": "tickets",
        "workspace_id": "demo",
        "stream": "INTAKE",
        "sequence": 7,
        "subject": "tickets.intake.v1.ticket_updated.demo.monitoring",
        "reason": "not_found",
        "detail": "No ticket was asked for by this name.",
        "headers": {"ce-id": "\x1b[2Jone"},
        "size": 11,
        "body": base64.b64encode(b'{"a": "\x1b"}').decode(),
    }
)
OTHER = LETTER.model_copy(
    update={"id": UUID(ID.replace("0001-7", "0002-7")), "body": base64.b64encode(b"\xff\0").decode()}
)


def letters(*found: DeadLetter, more: str | None = None, away: tuple[str, ...] = ()) -> httpx.Response:
    page = DeadLetterPage(items=found, next_cursor=more, away=away)
    return httpx.Response(200, content=page.model_dump_json())


def whole(letter: DeadLetter) -> httpx.Response:
    return httpx.Response(200, content=letter.model_dump_json())


def test_dead_letters_are_listed_shown_and_dropped(counterfoil: Callable[..., tuple[int, str, str]]) -> None:
    door = Door(letters(OTHER, more="next"), letters(LETTER))
    ended, out, _ = counterfoil("dead-letters", "list", "--reason", "not_found", answers=(), door=door)
    assert (ended, [line.split()[:2] for line in out.splitlines()]) == (
        0,
        [[str(OTHER.id), "not_found"], [ID, "not_found"]],
    )
    assert [dict(each.url.params.multi_items()) for each in door.asked] == [
        {"reason": "not_found"},
        {"reason": "not_found", "cursor": "next"},
    ]
    ended, out, _ = counterfoil("dead-letters", "list", "--json", answers=(letters(LETTER),))
    assert DeadLetter.model_validate_json(out) == LETTER
    ended, _, err = counterfoil("dead-letters", "list", answers=(letters(LETTER, away=("activity",)),))
    assert (ended, "activity" in err) == (5, True)

    ended, out, _ = counterfoil("dead-letters", "show", ID, answers=(whole(LETTER),))
    assert ended == 0
    assert "\x1b" not in out
    assert "subject: tickets.intake.v1.ticket_updated.demo.monitoring" in out.splitlines()
    assert out.splitlines()[-1] == '{"a": " "}'
    assert counterfoil("dead-letters", "show", ID, answers=(whole(OTHER),))[1].splitlines()[-1] == "ff 00"

    door = Door(httpx.Response(204), problem(404, "not_found"))
    ended, out, _ = counterfoil("dead-letters", "drop", ID, str(OTHER.id), answers=(), door=door)
    assert (ended, out) == (4, f"{ID} dropped\n")
    assert all(each.headers["idempotency-key"] for each in door.asked)
    ended, out, _ = counterfoil("dead-letters", "drop", ID, "--json", answers=(httpx.Response(204),))
    assert (ended, json.loads(out)) == (0, {"id": ID})


def test_letters_are_tried_again_the_oldest_first_and_the_code_tells_of_those_that_stay(
    counterfoil: Callable[..., tuple[int, str, str]],
) -> None:
    door = Door(letters(OTHER, LETTER), problem(404, "not_found"), whole(OTHER))
    ended, out, err = counterfoil("dead-letters", "retry", "--integration", "monitoring", answers=(), door=door)
    assert (ended, out) == (1, f"{OTHER.id} applied\n")
    assert err.startswith(f"{ID} not_found: ")
    assert [each.url.path.rpartition("dead-letters")[2] for each in door.asked] == [
        "",
        f"/{ID}/retry",
        f"/{OTHER.id}/retry",
    ]
    assert counterfoil("dead-letters", "retry", ID, answers=(whole(LETTER),))[0] == 0
    assert counterfoil("dead-letters", "retry", ID, answers=(problem(403, "not_allowed"), whole(LETTER)))[0] == 3
    foreign = LETTER.model_copy(update={"reason": "not_allowed"})
    door = Door(letters(OTHER, foreign), problem(403, "not_allowed"), whole(foreign), whole(OTHER))
    ended, out, _ = counterfoil("dead-letters", "retry", "--all", answers=(), door=door)
    assert (ended, out) == (1, f"{OTHER.id} applied\n"), "one that may not holds up no other"
    errors = [{"field": "", "code": "x", "detail": "must be JSON"}]
    assert (
        "  body: must be JSON\n"
        in counterfoil("dead-letters", "retry", ID, answers=(problem(422, "invalid", errors=errors),))[2]
    )
    for asked in ("retry", "drop"):
        ended, out, err = counterfoil("dead-letters", asked, "--reason", "nosuch", answers=(letters(),))
        assert (ended, out, err) == (0, "", "there are none\n")
    for words in ((), (ID, "--all"), ("no-id",)):
        assert counterfoil("dead-letters", "retry", *words, answers=())[0] == 2


def test_whatever_a_command_says_it_says_as_json_too(
    counterfoil: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    def below(command: click.Command) -> Iterator[click.Command]:
        for each in getattr(command, "commands", {"": command}).values():
            yield from [each] if each is command else below(each)

    silent = {each.name for each in below(main) if "--json" not in {o for p in each.params for o in p.opts}}
    assert silent == {"completion"}

    footer = {"kind": "footer", "counts": {"ticket": 2}, "sha256": hashlib.sha256(b"").hexdigest()}
    file = tmp_path / "desk.jsonl"
    ended, out, _ = counterfoil("export", str(file), "--json", answers=(httpx.Response(200, json=footer),))
    assert (ended, json.loads(out)) == (0, {"counts": {"ticket": 2}})
    fault = {"line": 2, "detail": "is not JSON"}
    report = {"counts": {}, "left_out": {}, "faults": [fault], "dry_run": True, "finished": False, "taken": 0}
    ended, out, err = counterfoil("import", str(file), "--json", answers=(httpx.Response(200, json=report),))
    assert (ended, json.loads(out), err) == (1, report, "")


def test_the_books_are_verified_and_the_code_tells(counterfoil: Callable[..., tuple[int, str, str]]) -> None:
    def verdict(*, ok: bool) -> httpx.Response:
        book = {"book": "tickets", "entries": 9, "head": "a" * 64, "erased": 1}
        broken = {"ok": False, "broken_at": 4, "why": "another hash"}
        books = [book | ({"ok": True} if ok else broken), book | {"book": "people", "ok": True}]
        return httpx.Response(200, json={"ok": ok, "books": books})

    door = Door(verdict(ok=True))
    ended, out, _ = counterfoil("verify", "--head", f"tickets:9:{'a' * 64}", answers=(), door=door)
    assert (ended, out.splitlines()[0]) == (0, f"tickets: whole, 9 entries, 1 texts erased, {'a' * 64}")
    assert door.asked[0].url.params.get_list("head") == [f"tickets:9:{'a' * 64}"]
    ended, out, _ = counterfoil("verify", answers=(verdict(ok=False),))
    assert (ended, out.splitlines()[0][:37]) == (1, "tickets: broken at 4 (another hash), ")


def test_another_system_is_let_in_with_what_its_programs_read_and_shut_out_by_name(
    counterfoil: Callable[..., tuple[int, str, str]],
) -> None:
    known: dict[str, Any] = {"id": ID, "name": "alerts", "internal": False, "created_at": NOON, "seen_at": None}
    known |= {
        "maker_id": ID,
        "pending": 3,
        "subjects": [],
        "stream": "TICKETS",
        "consumer": "int_alerts_1",
        "inbox_prefix": "_INBOX_1",
    }
    made = httpx.Response(201, json=known | {"workspace_id": "1", "nats_url": "nats://alerts:secret@desk:4222"})
    ended, out, _ = counterfoil("integrations", "create", "alerts", answers=(made,))
    assert ended == 0
    assert out.splitlines() == [
        "NATS_URL=nats://alerts:secret@desk:4222",
        "NATS_INBOX_PREFIX=_INBOX_1",
        "WORKSPACE_ID=1",
        "INTEGRATION=alerts",
    ]

    def page() -> httpx.Response:
        return httpx.Response(200, json={"items": [known], "next_cursor": None})

    assert counterfoil("integrations", "list", answers=(page(),))[1].split() == [
        ID,
        "alerts",
        "3",
        "to",
        "read",
        "never",
        "seen",
    ]
    seen = known | {"seen_at": "2026-11-28T13:30:54.930211+00:00", "pending": None}
    page_of_one = httpx.Response(200, json={"items": [seen], "next_cursor": None})
    assert counterfoil("integrations", "list", answers=(page_of_one,))[1].endswith("  seen 2026-11-28T13:30:54Z\n")
    door = Door(page(), httpx.Response(200, json=known))
    assert counterfoil("integrations", "replay", "alerts", "1", answers=(), door=door)[0] == 0
    assert json.loads(door.asked[1].content) == {"from": 1}
    door = Door(page(), httpx.Response(204))
    assert counterfoil("integrations", "revoke", "alerts", answers=(), door=door)[0] == 0
    assert door.asked[1].url.path.endswith(f"/integrations/{ID}")
    assert counterfoil("integrations", "revoke", "other", answers=(page(),))[0] == 4
    ended, out, _ = counterfoil("integrations", "revoke", "alerts", "--json", answers=(page(), httpx.Response(204)))
    assert (ended, json.loads(out)) == (0, {"id": ID, "name": "alerts"})


def test_events_say_what_became_of_a_thing_and_end_well_where_nobody_reads_on(
    counterfoil: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    made = entry(1, type="assistant_created", old=None, new={"title": "How can we help?"})
    said = entry(2, type="note_added", old=None, new=None, data={"body": "It smokes.\nStill."})
    page = {"items": [made, said, *(entry(nth) for nth in range(3, 2000))], "next_cursor": 2000, "more": False}
    _, out, _ = counterfoil("events", answers=(httpx.Response(200, json=page),))
    assert out.startswith(
        f'1 {NOON} assistant_created by Ada - → {{"title": "How can we help?"}}\n'
        f"2 {NOON} note_added by Ada: It smokes. Still.\n"
    )

    (tmp_path / "page.json").write_text(json.dumps(page), encoding="utf-8")
    program = (
        "import httpx, pathlib, client.cli, client.__main__ as it; from client import Desk;"
        "answer = httpx.Response(200, text=pathlib.Path('page.json').read_text());"
        "client.cli.Desk = lambda *a, **k: Desk(*a, transport=httpx.MockTransport(lambda _: answer)); it.run()"
    )
    shell = f'"{sys.executable}" -c "{program}" --token x events | head -n 1; exit "${{PIPESTATUS[0]}}"'
    done = subprocess.run(
        ["bash", "-c", shell],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_is_told_how_to_complete_and_no_token_is_needed(shell: str) -> None:
    done = CliRunner().invoke(main, ["completion", shell], env={"COUNTERFOIL_TOKEN": None})
    assert done.exit_code == 0
    assert f"_COUNTERFOIL_COMPLETE={shell}_complete" in done.stdout

    words = {"COMP_WORDS": "counterfoil tickets move 7 in_", "COMP_CWORD": "in_" if shell == "fish" else "4"}
    path = {"_COUNTERFOIL_COMPLETE": f"{shell}_complete", "COUNTERFOIL_TOKEN": ""}
    completed = CliRunner().invoke(
        main, [], env=words | path, prog_name="counterfoil", complete_var="_COUNTERFOIL_COMPLETE"
    )
    assert "in_progress" in completed.stdout
