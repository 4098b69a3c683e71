"""A trace is continued where it is named properly, and begun where it is not."""

import asyncio
import gzip
import re
import sys

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from structlog.testing import capture_logs

from chassis import service
from chassis.requests import ask
from chassis.telemetry import Tracer, trace_id, traced, traceparent
from tests.support.eventually import eventually
from tests.support.infra import PostgresServer, first_line, python
from tests.support.plumbing import plumbed
from tests.support.replicas import HEARD, a_broker, a_note, a_process, a_workspace, as_user

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize("flags", ["00", "01"])
def test_a_trace_is_continued_with_its_flags_and_a_span_of_its_own(flags: str) -> None:
    with traced(f"00-{TRACE}-{SPAN}-{flags}") as trace:
        assert trace == trace_id() == TRACE
        said = traceparent()
    assert re.fullmatch(rf"00-{TRACE}-[0-9a-f]{{16}}-{flags}", said)
    assert SPAN not in said


@pytest.mark.parametrize(
    "parent",
    [
        None,
        "",
        "rubbish",
        TRACE,
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01\n",
        f"ff-{TRACE}-{SPAN}-01",
    ],
)
def test_a_trace_that_is_not_named_properly_is_not_believed(parent: str | None) -> None:
    with traced(parent) as trace:
        assert trace == trace_id()
        assert trace not in (TRACE, "0" * 32)
        assert re.fullmatch(r"[0-9a-f]{32}", trace)


async def test_traces_do_not_mix_and_end_where_they_end() -> None:
    before = trace_id()

    async def work(parent: str) -> str:
        with traced(parent):
            await asyncio.get_running_loop().run_in_executor(None, lambda: None)
            return trace_id()

    traces = [f"{n:032x}" for n in range(1, 20)]
    assert await asyncio.gather(*(work(f"00-{trace}-{SPAN}-01") for trace in traces)) == traces
    assert trace_id() == before


@pytest.mark.parametrize(
    ("environment", "asked"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "otlp"}, False),
    ],
)
def test_spans_are_recorded_only_where_the_environment_asks(
    environment: dict[str, str],
    asked: bool,  # noqa: FBT001 - a row's end
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tracers: list[Tracer] = []
    monkeypatch.setattr(service, "record_by", tracers.append)
    service.trace_if_asked("tickets", environment)
    assert bool(tracers) == asked
    for tracer in tracers:
        tracer.end()


def test_who_asks_for_what_is_not_installed_is_told_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "chassis.tracing", None)
    with capture_logs() as logs:
        service.trace_if_asked("tickets", {"OTEL_TRACES_EXPORTER": "otlp"})
    assert [(line["event"], line["module"]) for line in logs] == [("tracing.not_installed", "chassis.tracing")]


async def test_without_being_asked_nothing_of_opentelemetry_is_imported() -> None:
    code = (
        "import sys, services.gateway.app, services.tickets.app, services.notifications.app, services.activity.app\n"
        "from chassis.service import trace_if_asked\n"
        "trace_if_asked('tickets', {})\n"
        "print(any(each.startswith('opentelemetry') for each in sys.modules))\n"
    )
    async with python(code) as process:
        assert await first_line(process) == "False"


async def test_a_process_of_its_own_sends_its_spans_where_the_environment_says(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[ExportTraceServiceRequest] = []

    async def collect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        body = await reader.readexactly(int(head.partition("content-length:")[2].split()[0]))
        taken.append(
            ExportTraceServiceRequest.FromString(gzip.decompress(body) if "content-encoding: gzip" in head else body)
        )
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    collector = await asyncio.start_server(collect, "127.0.0.1", 0)
    port = collector.sockets[0].getsockname()[1]
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    urls = await plumbed(postgres_server, "tickets", HEARD, tenants=["heard"])
    async with a_broker() as broker, a_process("tickets", broker, urls) as tickets:
        await tickets.says("service.started")
        async with as_user(broker, "gateway") as gateway:
            with traced(f"00-{TRACE}-{SPAN}-01"):
                await ask(gateway, a_note(a_workspace()))

        def told() -> dict[str, tuple[str, str, str]]:
            return {
                span.name: (service.value.string_value, span.trace_id.hex(), span.parent_span_id.hex())
                for request in taken
                for group in request.resource_spans
                for service in group.resource.attributes
                if service.key == "service.name"
                for scope in group.scope_spans
                for span in scope.spans
            }

        found = await eventually(lambda: told() if "answer add_note" in told() else None)
    collector.close()
    assert found["answer add_note"][:2] == found["insert"][:2] == ("tickets", TRACE)
