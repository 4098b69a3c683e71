"""Every law names its guards, and every guard is there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "laws.md"
ROWS = re.findall(r"^\| (\d+) \|(.*)\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)

every_row = pytest.mark.parametrize("row", [cells for _, cells in ROWS], ids=[number for number, _ in ROWS])


def guards(row: str) -> list[str]:
    return re.findall(r"`(tests/[^`]+::[^`]+)`", row.rsplit("|", 1)[1])


def is_there(guard: str) -> bool:
    """Look for the test in its file, and for the case where one of several is meant: its words with dashes."""
    path, _, name = guard.partition("::")
    name, _, case = name.removesuffix("]").partition("[")
    if not (ROOT / path).is_file():
        return False
    source = (ROOT / path).read_text(encoding="utf-8")
    tests = {
        node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    return name.startswith("test_") and name in tests and f'"{case.replace("-", " ")}"' in f'{source}""'


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
    assert not is_there(f"{here}::guards")
    assert not is_there("tests/docs/test_nothing.py::test_nothing")
