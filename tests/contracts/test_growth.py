"""A contract only grows: a break with what was shipped is found, and never written down as if it had always been so."""

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field, create_model

from contracts import __main__ as command
from contracts.base import Model
from contracts.catalogue import breaks, fields_of, json_schemas, read_shipped, write_shipped
from contracts.tickets import Status

SHIPPED = read_shipped()
TODAY = {name: fields_of(schema) for name, schema in json_schemas().items()}

EVENT, INTAKE, REQUEST, REPLY = (
    "tickets.events.v1.status_changed",
    "tickets.intake.v1.ticket_requested",
    "tickets.requests.v1.create_ticket",
    "tickets.requests.v1.create_ticket.reply",
)

type Messages = dict[str, dict[str, dict[str, Any]]]
type Change = Callable[[Messages], object]


def changed(change: Change) -> Messages:
    messages = deepcopy(TODAY)
    change(messages)
    return messages


def becomes(name: str, path: str, **facts: Any) -> Change:
    return lambda messages: messages[name].setdefault(path, {"types": ["string"]}).update(facts)


def loses(name: str, path: str, fact: str) -> Change:
    return lambda messages: messages[name][path].pop(fact)


def test_nothing_that_was_shipped_is_broken() -> None:
    assert breaks(SHIPPED, TODAY) == []


def test_everything_that_is_here_is_written_down() -> None:
    assert SHIPPED == TODAY, "what is new is not shipped yet: python -m contracts ship"


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        (lambda messages: messages.pop(EVENT), f"{EVENT}: is gone"),
        (lambda messages: messages.pop(REPLY), f"{REPLY}: is gone"),
        (lambda messages: messages[EVENT].pop("old"), f"{EVENT}: old is gone"),
        (lambda messages: messages[EVENT].pop("actor.name"), f"{EVENT}: actor.name is gone"),
        (lambda messages: messages[INTAKE].pop("tags[]"), f"{INTAKE}: tags[] is gone"),
        (becomes(EVENT, "version", types=["string"]), f"{EVENT}: version was integer, is string"),
        (becomes(EVENT, "id", types=["string"]), f"{EVENT}: id was string:uuid, is string"),
        (becomes(INTAKE, "priority", types=["object"]), f"{INTAKE}: priority was null or string, is object"),
        (becomes(INTAKE, "contact", types=["object"]), f"{INTAKE}: contact was null or object, is object"),
        (becomes(EVENT, "new", types=["null", "string"]), f"{EVENT}: new may be null now, which nobody expects"),
        (becomes(EVENT, "new", values=["open"]), f"{EVENT}: new has lost closed, in_progress"),
        (becomes(REQUEST, "description", values=["a"]), f"{REQUEST}: description takes only certain values now"),
        (becomes(INTAKE, "description", required=True), f"{INTAKE}: description is required now"),
        (becomes(INTAKE, "contact.email", required=True), f"{INTAKE}: contact.email is required now"),
        (becomes(EVENT, "reason", required=True), f"{EVENT}: reason is new and required"),
        (becomes(INTAKE, "contact.phone", required=True), f"{INTAKE}: contact.phone is new and required"),
        (loses(EVENT, "old", "required"), f"{EVENT}: old was always there, and may be missing now"),
        (loses(REPLY, "number", "required"), f"{REPLY}: number was always there"),
        (becomes(INTAKE, "subject", maxLength=100), f"{INTAKE}: subject has a stricter maxLength"),
        (becomes(REQUEST, "description", maxLength=9), f"{REQUEST}: description has a stricter maxLength"),
        (becomes(INTAKE, "external_id", minLength=2), f"{INTAKE}: external_id has a stricter minLength"),
        (becomes(INTAKE, "external_id", pattern="^[a-z]+$"), f"{INTAKE}: external_id has another pattern"),
        (becomes(INTAKE, "fields", maxProperties=10), f"{INTAKE}: fields has a stricter maxProperties"),
        (becomes(INTAKE, "fields", pattern="^[a-z]+$"), f"{INTAKE}: fields has another pattern"),
        (becomes(INTAKE, "fields{}", maxLength=9), f"{INTAKE}: fields{{}} has a stricter maxLength"),
        (becomes(INTAKE, "", closed=True), f"{INTAKE}: the message refuses what it ignored"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_break_is_found(change: Change, finding: str) -> None:
    (found,) = breaks(TODAY, changed(change))

    assert found.startswith(finding)


GROWTH: dict[str, Change] = {
    "a new message": lambda messages: messages.update({"tickets.events.v2.status_changed": {}}),
    "a new optional field": becomes(EVENT, "reason", required=False),
    "a new optional field of a part": becomes(INTAKE, "contact.phone", types=["string"]),
    "a new value": becomes(EVENT, "new", values=[*Status, "snoozed"]),
    "null is taken too": becomes(INTAKE, "subject", types=["null", "string"]),
    "a longer text is taken": becomes(INTAKE, "subject", maxLength=500),
    "a text of any length is taken": loses(INTAKE, "subject", "maxLength"),
    "what was required may be left out": loses(INTAKE, "subject", "required"),
}


@pytest.mark.parametrize("change", GROWTH.values(), ids=GROWTH)
def test_growth_is_no_break(change: Change) -> None:
    assert breaks(TODAY, changed(change)) == []


def test_what_is_required_in_a_new_optional_part_breaks_nothing() -> None:
    def add(messages: Messages) -> None:
        messages[INTAKE] |= {
            "origin": {"types": ["null", "object"]},
            "origin.name": {"types": ["string"], "required": True},
        }

    assert breaks(TODAY, changed(add)) == []


def test_a_class_that_breaks_is_found_by_its_schema() -> None:
    before = create_model("Letter", __base__=Model, id=(int, ...), parts=(tuple[str, ...], ()), kind=(Status, ...))
    after = create_model(
        "Letter", __base__=Model, id=(str, ...), parts=(tuple[int, ...], ()), kind=(Status | None, Field(None))
    )
    old, new = ({EVENT: fields_of(kind.model_json_schema())} for kind in (before, after))

    assert breaks(old, new) == [
        f"{EVENT}: id was integer, is string",
        f"{EVENT}: kind may be null now, which nobody expects",
        f"{EVENT}: kind was always there, and may be missing now",
        f"{EVENT}: parts[] was string, is integer",
    ]


def test_what_is_written_down_is_read_again(tmp_path: Path) -> None:
    write_shipped(TODAY, tmp_path / "shipped.json")

    assert read_shipped(tmp_path / "shipped.json") == TODAY
    assert read_shipped(tmp_path / "nowhere.json") == {}


def test_shipping_adds_what_is_new_and_never_what_breaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = tmp_path / "shipped.json"
    monkeypatch.setattr(command, "read_shipped", lambda: read_shipped(ledger))
    monkeypatch.setattr(command, "write_shipped", lambda messages: write_shipped(messages, ledger))

    write_shipped({name: fields for name, fields in TODAY.items() if name != EVENT}, ledger)
    command.ship()
    assert read_shipped(ledger) == TODAY

    before = json.dumps(TODAY | {"tickets.events.v1.forgotten": {"": {"types": ["object"]}}})
    ledger.write_text(before)
    with pytest.raises(SystemExit, match=r"tickets\.events\.v1\.forgotten: is gone"):
        command.ship()
    assert ledger.read_text() == before
