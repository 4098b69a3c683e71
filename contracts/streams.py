"""What JetStream keeps: each stream's limits stand beside its owner's messages, and all are known here."""

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache

from contracts.base import SERVICES, DeadLetter

STREAMS: "list[Stream]" = []
"""Every stream; one joins by being made."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Limits of a JetStream stream; what is over them is refused, nothing is forgotten before its age."""

    name: str
    subjects: tuple[str, ...]
    max_bytes: int
    max_msg_size: int
    max_age: dt.timedelta = dt.timedelta(days=30)
    duplicate_window: dt.timedelta = dt.timedelta(minutes=10)
    batches: bool = False
    """Whether the relay may publish several at once (atomic batch publish)."""
    parted: bool = False
    """Whether it may be heard in parts, by the last token of its subjects: the workspace."""

    def __post_init__(self) -> None:
        """Join the registry."""
        STREAMS.append(self)


DEADLETTERS = Stream(
    "DEADLETTERS",
    tuple(f"{service}.{DeadLetter.KIND}.>" for service in SERVICES),
    max_bytes=256 << 20,
    max_msg_size=256 * 1024,
)


@lru_cache(2_000)
def stream_of(subject: str) -> Stream:
    """Return the stream that stores this subject; raises KeyError when none does."""
    for stream in STREAMS:
        for pattern in stream.subjects:
            if all(p in ("*", ">", s) for p, s in zip(pattern.split("."), subject.split("."), strict=False)):
                return stream
    raise KeyError(subject)
