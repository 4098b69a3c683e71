"""One trace from the door to what came of a request elsewhere, each span in its place, without a word of anybody."""

import json
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from sqlalchemy import text

from chassis.telemetry import record_by, record_no_more
from chassis.tracing import Tracing
from services.notifications.channels import Smtp
from services.notifications.usecases import mails
from tests.notifications.correspondents import nobody_to_ask
from tests.notifications.helpdesk import Helpdesk
from tests.notifications.postbox import a_postbox
from tests.support.eventually import eventually

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def recorded() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    record_by(Tracing("all", SimpleSpanProcessor(exporter)))
    yield exporter
    record_no_more()


def of(recorded: InMemorySpanExporter, trace: str) -> list[ReadableSpan]:
    return [span for span in recorded.get_finished_spans() if span.context and f"{span.context.trace_id:032x}" == trace]


def named(spans: list[ReadableSpan], name: str, kind: SpanKind) -> list[ReadableSpan]:
    return [span for span in spans if (span.name, span.kind) == (name, kind)]


def is_below(spans: list[ReadableSpan], low: ReadableSpan, high: ReadableSpan) -> bool:
    """Whether one span lies below another, through whatever lies between."""
    places = {span.context.span_id: span for span in spans if span.context}
    at: ReadableSpan | None = low
    while at is not None:
        if at is high:
            return True
        at = places.get(at.parent.span_id) if at.parent else None
    return False


async def test_one_create_is_one_trace_through_door_request_statement_event_and_who_hears_it(
    helpdesk: Helpdesk, recorded: InMemorySpanExporter
) -> None:
    desk = await helpdesk.desk()
    made = await desk.send("POST", "tickets", {"subject": "Words of somebody", "description": "And more of them."})
    trace = made.headers["x-trace-id"]

    def whole() -> list[ReadableSpan]:
        spans = of(recorded, trace)
        return spans if named(spans, "hear ticket_created", SpanKind.CONSUMER) else []

    spans = await eventually(whole)
    (door,) = named(spans, "POST /api/v1/workspaces/{workspace}/tickets", SpanKind.SERVER)
    (ask,) = named(spans, "ask create_ticket", SpanKind.CLIENT)
    (answer,) = named(spans, "answer create_ticket", SpanKind.SERVER)
    (tell,) = named(spans, "tell ticket_created", SpanKind.PRODUCER)
    hear = named(spans, "hear ticket_created", SpanKind.CONSUMER)[0]
    writes = [span for span in named(spans, "with", SpanKind.CLIENT) if is_below(spans, span, answer)]

    assert door.parent is None
    assert [is_below(spans, low, high) for low, high in ((ask, door), (answer, ask), (tell, answer), (hear, tell))] == [
        True
    ] * 4
    assert any("insert into tickets" in str((span.attributes or {})["db.query.text"]) for span in writes)
    assert any(is_below(spans, span, hear) for span in spans if (span.attributes or {}).get("db.query.text"))
    assert dict(door.attributes or {})["http.response.status_code"] == 201
    said = json.dumps([json.loads(span.to_json()) for span in recorded.get_finished_spans()])
    assert "of somebody" not in said
    assert "more of them" not in said
    assert str(made.json()["id"]) not in said


async def test_a_trace_begun_elsewhere_is_continued_if_it_is_sampled_and_its_refusals_say_no_words(
    helpdesk: Helpdesk, recorded: InMemorySpanExporter
) -> None:
    desk = await helpdesk.desk()
    await desk.send("GET", "tickets/999999", traceparent=f"00-{TRACE}-{SPAN}-01")
    await desk.send("GET", "tickets/999999", traceparent=f"00-{TRACE[::-1]}-{SPAN}-00")

    spans = of(recorded, TRACE)
    (door,) = named(spans, "GET /api/v1/workspaces/{workspace}/tickets/{ticket}", SpanKind.SERVER)
    (answer,) = named(spans, "answer get_ticket", SpanKind.SERVER)
    assert door.parent is not None
    assert f"{door.parent.span_id:016x}" == SPAN
    assert dict(answer.attributes or {})["counterfoil.outcome"] == "not_found"
    (ask,) = named(spans, "ask get_ticket", SpanKind.CLIENT)
    assert dict(ask.attributes or {})["error.type"] == "NotFound"
    assert [event for span in spans for event in span.events] == []
    assert of(recorded, TRACE[::-1]) == []


async def test_timers_make_no_traces(helpdesk: Helpdesk, recorded: InMemorySpanExporter) -> None:
    desk = await helpdesk.desk()
    ticket = await desk.ticket()
    await eventually(lambda: [s for s in recorded.get_finished_spans() if s.name == "hear ticket_created"])
    roots = {span.name for span in recorded.get_finished_spans() if span.parent is None}
    assert {name for name in roots if not name.startswith(("GET ", "POST "))} <= {"tell workspace_created"}, ticket


async def test_a_mail_goes_out_in_the_trace_of_whoever_asked_for_it(
    helpdesk: Helpdesk, recorded: InMemorySpanExporter
) -> None:
    desk = await helpdesk.desk()
    invited = await desk.send("POST", "invitations", {"email": "kim@traced.example", "name": "Kim", "role": "member"})
    trace = invited.headers["x-trace-id"]
    async with a_postbox() as box:
        smtp = Smtp(box.url, "Desk <desk@example.com>")
        async with helpdesk.store.every_workspace("test") as tx:
            others = "state = 'pending' and to_email is distinct from 'kim@traced.example'"
            await tx.execute(text(f"update mails set state = 'failed', settled_at = now() where {others}"))

        async def is_sent() -> bool:
            return bool(await mails.send_due(mails.Post(helpdesk.store, smtp, nobody_to_ask(helpdesk.store))))

        await eventually(is_sent)
    spans = of(recorded, trace)
    (sent,) = named(spans, "SMTP send", SpanKind.CLIENT)
    (answer,) = named(spans, "answer send_invitation", SpanKind.SERVER)
    assert is_below(spans, sent, answer)
    assert "kim@" not in str([span.to_json() for span in spans])
