"""Messages of other systems that JetStream did not store, taking them for repeats: they are published again.

JetStream looks at `Nats-Msg-Id` alone, in the whole stream, and answers the second sender with the first one's receipt.
No setting turns that off; the window can only be short. So whoever leads listens to what other systems say, beside the
stream: where an id comes twice in that time with other words, both are said again without it, and the inbox knows the
one that was stored.
"""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError

from chassis.held import Kept
from chassis.logs import get_logger

log = get_logger()

_ID, _ITS_ID = "Nats-Msg-Id", "counterfoil-msg-id"
_WITHIN = 2.0
"""Seconds, many times the stream's window: words may reach us later than each other."""
_MOST_BYTES = 32 << 20
_TRIES = 5


class Swallowed:
    """Listens for ids that come twice."""

    def __init__(self, nats: Client, clock: Callable[[], float] = time.monotonic) -> None:
        """Say again through `nats`."""
        self._nats, self._clock = nats, clock
        self._lately: OrderedDict[str, tuple[float, dict[str, Msg]]] = OrderedDict()
        self._bytes = 0
        self._saying: set[asyncio.Task[None]] = set()

    async def overhear(self, msg: Msg) -> None:
        """Say this message again, and the one before it with its id, where the words are not the same."""
        if not (id := (msg.headers or {}).get(_ID)):
            return
        now, words = self._clock(), named(msg)
        self._forget(now)
        _, known = self._lately.setdefault(id, (now, {}))
        if words in known:
            return
        alone = len(known) == 1
        known[words] = msg
        self._bytes += len(msg.data)
        if len(known) == 1:
            return
        for each in list(known.values()) if alone else [msg]:
            task = asyncio.create_task(self._say_again(each))
            self._saying.add(task)
            task.add_done_callback(self._saying.discard)

    def _forget(self, now: float) -> None:
        while self._lately:
            _, (at, known) = next(iter(self._lately.items()))
            if now - at < _WITHIN and self._bytes <= _MOST_BYTES:
                return
            self._lately.popitem(last=False)
            self._bytes -= sum(len(each.data) for each in known.values())

    async def _say_again(self, msg: Msg) -> None:
        headers = {name: value for name, value in (msg.headers or {}).items() if not name.lower().startswith("nats-")}
        headers[_ITS_ID] = (msg.headers or {})[_ID]
        for _ in range(_TRIES):
            try:
                await self._nats.jetstream().publish(msg.subject, msg.data, headers=headers)
            except (NatsError, JetStreamError, TimeoutError) as error:
                log.warning("swallowed.not_said_again", error=repr(error))
            else:
                return


def named(msg: "Msg | Kept") -> str:
    """Return what a message is known by where its sender gave it no id but NATS: that one, with all its words."""
    headers = msg.headers or {}
    if not (id := headers.get(_ID) or headers.get(_ITS_ID)):
        return ""
    return hashlib.sha256(b"\0".join([msg.subject.encode(), id.encode(), msg.data])).hexdigest()
