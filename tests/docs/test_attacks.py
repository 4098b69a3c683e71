"""Every attack names the tests that try it, and every test is there."""

import re

from tests.docs.guards import ROOT, guards, is_there
from tests.support.each import for_each

ROWS = re.findall(
    r"^\| ([HNWKD]\d+(?:.[HNWKD]\d+)?) \|(.*)\|$",
    (ROOT / "docs" / "attacks.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)


def test_no_attack_is_told_twice() -> None:
    numbers = [number for number, _ in ROWS]
    assert len(numbers) == len(set(numbers)) > 60


@for_each("row", [cells for _, cells in ROWS])
def test_every_attack_is_tried(row: str) -> None:
    assert guards(row)
    assert [guard for guard in guards(row) if not is_there(guard)] == []
