"""Where a message came from (W3C Trace Context) and what is counted about it (Prometheus)."""

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

_TRACEPARENT = re.compile(r"00-(?P<trace>(?!0{32})[0-9a-f]{32})-(?P<span>(?!0{16})[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})")
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_ROWS = (1, 2, 5, 10, 25, 50, 100, 250)

PREFIX = "counterfoil_"
"""What every metric begins with. Which service it is of, whoever collects it knows: each has a port of its own."""


class Part(StrEnum):
    """What a span is for; the names are OpenTelemetry's."""

    SERVER = "server"
    CLIENT = "client"
    PRODUCER = "producer"
    CONSUMER = "consumer"


class Place(NamedTuple):
    """Where in a trace the work of this moment is."""

    trace: str
    flags: str
    parent: str = ""
    """The span that it belongs to, or nothing at the beginning of a trace."""
    ours: bool = False
    """Whether that span is recorded by this process."""


class Span(Protocol):
    """What is told of a piece of work while it is done."""

    def update_name(self, name: str) -> None:
        """Call it by a name that is known only now."""

    def set_attribute(self, key: str, value: str | int) -> None:
        """Add what is known only now."""

    def is_recording(self) -> bool:
        """Tell whether anybody wants to know."""


class Tracer(Protocol):
    """Who records spans, where somebody asked for that."""

    def span(
        self, kind: Part, name: str, about: Mapping[str, str | int], place: Place
    ) -> AbstractContextManager[tuple[Span, Place]]:
        """Record a span, and tell where the work in it is."""

    def end(self) -> None:
        """Hand over what is recorded and record no more."""


class _Unrecorded:
    def update_name(self, name: str) -> None: ...
    def set_attribute(self, key: str, value: str | int) -> None: ...
    def is_recording(self) -> bool:
        return False


_NOT_RECORDED: AbstractContextManager[Span] = nullcontext(_Unrecorded())
_NOTHING: Mapping[str, str | int] = {}
_current: ContextVar[Place] = ContextVar("trace")
_tracers: list[Tracer] = []


def record_by(tracer: Tracer) -> None:
    """Have this process's spans recorded."""
    _tracers[:] = [tracer]


def record_no_more() -> None:
    """Hand over what is recorded and record no more; takes seconds where nobody takes it."""
    while _tracers:
        _tracers.pop().end()


def trace_id() -> str:
    """Return the id of the current trace, 32 hex digits."""
    return _place().trace


def traceparent() -> str:
    """Return the header that continues the current trace in another process."""
    place = _place()
    if place.ours:
        return f"00-{place.trace}-{place.parent}-{place.flags}"
    # What is not recorded here, others need not record either.
    return f"00-{place.trace}-{os.urandom(8).hex()}-{'00' if _tracers else place.flags}"


def traced(parent: str | None) -> AbstractContextManager[str]:
    """Continue the trace that `parent` names, or begin one; yields the trace id."""
    known = _TRACEPARENT.fullmatch(parent or "")
    return _at(Place(known["trace"], known["flags"], known["span"]) if known else _begun())


def span(kind: Part, name: str, about: Mapping[str, str | int] = _NOTHING) -> AbstractContextManager[Span]:
    """Record the work in this block as a part of the current trace, if anybody records."""
    return _recorded(kind, name, about) if _tracers else _NOT_RECORDED


def step(kind: Part, name: str, about: Mapping[str, str | int] = _NOTHING) -> AbstractContextManager[Span]:
    """Record as `span` does, but only inside of one: what timers do all day is no trace."""
    return _recorded(kind, name, about) if _tracers and _place().ours else _NOT_RECORDED


@contextmanager
def _recorded(kind: Part, name: str, about: Mapping[str, str | int]) -> Iterator[Span]:
    with _tracers[0].span(kind, name, about, _place()) as (recorded, place), _at(place):
        yield recorded


def _begun() -> Place:
    return Place(os.urandom(16).hex(), "01")


def _place() -> Place:
    try:
        return _current.get()
    except LookupError:
        fresh = _begun()
        _current.set(fresh)
        return fresh


@contextmanager
def _at(place: Place) -> Iterator[str]:
    token = _current.set(place)
    try:
        yield place.trace
    finally:
        _current.reset(token)


def _size_of_disk() -> int:
    """Return how much of a disk there is to be filled: what is kept for root alone is nobody's."""
    usage = shutil.disk_usage(Path.cwd())
    return usage.used + usage.free


class Metrics:
    """All that every service counts; label values are types, streams and outcomes, never ids.

    Attributes:
        requests: seconds per request answered, by type and outcome (`ok` or the refusal's code)
        heard: messages settled, by stream and outcome (`applied`, `known`, `buried`)
        redelivered: messages that the broker brought once more, by stream
        retries: failed tries of a message that will be tried again, by stream
        applied_together: messages applied in one transaction, by stream
        held: messages that wait for an earlier one or for better weather, by stream
        gaps: seconds the longest gap in a workspace's positions has lasted, by stream
        lag: messages that this service has not settled yet, by stream
        letters: dead letters that are kept
        relayed: rows published, by stream
        published_together: rows that the relay took in one round
        receipts: seconds until the broker has said that it stored them
        unsent: rows that the relay holds and has not published yet
        outbox_age: seconds the oldest of them has waited
        fill: how full a stream is, 1 being its limit, by stream
        stream_bytes: how large a stream is, by stream
        store_bytes: how large this service's database is
        disk, disk_free: the disk that this process works on, and what is free of it, in bytes
        leading: 1 while this process leads its service
        parts: how many parts of a stream this process hears
        connected: 1 while NATS is there
        sessions: database sessions at work
        timer_failures: turns of a timer that failed, by timer
        http: seconds per HTTP request, by method, route template and status

    """

    def __init__(self, service: str) -> None:
        """Start at zero, in a registry of this service's own."""
        self.service = service
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = self.histogram("request_seconds", "Requests answered", "type", "outcome")
        self.heard = self.counter("heard", "Messages settled", "stream", "outcome")
        self.redelivered = self.counter("redelivered", "Messages brought once more", "stream")
        self.retries = self.counter("retries", "Failed tries of a message", "stream")
        self.applied_together = self.histogram("applied_together", "Messages per transaction", "stream", buckets=_ROWS)
        self.held = self.gauge("held", "Messages that wait", "stream")
        self.gaps = self.gauge("gap_seconds", "Age of the longest gap", "stream")
        self.lag = self.gauge("consumer_lag", "Messages not settled yet", "stream")
        self.letters = self.gauge("dead_letters", "Dead letters that are kept")
        self.relayed = self.counter("relayed", "Rows published", "stream")
        self.published_together = self.histogram("published_together", "Rows per round of the relay", buckets=_ROWS)
        self.receipts = self.histogram("receipt_seconds", "Time until the broker has stored a round")
        self.unsent = self.gauge("outbox_unsent", "Rows not published yet")
        self.outbox_age = self.gauge("outbox_age_seconds", "Age of the oldest row not published yet")
        self.fill = self.gauge("stream_fill_ratio", "How full a stream is", "stream")
        self.stream_bytes = self.gauge("stream_bytes", "How large a stream is", "stream")
        self.store_bytes = self.gauge("store_bytes", "How large this service's database is")
        self.disk = self.gauge("disk_bytes", "The disk that this process works on")
        self.disk_free = self.gauge("disk_free_bytes", "What is free of it")
        self.disk.set_function(_size_of_disk)
        self.disk_free.set_function(lambda: shutil.disk_usage(Path.cwd()).free)
        self.leading = self.gauge("leading", "1 while this process leads")
        self.parts = self.gauge("parts", "Parts of a stream that this process hears")
        self.connected = self.gauge("nats_connected", "1 while NATS is there")
        self.sessions = self.gauge("database_sessions", "Database sessions at work")
        self.timer_failures = self.counter("timer_failures", "Turns of a timer that failed", "timer")
        self.http = self.histogram("http_seconds", "HTTP requests", "method", "route", "status")

    def histogram(self, name: str, about: str, *labels: str, buckets: Sequence[float] = _SECONDS) -> Histogram:
        """Return one more histogram of this service."""
        return Histogram(PREFIX + name, about, labels, buckets=buckets, registry=self.registry)

    def counter(self, name: str, about: str, *labels: str) -> Counter:
        """Return one more counter of this service."""
        return Counter(PREFIX + name, about, labels, registry=self.registry)

    def gauge(self, name: str, about: str, *labels: str) -> Gauge:
        """Return one more gauge of this service."""
        return Gauge(PREFIX + name, about, labels, registry=self.registry)

    def expects(self, stream: str) -> None:
        """Count a stream from nothing: a first one that appears as 1 is no increase to Prometheus."""
        for outcome in ("applied", "known", "buried"):
            self.heard.labels(stream, outcome)
        for counter in (self.redelivered, self.retries):
            counter.labels(stream)

    def step_down(self) -> None:
        """Say no more what only a leader knows."""
        for gauge in (self.held, self.gaps, self.lag, self.fill, self.stream_bytes):
            gauge.clear()
        for gauge in (self.letters, self.unsent, self.outbox_age, self.store_bytes):
            gauge.set(0)
