"""Messages that somebody might send: samples, changed in their bytes, structure, headers or subject."""

import copy
import gzip
import json
import random
import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

_MOST = 60_000
_SCALARS: Sequence[Any] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        1.5,
        2**31,
        2**53,
        2**63,
        2**64,
        -(2**63),
        10**400,
        1e308,
        float("inf"),
        float("nan"),
    ),
    *(
        "",
        " ",
        "x",
        "\0",
        "a\0b",
        "\ud800",
        "\u202egnp.exe",
        "\u200b",
        "\ufeff",
        "\r\nBcc: v",
        "🖨️" * 50,
        "x" * 201,
        "x" * 66_000,
    ),
    *("null", "northwind", "00000000-0000-0000-0000-000000000000", "0199c0de", "2026-02-30T25:61:61Z", "9999-12-31"),
    *("-infinity", "0001-01-01T00:00:00+23:59", "{{7*7}}", "'; drop table tickets; --", "%_\\", "../../x", "sha256:00"),
    *([], {}, [None], {"": None}, [[]], ["x"] * 2_000, [{"a": [{"b": {}}]}]),
)
_HEADERS: Sequence[tuple[str, str]] = (
    ("content-type", "application/cloudevents+json"),
    ("content-type", "application/cloudevents+json; charset=utf-16"),
    ("content-type", "text/html"),
    ("content-encoding", "gzip"),
    ("ce-specversion", "0.3"),
    ("ce-specversion", ""),
    ("ce-type", "tickets.intake.v1.ticket_requested"),
    ("ce-type", "ticket_requested"),
    ("ce-type", "x" * 10_000),
    ("ce-id", "x" * 10_000),
    ("ce-id", "with space"),
    ("ce-id", "ümlaut"),
    ("ce-id", ""),
    ("ce-id", "the-same-for-all"),
    ("ce-time", "yesterday"),
    ("ce-source", "\u202e"),
    ("ce-subject", "x" * 5_000),
    ("traceparent", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"),
    ("traceparent", "junk"),
    ("Nats-Service-Error-Code", "500"),
    ("x-anything", "ünï"),
)


@dataclass(frozen=True, slots=True)
class Sent:
    """A message as it goes to the broker."""

    subject: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    good: bool = False
    """Whether nothing was changed, so that it must take effect."""
    id: str = ""
    """Its `ce-id`, wherever it stands."""


def mutants(
    chance: random.Random,
    good: Callable[[random.Random], Sent],
    many: int,
    told: Callable[[Sent], None] = lambda _: None,
) -> Iterator[Sent]:
    """Yield so many messages; one in fifty is as it should be. `told` hears each."""
    for n in range(many):
        message = good(chance)
        if n % 50:
            message = replace(message, good=False)
            for _ in range(chance.choice((1, 1, 1, 2, 3))):
                message = chance.choice((_structure, _structure, _structure, _bytes, _bytes, _header, _subject))(
                    chance, message
                )
            # What the broker would not take is another test's; of a book it would leave a hole.
            message = replace(message, body=message.body[:_MOST])
        told(message)
        yield message


def _structure(chance: random.Random, message: Sent) -> Sent:
    """Change one place of the JSON."""
    try:
        document = json.loads(message.body)
    except (ValueError, RecursionError):
        return message
    holders = list(_holders(document))
    if not holders:
        return message
    holder = chance.choice(holders)
    at: Any = chance.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    match chance.randrange(6):
        case 0:
            del holder[at]
        case 1 if isinstance(holder, dict):
            holder["".join(chance.choices(string.printable, k=chance.choice((1, 8, 300))))] = chance.choice(_SCALARS)
        case 2:
            other = chance.choice(holders)
            holder[at] = copy.deepcopy(other)
        case 3:
            for _ in range(chance.choice((2, 30, 400))):
                holder[at] = [holder[at]]
        case _:
            holder[at] = copy.deepcopy(chance.choice(_SCALARS))
    return replace(message, body=_dumped(document))


def _holders(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list) and value:
        yield value
        for each in value.values() if isinstance(value, dict) else value:
            yield from _holders(each)


def _dumped(document: Any) -> bytes:
    return json.dumps(document).encode()


def _bytes(chance: random.Random, message: Sent) -> Sent:  # noqa: C901 - a list of ways
    """Change the bytes, whatever they mean."""
    body = bytearray(message.body)
    at = chance.randrange(len(body) + 1)
    match chance.randrange(10):
        case 0:
            body = body[:at]
        case 1:
            body[at:at] = chance.randbytes(chance.choice((1, 4, 100)))
        case 2:
            del body[at : at + chance.choice((1, 10, 100))]
        case 3:
            body[at:at] = body[: chance.randrange(len(body) + 1)]
        case 4:
            body = bytearray(
                chance.choice((b"", b"null", b"[]", b"{}", b"0", b'""', b"{", b"\xef\xbb\xbf{}", b"[" * 50_000))
            )
        case 5:
            body = bytearray(gzip.compress(bytes(body)))
        case 6:
            body = bytearray(bytes(body).decode("utf-8", "replace").encode("utf-16"))
        case 7:
            body += b" " * chance.choice((1, 100_000)) + chance.choice((b"", b"{}", b",", b"\0"))
        case _ if body:
            for _ in range(chance.choice((1, 1, 5))):
                body[chance.randrange(len(body))] = chance.randrange(256)
        case _:
            pass
    return replace(message, body=bytes(body))


def _header(chance: random.Random, message: Sent) -> Sent:
    """Add, change or take away a header; the place in a book stays, for a hole in a book is waited for."""
    headers = dict(message.headers)
    if headers and chance.random() < 0.2:
        headers.pop(chance.choice(list(headers)), None)
    else:
        name, value = chance.choice(_HEADERS)
        headers[name] = value
    if chance.random() < 0.05:
        headers |= {f"x-{n}": "y" * 50 for n in range(100)}
    return replace(message, headers=_placed(headers, message))


def _placed(headers: dict[str, str], message: Sent) -> dict[str, str]:
    place = message.headers.get("ce-position")
    return headers if place is None else headers | {"ce-position": place}


def _subject(chance: random.Random, message: Sent) -> Sent:
    """Say it under another name of the same kind, which need not be one of ours."""
    owner, kind, version, _, *rest = message.subject.split(".")
    name = chance.choice(("unheard_of", "ticket_created", "ticket_requested", "status_changed", "x" * 60, "UPPER", "-"))
    return replace(message, subject=".".join((owner, kind, version, name, *rest)))
