"""Whether a workspace's record is whole: read from its beginning, kept for a while, taken back everywhere at once."""

import datetime as dt

from chassis.bus import Bus
from contracts.activity import BookHead, Verdict, Verify
from contracts.base import Caller, now
from contracts.signals import Broken
from services.gateway.usecases.briefly import Briefly

_VERIFYING = 60.0


class Seals:
    """Verdicts for the mark on tickets: reading both books is dear. One that found a fault is never kept."""

    def __init__(self, bus: Bus) -> None:
        """Listen to what all replicas find."""
        self._bus = bus
        self._whole: Briefly[str, tuple[Verdict, dt.datetime]] = Briefly(seconds=300, most=256)
        self._faults = 0
        bus.follows(Broken)(self._heard)

    async def of(self, caller: Caller) -> tuple[Verdict, dt.datetime]:
        """Return what was found within the last five minutes, and when; else verify now."""
        return self._whole.of(caller.workspace_id) or await self.verify(caller)

    async def verify(self, caller: Caller, heads: tuple[BookHead, ...] = ()) -> tuple[Verdict, dt.datetime]:
        """Read both books from their beginnings, and return what was found, and when; every replica is told a fault."""
        faults = self._faults
        asked = Verify(caller=caller, heads=heads)
        found = await self._bus.ask(asked, within=_VERIFYING, patience=_VERIFYING)
        if not found.ok:
            broken = Broken(workspace_id=caller.workspace_id)
            await self._heard(broken)
            await self._bus.signal(broken)
        elif faults == self._faults:
            self._whole.keep(caller.workspace_id, (found, now()))
        return found, now()

    async def _heard(self, signal: Broken) -> None:
        # What is being read just now may have been read before the fault was there.
        self._faults += 1
        self._whole.forget(signal.workspace_id)
