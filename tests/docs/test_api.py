"""Every command of the guide to the API does what it says, run in the order of the page beside a fresh desk."""

import re
from collections.abc import Iterator

import pytest

from contracts.refusals import Refusal
from services.gateway.domain import (
    INVITATION_LIFE,
    RESET_LIFE,
    SESSION_IDLE,
    SESSION_LIFE,
    TOKEN_LIFE,
    VISIT_LIFE,
    Scope,
)
from tests.support.infra import temporary_directory
from tests.support.pages import DOCS, bash, blocks, prose, script
from tests.support.stack import PASSWORD, running_stack

PAGE = DOCS / "api.md"

_MARK = "=== block "
_PROBLEM = re.compile(r'"status": ?(\d+), ?"detail": ?"(?:[^"\\]|\\.)*", ?"code": ?"(\w+)", ?"trace_id"')


def announced(text: str) -> list[tuple[str, str]]:
    """Return the refusals that a block says it will get."""
    return re.findall(r"^# refused: (\d+) (\w+)$", text, re.MULTILINE)


def answers(said: str) -> Iterator[str]:
    """Yield what each block said."""
    for nth, part in enumerate(said.split(f"\n{_MARK}")[1:]):
        number, _, answer = part.partition("\n")
        assert int(number) == nth
        yield answer


@pytest.mark.timeout(420)  # a hundred commands, one after another, between two starts
async def test_every_command_runs_as_it_is_written_and_what_it_did_is_there_after_a_second_start() -> None:
    written = blocks(PAGE, "sh")
    owner = {"COUNTERFOIL_OWNER_EMAIL": "owner@example.com"}
    with temporary_directory() as directory:
        async with running_stack(directory / "var", **owner) as first:
            assert first.secret("owner-password") == PASSWORD
            text = script(written, {"http://127.0.0.1:8080": first.url}, mark=_MARK)
            said = list(answers(await bash(directory, text, within=300)))
            there = await (await first.sign_in(*owner.values())).get("tickets?status=all&sort=number")
        assert first.process.returncode == 0
        async with running_stack(directory / "var", **owner) as second:
            assert there["items"]
            assert await (await second.sign_in(*owner.values())).get("tickets?status=all&sort=number") == there
            assert second.env("integration")["WORKSPACE_ID"]

    assert len(said) == len(written)
    for block, answer in zip(written, said, strict=True):
        assert _PROBLEM.findall(answer) == announced(block.text), f"{block.text}\n{answer}"


def test_every_refusal_stands_in_the_table_with_its_status() -> None:
    rows = re.findall(r"^\| (\d{3}) \| `(\w+)` \|", prose(PAGE), re.MULTILINE)

    assert {(int(status), code) for status, code in rows} == {
        (kind.status, code) for code, kind in Refusal.registry.items() if code
    }
    assert [int(status) for status, _ in rows] == sorted(int(status) for status, _ in rows)


@pytest.mark.parametrize(
    ("said", "counted"),
    [
        ("for 7 days, or until it was not used for 12 hours", (SESSION_LIFE.days, SESSION_IDLE.total_seconds() / 3600)),
        ("within 72 hours", (INVITATION_LIFE.total_seconds() / 3600,)),
        ("for 90 days", (TOKEN_LIFE.days,)),
        ("within 30 minutes", (RESET_LIFE.total_seconds() / 60,)),
        ("for 24 hours", (VISIT_LIFE.total_seconds() / 3600,)),
    ],
)
def test_how_long_things_last_is_said_as_it_is(said: str, counted: tuple[float, ...]) -> None:
    assert said in " ".join(prose(PAGE).split())
    assert tuple(float(number) for number in re.findall(r"\d+", said)) == counted


def test_every_scope_is_named() -> None:
    page = prose(PAGE)

    assert [scope for scope in Scope if f"`{scope.value.partition(':')[0]}`" not in page] == []
