"""Words of people inside messages: which fields hold them, and how a record is kept provable after they are erased.

A field typed `FreeText` or `PersonName` is *sealed* in every lasting record: the record holds `sha256:…` of a salt and
the text, and salt and text lie in a side row that can be deleted. In a message the words stand in plain view, and
`Event.salts` maps the JSON pointer (RFC 6901) of each to its salt.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, StringConstraints
from pydantic.fields import FieldInfo

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_BREAKS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Line breaks, controls, and the marks that turn the direction of what is read."""
_INVISIBLE = re.compile(r"[\s\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2060-\u2064\u3164\ufeff\uffa0]*")
_MAX_BODY, _MAX_ESCAPED = 64 * 1024, 100 * 1024


class Sealed:
    """Marks a type whose values are kept in side rows."""


def _line(text: str) -> str:
    if _BREAKS.search(text):
        msg = "line breaks and control characters are not allowed here"
        raise ValueError(msg)
    return text


def _shown(text: str) -> str:
    if _INVISIBLE.fullmatch(_line(text)):
        msg = "must have something that can be seen"
        raise ValueError(msg)
    return text


def _body(text: str) -> str:
    if _CONTROL.search(text):
        msg = "control characters are not allowed here"
        raise ValueError(msg)
    if len(text.encode()) > _MAX_BODY:
        msg = "must be at most 64 KiB as UTF-8"
        raise ValueError(msg)
    # An event holds the old and the new text and must still fit into one NATS message of 256 KiB.
    if len(json.dumps(text, ensure_ascii=False).encode()) > _MAX_ESCAPED:
        msg = "must be at most 100 KiB once its quotes, backslashes and line breaks are escaped for JSON"
        raise ValueError(msg)
    return text


_NO_BREAKS = r"\u0000-\u001f\u007f\u0085\u2028\u2029\u202a-\u202e\u2066-\u2069"
_UNSEEN = r"\s\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2060-\u2064\u3164\ufeff\uffa0"

FORMS: dict[str, str] = {}
"""What people are told who wrote something in another form, by the pattern of it."""


def formed(pattern: str, words: str, *, max_length: int | None = None) -> StringConstraints:
    """Ask for text of this pattern; `words` tell so to whoever wrote another."""
    FORMS[pattern] = words
    return StringConstraints(pattern=pattern, max_length=max_length)


PATTERNS = {
    _line: rf"^[^{_NO_BREAKS}]*$",
    _shown: rf"^[^{_NO_BREAKS}]*[^{_NO_BREAKS}{_UNSEEN}][^{_NO_BREAKS}]*$",
    _body: r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]*$",
}
"""What each check asks for, as far as a regular expression (ECMA 262) can say it: for descriptions."""

FreeText = Annotated[str, Sealed()]
"""Words somebody wrote."""

PersonName = Annotated[str, Sealed()]
"""A person's name or address."""

Line = Annotated[
    FreeText, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(_shown)
]
"""One line of 1 to 200 characters."""

Body = Annotated[FreeText, AfterValidator(_body)]
"""Markdown of at most 64 KiB."""

NonEmptyBody = Annotated[FreeText, StringConstraints(strip_whitespace=True, min_length=1), AfterValidator(_body)]

Name = Annotated[
    PersonName, StringConstraints(strip_whitespace=True, min_length=1, max_length=120), AfterValidator(_shown)
]

_ADDRESS = r"^[^@\s<>\"(),:;\\\[\]]{1,64}@[^@\s.<>\"(),:;\\\[\]]+(\.[^@\s.<>\"(),:;\\\[\]]+)+$"
_WEB = r"^https?://\S+$"

Email = Annotated[
    PersonName,
    StringConstraints(strip_whitespace=True),
    formed(_ADDRESS, "must be an e-mail address, such as name@example.com", max_length=254),
    AfterValidator(_line),
]
"""An address in the plain form of RFC 5321 (no quoted local part, no address literal)."""

Label = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50), AfterValidator(_shown)]
"""A tag or another short code that an agent chose; kept in the record as it is."""

FIELD_NAME = r"^[a-z][a-z0-9_]{0,49}$"


def _field_name(name: str) -> str:
    if not re.fullmatch(FIELD_NAME, name):
        msg = "a field's name is 1 to 50 of a-z, 0-9 and _, and begins with a letter"
        raise ValueError(msg)
    return name


FieldName = Annotated[str, AfterValidator(_field_name)]
"""What people call a field of a ticket; a code, kept in the record as it is."""

FieldValue = Annotated[
    FreeText, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), AfterValidator(_shown)
]
"""One line of 1 to 500 characters."""

ExternalId = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_line)]
"""Another system's own name for something."""

WebAddress = Annotated[
    str, formed(_WEB, "must be a web address, such as https://example.com", max_length=2000), AfterValidator(_line)
]

SearchText = Annotated[str, StringConstraints(max_length=200), AfterValidator(_line)]
"""What somebody looks for; never kept."""


def digest(salt: str, text: str) -> str:
    """Return what stands in place of `text`: `sha256:` and the hex of SHA-256(salt bytes ‖ UTF-8 text)."""
    return "sha256:" + hashlib.sha256(bytes.fromhex(salt) + text.encode()).hexdigest()


@cache
def _shape(model: type[BaseModel]) -> tuple[tuple[str, bool], ...]:
    """Fields of `model` that are sealed (True) or may contain something that is (False)."""
    found = []
    for name, field in model.model_fields.items():
        if is_sealed(field):
            found.append((name, True))
        elif _mentions_model(field.annotation):
            found.append((name, False))
    return tuple(found)


def is_sealed(field: FieldInfo) -> bool:
    """Tell whether the texts of this field are sealed."""
    return any(isinstance(mark, Sealed) for mark in field.metadata) or _mentions_seal(field.annotation)


def _mentions_seal(annotation: object) -> bool:
    return any(isinstance(part, Sealed) or _mentions_seal(part) for part in get_args(annotation))


def _mentions_model(annotation: object) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return True
    return any(_mentions_model(part) for part in get_args(annotation))


def sealed_texts(model: BaseModel, pointer: str = "") -> Iterator[tuple[str, str]]:
    """Yield (JSON pointer, text) of each sealed text that `model` holds."""
    for name, sealed in _shape(type(model)):
        value, here = getattr(model, name), f"{pointer}/{name}"
        items = enumerate(value) if isinstance(value, tuple | list) else [(None, value)]
        for index, item in items:
            at = here if index is None else f"{here}/{index}"
            if isinstance(item, BaseModel):
                yield from sealed_texts(item, at)
            elif sealed and isinstance(item, str):
                yield at, item


def replace_at(document: dict[str, Any], pointer: str, value: object) -> None:
    """Put `value` in `document` where `pointer` says; the place must exist."""
    node: Any = document
    *path, last = pointer.removeprefix("/").split("/")
    for step in path:
        node = node[int(step)] if isinstance(node, list) else node[step]
    node[int(last) if isinstance(node, list) else last] = value


def text_at(document: object, pointer: str) -> object:
    """Return what a JSON pointer points to; raises LookupError, ValueError or TypeError where there is nothing."""
    node: Any = document
    for step in pointer.removeprefix("/").split("/"):
        node = node[int(step)] if isinstance(node, list) else node[step]
    return node


def seal(document: dict[str, Any], texts: Mapping[str, tuple[str, str]]) -> None:
    """Replace, in place, the text at each pointer of `texts` {pointer: (salt, text)} by its digest."""
    for pointer, (salt, text) in texts.items():
        replace_at(document, pointer, digest(salt, text))


def unseal(document: dict[str, Any], texts: Mapping[str, tuple[str, str]]) -> None:
    """Put the texts back, in place; a text that was erased stays a digest."""
    for pointer, (_, text) in texts.items():
        replace_at(document, pointer, text)
