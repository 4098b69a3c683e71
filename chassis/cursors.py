"""Opaque places in a list: a page's cursor is only good for the same workspace, sort and filters."""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from contracts.refusals import Malformed

_SEAL, _TOO_LARGE = 9, 2**31


def _seal(scope: str, payload: bytes) -> bytes:
    return hashlib.sha256(scope.encode() + b"\0" + payload).digest()[:_SEAL]


def encode(scope: str, values: Sequence[str | int | None]) -> str:
    """Return the cursor of the row that sorts by `values` in the list that `scope` describes."""
    payload = json.dumps(list(values), separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_seal(scope, payload) + payload).rstrip(b"=").decode()


def decode(scope: str, cursor: str) -> list[Any]:
    """Return the values; raises Malformed for a cursor that was changed or belongs to another list."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error) as error:
        raise Malformed("the cursor is broken") from error
    seal, payload = raw[:_SEAL], raw[_SEAL:]
    if seal != _seal(scope, payload):
        raise Malformed("the cursor belongs to another list")
    values: list[Any] = json.loads(payload)
    return values


def decode_id(scope: str, cursor: str) -> UUID:
    """Return the id that a list's rows are sorted by alone; raises Malformed."""
    try:
        (id,) = decode(scope, cursor)
        return UUID(id)
    except (ValueError, TypeError, AttributeError) as error:
        raise Malformed("the cursor is broken") from error


def decode_number(scope: str, cursor: str) -> int:
    """Return the number, as PostgreSQL's int has it, that a list's rows are sorted by alone; raises Malformed."""
    match decode(scope, cursor):
        case [int(number)] if 0 <= number < _TOO_LARGE:
            return number
    raise Malformed("the cursor is broken")
