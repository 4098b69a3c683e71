"""Where a message came from (W3C Trace Context) and what is counted about it (Prometheus)."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_TRACEPARENT = re.compile(r"00-(?P<trace>(?!0{32})[0-9a-f]{32})-(?P<span>(?!0{16})[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})")
_current: ContextVar[tuple[str, str]] = ContextVar("trace")
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


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
    """All that a service counts; label values are message types and outcomes, never ids.

    Attributes:
        requests: seconds per request answered, by type and outcome (`ok` or the refusal's code)
        heard: messages settled, by stream and outcome (`applied`, `known`, `buried`)
        retries: failed tries of a message that will be tried again, by stream
        held: messages that wait for an earlier one or for better weather, by stream
        gaps: seconds the longest gap in a workspace's positions has lasted, by stream
        relayed: rows published, by stream
        unsent: rows that the relay holds and has not published yet
        outbox_age: seconds the oldest of them has waited
        leading: 1 while this process leads its service
        http: seconds per HTTP request, by method, route template and status

    """

    def __init__(self, service: str) -> None:
        """Start at zero, in a registry of this service's own."""
        self.registry = CollectorRegistry()
        own, prefix = self.registry, f"counterfoil_{service}"

        def histogram(name: str, about: str, *labels: str) -> Histogram:
            return Histogram(f"{prefix}_{name}", about, labels, buckets=_BUCKETS, registry=own)

        def counter(name: str, about: str, *labels: str) -> Counter:
            return Counter(f"{prefix}_{name}", about, labels, registry=own)

        def gauge(name: str, about: str, *labels: str) -> Gauge:
            return Gauge(f"{prefix}_{name}", about, labels, registry=own)

        self.requests = histogram("request_seconds", "Requests answered", "type", "outcome")
        self.heard = counter("heard", "Messages settled", "stream", "outcome")
        self.retries = counter("retries", "Failed tries of a message", "stream")
        self.held = gauge("held", "Messages that wait", "stream")
        self.gaps = gauge("gap_seconds", "Age of the longest gap", "stream")
        self.relayed = counter("relayed", "Rows published", "stream")
        self.unsent = gauge("outbox_unsent", "Rows not published yet")
        self.outbox_age = gauge("outbox_age_seconds", "Age of the oldest row not published yet")
        self.leading = gauge("leading", "1 while this process leads")
        self.http = histogram("http_seconds", "HTTP requests", "method", "route", "status")
