"""What is said of the messages is true: the page is current, the schemas fit the samples, the document is AsyncAPI."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator, Draft202012Validator

from contracts.__main__ import PAGE
from contracts.base import DeadLetter, Event, Intake, Message, Request
from contracts.catalogue import SAMPLES, asyncapi, envelopes, json_schemas, messages_markdown
from contracts.envelope import headers_for
from contracts.refusals import Refusal
from tests.support.each import for_each

OFFICIAL = Path(__file__).with_name("asyncapi-3.0.0.schema.json")
SCHEMAS = json_schemas()
DOCUMENT = asyncapi()
TEXT = messages_markdown(SAMPLES)
KINDS: list[type[Message]] = Message.of_kind()

every_kind = for_each("kind", KINDS)
every_schema = for_each("name", SCHEMAS)
every_fact = for_each("kind", Event.of_kind())


def sample_of(kind: type[Message]) -> Any:
    return json.loads((SAMPLES / f"{kind.SUBJECT}.json").read_bytes())


def faults(schema: Any, instance: Any) -> list[str]:
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(instance)]


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (value for key, value in node.items() if key == "$ref" and isinstance(value, str))
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from references(each)


def resolve(reference: str) -> Any:
    node: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        node = node[step]
    return node


# The page


def test_the_page_is_what_the_contracts_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == TEXT, "write it again: make docs"


@every_kind
def test_the_page_has_every_message_its_fields_and_its_sample(kind: type[Message]) -> None:
    (part,) = re.findall(rf"^### {re.escape(kind.SUBJECT)}\n(.*?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    above = "".join(re.findall(r"^### Every .*?(?=^### [a-z])", TEXT, re.MULTILINE | re.DOTALL))

    assert f"`{kind.SUBJECT}" in part
    assert f"- owner: {kind.OWNER}" in part
    assert json.loads(part.partition("```json\n")[2].partition("```")[0]) == sample_of(kind)
    assert [name for name in kind.model_fields if f"\n| `{name}` |" not in part + above] == []
    if issubclass(kind, Request):
        assert f"- reply: [{kind.reply().__name__}]" in part
        assert f"- may ask: {', '.join(kind.ASKED_BY)}" in part
    else:
        assert all(listener in part for listener in kind.HEARD_BY)


def test_the_page_has_every_refusal() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \| (\d{3}) \|", TEXT, re.MULTILINE))

    assert rows == {(kind.code, str(kind.status)) for kind in Refusal.registry.values()}


# JSON Schemas


@every_schema
def test_a_schema_is_a_schema(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])


def test_every_message_and_every_reply_has_a_schema() -> None:
    requests = [subject for subject, kind in Message.registry.items() if issubclass(kind, Request)]

    assert SCHEMAS.keys() == {*Message.registry, *(f"{subject}.reply" for subject in requests)}


@every_kind
def test_a_sample_is_what_its_schema_says(kind: type[Message]) -> None:
    assert faults(SCHEMAS[kind.SUBJECT], sample_of(kind)) == []


@every_kind
def test_a_schema_refuses_what_lacks_a_required_field(kind: type[Message]) -> None:
    schema, sample = SCHEMAS[kind.SUBJECT], sample_of(kind)

    for field in schema.get("required", []):
        assert faults(schema, {name: value for name, value in sample.items() if name != field})


@every_fact
def test_required_in_a_fact_is_what_every_fact_of_its_kind_has(kind: type[Event]) -> None:
    optional = {
        name for name, field in kind.model_fields.items() if not field.is_required() and not field.default_factory
    }

    assert set(SCHEMAS[kind.SUBJECT]["required"]) == set(kind.model_fields) - optional
    assert {"id", "at", "workspace_id", "actor", "via", "cause", "audience"} <= {*SCHEMAS[kind.SUBJECT]["required"]}


def test_a_schema_says_which_texts_are_sealed_and_what_the_source_says() -> None:
    note = SCHEMAS["tickets.events.v1.note_added"]["properties"]
    assigned = SCHEMAS["tickets.events.v1.assigned"]

    assert note["body"]["x-sealed"]
    assert "x-sealed" not in note["pinned"]
    assert assigned["$defs"]["Person"]["properties"]["name"]["x-sealed"]
    assert note["cause"]["description"] == "Id of the command or event behind it."


@every_fact
def test_the_headers_of_a_fact_are_those_that_are_told(kind: type[Event]) -> None:
    headers = headers_for(kind.model_validate(sample_of(kind)), 7, envelopes.TRACEPARENT)

    assert faults(envelopes.EVENT, headers) == []
    assert headers.keys() == envelopes.EVENT["properties"].keys()


# AsyncAPI


def test_the_document_is_asyncapi() -> None:
    official = Draft7Validator(json.loads(OFFICIAL.read_bytes()))

    assert [f"{error.json_path}: {error.message}"[:400] for error in official.iter_errors(DOCUMENT)] == []
    assert [*official.iter_errors(DOCUMENT | {"channels": {"x": {"adress": "typo"}}})]


def test_every_reference_in_the_document_leads_somewhere() -> None:
    for reference in set(references(DOCUMENT)):
        assert resolve(reference), reference


def test_every_channel_has_an_operation() -> None:
    operations = DOCUMENT["operations"].values()
    used = {operation["channel"]["$ref"] for operation in operations}
    used |= {operation["reply"]["channel"]["$ref"] for operation in operations if "reply" in operation}

    assert used == {f"#/channels/{id}" for id in DOCUMENT["channels"]}


def test_an_operation_speaks_of_messages_of_its_channel() -> None:
    for operation in DOCUMENT["operations"].values():
        for part in filter(None, (operation, operation.get("reply"))):
            for message in part["messages"]:
                assert message["$ref"].startswith(part["channel"]["$ref"] + "/messages/")


@every_kind
def test_a_message_is_told_from_where_counterfoil_stands(kind: type[Message]) -> None:
    id = kind.SUBJECT.replace(".", "_")
    operation, channel = DOCUMENT["operations"][id], DOCUMENT["channels"][id]
    message = DOCUMENT["components"]["messages"][id]
    parameters = re.findall(r"{(\w+)}", channel["address"])

    assert operation["action"] == ("send" if issubclass(kind, Event | DeadLetter) else "receive")
    assert channel["address"].startswith(kind.SUBJECT)
    assert parameters == [*channel.get("parameters", {})]
    assert ("integration" in parameters) is issubclass(kind, Intake)
    assert ("reply" in operation) is issubclass(kind, Request)
    assert [example["payload"] for example in message["examples"]] == [sample_of(kind)]
    if issubclass(kind, Request):
        assert operation["bindings"]["nats"]["queue"] == kind.OWNER
    else:
        assert channel["x-stream"]["max_msg_size"] > 0


@for_each("id", DOCUMENT["components"]["messages"])
def test_an_example_is_what_the_document_says(id: str) -> None:
    message = DOCUMENT["components"]["messages"][id]

    for example in message.get("examples", []):
        for part in ("headers", "payload"):
            assert faults(message[part] | {"components": DOCUMENT["components"]}, example[part]) == []
