"""A contract only grows: what was shipped is written down field by field, and today's messages are held against it."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from contracts.base import DeadLetter, Event
from contracts.catalogue.schemas import REPLY, SAMPLES, Schema

SHIPPED = SAMPLES.with_name("shipped.json")

type Fields = dict[str, dict[str, Any]]
"""What a message may hold, by path (`contact.email`, `tags[]`): types, values of an enumeration, limits."""

# How a limit grows stricter: upwards or downwards.
_LIMITS = {
    "minLength": 1,
    "maxLength": -1,
    "minimum": 1,
    "maximum": -1,
    "minItems": 1,
    "maxItems": -1,
    "minProperties": 1,
    "maxProperties": -1,
}


def fields_of(schema: Schema) -> Fields:
    """Return the fields of a message, those of its parts included."""
    found: Fields = {}
    _walk(schema, "", schema.get("$defs", {}), found, ())
    return found


def _walk(schema: Schema, path: str, shapes: Mapping[str, Schema], found: Fields, within: tuple[str, ...]) -> None:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        # A shape within itself says nothing new.
        if name not in within:
            _walk(shapes[name], path, shapes, found, (*within, name))
        return
    if "anyOf" in schema:
        for each in schema["anyOf"]:
            _walk(each, path, shapes, found, within)
        return
    here = found.setdefault(path, {"types": []})
    _add_type(here, schema)
    must = schema.get("required", [])
    for name, each in schema.get("properties", {}).items():
        at = f"{path}.{name}" if path else name
        _walk(each, at, shapes, found, within)
        if at in found and name in must:
            found[at]["required"] = True
    if "items" in schema:
        _walk(schema["items"], f"{path}[]", shapes, found, within)
    match schema.get("additionalProperties"):
        case False:
            here["closed"] = True
        case dict(values):
            _walk(values, f"{path}{{}}", shapes, found, within)


def _add_type(here: dict[str, Any], schema: Schema) -> None:
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    type_ = schema.get("type", "any")
    if "format" in schema:
        type_ += f":{schema['format']}"
    here["types"] = sorted({*here["types"], type_})
    if values is not None:
        here["values"] = sorted({*here.get("values", []), *values})
    for limit in (*_LIMITS, "pattern"):
        if limit in schema:
            here[limit] = schema[limit]
    # What names may look like in an object that has any.
    here |= schema.get("propertyNames", {})


def breaks(shipped: Mapping[str, Fields], today: Mapping[str, Fields]) -> list[str]:
    """Return how today's messages break with those that were shipped; empty where they only grew."""
    return [
        f"{name}: {finding}"
        for name, before in sorted(shipped.items())
        for finding in (_findings(before, today[name], told=_is_told(name)) if name in today else ["is gone"])
    ]


def _is_told(name: str) -> bool:
    """Tell whether this is something that we say and others read; else others say it, and may go on as they did."""
    return name.endswith(REPLY) or name.split(".")[1] in (Event.KIND, DeadLetter.KIND)


def _findings(before: Fields, now: Fields, *, told: bool) -> Iterator[str]:
    for path, field in sorted(before.items()):
        at = path or "the message"
        if path not in now:
            yield f"{at} is gone"
            continue
        findings = (*_other_values(field, now[path], told=told), *_other_bounds(field, now[path], told=told))
        yield from (f"{at} {finding}" for finding in findings)
    for path in sorted(now.keys() - before.keys()):
        if now[path].get("required") and path.rpartition(".")[0] in before:
            yield f"{path} is new and required"


def _other_values(was: dict[str, Any], is_: dict[str, Any], *, told: bool) -> Iterator[str]:
    lost, gained = set(was["types"]) - set(is_["types"]), set(is_["types"]) - set(was["types"])
    if lost and is_["types"] != ["any"]:
        yield f"was {' or '.join(was['types'])}, is {' or '.join(is_['types'])}"
    elif gained and told:
        yield f"may be {' or '.join(sorted(gained))} now, which nobody expects"
    if "values" in is_ and "values" not in was:
        yield "takes only certain values now"
    elif "values" in is_ and (gone := set(was["values"]) - set(is_["values"])):
        yield f"has lost {', '.join(map(str, sorted(gone)))}"


def _other_bounds(was: dict[str, Any], is_: dict[str, Any], *, told: bool) -> Iterator[str]:
    if is_.get("required") and not was.get("required"):
        yield "is required now"
    if was.get("required") and not is_.get("required") and told:
        yield "was always there, and may be missing now"
    if is_.get("closed") and not was.get("closed"):
        yield "refuses what it ignored"
    if is_.get("pattern", was.get("pattern")) != was.get("pattern"):
        yield "has another pattern"
    for limit, direction in _LIMITS.items():
        if limit in is_ and (limit not in was or (is_[limit] - was[limit]) * direction > 0):
            yield f"has a stricter {limit}"


def read_shipped(path: Path = SHIPPED) -> dict[str, Fields]:
    """Return what was shipped; nothing where nothing was."""
    found: dict[str, Fields] = json.loads(path.read_bytes()) if path.exists() else {}
    return found


def write_shipped(messages: Mapping[str, Fields], path: Path = SHIPPED) -> None:
    """Write down what is shipped, a line per field."""
    blocks = [
        f"{json.dumps(name)}: {{\n"
        + ",\n".join(f"  {json.dumps(at)}: {json.dumps(field, sort_keys=True)}" for at, field in sorted(fields.items()))
        + "\n}"
        for name, fields in sorted(messages.items())
    ]
    path.write_text("{\n" + ",\n".join(blocks) + "\n}\n", encoding="utf-8")
