"""A test of many cases leaves none out, and says which of them failed."""

import pytest

from tests.support.each import for_each


def test_every_case_is_tried_and_each_that_fails_is_told() -> None:
    tried: list[tuple[int, str]] = []

    @for_each("number", range(3))
    @for_each(("word", "other"), [("a", "b"), ("c", "d")])
    def test(number: int, word: str, other: str) -> None:
        tried.append((number, word + other))
        assert number != 1

    with pytest.raises(ExceptionGroup, match="1 of 3 failed") as failed:
        test()
    (inner,) = failed.value.exceptions
    assert inner.__notes__ == ["of 1"]
    assert [each.__notes__ for each in getattr(inner, "exceptions", [])] == [["of ('a', 'b')"], ["of ('c', 'd')"]]
    assert tried == [(number, words) for number in range(3) for words in ("ab", "cd")]


async def test_what_waits_is_tried_as_well_and_nothing_to_try_is_a_failure() -> None:
    tried: list[int] = []

    @for_each("number", [1, 2])
    async def test(number: int) -> None:
        tried.append(number)

    @for_each("number", [])
    def nothing(number: int) -> None:
        tried.append(number)

    await test()
    assert tried == [1, 2]
    with pytest.raises(AssertionError, match="nothing to try"):
        nothing()
