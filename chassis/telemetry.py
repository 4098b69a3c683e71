"""Where a message came from (W3C Trace Context) and what is counted about it (Prometheus)."""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

_TRACEPARENT = re.compile(r"00-(?P<trace>(?!0{32})[0-9a-f]{32})-(?P<span>(?!0{16})[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})")
_current: ContextVar[tuple[str, str]] = ContextVar("trace")
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_ROWS = (1, 2, 5, 10, 25, 50, 100, 250)

PREFIX = "counterfoil_"
"""What every metric begins with. Which service it is of, whoever collects it knows: each has a port of its own."""


def _trace() -> tuple[str, str]:
    try:
        return _current.get()
    except LookupError:
        fresh = (os.urandom(16).hex(), "01")
        _current.set(fresh)
        return fresh


def trace_id() -> str:
    """Return the id of the current trace, 32 hex digits."""
    return _trace()[0]


def traceparent() -> str:
    """Return the header that continues the current trace in another process."""
    trace, flags = _trace()
    return f"00-{trace}-{os.urandom(8).hex()}-{flags}"


@contextmanager
def traced(parent: str | None) -> Iterator[str]:
    """Continue the trace that `parent` names, or begin one; yields the trace id."""
    known = _TRACEPARENT.fullmatch(parent or "")
    trace = (known["trace"], known["flags"]) if known else (os.urandom(16).hex(), "01")
    token = _current.set(trace)
    try:
        yield trace[0]
    finally:
        _current.reset(token)


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
        leading: 1 while this process leads its service
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
        self.leading = self.gauge("leading", "1 while this process leads")
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

    def step_down(self) -> None:
        """Say no more what only a leader knows."""
        for gauge in (self.held, self.gaps, self.lag, self.fill):
            gauge.clear()
        for gauge in (self.letters, self.unsent, self.outbox_age):
            gauge.set(0)
