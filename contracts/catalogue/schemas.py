"""Every message and every reply as JSON Schema (2020-12), with what the source says of each field."""

import ast
import inspect
import itertools
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue, models_json_schema
from pydantic_core import core_schema

import contracts
from contracts.base import Event, Message, Request
from contracts.texts import is_sealed

SAMPLES = Path(contracts.__file__).parent / "samples"
REPLY = ".reply"
"""Ends the name of a reply's schema, after the request's subject."""

_DIALECT = "https://json-schema.org/draft/2020-12/schema"

type Schema = dict[str, Any]


def messages() -> list[type[Message]]:
    """Return every message, in the order of the subjects."""
    return Message.of_kind()


def models() -> dict[str, type[BaseModel]]:
    """Return every message by its subject, and the reply of each request beside it."""
    found: dict[str, type[BaseModel]] = {}
    for kind in messages():
        found[kind.SUBJECT] = kind
        if issubclass(kind, Request):
            found[kind.SUBJECT + REPLY] = kind.reply()
    return found


def json_schemas() -> dict[str, Schema]:
    """Return the schema of each message by its subject, of each reply by its request's subject and `.reply`.

    A schema says what any message of this version holds, older ones included: required is what was always there.
    """
    return {
        name: {"$schema": _DIALECT, "$id": f"urn:counterfoil:schema:{name}"}
        | model.model_json_schema(schema_generator=_Described)
        for name, model in models().items()
    }


def shapes(kinds: list[type[BaseModel]], ref_template: str) -> tuple[dict[type[BaseModel], Schema], dict[str, Schema]]:
    """Return where each model is described, and all the descriptions, those of the parts included."""
    wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [(kind, "validation") for kind in kinds]
    places, whole = models_json_schema(wanted, ref_template=ref_template, schema_generator=_Described)
    return {cast("type[BaseModel]", model): place for (model, _), place in places.items()}, whole["$defs"]


class _Described(GenerateJsonSchema):
    """Says of each field what its source says, and which texts are sealed."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - the name is title enough
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        described = super().model_schema(schema)
        kind: type[BaseModel] = schema["cls"]
        words = sentences(kind)
        for name, place in described.get("properties", {}).items():
            if name in words:
                place.setdefault("description", words[name])
            if is_sealed(kind.model_fields[name]):
                place["x-sealed"] = True
        if issubclass(kind, Event):
            # What is drawn when a fact is made is in every fact.
            drawn = {name for name, field in kind.model_fields.items() if field.default_factory}
            must = drawn | {*described["required"]}
            described["required"] = [name for name in kind.model_fields if name in must]
        return described


@cache
def sentences(model: type[BaseModel]) -> dict[str, str]:
    """Return the docstring below each field of a model, those of its bases included."""
    return {name: text for kind in reversed(model.__mro__) for name, text in _below_fields(kind)}


def _below_fields(kind: type) -> Iterator[tuple[str, str]]:
    body = _classes(kind.__module__).get(kind.__name__, [])
    for field, text in itertools.pairwise(body):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(words))):
                yield name, " ".join(inspect.cleandoc(words).split())


@cache
def _classes(module: str) -> dict[str, list[ast.stmt]]:
    """Return the bodies of the classes of one of our modules."""
    if module.partition(".")[0] != "contracts":
        return {}
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {node.name: node.body for node in tree.body if isinstance(node, ast.ClassDef)}
