"""A cursor is good for the list that it was made for, and for no other."""

import base64
import json
from typing import Any

import pytest

from chassis.cursors import decode, encode
from contracts.refusals import Malformed

SCOPE = "acme|-updated|status=open"


@pytest.mark.parametrize("values", [["2030-01-01T00:00:00+00:00", 42], [], [None, "é \u2028", 0], ["x" * 500]], ids=str)
def test_a_cursor_gives_back_what_it_was_made_of(values: list[Any]) -> None:
    cursor = encode(SCOPE, values)
    assert decode(SCOPE, cursor) == values
    assert cursor.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize("scope", ["globex|-updated|status=open", "acme|updated|status=open", "acme|-updated|", ""])
def test_a_cursor_of_another_list_is_refused(scope: str) -> None:
    with pytest.raises(Malformed, match="another list"):
        decode(scope, encode(SCOPE, ["2030", 42]))


def test_a_cursor_that_was_changed_anywhere_is_refused() -> None:
    cursor = encode(SCOPE, ["2030-01-01", 42])
    for place, was in enumerate(cursor):
        changed = cursor[:place] + ("A" if was != "A" else "B") + cursor[place + 1 :]
        if base64.urlsafe_b64decode(changed + "==") != base64.urlsafe_b64decode(cursor + "=="):
            with pytest.raises(Malformed):
                decode(SCOPE, changed)


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "!",
        "é",
        "a",
        "\0",
        "x" * 10_000,
        "../../etc/passwd",
        "' or 1=1 --",
        base64.urlsafe_b64encode(json.dumps(["2030", 42]).encode()).decode(),
    ],
    ids=lambda cursor: repr(cursor)[:20],
)
def test_a_cursor_that_nobody_made_is_refused(cursor: str) -> None:
    with pytest.raises(Malformed):
        decode(SCOPE, cursor)
