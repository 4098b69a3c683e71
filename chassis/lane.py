"""What waits of one workspace, or of one integration in it, in the order in which it must be applied."""

from dataclasses import dataclass, field

from chassis.held import Held

_LOST_AFTER = 120.0


@dataclass(slots=True)
class Lane:
    """Messages that are applied one after another, and what their turn waits for."""

    workspace: str
    held: dict[tuple[int, int], Held] = field(default_factory=dict)
    size: int = 0
    """Bytes that are held."""
    away: dict[int, float] = field(default_factory=dict)
    """When which was turned away: what comes without a position waits for those before it."""
    tries: int = 0
    crashes: int = 0
    not_before: float = 0
    gap_since: float | None = None
    alarmed: float = 0
    asked: float = 0

    def is_stuck(self, now: float) -> bool:
        """Tell whether what is held waits for more than its turn; a try that is under way changes nothing yet."""
        return self.not_before > now or self.tries > 0 or self.crashes > 0 or self.gap_since is not None

    def keep(self, held: Held) -> None:
        """Hold a message. A second delivery of what is held already replaces it: the newer ack subject counts."""
        self.away.pop(held.sequence, None)
        self.let_go(held)
        self.held[held.place] = held
        self.size += len(held.msg.data)

    def let_go(self, held: Held) -> None:
        """Hold it no longer."""
        if known := self.held.pop(held.place, None):
            self.size -= len(known.msg.data)

    def waits_for_others(self, now: float) -> bool:
        """Tell whether something was turned away and will come again; what does not was taken out of the stream."""
        if self.away:
            self.away = {sequence: at for sequence, at in self.away.items() if now - at < _LOST_AFTER}
        return bool(self.away)

    def next(self, most: int, now: float) -> list[Held]:
        """Return what is first, so many at most; nothing where something before it was turned away."""
        first = [self.held[key] for key in sorted(self.held)[:most]]
        if first[0].position or not self.waits_for_others(now):
            return first
        before = min(self.away)
        return [held for held in first if held.sequence < before]
