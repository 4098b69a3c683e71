"""Where a request names records, and the same request with another name in one of these places."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from tests.access.recipes import Call

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

type Place = tuple[str | int, ...]
"""Steps that lead to an id: `path`, `query` or `body` first."""


def places(call: Call) -> list[Place]:
    """Return where ids stand in a call."""
    whole = {"path": call.path, "query": call.query, "body": call.body}
    return [at for part, value in whole.items() for at in _ids(value, (part,))]


def _ids(value: Any, at: Place) -> Iterator[Place]:
    if isinstance(value, str) and _UUID.fullmatch(value):
        yield at
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from _ids(each, (*at, name))
    elif isinstance(value, list | tuple):
        for n, each in enumerate(value):
            yield from _ids(each, (*at, n))


def at(call: Call, place: Place) -> str:
    """Return the id at a place."""
    value: Any = getattr(call, str(place[0]))
    for step in place[1:]:
        value = value[step]
    return str(value)


def with_id(call: Call, place: Place, id: str) -> Call:
    """Return the call with another id there."""
    part = str(place[0])
    return replace(call, **{part: _put(getattr(call, part), place[1:], id)})


def _put(value: Any, steps: Place, id: str) -> Any:
    if not steps:
        return id
    step, *rest = steps
    changed = dict(value) if isinstance(value, Mapping) else dict(enumerate(value))
    changed[step] = _put(changed[step], tuple(rest), id)
    return changed if isinstance(value, Mapping) else list(changed.values())


def named(call: Call) -> set[str]:
    """Return which fields and parameters of a call name records."""
    return {next(str(step) for step in reversed(place) if isinstance(step, str)) for place in places(call)}


def naming(document: Mapping[str, Any], described: Mapping[str, Any]) -> set[str]:
    """Return which path parameters and fields of an operation may name records, as its description says."""
    body = described.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    return set(_uuids(document, body, "body"))


def _uuids(document: Mapping[str, Any], schema: Mapping[str, Any], name: str) -> Iterator[str]:
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if schema.get("format") == "uuid":
        yield name
    for field, each in schema.get("properties", {}).items():
        yield from _uuids(document, each, field)
    for each in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), schema.get("items", {})):
        if each:
            yield from _uuids(document, each, name)
