"""The page of messages, written from the registry: what exists, who owns it, who hears it, what it holds."""

import inspect
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel

from contracts.base import (
    Audience,
    Command,
    DeadLetter,
    Event,
    Intake,
    Message,
    Query,
    ReadLog,
    RecordEvent,
    Request,
    TicketEvent,
)
from contracts.catalogue import envelopes
from contracts.catalogue.schemas import Schema, messages, models, shapes
from contracts.catalogue.words import CLOSING, INTRODUCTION, SECTIONS
from contracts.refusals import Refusal
from contracts.streams import STREAMS, stream_of

_KIB = 1024
_PARENTS: dict[type[BaseModel], str] = {
    TicketEvent: "every fact about a ticket",
    RecordEvent: "every fact about another record",
    Event: "every fact",
    Command: "every command",
    Query: "every query",
    ReadLog: "every reading of a log",
    Intake: "every intake message",
    DeadLetter: "every dead letter",
}
"""What is the same in many messages, told once; the nearest base first."""

_LIMITS = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "maxProperties": "at most {} names",
    "pattern": "`{}`",
}

type Row = tuple[str, ...]


def messages_markdown(samples: Path) -> str:
    """Return the page; `samples` holds a golden sample of each message, by its subject."""
    everything = [*dict.fromkeys([*models().values(), *_PARENTS])]
    places, definitions = shapes(everything, "{model}")
    page = _Page(samples, {kind: definitions[place["$ref"]] for kind, place in places.items()}, definitions)
    return "\n\n".join(part.strip() for part in page.parts()) + "\n"


class _Page:
    def __init__(
        self, samples: Path, by_model: Mapping[type[BaseModel], Schema], definitions: Mapping[str, Schema]
    ) -> None:
        """Know every shape."""
        self._samples, self._by_model, self._definitions = samples, by_model, definitions
        self._mentioned: list[str] = []

    def parts(self) -> Iterator[str]:
        yield INTRODUCTION
        yield from _envelope_tables()
        yield CLOSING
        yield "## Refusals\n\n" + SECTIONS["refusals"]
        yield _table(("code", "status", "meaning"), _refusals())
        yield "## Streams\n\n" + SECTIONS["streams"]
        yield _table(("stream", "subjects", "holds", "a message", "age", "dedupe window"), _streams())
        yield from self._section("Events", "events", Event, (Event, TicketEvent, RecordEvent))
        yield from self._section("Intake", "intake", Intake, (Intake,))
        yield from self._section("Requests", "requests", Request, (Command, Query, ReadLog))
        yield from self._section("Dead letters", "deadletters", DeadLetter, (DeadLetter,))
        yield "## Shapes\n\n" + SECTIONS["shapes"]
        yield from self._shapes()

    def _section(self, title: str, words: str, kind: type[Message], shared: Iterable[type[BaseModel]]) -> Iterator[str]:
        yield f"## {title}\n\n{SECTIONS[words]}"
        for each in shared:
            yield f"### {_sentence(_PARENTS[each])}"
            parent = next((base for base in each.__mro__[1:] if base in _PARENTS), None)
            if parent is not None:
                yield _besides(parent)
            yield self._fields(each, parent)
        for message in messages():
            if issubclass(message, kind):
                yield from self._message(message)

    def _message(self, kind: type[Message]) -> Iterator[str]:
        yield f"### {kind.SUBJECT}"
        yield _told(kind)
        yield "\n".join(f"- {name}: {value}" for name, value in self._facts(kind))
        parent = next((base for base in kind.__mro__ if base in _PARENTS), None)
        if parent is not None:
            yield _besides(parent)
        fields = self._fields(kind, parent)
        if fields:
            yield fields
        sample = self._samples / f"{kind.SUBJECT}.json"
        if sample.exists():
            body = json.dumps(json.loads(sample.read_bytes()), indent=2, ensure_ascii=False)
            yield f"```json\n{body}\n```"

    def _facts(self, kind: type[Message]) -> Iterator[Row]:
        yield "subject", f"`{envelopes.address_of(kind, '<workspace>', '<integration>')}`"
        yield "owner", kind.OWNER
        if issubclass(kind, Request):
            yield "may ask", ", ".join(kind.ASKED_BY)
            yield "reply", self._type(self._ref(kind.reply()))
            return
        if issubclass(kind, Event):
            yield "heard by", _listeners(kind)
            yield "audience", kind.AUDIENCE.value
        elif issubclass(kind, Intake):
            yield "heard by", _listeners(kind)
        yield "stream", f"[{stream_of(f'{kind.SUBJECT}.w').name}](#streams)"

    def _ref(self, kind: type[BaseModel]) -> Schema:
        return {"$ref": next(name for name, schema in self._definitions.items() if schema is self._by_model[kind])}

    def _fields(self, kind: type[BaseModel], parent: type[BaseModel] | None = None) -> str:
        schema = self._by_model[kind]
        above = self._by_model[parent]["properties"] if parent else {}
        own = {name: each for name, each in schema.get("properties", {}).items() if above.get(name) != each}
        return self._rows(own, schema.get("required", []))

    def _rows(self, properties: Mapping[str, Schema], required: Iterable[str]) -> str:
        if not properties:
            return ""
        rows = [
            (
                f"`{name}`",
                self._type(each),
                "yes" if name in required else _default(each),
                _limits(each),
                "sealed" if each.get("x-sealed") else "",
                each.get("description", ""),
            )
            for name, each in properties.items()
        ]
        return _table(("field", "type", "required", "limits", "text", "what it says"), rows)

    def _type(self, schema: Schema) -> str:
        match schema:
            case {"$ref": name}:
                self._mentioned.append(name)
                words = f"[{name}](#{name.lower()})"
            case {"anyOf": options}:
                words = " or ".join(dict.fromkeys(self._type(each) for each in options))
            case {"const": value}:
                words = f"`{json.dumps(value)}`"
            case {"enum": values}:
                words = ", ".join(f"`{value}`" for value in values)
            case {"type": "array", "items": items}:
                words = f"array of {self._type(items)}"
            case {"type": "object", "additionalProperties": dict(values)} if values:
                words = f"object of {self._type(values)}"
            case {"type": kind, "format": form}:
                words = f"{kind} ({form})"
            case _:
                words = str(schema.get("type", "any"))
        return words

    def _shapes(self) -> Iterator[str]:
        shown: dict[str, str] = {}
        # A shape may mention others: they are shown too.
        for name in self._mentioned:
            if name not in shown:
                schema = self._definitions[name]
                body = (
                    "One of " + ", ".join(f"`{value}`" for value in schema["enum"]) + "."
                    if "enum" in schema
                    else self._rows(schema.get("properties", {}), schema.get("required", []))
                )
                shown[name] = f"### {name}\n\n{schema.get('description', '').strip()}\n\n{body}"
        yield from (shown[name] for name in sorted(shown))


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:]


def _besides(parent: type[BaseModel]) -> str:
    name = _PARENTS[parent]
    return f"It has the fields of [{name}](#{name.replace(' ', '-')})."


def _told(kind: type[BaseModel]) -> str:
    return inspect.cleandoc(kind.__doc__ or "")


def _listeners(kind: type[Message]) -> str:
    heard = [*kind.HEARD_BY] or ["no service keeps a place in it; replicas follow it as a hint"]
    if issubclass(kind, TicketEvent):
        if kind.AUDIENCE is Audience.EVERYONE:
            heard.append("other systems")
        elif kind.AUDIENCE is Audience.TEAM:
            heard.append("other systems that an admin allows to read internal facts")
    return ", ".join(heard)


def _default(schema: Schema) -> str:
    if schema.get("default") in (None, [], {}, ""):
        return "no"
    return f"no (`{schema['default']}`)"


def _limits(schema: Schema) -> str:
    found = [text.format(schema[limit]) for limit, text in _LIMITS.items() if limit in schema]
    if "minLength" in schema and "maxLength" in schema:
        found[:2] = [f"{schema['minLength']} to {schema['maxLength']} characters"]
    if isinstance(items := schema.get("items"), dict) and (each := _limits(items)):
        found.append(f"each {each}")
    if "propertyNames" in schema and (names := _limits(schema["propertyNames"])):
        found.append(f"each name {names}")
    if isinstance(values := schema.get("additionalProperties"), dict) and (each := _limits(values)):
        found.append(f"each value {each}")
    found += [limits for option in schema.get("anyOf", []) if (limits := _limits(option))]
    return ", ".join(found)


def _table(heads: Row, rows: Iterable[Row]) -> str:
    """Return a table without the columns that have nothing in them."""
    rows = [*rows]
    used = [nth for nth in range(len(heads)) if any(row[nth] for row in rows)]
    lines = [[line[nth].replace("|", "\\|") for nth in used] for line in (heads, ("---",) * len(heads), *rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _envelope_tables() -> Iterator[str]:
    heads = ("header", "required", "what it says")
    for title, words, schema in (
        ("Headers of events", "event_headers", envelopes.EVENT),
        ("Headers of intake", "intake_headers", envelopes.INTAKE),
        ("Headers of requests and replies", "request_headers", None),
        ("Headers of dead letters", "letter_headers", envelopes.DEAD_LETTER),
    ):
        yield f"### {title}\n\n{SECTIONS[words]}"
        wanted = (schema,) if schema else (envelopes.REQUEST, envelopes.REFUSAL)
        yield _table(heads, [row for each in wanted for row in _header_rows(each)])


def _header_rows(schema: envelopes.Headers) -> Iterator[Row]:
    for name, each in schema["properties"].items():
        value = f"`{each['const']}`. " if "const" in each else f"`{each['pattern']}`. " if "pattern" in each else ""
        must = "yes" if name in schema.get("required", []) else "no"
        yield f"`{name}`", must, value + each["description"]


def _refusals() -> Iterator[Row]:
    for kind in sorted(Refusal.registry.values(), key=lambda kind: (kind.status, kind.code)):
        yield f"`{kind.code}`", str(kind.status), " ".join(_told_of(kind).split())


def _told_of(kind: type[Refusal]) -> str:
    return inspect.cleandoc(kind.__doc__ or "")


def _streams() -> Iterator[Row]:
    for stream in sorted(STREAMS, key=lambda stream: stream.name):
        window = stream.duplicate_window.total_seconds()
        yield (
            f"`{stream.name}`",
            ", ".join(f"`{subject}`" for subject in stream.subjects),
            f"{stream.max_bytes >> 20} MiB",
            f"{stream.max_msg_size // _KIB} KiB",
            f"{stream.max_age.days} days",
            f"{window:g} s",
        )
