"""Decides what is told together: the facts of one cause are one telling, and a burst of tellings is one digest."""

import datetime as dt
from dataclasses import dataclass
from typing import Final
from uuid import UUID, uuid5

from contracts.base import Event, Via

WINDOW: Final = dt.timedelta(seconds=60)
"""What comes within this time of the first, by the facts' own times, is of one window."""
BURST: Final = 10
"""So many causes in a window stand alone; one more, and all of the window is a digest."""

_CAUSES = UUID("b0a1f6c2-77b5-4c57-9c5d-0d2b4a6f1e90")


@dataclass(frozen=True, slots=True)
class Window:
    """The last window of an inbox: the place of its first item, since when, and how many causes it has told."""

    opened: int
    since: dt.datetime
    causes: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where something enters an inbox: its own place, that of the item it is part of, and its window."""

    nth: int
    first: int
    opened: int | None
    window: Window | None
    """The inbox's last window from now on."""
    folds: bool
    """Whether all that the window holds becomes one item with this."""


def because(event: Event) -> UUID:
    """Return the one id of the cause behind a fact, which it shares with what else was done by the same command."""
    if event.via is Via.INTAKE:
        # Other systems choose ids of their own, and may name no other one than the ticket's again and again.
        return uuid5(_CAUSES, f"{event.actor.id} {event.cause} {event.at.isoformat()}")
    try:
        return UUID(event.cause)
    except ValueError:
        return uuid5(_CAUSES, event.cause)


def place(nth: int, at: dt.datetime, window: Window | None, told_before: tuple[int, int | None] | None) -> Place:
    """Return where a fact enters an inbox that has `nth - 1` rows; times decide, and only those of the facts.

    `told_before` is the place of the item that tells of the same cause, and that of its window's first.
    """
    if told_before is not None:
        return Place(nth, *told_before, window, folds=False)
    if window is None or at - window.since >= WINDOW:
        return Place(nth, nth, nth, Window(nth, at, 1), folds=False)
    grown = Window(window.opened, window.since, window.causes + 1)
    folded = grown.causes > BURST
    return Place(nth, window.opened if folded else nth, window.opened, grown, folds=grown.causes == BURST + 1)
