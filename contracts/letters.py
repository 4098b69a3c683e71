"""What every service says of its dead letters."""

from contracts.base import DeadLetter, Model


class DeadLetterPage(Model):
    """One page of dead letters, newest first."""

    items: tuple[DeadLetter, ...]
    next_cursor: str | None
    away: tuple[str, ...] = ()
    """Services that could not be asked for theirs now."""
