"""The only waiting in the suite."""

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from time import monotonic
from typing import overload

_PATIENCE = 15.0
"""Seconds after which a wait is given up. No law: a busy machine may be ten times slower than an idle one."""


@overload
async def eventually[T](probe: Callable[[], Awaitable[T | None]], *, within: float = _PATIENCE) -> T: ...
@overload
async def eventually[T](probe: Callable[[], T | None], *, within: float = _PATIENCE) -> T: ...
async def eventually(probe: Callable[[], object], *, within: float = _PATIENCE) -> object:
    """Return the probe's first truthy answer; until then None, falsehood and a failed assertion mean "not yet"."""
    deadline = monotonic() + within
    pause = 0.01
    reason: AssertionError | None
    while True:
        try:
            answer = probe()
            if isawaitable(answer):
                answer = await answer
        except AssertionError as not_yet:
            outcome, reason = f"the last assertion failed: {not_yet}", not_yet
        else:
            if answer:
                return answer
            outcome, reason = f"the last answer was {answer!r}", None
        if monotonic() + pause > deadline:
            message = f"not within {within} s: {outcome}"
            raise AssertionError(message) from reason
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 0.2)
