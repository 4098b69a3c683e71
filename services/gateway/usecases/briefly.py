"""What does not change, or not so soon that a moment matters, kept for that moment in this process."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable


class Briefly[Key: Hashable, Value]:
    """At most `most` answers, none of them older than `seconds`; a key says all that an answer depends on."""

    def __init__(self, seconds: float, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with none."""
        self._seconds = seconds
        self._most = most
        self._clock = clock
        self._kept: OrderedDict[Key, tuple[float, Value]] = OrderedDict()

    def of(self, key: Key) -> Value | None:
        """Return the answer that is kept, if it is fresh."""
        until, value = self._kept.get(key, (0.0, None))
        return value if until > self._clock() else None

    def forget(self, key: Key) -> None:
        """Keep this no longer."""
        self._kept.pop(key, None)

    def keep(self, key: Key, value: Value) -> Value:
        """Keep an answer and return it; the oldest makes room."""
        self._kept.pop(key, None)
        self._kept[key] = (self._clock() + self._seconds, value)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return value
