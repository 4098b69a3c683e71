"""Group commit's rule for anything that is done in turns: who comes while it is being done shares the next turn."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

_MOST = 32
_PATIENCE = 1.0
"""Seconds after which nobody waits any longer for those who came before."""


@dataclass(slots=True)
class _Lane[Asked, Told]:
    waiting: deque[tuple[Asked, asyncio.Future[Told]]] = field(default_factory=deque)
    turns: int = 0
    """How many are at work."""
    overtaking: asyncio.TimerHandle | None = None


class Together[Key, Asked, Told]:
    """Does for many at once what has queued behind the last turn. Who is alone waits for nobody; keys never mix.

    Who gives up waiting takes nothing from the others: their turn goes on.
    """

    def __init__(
        self,
        act: Callable[[Key, Sequence[Asked]], Awaitable[Sequence[Told]]],
        *,
        most: int = _MOST,
        patience: float = _PATIENCE,
    ) -> None:
        """Have `act` answer at most so many, in their order; what it raises is raised to each of them."""
        self._act, self._most, self._patience = act, most, patience
        self._lanes: dict[Key, _Lane[Asked, Told]] = {}
        self._turns: set[asyncio.Task[None]] = set()

    async def __call__(self, key: Key, asked: Asked) -> Told:
        """Return what the next turn says to this."""
        lane = self._lanes.setdefault(key, _Lane())
        answer: asyncio.Future[Told] = asyncio.get_running_loop().create_future()
        lane.waiting.append((asked, answer))
        if not lane.turns:
            self._begin(key, lane)
        elif lane.overtaking is None:
            self._watch(key, lane)
        return await answer

    def abandon(self) -> None:
        """Break off every turn: nobody waits for it any longer."""
        for turn in self._turns:
            turn.cancel()

    def _begin(self, key: Key, lane: _Lane[Asked, Told]) -> None:
        lane.turns += 1
        turn = asyncio.create_task(self._take_turns(key, lane))
        self._turns.add(turn)
        turn.add_done_callback(self._turns.discard)

    def _watch(self, key: Key, lane: _Lane[Asked, Told]) -> None:
        before = lane.waiting[0][1]

        def overtake() -> None:
            lane.overtaking = None
            if not lane.waiting:
                return
            if lane.waiting[0][1] is before:
                self._begin(key, lane)
            self._watch(key, lane)

        lane.overtaking = asyncio.get_running_loop().call_later(self._patience, overtake)

    async def _take_turns(self, key: Key, lane: _Lane[Asked, Told]) -> None:
        try:
            while lane.waiting:
                many = min(self._most, len(lane.waiting))
                await self._turn(key, [lane.waiting.popleft() for _ in range(many)])
        finally:
            lane.turns -= 1
            if not lane.turns:
                if lane.overtaking is not None:
                    lane.overtaking.cancel()
                del self._lanes[key]

    async def _turn(self, key: Key, group: Sequence[tuple[Asked, asyncio.Future[Told]]]) -> None:
        try:
            told = await self._act(key, [asked for asked, _ in group])
        except BaseException as error:
            for _, answer in group:
                if not answer.done():
                    answer.set_exception(error)
                    answer.exception()  # whoever asked may be gone
            if not isinstance(error, Exception):
                raise
            return
        for (_, answer), said in zip(group, told, strict=True):
            if not answer.done():
                answer.set_result(said)
