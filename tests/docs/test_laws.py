"""Every law names its guards, and every guard is there."""

import re

import pytest

from tests.docs.guards import ROOT, guards, is_there

PAGE = ROOT / "docs" / "laws.md"
ROWS = re.findall(r"^\| (\d+) \|(.*)\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)

every_row = pytest.mark.parametrize("row", [cells for _, cells in ROWS], ids=[number for number, _ in ROWS])


def test_the_laws_are_numbered_without_a_gap() -> None:
    assert [int(number) for number, _ in ROWS] == list(range(1, 13))


@every_row
def test_every_guard_of_a_law_is_there(row: str) -> None:
    assert guards(row)
    assert [guard for guard in guards(row) if not is_there(guard)] == []


def test_a_guard_that_is_gone_is_noticed() -> None:
    here = "tests/docs/test_laws.py"

    assert is_there(f"{here}::test_a_guard_that_is_gone_is_noticed")
    assert is_there("tests/architecture/test_rules.py::test_the_house_keeps_the_law[contracts-need-pydantic-alone]")
    assert not is_there("tests/architecture/test_rules.py::test_the_house_keeps_the_law[contracts-need-nobody]")
    assert not is_there(f"{here}::test_a_guard_that_was_never_written")
    assert not is_there("tests/docs/guards.py::guards")
    assert not is_there("tests/docs/test_nothing.py::test_nothing")
