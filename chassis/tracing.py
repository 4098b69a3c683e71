"""Traces by OpenTelemetry, where it is installed (the extra `tracing`) and the environment asks for it (`OTEL_…`)."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.propagation import set_span_in_context

from chassis.telemetry import Part, Place, Span


class Tracing:
    """Records spans and sends them where the environment says."""

    def __init__(self, service: str, processor: SpanProcessor | None = None) -> None:
        """Record as this service, by default in batches to an OTLP collector."""
        self._ids = _Ids()
        about = {"service.namespace": "counterfoil", "service.name": service}
        self._provider = TracerProvider(resource=Resource.create(about), id_generator=self._ids)
        self._provider.add_span_processor(processor or BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("counterfoil")

    @contextmanager
    def span(self, kind: Part, name: str, about: Mapping[str, str | int], place: Place) -> Iterator[tuple[Span, Place]]:
        """Record a span. Of an exception only its kind is told: its words may quote what somebody typed."""
        self._ids.trace = int(place.trace, 16)
        recorded = self._tracer.start_span(name, _context(place), SpanKind[kind.name], dict(about))
        context = recorded.get_span_context()
        here = Place(place.trace, f"{context.trace_flags:02x}", f"{context.span_id:016x}", ours=True)
        try:
            yield recorded, here
        except BaseException as error:
            recorded.set_attribute("error.type", type(error).__name__)
            recorded.set_status(Status(StatusCode.ERROR))
            raise
        finally:
            recorded.end()

    def end(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


class _Ids(IdGenerator):
    """Lets a trace that begins here keep the id that logs and answers have told already."""

    def __init__(self) -> None:
        self.trace = 0

    def generate_trace_id(self) -> int:
        return self.trace

    def generate_span_id(self) -> int:
        return int.from_bytes(os.urandom(8))


def _context(place: Place) -> Context:
    if not place.parent:
        return Context()
    flags = TraceFlags(int(place.flags, 16))
    parent = SpanContext(int(place.trace, 16), int(place.parent, 16), is_remote=not place.ours, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(parent), Context())
