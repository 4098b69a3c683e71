"""Every stream of the system, its limits written beside its owner's messages."""

from contracts.base import SERVICES, DeadLetter, Stream
from contracts.gateway import GATEWAY
from contracts.tickets import INTAKE, TICKETS

DEADLETTERS = Stream(
    "DEADLETTERS",
    tuple(f"{service}.{DeadLetter.KIND}.>" for service in SERVICES),
    max_bytes=256 << 20,
    max_msg_size=256 * 1024,
)

STREAMS: tuple[Stream, ...] = (TICKETS, INTAKE, GATEWAY, DEADLETTERS)


def stream_of(subject: str) -> Stream:
    """Return the stream that stores this subject; raises KeyError when none does."""
    for stream in STREAMS:
        for pattern in stream.subjects:
            if all(p in ("*", ">", s) for p, s in zip(pattern.split("."), subject.split("."), strict=False)):
                return stream
    raise KeyError(subject)
