"""Who comes while a turn is at work shares the next one; who is alone waits for nobody."""

import asyncio
from collections.abc import Sequence

import pytest

from chassis.together import Together
from tests.support.eventually import eventually


class Clerk:
    """Answers each question in capitals, a turn at a time, when it is let."""

    def __init__(self, **options: float) -> None:
        self.turns: list[tuple[str, list[str]]] = []
        self.go_on = asyncio.Event()
        self.ask = Together[str, str, str](self._act, **options)  # type: ignore[arg-type]

    async def _act(self, desk: str, asked: Sequence[str]) -> list[str]:
        self.turns.append((desk, list(asked)))
        await self.go_on.wait()
        if "fail" in asked:
            raise LookupError(asked)
        return [each.upper() for each in asked]

    @property
    def taken(self) -> int:
        """How many are at work or wait."""
        return sum(len(asked) for _, asked in self.turns) + sum(len(lane.waiting) for lane in self.ask._lanes.values())

    async def queue(self, desk: str, *asked: str) -> list[asyncio.Task[str]]:
        """Ask, and see that it is taken up or waits."""
        before = self.taken
        tasks = [asyncio.create_task(self.ask(desk, each)) for each in asked]
        await eventually(lambda: self.taken == len(asked) + before)
        return tasks


async def test_what_queued_behind_a_turn_is_one_turn_in_the_order_it_came() -> None:
    clerk = Clerk(most=4)
    first = await clerk.queue("here", "a")
    rest = await clerk.queue("here", "b", "c", "d", "e", "f", "g")
    assert clerk.turns == [("here", ["a"])]
    clerk.go_on.set()
    assert await asyncio.gather(*first, *rest) == list("ABCDEFG")
    assert clerk.turns == [("here", ["a"]), ("here", ["b", "c", "d", "e"]), ("here", ["f", "g"])]
    assert not clerk.ask._lanes


async def test_another_key_waits_for_nobody_here() -> None:
    clerk = Clerk()
    tasks = [*await clerk.queue("here", "a"), *await clerk.queue("here", "b"), *await clerk.queue("there", "c")]
    assert clerk.turns == [("here", ["a"]), ("there", ["c"])]
    clerk.go_on.set()
    assert await asyncio.gather(*tasks) == ["A", "B", "C"]


async def test_who_gives_up_takes_nothing_from_the_others() -> None:
    clerk = Clerk()
    first, (second, third) = await clerk.queue("here", "a"), await clerk.queue("here", "b", "c")
    first[0].cancel()
    second.cancel()
    clerk.go_on.set()
    assert await third == "C"
    assert clerk.turns[1] == ("here", ["b", "c"])


async def test_a_failed_turn_is_told_to_its_own_askers_alone() -> None:
    clerk = Clerk()
    first, rest = await clerk.queue("here", "fail"), await clerk.queue("here", "b")
    clerk.go_on.set()
    with pytest.raises(LookupError):
        await first[0]
    assert await rest[0] == "B"


async def test_nobody_waits_longer_than_their_patience_for_a_turn_that_drags_on() -> None:
    clerk = Clerk(patience=0.05)
    dragging, waiting = await clerk.queue("here", "a"), await clerk.queue("here", "b")
    await eventually(lambda: len(clerk.turns) == 2)
    assert clerk.turns == [("here", ["a"]), ("here", ["b"])]
    clerk.go_on.set()
    assert await asyncio.gather(*dragging, *waiting) == ["A", "B"]
