"""A trace is continued where it is named properly, and begun where it is not."""

import asyncio
import re

import pytest

from chassis.telemetry import trace_id, traced, traceparent

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
