"""Every attack names the tests that try it, and every test is there."""

import re

import pytest

from tests.docs.guards import ROOT, guards, is_there

ROWS = re.findall(
    r"^\| ([HNWKD]\d+(?:.[HNWKD]\d+)?) \|(.*)\|$",
    (ROOT / "docs" / "attacks.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)


def test_no_attack_is_told_twice() -> None:
    numbers = [number for number, _ in ROWS]
    assert len(numbers) == len(set(numbers)) > 60


@pytest.mark.parametrize("row", [cells for _, cells in ROWS], ids=[number for number, _ in ROWS])
def test_every_attack_is_tried(row: str) -> None:
    assert guards(row)
    assert [guard for guard in guards(row) if not is_there(guard)] == []
