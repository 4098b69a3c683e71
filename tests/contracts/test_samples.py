"""One golden sample per message, kept for ever: what was once said is understood for ever."""

import json
from pathlib import Path
from typing import Any

import pytest

import contracts
from contracts.base import Event, Message, RecordEvent, TicketEvent
from contracts.streams import STREAMS, stream_of
from contracts.texts import sealed_texts
from tests.support.each import for_each

SAMPLES = sorted((Path(contracts.__file__).parent / "samples").glob("*.json"))

every_sample = for_each("sample", SAMPLES)


def differences(sample: Any, message: Any, at: str = "") -> list[str]:
    """Every place where `message` doesn't say what `sample` says; what it says besides is its own affair."""
    if isinstance(sample, dict) and isinstance(message, dict):
        return [
            place
            for key, value in sample.items()
            for place in (differences(value, message[key], f"{at}/{key}") if key in message else [f"{at}/{key}"])
        ]
    if isinstance(sample, list) and isinstance(message, list) and len(sample) == len(message):
        return [
            place
            for nth, pair in enumerate(zip(sample, message, strict=True))
            for place in differences(*pair, f"{at}/{nth}")
        ]
    return [] if sample == message and type(sample) is type(message) else [at]


def test_a_lost_field_is_noticed() -> None:
    assert differences({"a": [{"b": 1}], "c": None}, {"a": [{"b": 1, "d": 2}], "c": None}) == []
    assert differences({"a": [{"b": 1}], "c": None}, {"a": [{}]}) == ["/a/0/b", "/c"]
    assert differences({"a": [1], "b": 1}, {"a": [1, 2], "b": True}) == ["/a", "/b"]


def test_every_message_has_a_sample_and_every_sample_a_message() -> None:
    assert [path.stem for path in SAMPLES] == sorted(Message.registry)


@every_sample
def test_what_was_once_said_is_understood_for_ever(sample: Path) -> None:
    body = sample.read_bytes()
    message = Message.registry[sample.stem].model_validate_json(body)

    assert differences(json.loads(body), message.model_dump(mode="json")) == []


@every_sample
def test_a_sample_leaves_no_field_to_guess(sample: Path) -> None:
    kind = Message.registry[sample.stem]

    assert set(kind.model_fields) == set(json.loads(sample.read_bytes()))


@every_sample
def test_a_reader_ignores_what_it_does_not_know(sample: Path) -> None:
    body = json.loads(sample.read_bytes())
    kind = Message.registry[sample.stem]

    assert kind.model_validate(body | {"from_the_future": {"x": 1}}) == kind.model_validate(body)


@for_each("kind", Event.of_kind())
def test_a_fact_is_about_one_record_has_an_audience_and_a_salt_for_each_word(kind: type[Event]) -> None:
    fact = kind.model_validate_json(next(path for path in SAMPLES if path.stem == kind.SUBJECT).read_bytes())

    assert isinstance(fact, TicketEvent | RecordEvent)
    assert fact.about.version >= 1
    assert fact.audience is kind.AUDIENCE
    assert set(fact.salts) == {pointer for pointer, _ in sealed_texts(fact)}


@every_sample
def test_a_message_that_is_stored_fits_its_stream(sample: Path) -> None:
    kind = Message.registry[sample.stem]
    if kind.KIND == "requests":
        with pytest.raises(KeyError):
            stream_of(kind.SUBJECT)
    else:
        stream = stream_of(f"{kind.SUBJECT}.northwind")
        assert stream in STREAMS
        assert len(sample.read_bytes()) < stream.max_msg_size
