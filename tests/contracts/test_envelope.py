"""The envelope comes off as it went on; what is no envelope is refused with a reason."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.envelope import STRUCTURED, Received, headers_for, open_envelope
from contracts.refusals import Invalid, Malformed, Refusal
from contracts.tickets import TicketCreated
from tests.contracts.test_samples import SAMPLES

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
CREATED = TicketCreated.model_validate_json(
    next(path for path in SAMPLES if path.stem == TicketCreated.SUBJECT).read_bytes()
)


def structured(**attributes: Any) -> bytes:
    event = {"specversion": "1.0", "id": "a1", "source": "/elsewhere", "type": "ticket_requested", "data": {"x": 1}}
    return json.dumps({key: value for key, value in (event | attributes).items() if value is not ...}).encode()


def test_a_fact_in_binary_mode_comes_out_as_it_went_in() -> None:
    headers = headers_for(CREATED, 7, TRACE)
    body = CREATED.model_dump_json().encode()

    assert open_envelope(headers, body) == Received(str(CREATED.id), CREATED.SUBJECT, body, 7, TRACE)
    assert headers["ce-subject"] == str(CREATED.ticket_id)
    assert headers["ce-source"] == "/counterfoil/tickets"
    assert headers["ce-specversion"] == "1.0"
    assert headers["ce-time"] == CREATED.at.isoformat()
    assert "traceparent" not in headers_for(CREATED, 7)


def test_names_of_headers_have_no_case() -> None:
    headers = {key.title(): value for key, value in headers_for(CREATED, 7, TRACE).items()}

    assert open_envelope(headers, b"{}").id == str(CREATED.id)


@pytest.mark.parametrize("headers", [None, {}, {"content-type": "application/json"}])
def test_a_bare_body_has_neither_id_nor_place(headers: dict[str, str] | None) -> None:
    assert open_envelope(headers, b"[]") == Received("", "", b"[]")


@pytest.mark.parametrize("place", ["", "0", "-1", "1.5", "01", "1e3", "٣", "9" * 17, "x"])
def test_a_place_that_is_no_place_is_none(place: str) -> None:
    assert open_envelope({"ce-position": place}, b"{}").position == 0


def test_structured_mode_says_the_same() -> None:
    read = open_envelope({"content-type": f"{STRUCTURED}; charset=utf-8"}, structured(traceparent=TRACE))

    assert (read.id, read.type, json.loads(read.data), read.traceparent) == ("a1", "ticket_requested", {"x": 1}, TRACE)
    assert read.position == 0


def test_structured_mode_may_hold_bytes() -> None:
    body = structured(data=..., data_base64=base64.b64encode(b'{"x": "\xc3\xa9"}').decode())

    assert open_envelope({"Content-Type": STRUCTURED.upper()}, body).data == b'{"x": "\xc3\xa9"}'


@pytest.mark.parametrize(
    ("headers", "field"),
    [
        ({"ce-id": ""}, "ce-id"),
        ({"ce-id": "two words"}, "ce-id"),
        ({"ce-id": "x" * 201}, "ce-id"),
        ({"ce-id": "é"}, "ce-id"),
        ({"ce-id": "a\n"}, "ce-id"),
        ({"ce-id": "1", "ce-specversion": "0.3"}, "ce-specversion"),
    ],
)
def test_a_broken_attribute_is_refused_by_name(headers: dict[str, str], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        open_envelope(headers, b"{}")
    assert refused.value.facts["errors"][0]["field"] == field


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (b"", Malformed),
        (b"{", Malformed),
        (b"\xff\xfe{}", Malformed),
        (b"[" * 100_000, Malformed),
        (b"null", Invalid),
        (b"[]", Invalid),
        (b'"text"', Invalid),
    ],
    ids=["empty", "cut", "UTF-16", "deep", "null", "list", "text"],
)
def test_what_is_no_structured_event_is_refused(body: bytes, refusal: type[Refusal]) -> None:
    with pytest.raises(refusal):
        open_envelope({"content-type": STRUCTURED}, body)


@pytest.mark.parametrize(
    ("attributes", "refusal"),
    [
        ({"specversion": "0.3"}, Invalid),
        ({"specversion": ...}, Invalid),
        ({"id": ...}, Invalid),
        ({"id": 7}, Invalid),
        ({"id": ""}, Invalid),
        ({"id": "two words"}, Invalid),
        ({"type": ...}, Invalid),
        ({"type": ["x"]}, Invalid),
        ({"data_base64": "not base64!"}, Malformed),
        ({"data_base64": "é"}, Malformed),
        ({"data_base64": 7}, Malformed),
    ],
    ids=str,
)
def test_a_structured_event_with_a_broken_attribute_is_refused(
    attributes: dict[str, Any], refusal: type[Refusal]
) -> None:
    with pytest.raises(refusal):
        open_envelope({"content-type": STRUCTURED}, structured(**attributes))


@given(st.binary(max_size=200), st.sampled_from([STRUCTURED, "application/json", "", "x/y; z"]))
def test_no_body_crashes_the_reader(body: bytes, media: str) -> None:
    try:
        read = open_envelope({"content-type": media}, body)
    except Refusal:
        return
    assert isinstance(read.data, bytes)
